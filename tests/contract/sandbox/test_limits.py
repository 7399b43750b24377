"""What the sandbox refuses and an account would not."""

from __future__ import annotations

import snowflake.connector
from snowflake_support import refused

from include.sandbox.process import Sandbox


def test_changes_of_two_databases_in_one_transaction_are_refused(sandbox: Sandbox) -> None:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE beside")
        cursor.execute("CREATE TABLE beside.public.t (a INT)")
        cursor.execute("CREATE OR REPLACE TABLE sandbox.public.t (a INT)")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO beside.public.t VALUES (1)")
        with refused(2, "two databases in one transaction"):
            cursor.execute("INSERT INTO sandbox.public.t VALUES (1)")
        cursor.execute("COMMIT")
        assert cursor.execute("SELECT a FROM beside.public.t").fetchall() == [(1,)]
        cursor.execute("DROP DATABASE beside")
        cursor.execute("DROP TABLE sandbox.public.t")
