from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from snowmaker.exceptions import PipelineError
from snowmaker.pipeline import Pipeline, load_pipeline, load_pipelines, raise_for

REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted((REPOSITORY / "include" / "pipelines").glob("*.yaml"))
MORTGAGE = yaml.safe_load((REPOSITORY / "include" / "pipelines" / "mortgage.yaml").read_text())


def write(folder: Path, change: dict[str, Any], name: str = "p.yaml") -> Path:
    content = json.loads(json.dumps(MORTGAGE))
    for path, value in change.items():
        *parents, last = path.split("/")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    file = folder / name
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour: is no known key; remove it or mend its spelling"),
        ({"source/tabel": "T"}, "source.tabel: is no known key"),
        ({"source/label": None}, "source.label: is missing; add it"),
        (
            {"monitoring/drift/breach": 0.05},
            "monitoring.drift: breach (0.05) is below warn (0.1); raise breach or lower warn",
        ),
        ({"source/features/numeric": ["INCOME; DROP TABLE T"]}, "'INCOME; DROP TABLE T' is not an identifier"),
        ({"source/table": "T WHERE 1=1"}, "'T WHERE 1=1' is not"),
        ({"source/features/numeric": ["COUNTY_NAME"]}, "lists COUNTY_NAME more than once"),
        ({"source/features/numeric": [], "source/features/categorical": []}, "lists no column"),
        ({"name": "My Model"}, "name: found 'My Model'"),
        ({"schedule": "weekly"}, "schedule: found 'weekly': is not a cron expression; write e.g."),
        ({"training/holdout_weeks": 8}, "holdout_weeks (8) leaves no week to train on"),
        (
            {"task": "multiclass_classification"},
            "'multiclass_classification' can be trained by SageMakerTrainOp",
        ),
        ({"promotion/floors": {"elegance": 1}}, "promotion.floors.elegance"),
        ({"week_starts_on": "payday"}, "week_starts_on: found 'payday'"),
        ({"monitoring/performance/degraded_when": {"breaches": 4, "of_weeks": 3}}, "breaches (4) cannot happen"),
    ],
)
def test_an_error_names_file_field_value_and_remedy(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as error:
        load_pipeline(write(tmp_path, change))
    assert message in str(error.value)
    assert "p.yaml: " in str(error.value)
    assert "pydantic" not in str(error.value)


@pytest.mark.parametrize("text", ["- a list", "", "a: [", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PipelineError, match=r"p\.yaml: (holds no mapping|cannot be read as YAML)"):
        load_pipeline(tmp_path / "p.yaml")


def test_a_bad_file_does_not_hide_the_good_ones_and_a_name_is_given_once(tmp_path: Path) -> None:
    write(tmp_path, {}, "a.yaml")
    write(tmp_path, {"colour": "red"}, "b.yaml")
    write(tmp_path, {}, "c.yaml")
    write(tmp_path, {"name": "other"}, "d.yml")
    found = load_pipelines(tmp_path)
    assert [pipeline.name for pipeline in found.pipelines] == ["mortgage", "other"]
    with pytest.raises(PipelineError) as error:
        raise_for(found.errors)
    assert "b.yaml: colour" in str(error.value)
    assert "c.yaml: name 'mortgage' is taken by" in str(error.value)
    assert "a.yaml; give this pipeline another name" in str(error.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_pipelines_are_good_by_model_and_by_schema(path: Path) -> None:
    schema = json.loads((REPOSITORY / "plugins" / "snowmaker" / "pipeline.schema.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(path.read_text()))
    pipeline = load_pipeline(path)
    assert pipeline.source_table.features


def test_the_published_schema_is_the_models() -> None:
    published = json.loads((REPOSITORY / "plugins" / "snowmaker" / "pipeline.schema.json").read_text())
    assert published == Pipeline.model_json_schema(), "run make schema"


def test_names_are_qualified_and_quoted() -> None:
    pipeline = Pipeline.model_validate(MORTGAGE)
    assert pipeline.model_name.quoted == '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"'
    assert pipeline.predictions_table.quoted == '"ML"."MORTGAGE"."MORTGAGE_PREDICTIONS"'
    assert [f.kind for f in pipeline.source_table.features] == ["categorical"] * 3 + ["numeric"] * 2
