"""A version scores in the shadow: its rows stand beside those that count, and no reader counts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from snowmaker.hooks.predictions import prepare_predictions
from snowmaker.hooks.warehouse import WarehouseHook, WarehouseSession
from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators.monitor import ModelMonitorOperator
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import alert, labelled_rows, monitor_metrics, monitor_source
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.statement import Statement

from .lab import Lab, Model, task_context
from .weekly_data import HOLDOUT, ROWS, TWIN, WEEKS, source_of

WEEK, OTHER_WEEK = TWIN, HOLDOUT
PLANTED = 50
"""Shadow rows by the very version that scored the week, and whose scores would show."""


@pytest.fixture(scope="module")
def scored(lab: Lab) -> Model:
    """A model that scored two weeks."""
    model = lab.model("good", "weak")
    for week in (WEEK, OTHER_WEEK):
        model.score(week, task_context("counts"), model_version="GOOD")
    return model


@pytest.fixture
def model(lab: Lab, scored: Model) -> Model:
    """The same with predictions of the test's own."""
    model = Model(lab, scored.name)
    lab.rows(f"CREATE TABLE {model.predictions} CLONE {scored.predictions}")
    return model


def plant(model: Model) -> None:
    """Add shadow rows that would change every figure."""
    model.lab.rows(
        f"INSERT INTO {model.predictions} SELECT * REPLACE (1 - SCORE AS SCORE, TRUE AS IS_SHADOW, "
        f"DATEADD(day, 1, SCORED_AT) AS SCORED_AT) FROM {model.predictions} ORDER BY WEEK_START, ROW_ID LIMIT {PLANTED}"
    )
    model.lab.rows(
        f"INSERT INTO {model.predictions} SELECT * REPLACE (DATEADD(day, -7, WEEK_START) AS WEEK_START) "
        f"FROM {model.predictions} WHERE IS_SHADOW"
    )


def view_of(model: Model) -> pd.DataFrame:
    view = model.predictions.removesuffix('"') + '_CURRENT"'
    return model.lab.frame_of(f"SELECT * FROM {view} ORDER BY WEEK_START, ROW_ID")


def test_shadow_rows_stand_beside_those_that_count_and_replace_only_their_own(model: Model) -> None:
    before = model.predicted()
    for run in ("once", "again"):
        context = task_context(run)
        assert model.score(WEEK, context, model_version="WEAK", shadow=True)["rows"] == ROWS
    model.score(WEEK, task_context("third"), model_version="GOOD", shadow=True)
    after = model.predicted()
    counting = after[~after["IS_SHADOW"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(counting, before)
    shadow = after[after["IS_SHADOW"]].groupby(["MODEL_VERSION", "RUN_ID"])["ROW_ID"].agg(["size", "nunique"])
    assert shadow.to_dict("index") == {
        ("GOOD", "score_loans/third"): {"size": ROWS, "nunique": ROWS},
        ("WEAK", "score_loans/again"): {"size": ROWS, "nunique": ROWS},
    }
    # The weekly run leaves them alone.
    model.score(WEEK, task_context("weekly"), model_version="WEAK")
    later = model.predicted(WEEK)
    assert len(later[later["IS_SHADOW"]]) == 2 * ROWS
    assert set(later[~later["IS_SHADOW"]]["RUN_ID"]) == {"score_loans/weekly"}


def test_the_view_has_one_row_a_row_of_the_source(model: Model) -> None:
    model.score(WEEK, model_version="WEAK", shadow=True)
    view = view_of(model)
    expected = model.predicted().query("not IS_SHADOW").drop(columns="IS_SHADOW").reset_index(drop=True)
    pd.testing.assert_frame_equal(view, expected)
    assert len(view) == 2 * ROWS
    # Somebody adds a column; the view of an earlier release had other ones.
    model.lab.rows(f"ALTER TABLE {model.predictions} ADD COLUMN REVIEWED BOOLEAN")
    assert len(view_of(model)) == 2 * ROWS
    name = model.predictions.removesuffix('"') + '_CURRENT"'
    for spoil in (f"CREATE OR REPLACE VIEW {name} AS SELECT SCORE FROM {model.predictions}", f"DROP VIEW {name}"):
        model.lab.rows(spoil)
        with WarehouseHook().session() as session:
            task = scored_task("binary_classification")
            prepare_predictions(session, QualifiedName.parse(model.predictions), model.source, task)
        assert list(view_of(model)) == list(expected)


def test_a_table_of_an_earlier_release_is_read_and_scored(model: Model) -> None:
    model.lab.rows(f"ALTER TABLE {model.predictions} DROP COLUMN IS_SHADOW")
    model.lab.rows(f"ALTER TABLE {model.predictions} UNSET COMMENT")
    before = model.predicted()
    assert model.check_performance(WEEK.shift(2), "GOOD")["weeks"]
    assert model.predicted()["IS_SHADOW"].tolist() == [False] * 2 * ROWS
    model.lab.rows(f"ALTER TABLE {model.predictions} DROP COLUMN IS_SHADOW")
    model.lab.rows(f"ALTER TABLE {model.predictions} UNSET COMMENT")
    model.score(WEEK, model_version="WEAK", shadow=True)
    after = model.predicted()
    pd.testing.assert_frame_equal(after[~after["IS_SHADOW"]].drop(columns="IS_SHADOW").reset_index(drop=True), before)
    assert view_of(model)["MODEL_VERSION"].tolist() == ["GOOD"] * 2 * ROWS


def readers(model: Model) -> dict[str, Statement]:
    """Every statement that reads predictions, over all that the table has."""
    table, name, source = QualifiedName.parse(model.predictions), model.name, model.source
    weeks = [OTHER_WEEK.shift(-1), WEEK.shift(-1), WEEK]
    sources = {"GOOD": source, "WEAK": source}
    of_model = QualifiedName.parse(name)
    binary = scored_task("binary_classification")
    return {
        "metrics": binary.measure(labelled_rows.labelled_predictions(table, sources, name, weeks)),
        "estimates": binary.estimate(labelled_rows.expected_labels(table, name, weeks, Statement("SCORE"))),
        "whether labels or predictions changed": labelled_rows.fingerprints(
            table, source, name, weeks[0], WEEK, sources=sources
        ),
        "drift of the score": drift_sql.scores_of_weeks(table, name, "GOOD", [Identifier("SCORE")], weeks),
        "weeks of a first baseline": drift_sql.scored_weeks(table, name, "GOOD", WEEK, 9),
        "rows that a monitor must have seen": monitor_metrics.predicted_rows(table, name, "GOOD", weeks[0], WEEK),
        "what a monitor looks at": monitor_source.monitored_rows(
            table, source, of_model, "GOOD", roles=monitor_source.ROLES["binary_classification"], segments=()
        ),
        "an alert": Statement(
            f"SELECT * FROM ({alert.not_scored(table, of_model, days=-1).select.text})",
            alert.not_scored(table, of_model, days=-1).select.values,
        ),
    }


def test_no_reader_counts_shadow_rows(model: Model) -> None:
    def read() -> dict[str, list[str]]:
        with WarehouseHook().session() as session:
            return {
                name: sorted(json.dumps(row, default=str) for row in session.rows(statement))
                for name, statement in readers(model).items()
            }

    before = read()
    plant(model)
    assert read() == before
    # Each of them would, if the rows counted.
    model.lab.rows(f"UPDATE {model.predictions} SET IS_SHADOW = FALSE")
    counted = read()
    assert [name for name in before if counted[name] == before[name]] == []


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All statements that the operators send."""
    found: list[str] = []
    run: Callable[..., object] = WarehouseSession._run

    def listen(session: WarehouseSession, statement: Statement) -> object:
        found.append(statement.text)
        return run(session, statement)

    monkeypatch.setattr(WarehouseSession, "_run", listen)
    return found


def test_the_weekly_tasks_say_the_same_with_shadow_rows(model: Model, sent: list[str]) -> None:
    def say() -> list[dict[str, object]]:
        drift = model.check_drift(WEEK, "GOOD", baseline_weeks=1)
        performance = model.check_performance(WEEK.shift(2), "GOOD")
        monitor = ModelMonitorOperator(
            task_id="monitor",
            source=model.source,
            model_name=model.name,
            model_version="GOOD",
            predictions_table=model.predictions,
            training_table=model.source.table.quoted,
            first_week=str(HOLDOUT),
            last_week=str(HOLDOUT),
            options=MonitorOptions(warehouse="COMPUTE_WH"),
        ).execute(task_context())
        view = monitor["monitor"].replace("_MONITOR", "_MONITORED")
        (count,) = model.lab.rows(f"SELECT COUNT(*) FROM {view}")
        return [drift, performance, {"rows": count}]

    model.name = model.lab.model("good").name
    model.lab.rows(f"UPDATE {model.predictions} SET MODEL_NAME = %s", model.name)
    before = say()
    plant(model)
    assert say() == before
    asked = [text for text in sent if f"FROM {model.predictions}" in text.replace("%%", "%")]
    assert len(asked) > 5
    assert [text for text in asked if "IS_SHADOW" not in text] == []


def test_a_pipelines_table_without_key_has_a_view_too(lab: Lab, scored: Model) -> None:
    model = Model(lab, scored.name)
    source = source_of(lab.name("Weekly applications"))
    model.source = type(source)(source.table, source.week_column, source.features, source.label)
    model.score(WEEKS[2], model_version="GOOD", shadow=True)
    assert len(model.predicted()) == ROWS
    assert view_of(model).empty
