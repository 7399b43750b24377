"""Several classes: what a version's classes make of its outputs, and that the DAGs ask for them everywhere."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from snowmaker.champion import ModelVersion
from snowmaker.exceptions import IdentifierError, ModelVersionError
from snowmaker.multiclass import MulticlassClassification
from snowmaker.pipeline import load_pipeline
from snowmaker.scored_task import scored_task
from snowmaker.snowflake.predictions import create_predictions
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.source import Source

REPOSITORY = Path(__file__).parents[2]
TASK = MulticlassClassification()


def version(comment: object) -> ModelVersion:
    return ModelVersion("V1", comment=json.dumps(comment))


def test_a_class_is_bound_and_never_part_of_the_text() -> None:
    classes = ("it's", "100%", "b")
    outputs = TASK.outputs(TASK.method, version({"classes": classes}))
    assert tuple(outputs) == TASK.columns
    assert outputs["SCORE"].values == ()
    assert outputs["PREDICTION"].values == outputs["PROBABILITIES"].values == classes
    for expression in outputs.values():
        assert [f"output_feature_{place}" in expression.text for place in range(4)] == [True, True, True, False]
        assert "it's" not in expression.text


def test_the_fields_of_a_model_of_ones_own_are_told_by_a_pattern() -> None:
    outputs = TASK.outputs(ScoreMethod("SCORES", "P_{}"), version({"classes": ["a", "b"]}))
    assert outputs["SCORE"].text.count("'P_0'") == outputs["SCORE"].text.count("'P_1'") == 1


@pytest.mark.parametrize("comment", ["", {}, {"classes": None}, {"classes": []}, ["a", "b"]])
def test_a_version_without_classes_is_refused(comment: object) -> None:
    with pytest.raises(ModelVersionError, match="version V1 tells no classes; log it with LogModelOperator"):
        TASK.outputs(TASK.method, version(comment))


def test_a_binary_classification_reads_no_classes() -> None:
    binary = scored_task("binary_classification")
    assert tuple(binary.outputs(binary.method, version("by hand"))) == ("SCORE",)


def test_a_key_column_may_not_have_the_name_of_a_column_of_the_predictions() -> None:
    source = Source.of("d.s.t", week_column="w", label="y", numeric=["x"], key=["probabilities"])
    with pytest.raises(IdentifierError, match=r"key column PROBABILITIES of .* has the name of a column"):
        create_predictions(source.table, source, TASK.prediction_type, TASK.own_columns)
    create_predictions(source.table, source, "FLOAT", scored_task("regression").own_columns)


@pytest.mark.parametrize(
    ("file", "function", "tasks"),
    [
        ("weekly_scoring.py", "weekly_scoring", {"score", "check_performance"}),
        ("weekly_retraining.py", "weekly_retraining", {"freeze_baseline", "evaluate"}),
    ],
)
def test_the_dags_of_the_shipped_pipeline_score_and_judge_classes(file: str, function: str, tasks: set[str]) -> None:
    pipeline = load_pipeline(REPOSITORY / "include" / "pipelines" / "support_tickets.yaml")
    dag = runpy.run_path(str(REPOSITORY / "dags" / file))[function](pipeline)
    found = {task.task_id: task.scored_task for task in dag.tasks if hasattr(task, "scored_task")}
    assert found == dict.fromkeys(tasks, TASK)
    asked = {getattr(task, "task", None) for task in dag.tasks if task.task_id in ("training_set", "train")}
    assert asked <= {"multiclass_classification"}
