"""Two versions' predictions of a week are compared in the warehouse; the same figures by pandas and scikit-learn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, roc_auc_score

from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.hooks.predictions import prepare_predictions
from snowmaker.hooks.warehouse import WarehouseHook, WarehouseSession
from snowmaker.operators.shadow import ComparePredictionsOperator
from snowmaker.scored_task import ScoredTaskType, scored_task
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.predictions import insert_week
from snowmaker.snowflake.source_rows import identified_rows
from snowmaker.snowflake.statement import Statement
from snowmaker.source import Source
from snowmaker.week import Week

from .lab import Lab, fresh, task_context

WEEK = Week.parse("2026-03-02", "monday")
ROWS = 60
CLASSES = ("a", "b", "c")
LABELS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "binary_classification": lambda rows: (rows["X"] > 0.5).astype(int),
    "multiclass_classification": lambda rows: np.array(CLASSES)[(rows["X"] * 2.999).astype(int)],
    "regression": lambda rows: 10 * rows["X"],
}
TYPES = {"binary_classification": "NUMBER(1)", "multiclass_classification": "VARCHAR", "regression": "FLOAT"}


@dataclass
class Compared:
    """A week whose rows have scores by two versions, made up without a model."""

    lab: Lab
    task: ScoredTaskType
    source: Source
    model: str
    predictions: str
    session: WarehouseSession

    def score(self, version: str, score: str, *, shadow: bool) -> None:
        """Write the predictions that a run would: ``score`` is SQL over the rows' X."""
        table, task = QualifiedName.parse(self.predictions), scored_task(self.task)
        prepare_predictions(self.session, table, self.source, task)
        staging = table.sibling(fresh("SCORED"))
        rows = identified_rows(self.source, WEEK, WEEK)
        outputs = f"({score})::FLOAT AS SCORE"
        if task.predicts_classes:
            outputs = (
                "OBJECT_CONSTRUCT('a', 1 - T, 'b', T * 0.6, 'c', T * 0.4) AS PROBABILITIES, "
                "GREATEST(1 - T, T * 0.6) AS SCORE, IFF(1 - T >= T * 0.6, 'a', 'b') AS PREDICTION"
            )
        self.session.execute(
            Statement(
                f"CREATE TEMPORARY TABLE {staging} AS SELECT ROW_ID, ID, {outputs} "
                f"FROM (SELECT *, ({score})::FLOAT AS T FROM ({rows.text}))",
                rows.values,
            )
        )
        self.session.execute(
            insert_week(
                table,
                staging,
                self.source,
                WEEK,
                model=QualifiedName.parse(self.model),
                version=version,
                prediction=task.prediction,
                own_columns=task.own_columns,
                run_id="test",
                shadow=shadow,
            )
        )

    def compare(self, version: str, against: str | None = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.model,
            "predictions_table": self.predictions,
            "week": str(WEEK),
            "task": self.task,
            **changes,
        }
        operator = ComparePredictionsOperator(task_id="compare", version=version, against=against, **arguments)
        return operator.execute(task_context())

    def side(self, version: str, *, shadow: bool) -> pd.DataFrame:
        """The week's predictions by a version beside their labels, by row."""
        frame = self.lab.frame_of(
            f"SELECT P.*, S.LABEL FROM {self.predictions} P LEFT JOIN {self.source.table.quoted} S ON S.ID = P.ID "
            f"WHERE P.WEEK_START = '{WEEK}' AND P.MODEL_VERSION = '{version}' AND P.IS_SHADOW = {shadow}"
        )
        return frame.set_index("ROW_ID").sort_index()


@pytest.fixture
def compared(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Compared]:
    """Rows of X in [0, 1] with a label in two thirds; NEW thinks otherwise than OWN about some."""
    task: ScoredTaskType = getattr(request, "param", "binary_classification")
    table = lab.name(fresh("ROWS"))
    frame = pd.DataFrame({"X": np.random.default_rng(3).permutation(np.linspace(0.01, 0.99, ROWS))})
    labels = LABELS[task](frame)
    with WarehouseHook().session() as session:
        rows = [[i, float(x), "2026-03-04", None if i % 3 == 0 else str(label)] for i, (x, label) in
                enumerate(zip(frame["X"], labels, strict=True))]  # fmt: skip
        session.execute(
            Statement(
                f"CREATE TABLE {table} AS SELECT R.VALUE[0]::NUMBER AS ID, R.VALUE[1]::FLOAT AS X, "
                f"R.VALUE[2]::VARCHAR::DATE AS DAY, R.VALUE[3]::VARCHAR::{TYPES[task]} AS LABEL "
                f"FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) R",
                (json.dumps(rows),),
            )
        )
        source = Source.of(table, week_column="DAY", label="LABEL", numeric=["X"], key=["ID"])
        made = Compared(lab, task, source, lab.name(fresh("M")), lab.name(fresh("P")), session)
        made.score("OWN", "X * X", shadow=False)
        made.score("NEW", "SQRT(X) * 0.9", shadow=True)
        # What must not be mixed up with them.
        made.score("OWN", "0.5", shadow=True)
        made.score("THIRD", "0.1", shadow=True)
        yield made


def expected(new: pd.DataFrame, own: pd.DataFrame) -> dict[str, float]:
    difference = (new["SCORE"] - own["SCORE"]).abs().mean()
    return {
        "equal_predictions": float((new["PREDICTION"] == own["PREDICTION"]).mean()),
        "mean_absolute_difference": float(difference),
        "correlation": float(np.corrcoef(new["SCORE"], own["SCORE"])[0, 1]),
    }


@pytest.mark.parametrize("compared", list(LABELS), indirect=True)
def test_the_figures_are_those_of_the_rows(compared: Compared) -> None:
    found = compared.compare("NEW")
    new, own = compared.side("NEW", shadow=True), compared.side("OWN", shadow=False)
    assert (found["version"], found["against"], found["week"]) == ("NEW", "OWN", str(WEEK))
    assert (found["rows"], found["only_version"], found["only_against"]) == (ROWS, 0, 0)
    for name, value in expected(new, own).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert (found["labelled"], len(json.dumps(found)) < 10_000) == (own["LABEL"].notna().sum(), True)
    measured = {"version": new[new["LABEL"].notna()], "against": own[own["LABEL"].notna()]}
    for side, rows in measured.items():
        for name, value in _truth(compared.task, rows).items():
            assert found["metrics"][name][side] == pytest.approx(value, abs=1e-12), (side, name)
    pairs = pd.crosstab(own["PREDICTION"].astype(str), new["PREDICTION"].astype(str)).stack()
    classes = {(one["against"], one["version"]): one["rows"] for one in found["classes"]}
    if compared.task == "regression":
        assert classes == {}
    else:
        assert classes == {pair: rows for pair, rows in pairs.items() if rows}
        assert len(classes) > 2


def _truth(task: str, rows: pd.DataFrame) -> dict[str, float]:
    if task == "regression":
        return {"rmse": float(np.sqrt(mean_squared_error(rows["LABEL"], rows["SCORE"])))}
    if task == "multiclass_classification":
        return {"accuracy": float(accuracy_score(rows["LABEL"], rows["PREDICTION"]))}
    labels = rows["LABEL"].astype(int)
    return {
        "f1": float(f1_score(labels, rows["PREDICTION"].astype(int))),
        "roc_auc": float(roc_auc_score(labels, rows["SCORE"])),
    }


def test_rows_that_only_one_scored_are_counted_and_left_out(compared: Compared) -> None:
    compared.session.execute(
        Statement(
            f"DELETE FROM {compared.predictions} WHERE IS_SHADOW AND MODEL_VERSION = 'NEW' AND MOD(ID, 10) IN (1, 2)"
        )
    )
    compared.session.execute(Statement(f"DELETE FROM {compared.predictions} WHERE NOT IS_SHADOW AND ID = 4"))
    found = compared.compare("NEW")
    assert (found["rows"], found["only_version"], found["only_against"]) == (ROWS - 13, 1, 12)
    new, own = compared.side("NEW", shadow=True), compared.side("OWN", shadow=False)
    both = new.index.intersection(own.index)
    assert found["correlation"] == pytest.approx(expected(new.loc[both], own.loc[both])["correlation"], abs=1e-12)
    labelled = own.loc[both].query("LABEL.notna()")
    assert found["labelled"] == len(labelled) < len(own.query("LABEL.notna()"))
    assert found["metrics"]["f1"]["against"] == pytest.approx(_truth(compared.task, labelled)["f1"], abs=1e-12)


def test_a_named_version_is_compared_with_and_labels_may_be_missing(compared: Compared) -> None:
    found = compared.compare("NEW", against="THIRD")
    assert (found["version"], found["against"], found["correlation"]) == ("NEW", "THIRD", None)
    compared.session.execute(Statement(f"UPDATE {compared.source.table} SET LABEL = NULL"))
    found = compared.compare("OWN", against="NEW")
    assert (found["labelled"], found["metrics"], found["rows"]) == (0, {}, ROWS)
    # Its shadow rows, as asked, not those that count.
    assert found["correlation"] is None


def test_what_is_not_there_is_named(compared: Compared) -> None:
    with pytest.raises(ModelVersionError, match=r"has no version or alias 'challenger'; there are: none"):
        compared.compare("challenger")
    compared.session.execute(Statement(f"DELETE FROM {compared.predictions} WHERE NOT IS_SHADOW"))
    with pytest.raises(InputDataError, match=r"week 2026-03-02 of .* no predictions by the weekly run; there are: NEW"):
        compared.compare("NEW")
    compared.score("OWN", "X", shadow=False)
    compared.session.execute(Statement(f"UPDATE {compared.source.table} SET LABEL = 7 WHERE ID = 1"))
    with pytest.raises(InputDataError, match=r"label LABEL of .* neither 0 nor 1 in 1 rows of week 2026-03-02"):
        compared.compare("NEW")
