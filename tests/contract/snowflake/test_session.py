"""A session: several statements in one request, results of earlier ones, variables, parameters, stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


# ---- several statements --------------------------------------------------------------------------


def test_statements_of_one_request_have_a_result_each(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    script = (
        f"CREATE TEMPORARY TABLE {table} (a INT, b VARCHAR); -- one; not two\n"
        f"INSERT INTO {table} VALUES (1, 'x;y'), (2, $$a;b$$);\n/* nothing; */\n"
        f'SELECT b AS "b;c" FROM {table} ORDER BY a;'
    )
    cursor.execute(script, num_statements=3)
    assert cursor.fetchone() == (f"Table {table} successfully created.",)
    assert cursor.nextset()
    assert cursor.rowcount == 2
    assert cursor.nextset()
    assert cursor.fetchall() == [("x;y",), ("a;b",)]
    assert cursor.description[0].name == "b;c"
    assert cursor.nextset() is None


def test_the_number_of_statements_is_checked_before_the_first_runs(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    with refused(8, "Actual statement count 2 did not match the desired statement count 1"):
        cursor.execute(f"CREATE TABLE {table} (a INT); SELECT 1")
    with refused(8, "statement count 2 did not match the desired statement count 3"):
        cursor.execute(f"CREATE TABLE {table} (a INT); SELECT 1", num_statements=3)
    with refused(2003):
        cursor.execute(f"SELECT * FROM {table}")
    cursor.execute("SELECT 1; SELECT 2", num_statements=0)
    cursor.execute("ALTER SESSION SET MULTI_STATEMENT_COUNT = 0")
    cursor.execute("SELECT 1; SELECT 2; SELECT 3;")
    assert [cursor.nextset() is not None for _ in range(3)] == [True, True, False]


def test_the_first_statement_that_fails_ends_the_request(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    with refused(2003, "NOWHERE"):
        cursor.execute(
            f"CREATE TEMPORARY TABLE {table} AS SELECT 1 AS a; SELECT * FROM nowhere; DROP TABLE {table}",
            num_statements=3,
        )
    assert cursor.execute(f"SELECT a FROM {table}").fetchall() == [(1,)]


def test_a_script_is_run_statement_by_statement(connection: SnowflakeConnection) -> None:
    answers = [cursor.fetchall() for cursor in connection.execute_string("SELECT 1; SELECT 'a;b'; SELECT 3")]
    assert answers == [[(1,)], [("a;b",)], [(3,)]]


def test_a_text_without_a_statement_is_refused(cursor: SnowflakeCursor) -> None:
    with refused(900, "Empty SQL statement"):
        cursor.execute("-- nothing; at all")


# ---- results of earlier statements ---------------------------------------------------------------


def test_the_last_results_are_there_by_position_and_by_id(cursor: SnowflakeCursor) -> None:
    first = cursor.execute("SELECT 1 AS n").sfqid
    second = cursor.execute("SELECT column1 AS n FROM VALUES (2), (3)").sfqid
    assert cursor.execute("SELECT LAST_QUERY_ID(), LAST_QUERY_ID(-2)").fetchone() == (second, first)
    cursor.execute("SELECT n * 10 FROM TABLE(RESULT_SCAN(LAST_QUERY_ID(-2))) WHERE n > 2")
    assert cursor.fetchall() == [(30,)]
    assert cursor.execute(f"SELECT n FROM TABLE(RESULT_SCAN('{first}'))").fetchall() == [(1,)]
    with refused(709, "not found"):
        cursor.execute("SELECT * FROM TABLE(RESULT_SCAN('01b0c0de-0000-0000-0000-000000000000'))")


def test_a_result_is_there_for_the_users_other_sessions(
    connect: Callable[[], SnowflakeCursor], cursor: SnowflakeCursor
) -> None:
    query_id = cursor.execute("SELECT 'kept' AS v").sfqid
    other = connect()
    other.get_results_from_sfqid(query_id)
    assert other.fetchall() == [("kept",)]
    assert other.connection.get_query_status(query_id).name == "SUCCESS"


def test_a_statement_can_run_while_nobody_waits(cursor: SnowflakeCursor) -> None:
    cursor.execute_async("SELECT COUNT(*) AS n FROM TABLE(GENERATOR(ROWCOUNT => 1000))")
    query_id = str(cursor.sfqid)
    cursor.get_results_from_sfqid(query_id)
    assert cursor.fetchall() == [(1000,)]
    cursor.execute_async("SELECT * FROM nowhere")
    with refused(2003, "NOWHERE"):
        cursor.get_results_from_sfqid(str(cursor.sfqid))
        cursor.fetchall()


# ---- variables and parameters --------------------------------------------------------------------


def test_variables_are_set_used_shown_and_forgotten(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    cursor.execute("SET n = 3")
    cursor.execute("SET (low, high) = ($n - 1, 'it''s ' || $n)")
    assert cursor.execute("SELECT $low, $HIGH, GETVARIABLE('LOW')").fetchone() == (2, "it's 3", "2")
    cursor.execute(f"SET t = '{table}'")
    cursor.execute("CREATE TEMPORARY TABLE IDENTIFIER($t) AS SELECT $n AS n")
    assert cursor.execute("SELECT n FROM IDENTIFIER($t)").fetchall() == [(3,)]
    shown = {row[3]: row[4:6] for row in cursor.execute("SHOW VARIABLES").fetchall()}
    assert shown == {"N": ("3", "fixed"), "LOW": ("2", "fixed"), "HIGH": ("it's 3", "text"), "T": (table, "text")}
    assert [row[3] for row in cursor.execute("SHOW VARIABLES LIKE 'l%'").fetchall()] == ["LOW"]
    cursor.execute("UNSET (low, high)")
    cursor.execute("UNSET n")
    assert [row[3] for row in cursor.execute("SHOW VARIABLES").fetchall()] == ["T"]
    with refused(2211, r"'\$N' does not exist"):
        cursor.execute("SELECT $n")


def test_parameters_are_set_shown_and_reset(cursor: SnowflakeCursor) -> None:
    cursor.execute("ALTER SESSION SET QUERY_TAG = 'it''s; a tag', LOCK_TIMEOUT = 7 ROWS_PER_RESULTSET = 0")
    columns = cursor.execute("SHOW PARAMETERS LIKE 'QUERY_TAG' IN SESSION").description
    assert [column.name for column in columns] == ["key", "value", "default", "level", "description", "type"]
    assert cursor.fetchone()[:4] == ("QUERY_TAG", "it's; a tag", "", "SESSION")
    assert cursor.execute("SHOW PARAMETERS LIKE 'LOCK_TIMEOUT'").fetchone()[1] == "7"
    assert cursor.execute("SHOW PARAMETERS LIKE 'LOCK_TIMEOUT' IN ACCOUNT").fetchone()[1] == "43200"
    cursor.execute("ALTER SESSION UNSET QUERY_TAG, LOCK_TIMEOUT")
    assert cursor.execute("SHOW PARAMETERS LIKE 'QUERY_TAG'").fetchone()[1:4] == ("", "", "")


def test_parameters_of_the_log_in_hold(account: dict[str, Any]) -> None:
    parameters = {"QUERY_TAG": "from log-in", "STATEMENT_TIMEOUT_IN_SECONDS": 100}
    with snowflake.connector.connect(**account, session_parameters=parameters, autocommit=False) as connection:
        cursor = connection.cursor()
        assert cursor.execute("SHOW PARAMETERS LIKE 'QUERY_TAG'").fetchone()[1] == "from log-in"
        assert cursor.execute("SHOW PARAMETERS LIKE 'STATEMENT_TIMEOUT%'").fetchone()[1] == "100"
        assert cursor.execute("SHOW PARAMETERS LIKE 'AUTOCOMMIT'").fetchone()[1] == "false"


# ---- roles and warehouses ------------------------------------------------------------------------


def test_the_role_follows_use_and_has_to_be_there(cursor: SnowflakeCursor) -> None:
    role = fresh("R")
    with refused(2003, "does not exist or not authorized"):
        cursor.execute(f"USE ROLE {role}")
    before = cursor.execute("SELECT CURRENT_ROLE()").fetchone()[0]
    cursor.execute(f"CREATE ROLE {role} COMMENT = 'it''s one'")
    with refused(2002, "already exists"):
        cursor.execute(f"CREATE ROLE {role}")
    in_session = f"SELECT IS_ROLE_IN_SESSION('{role}')"
    assert cursor.execute(in_session).fetchone() == (False,)
    cursor.execute(f"GRANT ROLE {role} TO ROLE {before}")
    assert cursor.execute(in_session).fetchone() == (True,)
    cursor.execute(f"USE ROLE {role}")
    assert cursor.execute("SELECT CURRENT_ROLE()").fetchone() == (role,)
    assert cursor.connection.role == role
    cursor.execute(f"USE ROLE {before}")
    (shown,) = cursor.execute(f"SHOW ROLES LIKE '{role}'").fetchall()
    assert (shown[1], shown[6], shown[9]) == (role, 1, "it's one")
    cursor.execute(f"DROP ROLE {role}")
    assert cursor.execute(f"SHOW ROLES LIKE '{role}'").fetchall() == []


def test_what_is_granted_is_shown_until_it_is_taken_back(cursor: SnowflakeCursor) -> None:
    role, table = fresh("R"), fresh("T")
    cursor.execute(f"CREATE ROLE {role}")
    cursor.execute(f"CREATE TABLE {table} (a INT)")
    full = f"{cursor.connection.database}.{cursor.connection.schema}.{table}"
    cursor.execute(f"GRANT SELECT, INSERT ON TABLE {table} TO ROLE {role} WITH GRANT OPTION")
    granted = cursor.execute(f"SHOW GRANTS TO ROLE {role}").fetchall()
    assert sorted(row[1:7] for row in granted) == [
        (privilege, "TABLE", full, "ROLE", role, "true") for privilege in ("INSERT", "SELECT")
    ]
    cursor.execute(f"REVOKE INSERT ON TABLE {table} FROM ROLE {role}")
    on_table = [row[1] for row in cursor.execute(f"SHOW GRANTS ON TABLE {table}").fetchall() if row[5] == role]
    assert on_table == ["SELECT"]
    cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_2")
    assert [row[3] for row in cursor.execute(f"SHOW GRANTS TO ROLE {role}").fetchall()] == [f"{full}_2"]
    cursor.execute(f"ALTER TABLE {table}_2 RENAME TO {table}")
    cursor.execute(f"CREATE OR REPLACE TABLE {table} (a INT)")
    assert cursor.execute(f"SHOW GRANTS TO ROLE {role}").fetchall() == []
    with refused(2003, "does not exist"):
        cursor.execute(f"GRANT SELECT ON TABLE {fresh('T')} TO ROLE {role}")
    with refused(2003, "does not exist"):
        cursor.execute(f"GRANT SELECT ON TABLE {table} TO ROLE {fresh('R')}")
    with refused(1003):
        cursor.execute(f"GRANT NONSENSE ON TABLE {table} TO ROLE {role}")
    cursor.execute(f"DROP TABLE {table}")
    cursor.execute(f"DROP ROLE {role}")


def test_a_warehouse_is_kept_as_it_was_asked_for(cursor: SnowflakeCursor) -> None:
    name = fresh("W")
    cursor.execute(
        f"CREATE WAREHOUSE {name} WITH WAREHOUSE_SIZE = 'MEDIUM' AUTO_SUSPEND = 60 INITIALLY_SUSPENDED = TRUE"
    )
    assert cursor.execute("SELECT CURRENT_WAREHOUSE()").fetchone() == (name,)

    def shown() -> dict[str, Any]:
        cursor.execute(f"SHOW WAREHOUSES LIKE '{name}'")
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

    assert (shown()["state"], shown()["size"], shown()["auto_suspend"]) == ("SUSPENDED", "Medium", 60)
    cursor.execute(f"ALTER WAREHOUSE {name} RESUME IF SUSPENDED")
    cursor.execute(f"ALTER WAREHOUSE {name} SET WAREHOUSE_SIZE = XSMALL COMMENT = 'small'")
    assert (shown()["state"], shown()["size"], shown()["comment"]) == ("STARTED", "X-Small", "small")
    for wrong in ("WAREHOUSE_SIZE = HUGE", "MAX_CLUSTER_COUNT = 99", "AUTO_SUSPEND = 'soon'"):
        with refused(1008, "invalid value"):
            cursor.execute(f"ALTER WAREHOUSE {name} SET {wrong}")
    cursor.execute(f"DROP WAREHOUSE {name}")
    with refused(2043, "does not exist"):
        cursor.execute(f"USE WAREHOUSE {name}")


# ---- stopping ------------------------------------------------------------------------------------


def test_a_statement_that_takes_too_long_is_ended(cursor: SnowflakeCursor) -> None:
    cursor.execute("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    started = time.monotonic()
    with refused(630, "Statement reached its statement or warehouse timeout of 1 second"):
        cursor.execute("SELECT SYSTEM$WAIT(20)")
    with refused(630):
        cursor.execute(
            "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 1000000)) a, TABLE(GENERATOR(ROWCOUNT => 1000000)) b"
        )
    assert time.monotonic() - started < 10
    assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_the_clients_own_timeout_stops_the_statement(cursor: SnowflakeCursor) -> None:
    with refused(604, ""):
        cursor.execute("CALL SYSTEM$WAIT(20)", timeout=1)


def test_a_statement_is_stopped_by_its_id(connect: Callable[[], SnowflakeCursor], cursor: SnowflakeCursor) -> None:
    cursor.execute_async("CALL SYSTEM$WAIT(30)")
    query_id = str(cursor.sfqid)
    other = connect()
    other.execute(f"SELECT SYSTEM$CANCEL_QUERY('{query_id}')")
    assert "terminated" in other.fetchone()[0]
    while cursor.connection.is_still_running(cursor.connection.get_query_status(query_id)):
        time.sleep(0.05)
    with refused(604, "canceled"):
        cursor.connection.get_query_status_throw_if_error(query_id)
    other.execute(f"SELECT SYSTEM$CANCEL_QUERY('{query_id}')")
    assert "not currently executing" in other.fetchone()[0]


def test_a_session_stops_its_own_statements(cursor: SnowflakeCursor) -> None:
    stopping = threading.Timer(0.3, lambda: cursor.connection.cursor().execute("ALTER SESSION ABORT ALL QUERIES"))
    stopping.start()
    with refused(604, "canceled"):
        cursor.execute("CALL SYSTEM$WAIT(30)")
    stopping.join()


def test_a_stopped_change_leaves_the_rest_of_its_transaction(
    connect: Callable[[], SnowflakeCursor], cursor: SnowflakeCursor
) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} AS SELECT 1 AS a")
    cursor.execute("BEGIN")
    cursor.execute(f"INSERT INTO {table} VALUES (2)")
    cursor.execute("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    with refused(630):
        cursor.execute(
            f"INSERT INTO {table} SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 1000000)) a, "
            "TABLE(GENERATOR(ROWCOUNT => 1000000)) b"
        )
    cursor.execute("COMMIT")
    assert connect().execute(f"SELECT a FROM {table} ORDER BY 1").fetchall() == [(1,), (2,)]
    cursor.execute(f"DROP TABLE {table}")


def test_temporary_tables_go_with_their_session(account: dict[str, Any], cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    with snowflake.connector.connect(**account) as connection:
        connection.cursor().execute(f"CREATE TEMPORARY TABLE {table} (a INT)")
        with refused(2003):
            cursor.execute(f"SELECT * FROM {table}")
    cursor.execute(f"CREATE TABLE {table} (a INT)")
    cursor.execute(f"DROP TABLE {table}")
