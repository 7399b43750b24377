"""Tasks and task graphs: defined, run, and what became of each run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def root(cursor: SnowflakeCursor) -> Iterator[str]:
    """A root task's name, that other tasks' names and the table of what they wrote begin with."""
    name = fresh("T")
    cursor.execute(f"CREATE TABLE {name}_LOG (entry VARCHAR)")
    make(cursor, name, "SCHEDULE = '60 MINUTE'", wrote(name, "root"))
    yield name
    cursor.execute(f"DROP TASK IF EXISTS {name}")


def make(cursor: SnowflakeCursor, name: str, options: str, body: str, replace: str = "") -> None:
    warehouse = f"WAREHOUSE = {cursor.connection.warehouse}"
    cursor.execute(f"CREATE {replace} TASK {name} {warehouse} {options} AS {body}")


def wrote(root: str, entry: str) -> str:
    return f"INSERT INTO {root}_LOG VALUES ('{entry}')"


def entries(cursor: SnowflakeCursor, root: str) -> list[str]:
    return sorted(row[0] for row in cursor.execute(f"SELECT entry FROM {root}_LOG").fetchall())


def ended(cursor: SnowflakeCursor, root: str, graphs: int = 1) -> dict[str, Any]:
    """Wait until so many runs of a graph have ended; the newest."""
    query = (
        f"SELECT * FROM TABLE(INFORMATION_SCHEMA.COMPLETE_TASK_GRAPHS(ROOT_TASK_NAME => '{root}')) "
        "ORDER BY query_start_time DESC"
    )
    deadline = time.monotonic() + 300
    while len(found := cursor.execute(query).fetchall()) < graphs:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return dict(zip([column.name for column in cursor.description], found[0], strict=True))


def states(cursor: SnowflakeCursor, root: str) -> dict[str, str]:
    """The state of each task's last run, by the end of its name."""
    query = (
        "SELECT name, state FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(RESULT_LIMIT => 1000)) "
        f"WHERE STARTSWITH(name, '{root}') AND state <> 'SCHEDULED' ORDER BY query_start_time"
    )
    return {name.removeprefix(root) or "ROOT": state for name, state in cursor.execute(query).fetchall()}


def shown(cursor: SnowflakeCursor, name: str) -> dict[str, Any]:
    (row,) = cursor.execute(f"SHOW TASKS LIKE '{name}'").fetchall()
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def resume(cursor: SnowflakeCursor, *names: str) -> None:
    for name in names:
        cursor.execute(f"ALTER TASK {name} RESUME")


# ---- definitions ----


def test_a_task_is_shown_as_it_was_made_and_is_suspended(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"COMMENT = 'it''s' AFTER {root} WHEN 1 = CAST('1' AS INT)", wrote(root, "a"))
    row = shown(cursor, f"{root}_A")
    place = f"{cursor.connection.database}.{cursor.connection.schema}"
    assert (row["state"], row["schedule"], row["comment"]) == ("suspended", None, "it's")
    assert json.loads(row["predecessors"]) == [f"{place}.{root}"]
    assert (row["definition"], row["condition"]) == (wrote(root, "a"), "1 = CAST('1' AS INT)")
    above = shown(cursor, root)
    assert (above["schedule"], json.loads(above["predecessors"])) == ("60 MINUTE", [])
    assert above["warehouse"] == cursor.connection.warehouse
    assert above["id"] in cursor.execute(f"DESC TASK {root}").fetchone()
    names = [r[1] for r in cursor.execute(f"SHOW TASKS LIKE '{root}%' ROOT ONLY").fetchall()]
    assert names == [root]


def test_a_task_is_changed_while_its_root_is_suspended_only(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", wrote(root, "a"))
    resume(cursor, f"{root}_A", root)
    assert shown(cursor, root)["state"] == "started"
    for change in (f"ALTER TASK {root}_A SUSPEND", f"DROP TASK {root}_A", f"ALTER TASK {root} SET COMMENT = 'x'"):
        with refused(91421, "root task is not suspended"):
            cursor.execute(change)
    with refused(91421):
        make(cursor, f"{root}_B", f"AFTER {root}", wrote(root, "b"))
    cursor.execute(f"ALTER TASK {root} SUSPEND")
    cursor.execute(f"ALTER TASK {root} SET SCHEDULE = 'USING CRON 0 9 * * * UTC' COMMENT = 'x'")
    cursor.execute(f"ALTER TASK {root}_A MODIFY AS SELECT 'other;'")
    cursor.execute(f"ALTER TASK {root}_A MODIFY WHEN 1 = 2")
    row = shown(cursor, root)
    assert (row["state"], row["schedule"], row["comment"]) == ("suspended", "USING CRON 0 9 * * * UTC", "x")
    assert row["last_suspended_reason"] == "USER_SUSPENDED"
    row = shown(cursor, f"{root}_A")
    assert (row["definition"], row["condition"]) == ("SELECT 'other;'", "1 = 2")
    cursor.execute(f"ALTER TASK {root}_A REMOVE WHEN")
    assert not shown(cursor, f"{root}_A")["condition"]


def test_predecessors_are_added_and_removed(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", wrote(root, "a"))
    make(cursor, f"{root}_B", f"AFTER {root}", wrote(root, "b"))
    cursor.execute(f"ALTER TASK {root}_B ADD AFTER {root}_A")
    cursor.execute(f"ALTER TASK {root}_B ADD AFTER {root}_A")
    assert len(json.loads(shown(cursor, f"{root}_B")["predecessors"])) == 2
    with pytest.raises(Exception, match=r"(?i)cycle"):
        cursor.execute(f"ALTER TASK {root}_A ADD AFTER {root}_B")
    cursor.execute(f"ALTER TASK {root}_B REMOVE AFTER {root}")
    assert json.loads(shown(cursor, f"{root}_B")["predecessors"])[0].endswith(f"{root}_A")
    query = f"SELECT name FROM TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => '{root}', RECURSIVE => {{}}))"
    assert {r[0] for r in cursor.execute(query.format("TRUE")).fetchall()} == {root, f"{root}_A", f"{root}_B"}
    assert {r[0] for r in cursor.execute(query.format("FALSE")).fetchall()} == {root, f"{root}_A"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("AFTER {root}_NONE", "Invalid predecessor .*_NONE was specified"),
        ("AFTER {root} SCHEDULE = '1 MINUTE'", "cannot have both a schedule and a predecessor"),
        ("FINALIZE = {root}_NONE", "Invalid finalized root task .*_NONE was specified"),
        ("CONFIG = 'no json'", "Must be a string representation of a valid JSON Object"),
        ("SCHEDULE = '1 FORTNIGHT'", "(?i)schedule"),
        ("COLOUR = 'red'", "invalid property 'COLOUR' for 'TASK'"),
    ],
)
def test_what_does_not_fit_is_refused(cursor: SnowflakeCursor, root: str, options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        make(cursor, f"{root}_A", options.format(root=root), "SELECT 1")
    assert cursor.execute(f"SHOW TASKS LIKE '{root}_A'").fetchall() == []


def test_a_task_is_made_once_and_dropped_once(cursor: SnowflakeCursor, root: str) -> None:
    with refused(2002):
        make(cursor, root, "", "SELECT 1")
    cursor.execute(f"CREATE TASK IF NOT EXISTS {root} AS SELECT 1")
    assert shown(cursor, root)["schedule"] == "60 MINUTE"
    make(cursor, root, "", "SELECT 1", replace="OR REPLACE")
    assert shown(cursor, root)["schedule"] is None
    cursor.execute(f"DROP TASK {root}")
    for statement in (f"DROP TASK {root}", f"EXECUTE TASK {root}", f"ALTER TASK {root} RESUME", f"DESC TASK {root}"):
        with refused(2003, "does not exist"):
            cursor.execute(statement)
    cursor.execute(f"DROP TASK IF EXISTS {root}")


# ---- runs ----


def test_a_graph_runs_in_its_order_and_hands_values_on(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f'ALTER TASK {root} SET CONFIG = $${{"env": "test", "n": {{"k": 7}}}}$$')
    cursor.execute(f"ALTER TASK {root} MODIFY AS BEGIN {wrote(root, 'root')}; CALL SYSTEM$SET_RETURN_VALUE('go'); END")
    value = "SYSTEM$GET_PREDECESSOR_RETURN_VALUE"
    config = "SYSTEM$GET_TASK_GRAPH_CONFIG"
    made = {
        "A": (f"AFTER {root}", f"INSERT INTO {root}_LOG SELECT 'a ' || {value}('{root}') || ' ' || {config}('env')"),
        "B": (f"AFTER {root} WHEN {value}('{root}') = 'stop'", wrote(root, "b")),
        "C": (f"AFTER {root}_A", f"INSERT INTO {root}_LOG SELECT 'c after ' || COUNT(*) FROM {root}_LOG"),
        "D": (f"AFTER {root}_B", wrote(root, "d")),
        "F": (f"FINALIZE = {root}", wrote(root, "finally")),
    }
    for name, (options, body) in made.items():
        make(cursor, f"{root}_{name}", options, body)
    resume(cursor, *(f"{root}_{name}" for name in made))
    cursor.execute(f"EXECUTE TASK {root}")
    record = ended(cursor, root)
    assert (record["STATE"], record["ATTEMPT_NUMBER"], record["FIRST_ERROR_TASK_NAME"]) == ("SUCCEEDED", 1, None)
    assert entries(cursor, root) == ["a go test", "c after 2", "finally", "root"]
    expected = {"ROOT": "SUCCEEDED", "_A": "SUCCEEDED", "_B": "SKIPPED", "_C": "SUCCEEDED", "_F": "SUCCEEDED"}
    assert states(cursor, root) == expected
    query = "SELECT return_value, scheduled_from, root_task_id, query_id FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY("
    row = cursor.execute(f"{query}TASK_NAME => '{root}'))").fetchone()
    assert row[:3] == ("go", "EXECUTE TASK", shown(cursor, root)["id"])
    assert row[3]


def test_suspended_children_are_left_out(cursor: SnowflakeCursor, root: str) -> None:
    for name, after in {"A": "", "B": "", "C": "_A, {root}_B", "D": "_A"}.items():
        make(cursor, f"{root}_{name}", f"AFTER {root}{after.format(root=root)}", wrote(root, name))
    resume(cursor, f"{root}_B", f"{root}_C", f"{root}_D")
    cursor.execute(f"EXECUTE TASK {root}")
    assert ended(cursor, root)["STATE"] == "SUCCEEDED"
    assert entries(cursor, root) == ["B", "C", "root"]


def test_what_follows_a_failed_task_does_not_run_until_a_retry(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", f"INSERT INTO {root}_LOG SELECT entry FROM {root}_LATER")
    make(cursor, f"{root}_B", f"AFTER {root}_A", wrote(root, "b"))
    resume(cursor, f"{root}_A", f"{root}_B")
    cursor.execute(f"EXECUTE TASK {root}")
    record = ended(cursor, root)
    assert (record["STATE"], record["FIRST_ERROR_TASK_NAME"]) == ("FAILED", f"{root}_A")
    assert int(record["FIRST_ERROR_CODE"]) == 2003
    assert entries(cursor, root) == ["root"]
    cursor.execute(f"CREATE TABLE {root}_LATER AS SELECT 'a' AS entry")
    cursor.execute(f"EXECUTE TASK {root} RETRY LAST")
    again = ended(cursor, root, graphs=2)
    assert (again["STATE"], again["ATTEMPT_NUMBER"]) == ("SUCCEEDED", 2)
    assert again["GRAPH_RUN_GROUP_ID"] == record["GRAPH_RUN_GROUP_ID"]
    assert entries(cursor, root) == ["a", "b", "root"]
    with pytest.raises(Exception, match=r"(?i)retry"):
        cursor.execute(f"EXECUTE TASK {root} RETRY LAST")


def test_a_failed_graph_is_tried_again_by_itself(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f"ALTER TASK {root} SET TASK_AUTO_RETRY_ATTEMPTS = 1")
    make(cursor, f"{root}_A", f"AFTER {root}", "SELECT 1 / 0")
    resume(cursor, f"{root}_A")
    cursor.execute(f"EXECUTE TASK {root}")
    record = ended(cursor, root, graphs=2)
    assert (record["STATE"], record["ATTEMPT_NUMBER"], int(record["FIRST_ERROR_CODE"])) == ("FAILED", 2, 100051)
    assert entries(cursor, root) == ["root"]


def test_a_root_that_fails_too_often_is_suspended(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f"ALTER TASK {root} SET SUSPEND_TASK_AFTER_NUM_FAILURES = 1")
    cursor.execute(f"ALTER TASK {root} MODIFY AS SELECT 1 / 0")
    resume(cursor, root)
    cursor.execute(f"EXECUTE TASK {root}")
    assert ended(cursor, root)["STATE"] == "FAILED"
    deadline = time.monotonic() + 60
    while (row := shown(cursor, root))["state"] == "started":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert row["last_suspended_reason"] == "SUSPENDED_DUE_TO_ERRORS"


def test_a_run_takes_another_configuration_for_itself(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f'ALTER TASK {root} SET CONFIG = \'{{"a": 1, "b": "x"}}\'')
    body = f"INSERT INTO {root}_LOG SELECT SYSTEM$GET_TASK_GRAPH_CONFIG('a') || SYSTEM$GET_TASK_GRAPH_CONFIG('b')"
    cursor.execute(f"ALTER TASK {root} MODIFY AS {body}")
    cursor.execute(f"EXECUTE TASK {root} USING CONFIG = '{{\"a\": 2}}'")
    ended(cursor, root)
    assert entries(cursor, root) == ["2x"]
    assert json.loads(shown(cursor, root)["config"]) == {"a": 1, "b": "x"}


def test_a_task_runs_as_its_owner_in_its_schema(cursor: SnowflakeCursor, root: str) -> None:
    body = f"INSERT INTO {root}_LOG SELECT CURRENT_ROLE() || ' ' || CURRENT_SCHEMA() || ' ' || CURRENT_WAREHOUSE()"
    cursor.execute(f"ALTER TASK {root} MODIFY AS {body}")
    cursor.execute(f"EXECUTE TASK {root}")
    ended(cursor, root)
    at = cursor.connection
    assert shown(cursor, root)["owner"] == at.role
    assert entries(cursor, root) == [f"{at.role} {at.schema} {at.warehouse}"]


def test_what_a_task_leaves_open_is_rolled_back(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f"ALTER TASK {root} MODIFY AS BEGIN BEGIN TRANSACTION; {wrote(root, 'lost')}; END")
    cursor.execute(f"EXECUTE TASK {root}")
    ended(cursor, root)
    assert entries(cursor, root) == []


def test_a_task_runs_no_longer_than_it_may(cursor: SnowflakeCursor, root: str) -> None:
    cursor.execute(f"ALTER TASK {root} SET USER_TASK_TIMEOUT_MS = 300")
    cursor.execute(f"ALTER TASK {root} MODIFY AS CALL SYSTEM$WAIT(20)")
    cursor.execute(f"EXECUTE TASK {root}")
    assert ended(cursor, root)["STATE"] == "FAILED"


def test_only_a_root_task_is_executed(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", "SELECT 1")
    with pytest.raises(Exception, match="non-root task"):
        cursor.execute(f"EXECUTE TASK {root}_A")


def test_all_of_a_graph_is_resumed_at_once(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", "SELECT 1")
    make(cursor, f"{root}_F", f"FINALIZE = {root}", "SELECT 1")
    cursor.execute(f"SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('{root}')")
    assert {shown(cursor, f"{root}{end}")["state"] for end in ("", "_A", "_F")} == {"started"}


def test_a_dropped_root_leaves_suspended_roots(cursor: SnowflakeCursor, root: str) -> None:
    make(cursor, f"{root}_A", f"AFTER {root}", "SELECT 1")
    resume(cursor, f"{root}_A")
    cursor.execute(f"DROP TASK {root}")
    row = shown(cursor, f"{root}_A")
    assert (row["state"], json.loads(row["predecessors"])) == ("suspended", [])


# ---- statements that hold others ----


def test_a_block_runs_its_statements_and_returns(cursor: SnowflakeCursor, root: str) -> None:
    block = f"BEGIN {wrote(root, 'x;y')}; UPDATE {root}_LOG SET entry = entry || '!'; RETURN 'done'; END"
    assert cursor.execute(block).fetchall() == [("done",)]
    assert cursor.execute(f"EXECUTE IMMEDIATE $${block}$$").fetchall() == [("done",)]
    assert entries(cursor, root) == ["x;y!", "x;y!!"]
    assert cursor.execute("EXECUTE IMMEDIATE 'SELECT ''it''''s'' AS a'").fetchall() == [("it's",)]


def test_a_block_stops_at_its_first_error(cursor: SnowflakeCursor, root: str) -> None:
    with pytest.raises(Exception, match="Division by zero"):
        cursor.execute(f"BEGIN {wrote(root, 'before')}; SELECT 1 / 0; {wrote(root, 'after')}; END")
    assert entries(cursor, root) == ["before"]


def test_the_functions_of_a_task_are_for_tasks(cursor: SnowflakeCursor) -> None:
    for call in ("CALL SYSTEM$SET_RETURN_VALUE('x')", "SELECT SYSTEM$GET_PREDECESSOR_RETURN_VALUE('x')"):
        with pytest.raises(Exception, match="task"):
            cursor.execute(call)
