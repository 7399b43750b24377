"""Alerts over Snowmaker's tables: made once, run for real, and the mail that they write."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from typing import Any

import pytest

from snowmaker.alert_definition import AlertDefinition
from snowmaker.exceptions import InputDataError, WarehouseError
from snowmaker.operators.alert import AlertOperator
from snowmaker.snowflake import alert as alert_sql
from snowmaker.snowflake import tables
from snowmaker.snowflake.alert import Condition
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement

from .lab import Lab, fresh, task_context

VERSION = "V'1 \\ 100%"
WORST = Condition(Statement("SELECT 'it''s 100 %% \\\\ ' || %s AS MESSAGE", ("the 'worst'",)))


@pytest.fixture
def integration(lab: Lab) -> Iterator[str]:
    """An integration that may write to two people."""
    name = fresh("MAIL")
    lab.rows(
        f"CREATE NOTIFICATION INTEGRATION {name} TYPE = EMAIL ENABLED = TRUE "
        "ALLOWED_RECIPIENTS = ('ann@example.com', 'bob@example.com')"
    )
    yield name
    lab.rows(f"DROP INTEGRATION {name}")


@pytest.fixture
def model(lab: Lab) -> QualifiedName:
    """A model's name, with a champion on record after another one."""
    model = QualifiedName.parse(lab.name(fresh("Watched % 'model'")))
    events = model.sibling(tables.MODEL_EVENTS)
    lab.rows(tables.create_table(events).text)
    for day, version in enumerate(("V0", VERSION), start=1):
        lab.rows(
            f"INSERT INTO {events} (EVENT_ID, SEQUENCE, EVENT, MODEL_NAME, MODEL_VERSION, WEEK_START, RUN_ID, "
            f"WRITTEN_AT) SELECT %s, %s, 'PROMOTED', %s, %s, '2026-01-05', 'r', %s",
            fresh("E"),
            day,
            model.quoted,
            version,
            f"2026-01-{day:02} 00:00:00",
        )
    return model


def definition(integration: str, condition: Condition, **changed: Any) -> AlertDefinition:
    return replace(
        AlertDefinition(
            condition, "compute_wh", integration, ("ann@example.com", "bob@example.com"), "Loans: it's 7 %"
        ),
        **changed,
    )


def act(alert: str, action: str, definition: AlertDefinition | None = None, **more: Any) -> dict[str, Any]:
    operator = AlertOperator(task_id="alert", alert_name=alert, action=action, definition=definition, **more)  # type: ignore[arg-type]
    result = operator.execute(task_context())
    assert (result["alert"], result["action"]) == (alert, action)
    return result


def outcome(result: dict[str, Any]) -> tuple[Any, Any]:
    return result["state"], result["changed"]


def shown(lab: Lab, alert: str) -> dict[str, Any] | None:
    rows = lab.frame_of(f"SHOW ALERTS IN SCHEMA {alert.rpartition('.')[0]}").to_dict("records")
    return next((row for row in rows if alert.endswith(f'"{row["name"]}"')), None)


def mails(lab: Lab, integration: str) -> list[Message]:
    box = mailbox.Maildir(lab.sandbox.settings.state / "mailbox", create=False)
    return [mail for mail in box if mail["X-Snowflake-Integration"] == integration]


def body(mail: Message) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8")


def measured(lab: Lab, model: QualifiedName, week: str, value: float | None, **changed: Any) -> None:
    """Write what a performance check writes of a week."""
    row = {"SEGMENT": "", "CLASS": "", "METRIC": "f1", "VERSION": VERSION, "IS_ESTIMATE": False, **changed}
    lab.rows(
        f"INSERT INTO {lab.name('SNOWMAKER_PERFORMANCE')} (WEEK_START, MODEL_NAME, MODEL_VERSION, SEGMENT, CLASS, "
        f"METRIC, VALUE, IS_ESTIMATE, ROW_COUNT, ENGINE, RUN_ID, WRITTEN_AT) "
        f"SELECT %s, %s, %s, %s, %s, %s, %s, %s, 9, 'snowmaker', 'r', SYSDATE()",
        week, model.quoted, row["VERSION"], row["SEGMENT"], row["CLASS"], row["METRIC"], value, row["IS_ESTIMATE"],
    )  # fmt: skip


def test_an_alert_is_made_resumed_run_suspended_and_dropped(lab: Lab, integration: str) -> None:
    alert = lab.name(fresh("Alert % it's"))
    wanted = definition(integration, WORST)
    created = {"alert": alert, "action": "create", "state": "started"}
    assert act(alert, "create", wanted) == {**created, "changed": True}
    row = shown(lab, alert)
    assert row is not None
    assert (row["state"], row["schedule"], row["warehouse"]) == ("started", "USING CRON 0 9 * * MON UTC", "COMPUTE_WH")
    assert act(alert, "run") == {"alert": alert, "action": "run", "state": "TRIGGERED", "changed": False}
    (mail,) = mails(lab, integration)
    assert (mail["To"], mail["Subject"]) == ("ann@example.com, bob@example.com", "Loans: it's 7 %")
    assert body(mail) == "it's 100 % \\ the 'worst'\n"
    assert outcome(act(alert, "suspend")) == ("suspended", True)
    assert outcome(act(alert, "suspend")) == ("suspended", False)
    assert outcome(act(alert, "resume")) == ("started", True)
    assert outcome(act(alert, "drop")) == ("dropped", True)
    assert outcome(act(alert, "drop")) == ("dropped", False)
    assert shown(lab, alert) is None


def test_the_same_alert_is_left_as_it_is_and_another_one_replaces_it(lab: Lab, integration: str) -> None:
    alert = lab.name(fresh("ALERT"))
    act(alert, "create", definition(integration, WORST))
    before = shown(lab, alert)
    assert act(alert, "create", definition(integration, WORST))["changed"] is False
    assert shown(lab, alert) == before
    for changed in (
        definition(integration, WORST, schedule="0 8 * * MON"),
        definition(integration, WORST, recipients=("bob@example.com",)),
        definition(integration, Condition(Statement("SELECT 'other' AS MESSAGE"))),
    ):
        assert act(alert, "create", changed)["changed"] is True
        now = shown(lab, alert)
        assert now is not None
        assert now["state"] == "started"
        assert now != before
        before = now
    act(alert, "suspend")
    assert act(alert, "create", changed)["changed"] is True
    assert shown(lab, alert) == before
    act(alert, "drop")


def test_a_mail_tells_when_the_champions_newest_week_is_worse_than_the_bound(
    lab: Lab, integration: str, model: QualifiedName
) -> None:
    alert = lab.name(fresh("ALERT"))
    act(alert, "create", definition(integration, alert_sql.metric_beyond(model, "f1", below=0.7)))
    assert act(alert, "run")["state"] == "CONDITION_FALSE"  # nothing is measured
    measured(lab, model, "2026-03-02", 0.5)
    measured(lab, model, "2026-03-09", 0.71)
    for other in ({"SEGMENT": "COUNTY=a"}, {"CLASS": "x"}, {"METRIC": "recall"}, {"VERSION": "V0"}):
        measured(lab, model, "2026-03-16", 0.1, **other)
    measured(lab, model, "2026-03-16", 0.1, IS_ESTIMATE=True)
    assert act(alert, "run")["state"] == "CONDITION_FALSE"  # an older week was bad, the newest is not
    measured(lab, model, "2026-03-16", 0.65432109)
    assert act(alert, "run")["state"] == "TRIGGERED"
    measured(lab, model, "2026-03-23", None)
    assert act(alert, "run")["state"] == "TRIGGERED"
    told = [body(mail) for mail in mails(lab, integration)]
    expected = f"{model.quoted}, version {VERSION}: f1 was {{}} in week {{}}, below 0.7\n"
    assert sorted(told) == sorted([expected.format("0.6543", "2026-03-16"), expected.format("undefined", "2026-03-23")])
    act(alert, "create", definition(integration, alert_sql.metric_beyond(model, "f1", above=0.9)))
    measured(lab, model, "2026-03-30", 0.8)
    assert act(alert, "run")["state"] == "CONDITION_FALSE"
    act(alert, "drop")


def test_a_mail_tells_each_column_that_breached_in_the_newest_week(
    lab: Lab, integration: str, model: QualifiedName
) -> None:
    alert = lab.name(fresh("ALERT"))
    act(alert, "create", definition(integration, alert_sql.drift_breached(model)))
    for week, feature, segment, value, verdict in (
        ("2026-03-02", "OLD", "", 9.0, "breach"),
        ("2026-03-09", "INCOME", "", 0.25, "breach"),
        ("2026-03-09", "COUNTY", "SEX=f", 0.5, "breach"),
        ("2026-03-09", "AGE", "", 0.125, "warn"),
        ("2026-03-09", "SHOWN", "", 5.0, None),
    ):
        lab.rows(
            f"INSERT INTO {lab.name('SNOWMAKER_DRIFT')} (WEEK_START, MODEL_NAME, MODEL_VERSION, SEGMENT, FEATURE, "
            f"METRIC, VALUE, VERDICT, ROW_COUNT, ENGINE, RUN_ID, WRITTEN_AT) "
            f"SELECT %s, %s, %s, %s, %s, 'psi', %s, %s, 9, 'snowmaker', 'r', SYSDATE()",
            week, model.quoted, VERSION, segment, feature, value, verdict,
        )  # fmt: skip
    assert act(alert, "run")["state"] == "TRIGGERED"
    (mail,) = mails(lab, integration)
    assert body(mail).splitlines() == [
        f"{model.quoted}, version {VERSION}: psi of COUNTY where SEX=f was 0.5 in week 2026-03-09, a breach",
        f"{model.quoted}, version {VERSION}: psi of INCOME was 0.25 in week 2026-03-09, a breach",
    ]
    act(alert, "drop")


def test_a_mail_tells_when_no_week_was_scored_for_long(lab: Lab, integration: str, model: QualifiedName) -> None:
    alert, predictions = lab.name(fresh("ALERT")), QualifiedName.parse(lab.name(fresh("P")))
    wanted = definition(integration, alert_sql.not_scored(predictions, model, days=8))
    with pytest.raises(InputDataError, match=r"condition of alert .* cannot be evaluated; it must be a SELECT"):
        act(alert, "create", wanted)
    lab.rows(f"CREATE TABLE {predictions} (MODEL_NAME VARCHAR, SCORED_AT TIMESTAMP_NTZ, IS_SHADOW BOOLEAN)")
    act(alert, "create", wanted)
    assert act(alert, "run")["state"] == "TRIGGERED"
    lab.rows(f"INSERT INTO {predictions} SELECT %s, DATEADD(day, -9, SYSDATE()), FALSE", model.quoted)
    assert act(alert, "run")["state"] == "TRIGGERED"
    lab.rows(f"INSERT INTO {predictions} SELECT %s, DATEADD(day, -7, SYSDATE()), FALSE", model.quoted)
    assert act(alert, "run")["state"] == "CONDITION_FALSE"
    assert any(body(mail).endswith("for 8 days; the newest predictions: never\n") for mail in mails(lab, integration))
    act(alert, "drop")


def test_what_would_fail_at_night_fails_at_once(lab: Lab, integration: str) -> None:
    alert = lab.name(fresh("ALERT"))
    with pytest.raises(
        InputDataError, match=r"integration NO_SUCH of alert .* does not exist.* there are: .*Create it"
    ):
        act(alert, "create", definition("no_such", WORST))
    without_message = Condition(Statement("SELECT 1 AS N"))
    with pytest.raises(InputDataError, match=r"must be a SELECT with a column MESSAGE"):
        act(alert, "create", definition(integration, without_message))
    assert shown(lab, alert) is None
    for action in ("run", "suspend", "resume"):
        with pytest.raises(InputDataError, match=r"does not exist, or the role may not see it; create it first"):
            act(alert, action)


def test_a_mail_that_cannot_be_sent_fails_the_run_with_the_reason(lab: Lab, integration: str) -> None:
    alert = lab.name(fresh("ALERT"))
    act(alert, "create", definition(integration, WORST, recipients=("eve@example.com",)))
    with pytest.raises(WarehouseError, match=r"ended as ACTION_FAILED .*not allowed by the email integration"):
        act(alert, "run")
    assert mails(lab, integration) == []
    act(alert, "drop")
