"""Metrics before labels come: estimated from calibrated scores, marked, never judged, and replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from snowflake.connector.pandas_tools import write_pandas

from snowmaker.calibration import CalibrationMap
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.performance import PerformanceThresholds
from snowmaker.scored_task import BinaryClassification
from snowmaker.snowflake import calibration
from snowmaker.snowflake.statement import Statement

from .lab import DATABASE, SCHEMA, Lab, Model, degraded_events, fresh, task_context
from .oracle import binary_metrics
from .weekly_data import HOLDOUT, SHIFTED, TWIN

ORACLE = json.loads((Path(__file__).parents[2] / "unit" / "oracles" / "nannyml_estimates.json").read_text())
LATE = SHIFTED[2]
"""Its labels have not come."""


def rows(statement: Statement) -> list[dict[str, Any]]:
    with WarehouseHook().session() as session:
        return session.rows(statement)


def written(lab: Lab, frame: pd.DataFrame) -> str:
    name = fresh("ROWS")
    write_pandas(lab.connection, frame, name, database=DATABASE, schema=SCHEMA, auto_create_table=True)
    return lab.name(name)


def test_what_is_expected_of_calibrated_scores_is_what_nannyml_expects(lab: Lab) -> None:
    table = written(lab, pd.DataFrame({"SCORE": ORACLE["scores"]}))
    label = calibration.chance(
        {
            "V2": CalibrationMap((), (0.5,)),
            "V1": CalibrationMap(tuple(ORACLE["edges"]), tuple(ORACLE["rates"])),
        }
    )
    relation = Statement(
        f"SELECT WEEK_START, MODEL_VERSION, {label.text} AS LABEL, SCORE FROM "
        f"(SELECT '2026-01-05'::DATE AS WEEK_START, 'V1' AS MODEL_VERSION, SCORE FROM {table})",
        label.values,
    )
    task = BinaryClassification(ORACLE["threshold"])
    (found,) = task.read_all(rows(task.estimate(relation))).values()
    expected = ORACLE["estimated"]
    for metric in ("accuracy", "precision", "recall", "f1"):
        assert found.metrics[metric] == pytest.approx(expected[metric], rel=1e-9)
    # There, sums of chances are rounded to five digits on the way.
    for metric in ("roc_auc", "pr_auc"):
        assert found.metrics[metric] == pytest.approx(expected[metric], rel=1e-6)


def test_bins_of_scores_do_not_depend_on_the_order_of_rows(lab: Lab) -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.random(400), 2)
    frame = pd.DataFrame({"SCORE": scores, "LABEL": (rng.random(400) < scores).astype(int)})
    table, shuffled = written(lab, frame), written(lab, frame.sample(frac=1, random_state=1))
    found = [rows(calibration.score_bins(Statement(f"SELECT * FROM {name}"), 20)) for name in (table, shuffled)]
    assert found[0] == found[1]
    assert len(found[0]) == 20
    low = -1.0
    for row in found[0]:
        here = frame[(frame["SCORE"] > low) & (frame["SCORE"] <= row["UPPER"])]
        assert (row["N"], row["POSITIVES"]) == (len(here), here["LABEL"].sum())
        low = row["UPPER"]
    assert low == scores.max()


@pytest.fixture(scope="module")
def model(lab: Lab) -> Model:
    """A model with a frozen baseline, and two scored weeks: one with labels, and one without."""
    model = lab.model("good")
    model.freeze("GOOD")
    for week in (TWIN, LATE):
        model.score(week, model_version="GOOD")
    return model


def expected_of(lab: Lab) -> dict[str, float]:
    """By the formulas, from the holdout that the baseline is of."""
    held_out = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    scores, label = lab.artefacts["good"].scores(held_out), held_out["APPROVED"].astype(int).to_numpy()
    distinct = np.unique(scores)
    assert len(distinct) > 50
    before = np.array([(scores < one).sum() for one in distinct])
    place = np.floor(50 * before / len(scores))
    bins = []
    for one in np.unique(place):
        here = np.isin(scores, distinct[place == one])
        bins.append((float(distinct[place == one].max()), float(here.sum()), float(label[here].sum())))
    fitted = CalibrationMap.fit(bins)
    late = lab.artefacts["good"].scores(lab.frame[lab.frame["week"] == str(LATE)])
    chance = np.array([fitted.chance(float(score)) for score in late])
    tp, fp = chance[late >= 0.5].sum(), (1 - chance)[late >= 0.5].sum()
    fn, tn = chance[late < 0.5].sum(), (1 - chance)[late < 0.5].sum()
    return {"f1": 2 * tp / (2 * tp + fp + fn), "accuracy": (tp + tn) / len(late)}


def kept(model: Model) -> pd.DataFrame:
    table = model.lab.name("SNOWMAKER_PERFORMANCE")
    frame = model.lab.frame_of(f"SELECT * FROM {table} WHERE MODEL_NAME = '{model.name}'")
    return frame.assign(WEEK=frame["WEEK_START"].astype(str)).set_index(["WEEK", "METRIC"]).sort_index()


def test_a_week_without_labels_is_estimated_until_they_come(lab: Lab, model: Model) -> None:
    rows_of_its_own = model.own_source()
    strict = PerformanceThresholds(0.0001, 0.0002, breach_below=0.99999)
    context = task_context()
    result = model.check_performance(LATE.shift(2), "GOOD", context, thresholds=strict, source=rows_of_its_own)
    expected = expected_of(lab)
    assert result["estimated"] == {str(LATE): pytest.approx(expected["f1"], rel=1e-6)}
    assert list(result["weeks"]) == [str(TWIN)]
    found = kept(model).loc[str(LATE)]
    assert found.loc["accuracy", "VALUE"] == pytest.approx(expected["accuracy"], rel=1e-6)
    assert found["IS_ESTIMATE"].all()
    assert found["VERDICT"].isna().all()
    assert degraded_events(context, "performance") == []
    assert not kept(model).loc[str(TWIN)]["IS_ESTIMATE"].any()

    lab.rows(
        f"""UPDATE {rows_of_its_own.table.quoted} SET APPROVED = IFF(INCOME > 70, 1, 0) """
        f"""WHERE "Applied on" >= '{LATE}' AND "Applied on" < '{LATE.end}'"""
    )
    result = model.check_performance(LATE.shift(2), "GOOD", thresholds=strict, source=rows_of_its_own)
    late = lab.frame[lab.frame["week"] == str(LATE)]
    truth = binary_metrics((late["INCOME"] > 70).astype(int), lab.artefacts["good"].scores(late))
    assert result["estimated"] == {}
    assert result["weeks"][str(LATE)] == pytest.approx(truth["f1"], rel=1e-9)
    found = kept(model).loc[str(LATE)]
    assert not found["IS_ESTIMATE"].any()
    assert len(found) == len(truth)


def test_a_week_whose_labels_are_not_due_is_estimated_although_some_have_come(lab: Lab, model: Model) -> None:
    # As if no later run had measured it yet.
    for table in ("SNOWMAKER_LABELS", "SNOWMAKER_PERFORMANCE"):
        lab.rows(f"DELETE FROM {lab.name(table)} WHERE MODEL_NAME = %s AND WEEK_START = '{TWIN}'", model.name)
    result = model.check_performance(TWIN, "GOOD")
    assert list(result["estimated"]) == [str(TWIN)]
    assert (result["weeks"], result["verdict"]) == ({}, None)


def test_nothing_is_estimated_that_is_not_asked_for_or_not_calibrated(lab: Lab, model: Model) -> None:
    result = model.check_performance(LATE.shift(2), "GOOD", estimate=False)
    assert result["estimated"] == {}
    assert str(LATE) not in kept(model).index
    other = lab.model("weak")
    lab.rows(
        f"CREATE TABLE {other.predictions} AS SELECT * EXCLUDE (MODEL_NAME, MODEL_VERSION), %s AS MODEL_NAME, "
        f"'WEAK' AS MODEL_VERSION FROM {model.predictions} WHERE WEEK_START = '{LATE}'",
        other.name,
    )
    assert other.check_performance(LATE.shift(2), "WEAK")["estimated"] == {}
