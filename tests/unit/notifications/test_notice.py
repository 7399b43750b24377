"""What is told of what: the messages, without anybody to send them to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from snowmaker.exceptions import ChallengerRejectedError, ModelBusyError
from snowmaker.notifications import callbacks, notice
from snowmaker.notifications.callbacks import ByPipeline, notification_callbacks
from snowmaker.notifications.delivery import Destination
from snowmaker.operators.approval import ApproveChallengerOperator
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.promotion import PromoteModelOperator
from snowmaker.operators.rollback import RollbackModelOperator

MODEL, LINKS = '"ML"."LOANS"."MORTGAGE"', {"Run": "https://airflow/run"}
DRIFT = {
    "week": "2026-03-02",
    "model_version": "V1",
    "verdict": "breach",
    "worst_feature": "INCOME",
    "worst_value": 0.4123,
    "moved": ["PSI of INCOME is 0.412 (breach from 0.25)", "PSI of score is 0.3 (breach from 0.25)"],
    "degraded": False,
    "since": None,
}
PERFORMANCE = {
    "week": "2026-03-02",
    "model_version": "V1",
    "weeks": {"2026-02-02": 0.71, "2026-01-26": 0.74},
    "estimated": {"2026-03-02": 0.702, "2026-02-23": None},
    "metric": "f1",
    "verdict": "warn",
    "degraded": False,
    "since": None,
}


def told(result: dict[str, Any], cause: str = "drift") -> notice.Notice:
    found = notice.of_check(MODEL, cause, result, LINKS)
    assert found is not None
    return found


def test_drift_is_told_with_all_that_moved() -> None:
    assert told(DRIFT).text == (
        "Drift breach: model ML.LOANS.MORTGAGE, version V1, week 2026-03-02\n"
        "Moved: PSI of INCOME is 0.412 (breach from 0.25); PSI of score is 0.3 (breach from 0.25)\n"
        "Run: https://airflow/run"
    )


def test_the_worst_feature_is_told_where_nothing_else_is_known() -> None:
    assert told({**DRIFT, "moved": []}).details == ("Moved: INCOME 0.412",)


def test_performance_is_told_week_by_week_and_estimates_as_such() -> None:
    assert told(PERFORMANCE, "performance").text == (
        "Performance warning: model ML.LOANS.MORTGAGE, version V1, week 2026-03-02\n"
        "f1 by week: 2026-01-26 0.74, 2026-02-02 0.71\n"
        "f1 estimated, before labels come: 2026-02-23 undefined, 2026-03-02 0.702\n"
        "Run: https://airflow/run"
    )


def test_only_the_newest_weeks_are_told() -> None:
    weeks = {f"2026-01-{day:02}": 0.5 for day in range(1, 27)}
    (line, _) = told({**PERFORMANCE, "weeks": weeks}, "performance").details
    assert line.count("0.5") == 5
    assert "2026-01-26" in line


def test_a_degraded_model_is_told_of_with_since_when() -> None:
    found = told({**DRIFT, "degraded": True, "since": "2026-02-16"})
    assert found.subject == "Degraded by drift: ML.LOANS.MORTGAGE, week 2026-03-02"
    assert found.details[-1] == "Degraded since 2026-02-16"
    assert found.events == {"breach", "degraded"}


@pytest.mark.parametrize(
    ("cause", "result"),
    [
        ("drift", {**DRIFT, "verdict": "ok"}),
        ("drift", {**DRIFT, "verdict": None}),
        ("performance", {**PERFORMANCE, "weeks": {}}),
    ],
    ids=["all well", "nothing to judge yet", "no week measured anew"],
)
def test_no_news_is_not_told(cause: str, result: dict[str, Any]) -> None:
    assert notice.of_check(MODEL, cause, result, LINKS) is None


GATE = {
    "challenger": "V2",
    "champion": None,
    "rows": 10,
    "rules": [{"rule": "f1", "value": 0.8, "bound": 0.7, "passed": True, "at_most": False}],
    "metrics": {},
}


def test_the_first_champion_has_none_before_it() -> None:
    found = notice.of_promotion(MODEL, "2026-03-02", GATE, None, LINKS)
    assert found.details[0] == "Champion: V2 (the first champion)"
    assert found.events == {"promotion"}


APPROVED = {"approved": True, "decided_by": "ada", "note": "better in autumn"}
REJECTED = {"approved": False, "decided_by": "ada", "note": None}


def test_a_person_s_decision_is_told_with_the_reason() -> None:
    promoted = notice.of_promotion(MODEL, "2026-03-02", {**GATE, "champion": "V1"}, None, LINKS, APPROVED)
    assert promoted.details[:2] == ("Champion: V2 (before: V1)", "Approved by ada: better in autumn")
    rejected = notice.of_promotion(MODEL, "2026-03-02", {**GATE, "champion": "V1"}, None, LINKS, REJECTED)
    assert rejected.details[:2] == ("Champion unchanged: V1", "Rejected by ada")
    assert (promoted.events, rejected.events) == ({"promotion"}, {"rejection"})


def test_what_the_gate_rejected_nobody_was_asked_about() -> None:
    rules = [{**GATE["rules"][0], "passed": False}]
    asked_nobody = {"approved": None, "decided_by": None, "note": None}
    found = notice.of_promotion(MODEL, "2026-03-02", {**GATE, "rules": rules}, None, LINKS, asked_nobody)
    assert found.events == {"rejection"}
    assert "by" not in found.details[1].split()


def test_an_approver_learns_what_waits_and_where() -> None:
    found = notice.of_approval(MODEL, {**GATE, "champion": "V1"}, {"Answer": "https://airflow/required_actions"})
    assert found.subject == "Waiting for approval: ML.LOANS.MORTGAGE"
    assert found.details[0] == "To become champion in place of V1"
    assert found.text.endswith("Answer: https://airflow/required_actions")


def test_a_rollback_is_told_with_who_did_it_and_why() -> None:
    found = notice.of_rollback(MODEL, {"champion": "V1", "previous": "V2"}, "it is wrong", "ada", LINKS)
    assert found.text == (
        "Rolled back: model ML.LOANS.MORTGAGE, version V1\n"
        "Champion: V1 (before: V2)\n"
        "By ada\n"
        "Because: it is wrong\n"
        "Run: https://airflow/run"
    )


def test_a_long_error_is_cut_and_told_in_one_line() -> None:
    found = notice.of_failure(MODEL, "", "score", "broken\n" + "x" * 1000, LINKS)
    assert found.details[0].startswith("broken xxx")
    assert len(found.details[0]) < 410
    assert found.subject == "Task score failed: ML.LOANS.MORTGAGE"


def test_a_failure_without_a_reason_says_so() -> None:
    assert notice.of_failure(MODEL, "", "score", "", {}).details == ("Airflow tells no reason; see the task's log",)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"to": "pigeon", "events": ["breach"]}, "'pigeon': it is no service; choose of smtp, slack, http"),
        ({"to": "http", "events": ["sunset"]}, "events is .'sunset'.; choose of warn, breach"),
        ({"to": "http", "events": []}, r"events is \[\]; choose of warn, breach"),
        ({"to": "smtp", "events": ["breach"]}, "mail, and only mail, has recipients"),
        ({"to": "slack", "events": ["breach"], "recipients": ["a@b.c"]}, "mail, and only mail, has recipients"),
        ({"to": "http", "events": ["breach"], "from": "a@b.c"}, "from .a@b.c. is of mail only"),
        ({"to": "http", "events": ["breach"], "channel": "#x"}, "channel .#x. is of Slack only"),
    ],
)
def test_a_notification_that_contradicts_itself_is_refused(content: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Destination.of(content)


def test_nobody_who_did_not_ask_makes_a_callback() -> None:
    made = notification_callbacks([{"to": "http", "events": ["breach", "rejection"]}], model=MODEL)
    assert [len(kind) for kind in (made.on_check, made.on_promotion, made.on_rejection, made.on_failure)] == [
        1,
        0,
        1,
        0,
    ]


def instance(task_id: str, task: Any, result: Any = None) -> Any:
    """A task instance, with what the callbacks look at."""
    return SimpleNamespace(
        task_id=task_id,
        dag_id="score_mortgage",
        run_id="r",
        log_url="https://airflow/run",
        task=task,
        xcom_pull=lambda task_ids: {task_id: result}[task_ids],
    )


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are sent."""
    kept: list[str] = []
    monkeypatch.setattr(callbacks, "deliver", lambda found, *_: kept.append(found.text))
    return kept


def check(result: dict[str, Any], run_type: str) -> None:
    """End a drift check of a run."""
    made = notification_callbacks([{"to": "http", "events": ["breach"]}], model=MODEL)
    ended = instance("check_drift", SimpleNamespace(cause="drift"), result)
    made.on_check[0]({"ti": ended, "dag_run": SimpleNamespace(run_type=run_type)})


def test_backfilled_weeks_are_no_news(texts: list[str]) -> None:
    check(DRIFT, "backfill")
    assert texts == []
    check(DRIFT, "scheduled")
    assert len(texts) == 1


def test_a_result_that_cannot_be_read_does_not_break_the_task(
    texts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    check({"verdict": "breach"}, "scheduled")
    assert texts == []
    assert "Nobody is told of check_drift: KeyError: 'model_version'" in caplog.text


@pytest.mark.parametrize(
    ("week", "params", "told"),
    [("2026-03-02", {}, ", week 2026-03-02"), ("{{ not rendered }}", {"week": None}, ""), (None, None, "")],
    ids=["rendered", "died before it was rendered", "none"],
)
def test_a_task_whose_process_died_is_told_of_with_what_is_known(
    texts: list[str], week: str | None, params: dict[str, Any] | None, told: str
) -> None:
    made = notification_callbacks([{"to": "http", "events": ["failure"]}], model=MODEL)
    context = {"ti": instance("score", SimpleNamespace(week=week))}
    made.on_failure[0](context if params is None else {**context, "params": params})
    assert texts == [
        f"Task score failed: model ML.LOANS.MORTGAGE{told}\n"
        "Airflow tells no reason; see the task's log\n"
        "Run: https://airflow/run"
    ]


EVERYTHING = [{"to": "http", "events": ["approval", "promotion", "rejection", "rollback", "failure"]}]
PROMOTION = SimpleNamespace(week="2026-03-02", verdict=GATE, reason=None, approval=REJECTED)


def test_a_person_s_rejection_is_told_once_and_not_as_a_failure(texts: list[str]) -> None:
    made = notification_callbacks(EVERYTHING, model=MODEL)
    for callback in (*made.on_failure, *made.on_rejection):
        callback({"ti": instance("promote", PROMOTION), "exception": ChallengerRejectedError("rejected")})
    (told,) = texts
    assert told.startswith("Rejected: model ML.LOANS.MORTGAGE, version V2")


def test_a_promotion_that_fails_is_no_rejection(texts: list[str]) -> None:
    made = notification_callbacks(EVERYTHING, model=MODEL)
    for callback in (*made.on_failure, *made.on_rejection):
        callback({"ti": instance("promote", PROMOTION), "exception": ModelBusyError("busy")})
    (told,) = texts
    assert told.startswith("Task promote failed: model ML.LOANS.MORTGAGE, week 2026-03-02")


def test_the_pipeline_of_the_form_is_told_of_and_no_other(texts: list[str]) -> None:
    made = {name: notification_callbacks(EVERYTHING, model=name).on_rollback for name in ("first", "second")}
    ended = instance("roll_back", SimpleNamespace(reason="wrong"), {"champion": "V1", "previous": "V2"})
    run = SimpleNamespace(triggering_user_name="ada")
    for params in ({"pipeline": "second"}, {"pipeline": "third"}, {}):
        ByPipeline(made)({"ti": ended, "dag_run": run, "params": params})
    (told,) = texts
    assert told.startswith("Rolled back: model second, version V1")
    assert "By ada" in told


def test_who_is_asked_is_led_to_the_answer(texts: list[str]) -> None:
    made = notification_callbacks(EVERYTHING, model=MODEL)
    made.on_approval[0]({"ti": instance("approve", SimpleNamespace(verdict=GATE))})
    (told,) = texts
    assert "/dags/score_mortgage/runs/r/tasks/approve/required_actions\n" in told


def test_the_operators_have_what_the_callbacks_read() -> None:
    assert {DriftCheckOperator.cause, PerformanceCheckOperator.cause} == {"drift", "performance"}
    assert {"verdict", "week", "reason", "approval"} <= set(PromoteModelOperator.template_fields)
    assert "verdict" in ApproveChallengerOperator.template_fields
    assert "reason" in RollbackModelOperator.template_fields
