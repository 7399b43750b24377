from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sklearn.metrics import f1_score, roc_auc_score
from snowflake.connector.errors import ProgrammingError

from snowmaker.exceptions import (
    ChallengerRejectedError,
    ConcurrentChangeError,
    InputDataError,
    ModelBusyError,
    ModelVersionError,
    SnowmakerError,
    WeekError,
)
from snowmaker.hooks import model_life
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.warehouse import StatementError, WarehouseHook, WarehouseSession
from snowmaker.operators.promotion import PromoteModelOperator
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement

from .dying import Died, dying_after
from .lab import Lab, Model, task_context
from .weekly_data import HOLDOUT, ROWS, WEEKS

WEEK = WEEKS[6]
JUDGED: dict[str, Any] = {"rows": 1, "rules": [], "metrics": {}}
FAILED = {"rule": "f1", "value": 0.1, "bound": 0.5, "passed": False}


@pytest.fixture
def model(lab: Lab) -> Model:
    """A model with a weak champion and a good challenger."""
    model = lab.model("weak", "good")
    model.make_champion("WEAK", HOLDOUT)
    return model


def aliases_of(model: Model) -> dict[str, str]:
    """The alias of each version that has one, as SHOW gives it."""
    shown = {row["name"]: set(json.loads(row["aliases"])) - {"DEFAULT", "FIRST", "LAST"} for row in model.shown()}
    return {name: " ".join(sorted(aliases)) for name, aliases in shown.items() if aliases}


def champion_of(model: Model) -> str:
    """The one champion, on which default version, alias and the provider's own reading agree."""
    shown = model.shown()
    (default,) = (row["name"] for row in shown if row["is_default_version"] == "true")
    (alias,) = (row["name"] for row in shown if "PRODUCTION" in json.loads(row["aliases"]))
    with WarehouseHook().session() as session:
        champion = read_state(session, QualifiedName.parse(model.name)).champion
    assert champion is not None
    assert default == alias == champion.name
    return default


def test_the_verdict_has_the_metrics_of_both_on_the_same_rows(lab: Lab, model: Model) -> None:
    verdict = model.evaluate("GOOD", floors={"f1": 0.6}, min_gain={"f1": 0.02, "roc_auc": 0.01})
    rows = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    label = rows["APPROVED"].astype(int)
    for version in ("GOOD", "WEAK"):
        scores = lab.artefacts[version.lower()].scores(rows)
        metrics = verdict["metrics"][version]
        assert metrics["f1"] == pytest.approx(f1_score(label, scores >= 0.5))
        assert metrics["roc_auc"] == pytest.approx(roc_auc_score(label, scores))
    assert (verdict["challenger"], verdict["champion"], verdict["rows"]) == ("GOOD", "WEAK", ROWS)
    assert verdict["passed"]
    assert [rule["rule"] for rule in verdict["rules"]] == ["f1", "f1 gain", "roc_auc gain", "schema"]
    assert len(json.dumps(verdict)) < 10_000


def test_the_first_champion_needs_the_floors_only(lab: Lab) -> None:
    model = lab.model("weak", "good")
    verdict = model.evaluate("GOOD", min_gain={"f1": 0.9})
    assert verdict["champion"] is None
    assert model.promote(verdict, WEEK) == {"champion": "GOOD", "previous": None}
    assert champion_of(model) == "GOOD"
    assert model.events() == [("PROMOTED", "GOOD", None, str(WEEK))]


def test_a_better_challenger_becomes_champion_in_registry_alias_and_events(model: Model) -> None:
    assert model.promote(model.evaluate("GOOD"), WEEK) == {"champion": "GOOD", "previous": "WEAK"}
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]


def test_a_challenger_that_did_not_pass_is_written_down_and_changes_nothing(lab: Lab) -> None:
    model = lab.model("good", "weak")
    model.make_champion("GOOD", HOLDOUT)
    before = model.shown()
    verdict = model.evaluate("WEAK")
    assert not verdict["passed"]
    with pytest.raises(AirflowSkipException, match="rejected, champion unchanged: WEAK against GOOD, 200 rows"):
        model.promote(verdict, WEEK)
    assert model.shown() == before
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("REJECTED", "WEAK", "GOOD", str(WEEK))]


def test_the_same_try_twice_writes_one_event(model: Model) -> None:
    verdict, context = model.evaluate("GOOD"), task_context("run-1")
    first = model.promote(verdict, WEEK, context)
    assert model.promote(verdict, WEEK, context) == first
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]
    rejected = {**verdict, "challenger": "WEAK", "champion": "GOOD", "rules": _failed(verdict)}
    for _ in range(2):
        with pytest.raises(AirflowSkipException):
            model.promote(rejected, WEEK, context)
    assert [event[:2] for event in model.events()[2:]] == [("REJECTED", "WEAK")]


def _failed(verdict: dict[str, object]) -> list[dict[str, object]]:
    return [{**rule, "passed": False} for rule in verdict["rules"]]


def changes_of(act: Callable[[], object]) -> list[int]:
    """Before which of its statements an act can die that makes a difference: those that change something."""
    run = WarehouseSession._run
    with mock.patch.object(WarehouseSession, "_run", autospec=True, side_effect=run) as sent:
        act()
    reading = ("SELECT", "SHOW", "DESCRIBE", "ALTER SESSION")
    return [i for i, call in enumerate(sent.call_args_list) if not call.args[1].text.startswith(reading)]


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_promotion_that_dies_before_any_of_its_changes_is_finished_by_the_next_try(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    # The lease of one who died would be waited for.
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)
    names = ("WEAK", "GOOD")

    def promote(turn: int) -> dict[str, Any]:
        verdict = {"challenger": names[turn % 2], "champion": names[1 - turn % 2], **JUDGED}
        return model.promote(verdict, WEEK, task_context(f"run-{turn}"))

    changes = changes_of(lambda: promote(1))
    assert len(changes) > 8
    changes = changes[::every]
    for turn, statements in enumerate(changes, start=2):
        before = champion_of(model)
        with pytest.raises(Died), dying_after(statements):
            promote(turn)
        with WarehouseHook().session() as session:
            state = read_state(session, QualifiedName.parse(model.name))
        assert state.champion is not None
        assert state.champion.name == (names[turn % 2] if len(state.events) > turn else before)
        assert sum(row["is_default_version"] == "true" for row in model.shown()) == 1
        promote(turn)
        assert champion_of(model) == names[turn % 2] != before
    assert [event[1] for event in model.events()] == [names[turn % 2] for turn in range(len(changes) + 2)]


def test_another_run_finishes_what_a_killed_one_has_decided(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)
    verdict = {"challenger": "GOOD", "champion": "WEAK", **JUDGED}
    with monkeypatch.context() as patched:
        patched.setattr(model_life, "settle", _die)
        with pytest.raises(Died):
            model.promote(verdict, WEEK, task_context("run-1"))
    assert model.champion == "WEAK"
    assert model.check_input(week=str(WEEK))["model_version"] == "GOOD"
    rejected = {"challenger": "WEAK", "champion": "GOOD", **JUDGED, "rules": [FAILED]}
    with pytest.raises(AirflowSkipException):
        model.promote(rejected, WEEK, task_context("run-2"))
    assert champion_of(model) == "GOOD"
    assert aliases_of(model) == {"GOOD": "PRODUCTION", "WEAK": "PREVIOUS"}


def _die(*_: object, **__: object) -> None:
    raise Died


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(lab: Lab, model: Model) -> None:
    model.add("good", "OTHER")
    verdicts = [model.evaluate(challenger) for challenger in ("GOOD", "OTHER")]
    start = threading.Barrier(2)

    def promote(verdict: dict[str, object]) -> str:
        context = task_context(f"run-{verdict['challenger']}")
        start.wait(10)
        try:
            return str(model.promote(verdict, WEEK, context)["champion"])
        except ConcurrentChangeError as error:
            return f"refused: {error}"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(promote, verdicts))
    (winner,) = (outcome for outcome in outcomes if not outcome.startswith("refused"))
    (loser,) = (outcome for outcome in outcomes if outcome.startswith("refused"))
    assert f"the champion is {winner} now" in loser
    assert champion_of(model) == winner
    assert model.events()[1:] == [("PROMOTED", winner, "WEAK", str(WEEK))]


def test_who_was_judged_against_a_former_champion_is_refused(model: Model) -> None:
    model.add("good", "OTHER")
    first, second = model.evaluate("GOOD"), model.evaluate("OTHER")
    model.promote(first, WEEK)
    with pytest.raises(
        ConcurrentChangeError, match=r"OTHER was judged against champion WEAK, but the champion is GOOD"
    ):
        model.promote(second, WEEK)
    assert champion_of(model) == "GOOD"


def test_who_retries_when_another_is_champion_by_now_changes_nothing(model: Model) -> None:
    verdict, context = {"challenger": "GOOD", "champion": "WEAK", **JUDGED}, task_context("run-1")
    first = model.promote(verdict, WEEK, context)
    model.make_champion("WEAK", WEEK)
    assert model.promote(verdict, WEEK, context) == first
    assert champion_of(model) == "WEAK"
    assert len(model.events()) == 3


def test_a_champion_that_wins_again_is_confirmed_and_a_rollback_passes_it_over(model: Model) -> None:
    model.make_champion("GOOD", WEEK)
    assert model.promote({"challenger": "GOOD", "champion": None, **JUDGED}, WEEK)["champion"] == "GOOD"
    assert model.events()[2:] == [("PROMOTED", "GOOD", "GOOD", str(WEEK))]
    assert aliases_of(model) == {"GOOD": "PRODUCTION", "WEAK": "PREVIOUS"}


def test_the_registry_waits_for_who_makes_it_follow_and_not_for_one_who_died(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_life, "LEASE_WAIT_SECONDS", 0)
    locks, name = lab.name("SNOWMAKER_LOCKS"), f"registry {model.name}"
    verdict, context = {"challenger": "GOOD", "champion": "WEAK", **JUDGED}, task_context("run-1")
    # What a race of two that add the lock leaves: two rows of one name, one of them taken by the faster.
    lab.rows(f"DELETE FROM {locks} WHERE NAME = %s", name)
    lab.rows(
        f"INSERT INTO {locks} SELECT %s, 'other run', DATEADD(second, 60, SYSDATE()) UNION ALL SELECT %s, NULL, NULL",
        *(name, name),
    )
    with pytest.raises(ModelBusyError, match="the decision is on record, but its registry has not followed"):
        model.promote(verdict, WEEK, context)
    assert model.champion == "WEAK"
    # A lease of another model is none of this one's.
    other = lab.model("good")
    other.make_champion("GOOD")
    assert champion_of(other) == "GOOD"
    lab.rows(f"UPDATE {locks} SET EXPIRES_AT = DATEADD(second, -1, SYSDATE()) WHERE HOLDER = 'other run'")
    assert model.promote(verdict, WEEK, context) == {"champion": "GOOD", "previous": "WEAK"}
    assert champion_of(model) == "GOOD"
    assert lab.rows(f"SELECT COUNT(HOLDER) FROM {locks} WHERE NAME = %s", name) == [(0,)]


def test_who_waits_too_long_for_another_to_decide_is_told_and_has_decided_nothing(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_life, "LOCK_SECONDS", 1)
    verdict = {"challenger": "GOOD", "champion": "WEAK", **JUDGED}
    lab.rows("BEGIN")
    lab.rows(f"UPDATE {lab.name('SNOWMAKER_LOCKS')} SET HOLDER = 'x' WHERE NAME = %s", f"promotion {model.name}")
    try:
        with pytest.raises(ModelBusyError, match=r"others have been deciding .* nothing was decided"):
            model.promote(verdict, WEEK)
    finally:
        lab.rows("ROLLBACK")
    assert len(model.events()) == 1
    model.promote(verdict, WEEK)
    assert champion_of(model) == "GOOD"


def test_who_is_sent_away_because_too_many_wait_for_the_lock_comes_again(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sent_away = WarehouseSession._run, []

    def send_away(session: WarehouseSession, statement: Statement) -> Any:
        # Both who decides and who makes the registry follow.
        if statement.text.startswith("UPDATE") and len(sent_away) < 2 and statement.values not in sent_away:
            sent_away.append(statement.values)
            told = ProgrammingError("aborted because the number of waiters exceeds the 20 statements limit", 625)
            raise StatementError(session.conn_id, statement, told)
        return run(session, statement)

    monkeypatch.setattr(WarehouseSession, "_run", send_away)
    model.make_champion("GOOD", WEEK)
    assert len(sent_away) == 2
    assert champion_of(model) == "GOOD"
    assert len(model.events()) == 2


def test_who_lost_the_lock_because_its_transaction_was_ended_decides_nothing(model: Model) -> None:
    model.add("good", "OLD")
    with WarehouseHook().session() as session:

        def stand_still_for_long(_: object) -> dict[str, str]:
            session.execute(Statement("ROLLBACK"))
            return {"OLD": "{}"}

        with pytest.raises(ModelBusyError, match="the lock of its events was lost"):
            model_life.retire(
                session,
                QualifiedName.parse(model.name),
                stand_still_for_long,
                lambda _: None,
                week=WEEK,
                run="run-1",
            )
    assert len(model.events()) == 1
    assert "OLD" in [row["name"] for row in model.shown()]


def test_what_somebody_changed_by_hand_is_put_right_by_the_next_decision(lab: Lab, model: Model) -> None:
    """Their own alias stays on a version that is due none of ours; names may be as odd as quotes allow."""
    model.add("good", '50% of ""V1""')
    model.add("good", "SPARE")
    for change in (
        "SET DEFAULT_VERSION = SPARE",
        "VERSION WEAK UNSET ALIAS",
        "VERSION GOOD SET ALIAS = PRODUCTION",
        "VERSION WEAK SET ALIAS = BLUE",
        "VERSION SPARE SET ALIAS = GREEN",
    ):
        lab.rows(f"ALTER MODEL {model.name} {change}")
    assert model.check_input(week=str(WEEK))["model_version"] == "WEAK"
    model.promote({"challenger": '50% of "V1"', "champion": "WEAK", **JUDGED}, WEEK)
    assert champion_of(model) == '50% of "V1"'
    assert aliases_of(model) == {'50% of "V1"': "PRODUCTION", "WEAK": "PREVIOUS", "SPARE": "GREEN"}


def test_a_version_is_nominated_once_and_a_judgement_ends_that(model: Model) -> None:
    model.add("good", "OTHER")
    with WarehouseHook().session() as session:
        for _ in range(2):
            name = QualifiedName.parse(model.name)
            outcome = model_life.nominate(session, name, "GOOD", week=WEEK, run="run-1")
        assert outcome.state.challenger is not None
        assert outcome.state.challenger.name == "GOOD"
        assert len(outcome.state.events) == 2
        with pytest.raises(ModelVersionError, match="has no version 'V9'"):
            model_life.nominate(session, name, "V9", week=WEEK, run="run-1")
    assert aliases_of(model) == {"WEAK": "PRODUCTION", "GOOD": "CHALLENGER"}
    model.promote({"challenger": "GOOD", "champion": "WEAK", **JUDGED}, WEEK)
    assert aliases_of(model) == {"GOOD": "PRODUCTION", "WEAK": "PREVIOUS"}


@pytest.mark.parametrize("approved", [True, False])
def test_who_approved_or_rejected_and_why_stands_in_the_event(lab: Lab, model: Model, approved: bool) -> None:
    answer = {
        "approved": approved,
        "decided_by": "jane",
        "note": 'it\'s 100% "ok"',
        "decided_at": "",
        "timed_out": False,
    }
    operator = PromoteModelOperator(
        task_id="promote",
        model_name=model.name,
        verdict={"challenger": "GOOD", "champion": "WEAK", **JUDGED},
        week=str(WEEK),
        approval=answer,
    )
    told = (
        nullcontext() if approved else pytest.raises(ChallengerRejectedError, match=r"unchanged: by jane \(it's 100%")
    )
    for _ in range(2):
        with told:
            operator.execute(task_context("run-1"))
    told_by = lab.rows(
        f"SELECT EVENT, DECIDED_BY, DECISION, PARSE_JSON(GATE):challenger::VARCHAR "
        f"FROM {lab.name('SNOWMAKER_MODEL_EVENTS')} WHERE MODEL_NAME = %s ORDER BY SEQUENCE",
        model.name,
    )
    event = "PROMOTED" if approved else "REJECTED"
    assert told_by == [("PROMOTED", "gate", None, "WEAK"), (event, "jane", answer["note"], "GOOD")]
    assert champion_of(model) == ("GOOD" if approved else "WEAK")
    assert not issubclass(ChallengerRejectedError, AirflowSkipException)
    operator.verdict = {"challenger": champion_of(model), "champion": None, **JUDGED}
    if not approved:
        with pytest.raises(ChallengerRejectedError, match="WEAK is that champion already: go back with DAG"):
            operator.execute(task_context("run-2"))


def test_a_week_that_is_none_is_told(model: Model) -> None:
    with pytest.raises(WeekError, match="week 'last' is not a date"):
        model.promote({"challenger": "GOOD", "champion": "WEAK", **JUDGED}, "last")


def test_a_champion_that_saw_the_holdout_is_not_compared_on_it(lab: Lab) -> None:
    model = lab.model("weak", "good", weak={"trained_up_to": str(HOLDOUT)})
    model.make_champion("WEAK", HOLDOUT)
    with pytest.raises(InputDataError, match=rf"champion WEAK was trained on weeks up to {HOLDOUT}.* retrain as of"):
        model.evaluate("GOOD")


def test_a_challenger_that_does_not_exist_is_told_with_those_that_do(model: Model) -> None:
    with pytest.raises(ModelVersionError, match="has no version 'V9'; there are: "):
        model.evaluate("V9")
    verdict = {"challenger": "V9", "champion": "WEAK", "rows": 1, "rules": [], "metrics": {}}
    with pytest.raises(ModelVersionError, match="has no version 'V9'"):
        model.promote(verdict, WEEK)


def test_a_holdout_without_rows_or_with_other_labels_cannot_judge(model: Model) -> None:
    with pytest.raises(
        InputDataError, match=r"has no labelled row from 2027-01-04 to 2027-01-04 to judge GOOD, WEAK by"
    ):
        model.evaluate("GOOD", first_week="2027-01-04", last_week="2027-01-04")
    model.source = model.own_source()
    model.lab.rows(f"UPDATE {model.source.table.quoted} SET APPROVED = 5 WHERE LOAN_ID = '4-8'")
    with pytest.raises(SnowmakerError, match=r"label APPROVED .* neither 0 nor 1 in \d rows of the holdout"):
        model.evaluate("GOOD")
