from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

from snowmaker.exceptions import SnowmakerError
from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.snowflake.statement import Statement

from .artefacts import MadeArtefact
from .lab import Lab, fresh, task_context
from .weekly_data import FEATURES, ROWS, SHIFTED, WEEKS, source_of

WEEK, OTHER_WEEK = SHIFTED[0], WEEKS[4]
WRITTEN_BY_RUN = ["RUN_ID", "SCORED_AT"]


def content(predictions: pd.DataFrame) -> list[tuple[object, ...]]:
    return predictions.drop(columns=WRITTEN_BY_RUN).to_records(index=False).tolist()


def scores_by_loan(loans: pd.Series, scores: np.ndarray) -> list[tuple[str, float]]:
    return sorted(zip(loans, np.round(scores.astype(float), 6).tolist(), strict=True))


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """End the session under the operator, once, before the first statement with these words."""

    def arm(words: str) -> None:
        execute = WarehouseSession.execute
        hit = []

        def execute_or_die(session: WarehouseSession, statement: Statement) -> int:
            if words in statement.text and not hit:
                hit.append(statement)
                session.connection.close()
            return execute(session, statement)

        monkeypatch.setattr(WarehouseSession, "execute", execute_or_die)

    return arm


def test_every_row_gets_the_models_own_score_and_says_where_it_is_from(lab: Lab) -> None:
    model = lab.model("weak", "good")
    model.make_champion("GOOD")
    context = task_context("manual__1")
    result = model.score(WEEK, context)
    assert result == {"week": str(WEEK), "model_version": "GOOD", "rows": ROWS}
    predictions = model.predicted()
    rows = lab.frame[lab.frame["week"] == str(WEEK)]
    expected = scores_by_loan(rows["LOAN_ID"], lab.artefacts["good"].scores(rows))
    assert scores_by_loan(predictions["LOAN_ID"], predictions["SCORE"].to_numpy()) == expected
    assert predictions["ROW_ID"].is_unique
    assert set(predictions["WEEK_START"].map(str)) == {str(WEEK)}
    assert set(predictions["MODEL_NAME"]) == {model.name}
    assert set(predictions["MODEL_VERSION"]) == {"GOOD"}
    assert set(predictions["RUN_ID"]) == {"score_loans/manual__1"}
    assert (predictions["PREDICTION"] == (predictions["SCORE"] >= 0.5)).all()
    assert set(predictions["PREDICTION"]) == {0, 1}


def test_rows_of_one_key_get_their_own_predictions_and_twins_get_equal_ones(lab: Lab) -> None:
    model = lab.model("good")
    model.score(WEEK, model_version="GOOD")
    predictions = model.predicted()
    assert Counter(predictions["LOAN_ID"]) == Counter(lab.frame[lab.frame["week"] == str(WEEK)]["LOAN_ID"])
    by_loan = predictions.groupby("LOAN_ID")["SCORE"]
    assert by_loan.size().max() > 1
    assert by_loan.nunique().max() > 1
    hashes = predictions["ROW_ID"].str.rsplit("-", n=1).str[0]
    rows = lab.frame[lab.frame["week"] == str(WEEK)]
    alike = rows.groupby(["LOAN_ID", *FEATURES], dropna=False).size()
    assert (alike > 1).sum() == 5
    assert sorted(hashes.value_counts()) == sorted(alike)
    assert predictions.groupby(hashes)["SCORE"].nunique().max() == 1


def test_scoring_five_times_or_side_by_side_leaves_the_same_rows(lab: Lab) -> None:
    model = lab.model("good")
    model.score(WEEK, model_version="GOOD")
    once = content(model.predicted())
    for _ in range(4):
        model.score(WEEK, model_version="GOOD")
    assert content(model.predicted()) == once
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(model.score, WEEK, task_context(run), model_version="GOOD") for run in ("one", "other")]
        assert [run.result()["rows"] for run in both] == [ROWS, ROWS]
    predictions = model.predicted()
    assert content(predictions) == once
    assert len(set(predictions["RUN_ID"])) == 1


def test_two_that_score_a_new_pipelines_first_weeks_at_once_both_succeed(lab: Lab) -> None:
    model = lab.model("good")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(model.score, week, model_version="GOOD") for week in (WEEK, OTHER_WEEK)]
        assert [run.result()["rows"] for run in both] == [ROWS, ROWS]
    assert Counter(model.predicted()["WEEK_START"].map(str)) == {str(WEEK): ROWS, str(OTHER_WEEK): ROWS}


def test_two_that_score_a_new_week_at_once_do_not_both_insert(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lab.model("good")
    model.score(OTHER_WEEK, model_version="GOOD")
    execute, both_deleted = WarehouseSession.execute, threading.Barrier(2)

    def execute_together(session: WarehouseSession, statement: Statement) -> int:
        if statement.text.startswith(f"INSERT INTO {model.predictions}"):
            # The lock keeps the other from coming this far; then nobody meets.
            with suppress(threading.BrokenBarrierError):
                both_deleted.wait(0.5)
        return execute(session, statement)

    monkeypatch.setattr(WarehouseSession, "execute", execute_together)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(model.score, WEEK, task_context(run), model_version="GOOD") for run in ("one", "other")]
        assert [run.result()["rows"] for run in both] == [ROWS, ROWS]
    assert len(model.predicted(WEEK)) == ROWS
    assert len(model.predicted(OTHER_WEEK)) == ROWS


@pytest.mark.parametrize("words", ["DELETE FROM", "INSERT INTO {predictions}", "COMMIT"])
def test_a_session_that_dies_while_it_replaces_a_week_loses_nothing(
    lab: Lab, dying: Callable[[str], None], words: str
) -> None:
    model = lab.model("good", "weak")
    model.score(WEEK, task_context("first"), model_version="GOOD")
    before = model.predicted()
    dying(words.format(predictions=model.predictions))
    with pytest.raises(SnowmakerError):
        model.score(WEEK, task_context("second"), model_version="WEAK")
    pd.testing.assert_frame_equal(model.predicted(), before)
    model.score(WEEK, task_context("second"), model_version="WEAK")
    after = model.predicted()
    assert set(after["MODEL_VERSION"]) == {"WEAK"}
    assert after["ROW_ID"].tolist() == before["ROW_ID"].tolist()


def test_only_the_scored_week_is_replaced_also_by_another_version(lab: Lab) -> None:
    model = lab.model("good", "weak")
    model.score(OTHER_WEEK, model_version="GOOD")
    model.score(WEEK, model_version="GOOD")
    other = model.predicted(OTHER_WEEK)
    model.score(WEEK, model_version="WEAK")
    pd.testing.assert_frame_equal(model.predicted(OTHER_WEEK), other)
    week = model.predicted(WEEK)
    assert len(week) == ROWS
    assert set(week["MODEL_VERSION"]) == {"WEAK"}
    rows = lab.frame[lab.frame["week"] == str(WEEK)]
    weak: MadeArtefact = lab.artefacts["weak"]
    assert scores_by_loan(week["LOAN_ID"], week["SCORE"].to_numpy()) == scores_by_loan(
        rows["LOAN_ID"], weak.scores(rows)
    )


def test_rows_that_left_the_source_leave_the_predictions(lab: Lab) -> None:
    model = lab.model("good")
    model.source = model.own_source()
    model.score(WEEK, model_version="GOOD")
    table = model.source.table.quoted
    lab.rows(f"""DELETE FROM {table} WHERE COUNTY = 'St. Mary''s' AND "Applied on" >= '{WEEK}'""")
    in_week = f""""Applied on" >= '{WEEK}' AND "Applied on" < '{WEEK.end}'"""
    (left,) = lab.rows(f"SELECT COUNT(*) FROM {table} WHERE {in_week}")[0]
    assert 0 < left < ROWS
    assert model.score(WEEK, model_version="GOOD")["rows"] == left == len(model.predicted())


def test_a_week_that_changes_while_it_is_scored_is_not_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lab.model("good")
    model.source = model.own_source()
    execute = WarehouseSession.execute

    def execute_and_load(session: WarehouseSession, statement: Statement) -> int:
        changed = execute(session, statement)
        if "CREATE OR REPLACE TEMPORARY TABLE" in statement.text:
            table = model.source.table.quoted
            lab.rows(f"""INSERT INTO {table} SELECT * FROM {table} WHERE "Applied on" >= '{WEEK}' LIMIT 1""")
        return changed

    monkeypatch.setattr(WarehouseSession, "execute", execute_and_load)
    with pytest.raises(SnowmakerError, match="the table changed meanwhile: nothing was written, try again"):
        model.score(WEEK, model_version="GOOD")
    # Refused before anything of the predictions is touched.
    with pytest.raises(Exception, match="does not exist"):
        model.predicted()


def test_a_view_is_a_source_like_a_table(lab: Lab) -> None:
    model = lab.model("good")
    view = lab.name(fresh("View"))
    lab.rows(f"CREATE VIEW {view} AS SELECT * FROM {model.source.table.quoted}")
    model.source = source_of(view)
    assert model.score(WEEK, model_version="GOOD")["rows"] == ROWS


def test_the_weeks_limits_are_its_first_and_last_second(lab: Lab) -> None:
    model = lab.model("good")
    rows = lab.frame[lab.frame["week"] == str(WEEK)]
    assert rows["Applied on"].min() == pd.Timestamp(WEEK.start)
    assert rows["Applied on"].max() == pd.Timestamp(WEEK.end) - pd.Timedelta(seconds=1)
    assert model.score(WEEK, model_version="GOOD")["rows"] == len(rows)


def test_a_score_that_is_missing_is_refused_and_the_old_week_stays(lab: Lab) -> None:
    model = lab.model("good")
    model.score(WEEK, model_version="GOOD")
    before = model.predicted()
    with pytest.raises(SnowmakerError, match=f"gave {ROWS} rows of week {WEEK} no score.*nothing was written"):
        model.score(WEEK, model_version="GOOD", method=ScoreMethod("PREDICT_PROBA", "output_feature_7"))
    pd.testing.assert_frame_equal(model.predicted(), before)


def test_a_moved_alias_changes_nothing_for_the_run_that_resolved_it(lab: Lab) -> None:
    model = lab.model("good", "weak")
    model.make_champion("WEAK")
    settled = model.check_input(week=str(WEEK))
    model.make_champion("GOOD")
    assert settled["model_version"] == "WEAK"
    assert model.score(settled["week"], model_version=settled["model_version"])["model_version"] == "WEAK"
    assert set(model.predicted()["MODEL_VERSION"]) == {"WEAK"}


def test_a_week_is_scored_by_champion_alias_or_the_champion_of_its_time(lab: Lab) -> None:
    model = lab.model("weak", "good")
    model.make_champion("WEAK", WEEKS[4])
    model.make_champion("GOOD", WEEKS[6])
    asked = {
        "champion": "GOOD",
        "production": "GOOD",
        "WEAK": "WEAK",
        "weak": "WEAK",
        "champion_as_of_week": "WEAK",
    }
    for version, expected in asked.items():
        assert model.check_input(week=str(WEEKS[6]), model_version=version)["model_version"] == expected
    # A version that was made as of a week scores from the next one on.
    as_of = {
        week: model.check_input(week=str(week), model_version="champion_as_of_week")["model_version"]
        for week in WEEKS[5:9]
    }
    assert as_of == {WEEKS[5]: "WEAK", WEEKS[6]: "WEAK", WEEKS[7]: "GOOD", WEEKS[8]: "GOOD"}
    with pytest.raises(SnowmakerError, match=f"had no champion as of week {WEEKS[4]}"):
        model.check_input(week=str(WEEKS[4]), model_version="champion_as_of_week")


def test_the_week_is_the_runs_where_none_is_asked_for(lab: Lab) -> None:
    model = lab.model("good")
    context = task_context()
    assert model.check_input(context, week="", model_version="GOOD")["week"] == "2026-03-09"
    context["dag_run"].data_interval_end = pd.Timestamp("2026-02-23T06:00:00Z").to_pydatetime()
    assert model.check_input(context, week="", model_version="GOOD")["week"] == "2026-02-16"
