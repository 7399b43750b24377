"""What a session of the operators' starts with."""

from __future__ import annotations

import json

import pytest

from snowmaker.hooks.warehouse import LOCK_SECONDS, WarehouseHook
from snowmaker.snowflake.statement import Statement

from .lab import Lab


def test_a_session_has_our_parameters_and_those_of_the_connection_from_its_login_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = json.loads(lab.sandbox.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    asked = {"QUERY_TAG": "ours; 100%", "Timezone": "Europe/Oslo", "LOCK_TIMEOUT": 3}
    extra = {**settings["extra"], "session_parameters": asked}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**settings, "extra": extra}))
    hook = WarehouseHook(snowflake_conn_id="other")
    for _ in range(2):
        with hook.session() as session:
            shown = session.rows(Statement("SHOW PARAMETERS IN SESSION"))
        values = {row["key"]: row["value"] for row in shown}
        assert [values[name] for name in ("QUERY_TAG", "TIMEZONE", "LOCK_TIMEOUT")] == [
            "ours; 100%", "UTC", str(LOCK_SECONDS),
        ]  # fmt: skip
