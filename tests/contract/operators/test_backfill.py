"""Past weeks scored anew, in any order and side by side: each by the model that is meant, and always the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from snowmaker.exceptions import ModelVersionError, WarehouseError
from snowmaker.operators.rollback import RollbackModelOperator
from snowmaker.week import Week

from .lab import Lab, Model, fresh, task_context
from .weekly_data import WEEKS

ROWS = 12
PAST = [WEEKS[0].shift(i) for i in range(12)]
# As of which week each became champion; it scores from the next one on.
HISTORY = {"ONE": PAST[0].shift(-1), "TWO": PAST[3], "THREE": PAST[6]}
ROLLED_BACK = PAST[9]
EXPECTED = ["ONE"] * 4 + ["TWO"] * 3 + ["THREE"] * 3 + ["TWO"] * 2
KINDS = {"ONE": "weak", "TWO": "good", "THREE": "weak"}


def rows_of(lab: Lab, weeks: Sequence[Week]) -> pd.DataFrame:
    """A few rows of the weekly table for each week, the same ones each time."""
    few = lab.frame[lab.frame["week"] == str(WEEKS[0])].drop_duplicates("LOAN_ID").head(ROWS)
    days = few["Applied on"] - pd.Timestamp(WEEKS[0].start)
    return pd.concat(
        [few.assign(**{"Applied on": days + pd.Timestamp(week.start), "week": str(week)}) for week in weeks],
        ignore_index=True,
    )


def with_history(lab: Lab, weeks: Sequence[Week], history: Iterable[tuple[str, Week]], rolled_back: Week) -> Model:
    model = Model(lab, lab.name(fresh("Past champions")))
    for version, kind in KINDS.items():
        model.add(kind, version)
    for version, week in history:
        model.make_champion(version, week)
    RollbackModelOperator(task_id="roll_back", model_name=model.name, week=str(rolled_back), reason="worse").execute(
        task_context(dag_id="rollback_model")
    )
    model.source = model.own_source(rows_of(lab, weeks))
    return model


@pytest.fixture(scope="module")
def past(lab: Lab) -> Model:
    """Twelve weeks; three champions after each other, then back to the second one."""
    return with_history(lab, PAST, HISTORY.items(), ROLLED_BACK)


@pytest.fixture
def model(lab: Lab, past: Model) -> Model:
    """The same with predictions of the test's own."""
    model = Model(lab, past.name)
    model.source = past.source
    return model


def backfill(model: Model, weeks: Sequence[Week], at_once: int, meant: str = "champion_as_of_week") -> list[str]:
    """Run the two tasks of each week, some weeks side by side; the versions that scored, in the weeks' order."""

    def run(week: Week) -> str:
        settled = model.check_input(week=str(week), model_version=meant)
        return str(model.score(settled["week"], model_version=settled["model_version"])["model_version"])

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(run, weeks))


def content(model: Model) -> pd.DataFrame:
    return model.predicted().drop(columns=["RUN_ID", "SCORED_AT"])


def check_scores(lab: Lab, model: Model, weeks: Sequence[Week], versions: Sequence[str]) -> None:
    """Each week has a row a source row, with the scores of the version that it says."""
    found = model.predicted()
    assert Counter(found["WEEK_START"].map(str)) == {str(week): ROWS for week in weeks}
    rows = rows_of(lab, weeks[:1])
    scores = {
        kind: dict(zip(rows["LOAN_ID"], lab.artefacts[kind].scores(rows), strict=True)) for kind in ("good", "weak")
    }
    assert not np.allclose(list(scores["good"].values()), list(scores["weak"].values()))
    for week, version in zip(weeks, versions, strict=True):
        own = found[found["WEEK_START"].map(str) == str(week)]
        assert set(own["MODEL_VERSION"]) == {version}
        assert dict(zip(own["LOAN_ID"], own["SCORE"], strict=True)) == pytest.approx(scores[KINDS[version]], abs=1e-6)


def test_every_week_is_scored_by_the_champion_of_its_time_in_any_order(lab: Lab, model: Model) -> None:
    weeks = [PAST[place] for place in np.random.default_rng(4).permutation(len(PAST))]
    expected = dict(zip(PAST, EXPECTED, strict=True))
    assert backfill(model, weeks, at_once=4) == [expected[week] for week in weeks]
    check_scores(lab, model, PAST, EXPECTED)
    once = content(model)
    # Completed weeks again, the newest first.
    again = [PAST[11], PAST[9], PAST[4], PAST[3]]
    before = model.predicted()
    assert backfill(model, again, at_once=1) == ["TWO", "THREE", "TWO", "ONE"]
    pd.testing.assert_frame_equal(content(model), once)
    after = model.predicted()
    is_again = after["WEEK_START"].map(str).isin([str(week) for week in again])
    assert (after["RUN_ID"] != before["RUN_ID"]).tolist() == is_again.tolist()
    assert (after["SCORED_AT"] > before["SCORED_AT"]).tolist() == is_again.tolist()


def test_a_backfill_may_mean_todays_champion_or_a_version_instead(lab: Lab, model: Model) -> None:
    assert backfill(model, PAST[2:4], at_once=2, meant="champion") == ["TWO"] * 2
    assert backfill(model, PAST[3:4], at_once=1, meant="THREE") == ["THREE"]
    check_scores(lab, model, PAST[2:4], ["TWO", "THREE"])
    early = model.own_source(rows_of(lab, [HISTORY["ONE"]]))
    with pytest.raises(ModelVersionError, match=f"had no champion as of week {HISTORY['ONE']}"):
        model.check_input(week=str(HISTORY["ONE"]), model_version="champion_as_of_week", source=early)


def test_a_week_that_also_runs_on_schedule_has_the_rows_of_one_of_the_runs(lab: Lab, model: Model) -> None:
    week = PAST[4]
    asked = {
        "scheduled": ("TWO", False),
        "backfill": ("ONE", False),
        "again": ("TWO", False),
        "shadow": ("THREE", True),
    }

    def run(name: str) -> int:
        version, shadow = asked[name]
        context = task_context(name)
        return int(model.score(week, context, model_version=version, shadow=shadow)["rows"])

    with ThreadPoolExecutor(len(asked)) as pool:
        assert list(pool.map(run, asked)) == [ROWS] * len(asked)
    found = model.predicted()
    counting = found[~found["IS_SHADOW"]]
    assert (len(counting), counting["ROW_ID"].nunique()) == (ROWS, ROWS)
    (winner,) = set(zip(counting["RUN_ID"], counting["MODEL_VERSION"], strict=True))
    assert asked[winner[0].removeprefix("score_loans/")][0] == winner[1]
    assert Counter(found[found["IS_SHADOW"]]["MODEL_VERSION"]) == {"THREE": ROWS}


def test_who_waits_too_long_for_anothers_transaction_is_told_and_may_try_again(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = PAST[0]
    model.score(week, model_version="ONE")
    before = model.predicted()
    for place in ("hooks.warehouse", "operators.base"):
        monkeypatch.setattr(f"snowmaker.{place}.LOCK_SECONDS", 0.3)
    with lab.connect() as other, other.cursor() as cursor:
        for held in (f"DELETE FROM {model.predictions}", f"UPDATE {lab.name('SNOWMAKER_LOCKS')} SET HOLDER = 'other'"):
            cursor.execute("BEGIN")
            cursor.execute(held)
            with pytest.raises(WarehouseError, match=r"other transactions have held .* nothing was written, try again"):
                model.score(week, model_version="TWO")
            cursor.execute("ROLLBACK")
    pd.testing.assert_frame_equal(model.predicted(), before)
    model.score(week, model_version="TWO")
    check_scores(lab, model, [week], ["TWO"])


@pytest.fixture
def killed(lab: Lab) -> Callable[..., None]:
    """Run statements in a process of their own, which is then killed."""

    def run(*statements: str) -> None:
        code = (
            "import json, sys, snowflake.connector\n"
            "options, statements = map(json.loads, sys.argv[1:])\n"
            "cursor = snowflake.connector.connect(**options).cursor()\n"
            "for statement in statements: cursor.execute(statement)\n"
            "print('done', flush=True)\n"
            "sys.stdin.read()\n"
        )
        given = [json.dumps(lab.sandbox.settings.connection()), json.dumps(statements)]
        with subprocess.Popen(
            [sys.executable, "-c", code, *given], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            process.kill()

    return run


def test_a_scorer_that_is_killed_in_its_transaction_locks_nobody_out(
    lab: Lab, model: Model, killed: Callable[..., None]
) -> None:
    week = PAST[0]
    model.score(week, model_version="ONE")
    killed(
        "BEGIN",
        f"UPDATE {lab.name('SNOWMAKER_LOCKS')} SET HOLDER = 'killed'",
        f"DELETE FROM {model.predictions} WHERE WEEK_START = '{week}'",
    )
    model.score(week, model_version="TWO")
    check_scores(lab, model, [week], ["TWO"])


@pytest.mark.slow
def test_a_year_is_backfilled_in_parallel_and_again(lab: Lab) -> None:
    weeks = [PAST[0].shift(i) for i in range(52)]
    history = [("ONE", weeks[0].shift(-1)), ("TWO", weeks[19]), ("THREE", weeks[39])]
    model = with_history(lab, weeks, history, weeks[45])
    expected = ["ONE"] * 20 + ["TWO"] * 20 + ["THREE"] * 6 + ["TWO"] * 6
    order = np.random.default_rng(7).permutation(52)
    assert backfill(model, [weeks[i] for i in order], at_once=16) == [expected[i] for i in order]
    check_scores(lab, model, weeks, expected)
    once = content(model)
    assert backfill(model, weeks[::-1], at_once=16) == expected[::-1]
    pd.testing.assert_frame_equal(content(model), once)
