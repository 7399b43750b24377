"""Monitors of regressions and of several classes: made, and asked by the checks."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, root_mean_squared_error
from snowflake.connector.pandas_tools import write_pandas
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators.monitor import ModelMonitorOperator
from snowmaker.operators.monitor_drift import MonitorDriftCheckOperator
from snowmaker.operators.monitor_performance import MonitorPerformanceCheckOperator
from snowmaker.operators.scoring import BatchInferenceOperator
from snowmaker.source import Source
from snowmaker.week import Week

from .lab import DATABASE, SCHEMA, Lab, fresh, task_context

HOLDOUT, SCORED = Week(date(2026, 1, 5)), Week(date(2026, 1, 12))
NAMES = np.array(["approved", "it's denied", "withdrawn"])
pytestmark = pytest.mark.slow


def rows(task: str) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    size = 300
    day = np.where(np.arange(size) < size // 2, str(HOLDOUT), str(SCORED))
    a, b = rng.normal(0, 1, size), rng.normal(0, 1, size)
    number = 3 * a + b + rng.normal(0, 0.3, size)
    label = number if task == "regression" else NAMES[np.digitize(number, [-1.5, 1.5])]
    return pd.DataFrame({"DAY": day, "A": a, "B": b, "Y": label})


def log(lab: Lab, task: str, frame: pd.DataFrame) -> tuple[str, Any]:
    """Log a model and return its full name, and the model."""
    features = frame[["A", "B"]]
    model = (LinearRegression() if task == "regression" else LogisticRegression()).fit(features, frame["Y"])
    session = Session.builder.configs({"connection": lab.connection}).getOrCreate()
    name = fresh("MODEL")
    registry = Registry(session, database_name=DATABASE, schema_name=f'"{SCHEMA}"')
    registry.log_model(model, model_name=name, version_name="V1", sample_input_data=features)
    told = json.dumps({"classes": list(NAMES)}).replace("'", "''")
    lab.rows(f"ALTER MODEL {lab.name(name)} MODIFY VERSION V1 SET COMMENT = '{told}'")
    metrics = json.dumps({"metrics": {"accuracy": 0.9, "rmse": 0.3}})
    lab.rows(f"ALTER MODEL {lab.name(name)} MODIFY VERSION V1 SET METADATA = '{metrics}'")
    return lab.name(name), model


@pytest.mark.parametrize("task", ["regression", "multiclass_classification"])
def test_a_monitor_of_the_task_tells_what_its_predictions_are_worth(lab: Lab, task: Any) -> None:
    frame = rows(task)
    model_name, model = log(lab, task, frame)
    table = fresh("T")
    kind = "FLOAT" if task == "regression" else "VARCHAR"
    lab.rows(f"CREATE TABLE {lab.name(table)} (DAY DATE, A FLOAT, B FLOAT, Y {kind})")
    write_pandas(lab.connection, frame, table, database=DATABASE, schema=SCHEMA)
    source = Source.of(lab.name(table), week_column="DAY", label="Y", numeric=["A", "B"])
    common = {
        "source": source,
        "model_name": model_name,
        "model_version": "V1",
        "predictions_table": lab.name(fresh("P")),
    }
    BatchInferenceOperator(task_id="score", week=str(SCORED), task=task, **common).execute(task_context())
    weeks = {"training_table": lab.name(table), "first_week": str(HOLDOUT), "last_week": str(HOLDOUT)}
    keep = ModelMonitorOperator(task_id="monitor", task=task, options=MonitorOptions("compute_wh"), **weeks, **common)
    monitor = keep.execute(task_context())["monitor"]
    check = MonitorDriftCheckOperator(task_id="drift", week=str(SCORED), **common)
    drift = check.execute(task_context())
    assert drift["verdict"] in ("ok", "warn")
    found = lab.rows(
        f"SELECT FEATURE FROM {lab.name('SNOWMAKER_DRIFT')} WHERE MODEL_NAME = %s AND VALUE >= 0", model_name
    )
    assert sorted(feature for (feature,) in found) == ["A", "B", "score"]
    check_performance = MonitorPerformanceCheckOperator(task_id="performance", week=str(SCORED), task=task, **common)
    performance = check_performance.execute(task_context())
    scored = frame[frame["DAY"] == str(SCORED)]
    predicted = model.predict(scored[["A", "B"]])
    measured = dict(
        lab.rows(f"SELECT METRIC, VALUE FROM {lab.name('SNOWMAKER_PERFORMANCE')} WHERE MODEL_NAME = %s", model_name)
    )
    if task == "regression":
        assert measured["rmse"] == pytest.approx(root_mean_squared_error(scored["Y"], predicted))
        assert measured["mae"] == pytest.approx(mean_absolute_error(scored["Y"], predicted))
    else:
        assert measured["accuracy"] == pytest.approx(accuracy_score(scored["Y"], predicted))
        assert set(measured) == {"accuracy", "precision_macro", "recall_macro"}
    assert performance["verdict"] == "ok"
    lab.rows(f"DROP MODEL MONITOR {monitor}")
