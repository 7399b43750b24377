"""Who gets in, and where a session is then."""

from __future__ import annotations

import subprocess
import sys

import pytest
import snowflake.connector
from snowflake.connector.errors import DatabaseError
from snowflake_support import refused

from include.sandbox.process import Sandbox


def test_a_connection_by_name_lands_in_the_sandbox_database(sandbox: Sandbox) -> None:
    # In a process of its own: the connector reads SNOWFLAKE_HOME when it is imported.
    script = (
        "import snowflake.connector as s\n"
        "query = 'SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE(), CURRENT_ROLE(), CURRENT_USER()'\n"
        "with s.connect(connection_name='sandbox') as c: print(*c.cursor().execute(query).fetchone())\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["SANDBOX", "PUBLIC", "COMPUTE_WH", "SYSADMIN", "SANDBOX"]


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"user": "NOBODY"}])
def test_a_wrong_user_or_password_is_told_so(sandbox: Sandbox, wrong: dict[str, str]) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password was specified"):
        snowflake.connector.connect(**{**sandbox.settings.connection(), **wrong})


def test_connecting_creates_no_database(sandbox: Sandbox) -> None:
    elsewhere = {**sandbox.settings.connection(), "database": "NOT_THERE", "schema": "NOWHERE"}
    with snowflake.connector.connect(**elsewhere) as connection:
        cursor = connection.cursor()
        assert cursor.execute("SHOW DATABASES LIKE 'NOT_THERE'").fetchall() == []
        with refused(90105, "does not have a current database"):
            cursor.execute("CREATE TABLE t (a INT)")


def test_the_airflow_hook_works_unchanged(sandbox: Sandbox) -> None:
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

    hook = SnowflakeHook(snowflake_conn_id="snowflake_default")
    assert hook.get_first("SELECT CURRENT_SCHEMA()") == ("PUBLIC",)
    session = hook.get_snowpark_session()
    assert session.sql("SELECT 1 AS ONE").collect()[0]["ONE"] == 1
    session.close()
