"""Alerts: defined, run, and what became of each run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused

CRON = "USING CRON 0 9 * * MON Europe/Zurich"
ENDED = "('CONDITION_FALSE', 'TRIGGERED', 'CONDITION_FAILED', 'ACTION_FAILED', 'FAILED', 'CANCELLED')"


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def alert(cursor: SnowflakeCursor) -> Iterator[str]:
    """A new alert's name; its condition reads one table, its action writes another."""
    name = fresh("A")
    cursor.execute(f"CREATE TABLE {name}_SEEN (n INT)")
    cursor.execute(f"CREATE TABLE {name}_DONE (n INT, at TIMESTAMP_LTZ)")
    cursor.execute(
        f"CREATE ALERT {name} WAREHOUSE = {cursor.connection.warehouse} SCHEDULE = '{CRON}' COMMENT = 'it''s'\n"
        f"IF (EXISTS (\n SELECT n FROM {name}_SEEN WHERE n > 10 -- too many\n))\n"
        f"THEN INSERT INTO {name}_DONE SELECT MAX(n), CURRENT_TIMESTAMP() FROM {name}_SEEN"
    )
    yield name
    cursor.execute(f"DROP ALERT IF EXISTS {name}")


def run(cursor: SnowflakeCursor, alert: str, runs: int = 1) -> dict[str, Any]:
    """Execute an alert and wait for its end; the newest of so many runs in the history."""
    cursor.execute(f"EXECUTE ALERT {alert}")
    query = (
        f"SELECT * FROM TABLE(INFORMATION_SCHEMA.ALERT_HISTORY(ALERT_NAME => '{alert}')) "
        f"WHERE state IN {ENDED} ORDER BY scheduled_time DESC"
    )
    deadline = time.monotonic() + 120
    while len(found := cursor.execute(query).fetchall()) < runs:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return dict(zip([column.name for column in cursor.description], found[0], strict=True))


def shown(cursor: SnowflakeCursor, alert: str) -> dict[str, Any]:
    rows = cursor.execute(f"SHOW ALERTS LIKE '{alert}'").fetchall()
    (row,) = rows
    return dict(zip([column.name for column in cursor.description], row, strict=True))


# ---- definitions ----


def test_an_alert_is_shown_as_it_was_made_and_is_suspended(cursor: SnowflakeCursor, alert: str) -> None:
    row = shown(cursor, alert)
    assert (row["state"], row["schedule"], row["comment"]) == ("suspended", CRON, "it's")
    assert row["warehouse"] == cursor.connection.warehouse
    assert row["condition"].startswith(f"SELECT n FROM {alert}_SEEN WHERE n > 10")
    assert row["action"] == f"INSERT INTO {alert}_DONE SELECT MAX(n), CURRENT_TIMESTAMP() FROM {alert}_SEEN"
    assert abs(datetime.now(UTC) - row["created_on"]) < timedelta(minutes=5)
    described = cursor.execute(f"DESC ALERT {alert}").fetchone()
    assert row["name"] in described
    assert row["condition"] in described


def test_an_alert_is_resumed_and_suspended(cursor: SnowflakeCursor, alert: str) -> None:
    coming = f"SELECT state FROM TABLE(INFORMATION_SCHEMA.ALERT_HISTORY(ALERT_NAME => '{alert}'))"
    cursor.execute(f"ALTER ALERT {alert} RESUME")
    assert shown(cursor, alert)["state"] == "started"
    assert cursor.execute(coming).fetchall() == [("SCHEDULED",)]
    cursor.execute(f"ALTER ALERT {alert} SUSPEND")
    assert shown(cursor, alert)["state"] == "suspended"
    assert cursor.execute(coming).fetchall() == []


def test_what_an_alert_is_made_of_can_be_changed(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"ALTER ALERT {alert} SET SCHEDULE = '90 MINUTE' COMMENT = 'other'")
    cursor.execute(
        f"ALTER ALERT IF EXISTS {alert} MODIFY CONDITION EXISTS (SELECT CASE WHEN (LEN('))')) = 2 THEN 1 END)"
    )
    cursor.execute(f"ALTER ALERT {alert} MODIFY ACTION SELECT 'done;'")
    row = shown(cursor, alert)
    assert (row["schedule"], row["comment"]) == ("90 MINUTE", "other")
    assert (row["condition"], row["action"]) == ("SELECT CASE WHEN (LEN('))')) = 2 THEN 1 END", "SELECT 'done;'")
    cursor.execute(f"ALTER ALERT {alert} UNSET COMMENT")
    assert not shown(cursor, alert)["comment"]


def test_an_alert_is_listed_by_place_and_name(cursor: SnowflakeCursor, alert: str) -> None:
    place = f"{cursor.connection.database}.{cursor.connection.schema}"
    for scope in ("", f" IN SCHEMA {place}", f" IN DATABASE {cursor.connection.database}", " IN ACCOUNT"):
        names = [row[1] for row in cursor.execute(f"SHOW ALERTS LIKE '{alert.lower()}'{scope}").fetchall()]
        assert names == [alert]
    assert cursor.execute(f"SHOW ALERTS LIKE '{alert}' STARTS WITH '{alert.lower()}'").fetchall() == []
    with refused(2003):
        cursor.execute("SHOW ALERTS IN SCHEMA nowhere")


def test_a_clone_is_suspended_like_a_new_alert(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"ALTER ALERT {alert} RESUME")
    cursor.execute(f"CREATE ALERT {alert}_2 CLONE {alert}")
    row = shown(cursor, f"{alert}_2")
    assert (row["state"], row["schedule"]) == ("suspended", CRON)
    cursor.execute(f"DROP ALERT {alert}_2")


def test_an_alert_is_made_once_and_dropped_once(cursor: SnowflakeCursor, alert: str) -> None:
    body = "SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1)) THEN SELECT 2"
    with refused(2002):
        cursor.execute(f"CREATE ALERT {alert} {body}")
    cursor.execute(f"CREATE ALERT IF NOT EXISTS {alert} {body}")
    assert shown(cursor, alert)["schedule"] == CRON
    cursor.execute(f"CREATE OR REPLACE ALERT {alert} {body}")
    assert shown(cursor, alert)["schedule"] == "5 MINUTE"
    cursor.execute(f"DROP ALERT {alert}")
    for statement in (f"DROP ALERT {alert}", f"EXECUTE ALERT {alert}", f"ALTER ALERT {alert} RESUME"):
        with refused(2003, "does not exist"):
            cursor.execute(statement)
    cursor.execute(f"DROP ALERT IF EXISTS {alert}")
    cursor.execute(f"ALTER ALERT IF EXISTS {alert} RESUME")


def test_a_quoted_name_keeps_its_signs(cursor: SnowflakeCursor) -> None:
    name = fresh("a") + ' "of" it\'s'
    quoted = '"' + name.replace('"', '""') + '"'
    cursor.execute(f"CREATE ALERT {quoted} SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1 WHERE FALSE)) THEN SELECT 2")
    cursor.execute(f"EXECUTE ALERT {quoted}")
    assert name in [row[1] for row in cursor.execute("SHOW ALERTS").fetchall()]
    cursor.execute(f"DROP ALERT {quoted}")
    assert name not in [row[1] for row in cursor.execute("SHOW ALERTS").fetchall()]


@pytest.mark.parametrize(
    "body",
    [
        "SCHEDULE = '5 MINUTE' IF (EXISTS (SELEC 1)) THEN SELECT 1",
        "SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1 FROM)) THEN SELECT 1",
        "SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1)) THEN INSERT t VALUES",
        "SCHEDULE = '5 MINUTE' IF (SELECT 1) THEN SELECT 1",
        "SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1)) SELECT 1",
    ],
)
def test_an_alert_of_wrong_syntax_is_not_made(cursor: SnowflakeCursor, body: str) -> None:
    name = fresh("A")
    with refused(1003, "syntax error"):
        cursor.execute(f"CREATE ALERT {name} {body}")
    assert cursor.execute(f"SHOW ALERTS LIKE '{name}'").fetchall() == []


@pytest.mark.parametrize(
    "schedule", ["5 FORTNIGHTS", "USING CRON 61 * * * * UTC", "USING CRON 0 9 * * * Nowhere/At_All"]
)
def test_a_schedule_that_is_none_is_refused(cursor: SnowflakeCursor, schedule: str) -> None:
    with pytest.raises(Exception, match=r"(?i)schedule|cron|time ?zone"):
        cursor.execute(f"CREATE ALERT {fresh('A')} SCHEDULE = '{schedule}' IF (EXISTS (SELECT 1)) THEN SELECT 1")


def test_a_property_that_is_not_known_is_refused(cursor: SnowflakeCursor, alert: str) -> None:
    with refused(1420, "COLOUR"):
        cursor.execute(f"ALTER ALERT {alert} SET COLOUR = 'red'")
    with refused(2003):
        cursor.execute(f"ALTER ALERT {alert} SET WAREHOUSE = {fresh('WH')}")


# ---- runs ----


def test_a_true_condition_triggers_the_action(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"INSERT INTO {alert}_SEEN VALUES (3), (30)")
    record = run(cursor, alert)
    assert (record["STATE"], record["ERROR_CODE"]) == ("TRIGGERED", None)
    assert record["CONDITION_QUERY_ID"]
    assert record["ACTION_QUERY_ID"]
    assert record["SCHEDULED_TIME"] <= record["COMPLETED_TIME"]
    assert cursor.execute(f"SELECT n FROM {alert}_DONE").fetchall() == [(30,)]
    assert shown(cursor, alert)["state"] == "suspended"


def test_a_false_condition_triggers_nothing(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"INSERT INTO {alert}_SEEN VALUES (3)")
    record = run(cursor, alert)
    assert (record["STATE"], record["ACTION_QUERY_ID"]) == ("CONDITION_FALSE", None)
    assert cursor.execute(f"SELECT * FROM {alert}_DONE").fetchall() == []


def test_names_are_resolved_when_the_alert_runs(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"ALTER ALERT {alert} MODIFY CONDITION EXISTS (SELECT * FROM {alert}_NOT_YET)")
    record = run(cursor, alert)
    assert record["STATE"] == "CONDITION_FAILED"
    assert int(record["ERROR_CODE"]) == 2003
    assert f"{alert}_NOT_YET" in record["ERROR_MESSAGE"]
    cursor.execute(f"CREATE TABLE {alert}_NOT_YET AS SELECT 1 AS a")
    assert run(cursor, alert, runs=2)["STATE"] == "TRIGGERED"


def test_an_action_that_fails_is_written_down(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"INSERT INTO {alert}_SEEN VALUES (30)")
    cursor.execute(f"ALTER ALERT {alert} MODIFY ACTION INSERT INTO {alert}_DONE (n) SELECT 1 / 0")
    record = run(cursor, alert)
    assert (record["STATE"], int(record["ERROR_CODE"])) == ("ACTION_FAILED", 100051)
    assert "Division by zero" in record["ERROR_MESSAGE"]


def test_an_action_may_be_a_block_of_statements(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(
        f"CREATE OR REPLACE ALERT {alert} SCHEDULE = '5 MINUTE' "
        f"IF (EXISTS (SHOW TABLES LIKE '{alert}_%' ->> SELECT * FROM $1 WHERE \"name\" = '{alert}_SEEN')) THEN\n"
        f"BEGIN\n INSERT INTO {alert}_DONE (n) VALUES (1); -- first;\n UPDATE {alert}_DONE SET n = n + 1;\nEND;"
    )
    assert run(cursor, alert)["STATE"] == "TRIGGERED"
    assert cursor.execute(f"SELECT n FROM {alert}_DONE").fetchall() == [(2,)]


def test_the_action_can_read_what_the_condition_found(cursor: SnowflakeCursor, alert: str) -> None:
    cursor.execute(f"INSERT INTO {alert}_SEEN VALUES (3), (30), (40)")
    cursor.execute(
        f"ALTER ALERT {alert} MODIFY ACTION INSERT INTO {alert}_DONE (n) "
        "SELECT n FROM TABLE(RESULT_SCAN(SNOWFLAKE.ALERT.GET_CONDITION_QUERY_UUID()))"
    )
    assert run(cursor, alert)["STATE"] == "TRIGGERED"
    assert cursor.execute(f"SELECT n FROM {alert}_DONE ORDER BY n").fetchall() == [(30,), (40,)]


def test_an_alert_knows_the_time_of_its_last_success(cursor: SnowflakeCursor, alert: str) -> None:
    first = run(cursor, alert)
    assert first["STATE"] == "CONDITION_FALSE"
    cursor.execute(f"ALTER ALERT {alert} MODIFY CONDITION EXISTS (SELECT 1)")
    cursor.execute(f"ALTER ALERT {alert} MODIFY ACTION SELECT 1 / 0")
    assert run(cursor, alert, runs=2)["STATE"] == "ACTION_FAILED"
    cursor.execute(
        f"ALTER ALERT {alert} MODIFY ACTION INSERT INTO {alert}_DONE SELECT n, at FROM VALUES "
        "(1, SNOWFLAKE.ALERT.LAST_SUCCESSFUL_SCHEDULED_TIME()), (2, SNOWFLAKE.ALERT.SCHEDULED_TIME()) v (n, at)"
    )
    third = run(cursor, alert, runs=3)
    assert third["STATE"] == "TRIGGERED", third
    times = dict(cursor.execute(f"SELECT n, at FROM {alert}_DONE").fetchall())
    assert times == {1: first["SCHEDULED_TIME"], 2: third["SCHEDULED_TIME"]}


def test_the_functions_of_an_alert_are_for_alerts(cursor: SnowflakeCursor) -> None:
    with pytest.raises(Exception, match="alert"):
        cursor.execute("SELECT SNOWFLAKE.ALERT.SCHEDULED_TIME()")


def test_the_history_is_of_a_time_and_of_so_many_runs(cursor: SnowflakeCursor, alert: str) -> None:
    run(cursor, alert)
    run(cursor, alert, runs=2)

    def count(arguments: str) -> int:
        query = f"SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.ALERT_HISTORY(ALERT_NAME => '{alert}', {arguments}))"
        return int(cursor.execute(query).fetchone()[0])

    assert count("RESULT_LIMIT => 1") == 1
    assert count("SCHEDULED_TIME_RANGE_START => DATEADD('hour', -1, CURRENT_TIMESTAMP())") == 2
    assert count("SCHEDULED_TIME_RANGE_END => DATEADD('hour', -1, CURRENT_TIMESTAMP())") == 0
    for wrong in ("RESULT_LIMIT => 0", "SCHEDULED_TIME_RANGE_START => DATEADD('day', -9, CURRENT_TIMESTAMP())"):
        with pytest.raises(Exception, match=r"RESULT_LIMIT|parameter|value|range|days"):
            count(wrong)
