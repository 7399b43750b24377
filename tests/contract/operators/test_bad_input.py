"""Bad input, each with an error of its own that names the object and the next action, and no connector's text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from include.sandbox.process import Sandbox
from include.sandbox.settings import free_port
from snowmaker.exceptions import (
    ConnectionSetupError,
    IdentifierError,
    InputDataError,
    ModelVersionError,
    ServiceUnreachableError,
    SnowmakerError,
    WeekError,
)
from snowmaker.snowflake.scoring import ScoreMethod

from .lab import DATABASE, SCHEMA, Lab, Model, fresh
from .weekly_data import ROWS, TWIN, WEEKS, source_of

Connection = Callable[..., str]


@pytest.fixture
def model(lab: Lab) -> Model:
    return lab.model("good")


@pytest.fixture
def view(model: Model) -> Callable[[str], None]:
    """Let the model read a view on the weekly table instead."""

    def change(select: str) -> None:
        name = model.lab.name(fresh("View"))
        model.lab.rows(f"CREATE VIEW {name} AS SELECT {select} FROM {model.source.table.quoted}")
        model.source = source_of(name)

    return change


@pytest.fixture
def connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Make an Airflow connection that differs from the sandbox's in some settings."""

    def make(password: str | None = None, **changes: object) -> str:
        settings = json.loads(sandbox.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
        settings["extra"] = {
            name: value for name, value in {**settings["extra"], **changes}.items() if value is not None
        }
        if password:
            settings["password"] = password
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(settings))
        return "other"

    return make


def error_of(run: Callable[[], Any]) -> SnowmakerError:
    """Run and return the error: one of ours, on one line, without the connector's numbers and SQL."""
    with pytest.raises(SnowmakerError) as caught:
        run()
    text = str(caught.value)
    assert "\n" not in text
    for clutter in ("Traceback", "SQL compilation", "ProgrammingError", "snowflake.connector", "[SELECT", "[CREATE"):
        assert clutter not in text
    return caught.value


def test_a_table_that_does_not_exist(model: Model) -> None:
    model.source = source_of(f"{DATABASE}.{SCHEMA}.NOWHERE")
    error = error_of(lambda: model.check_input(week=str(TWIN), model_version="GOOD"))
    assert isinstance(error, InputDataError)
    assert str(error) == (
        'table "OPERATORS"."LOANS"."NOWHERE" does not exist, or the connection \'snowflake_default\'\'s role may not '
        "see it; mend source.table in the pipeline file, or grant SELECT on it"
    )


def test_a_database_that_does_not_exist(model: Model) -> None:
    model.source = source_of("NO_DATABASE.PUBLIC.T")
    error = error_of(lambda: model.check_input(week=str(TWIN), model_version="GOOD"))
    assert "does not exist" in str(error)
    assert isinstance(error, InputDataError)


@pytest.mark.parametrize(
    ("select", "told"),
    [
        ("* EXCLUDE INCOME", "has no column INCOME; there are: Applied on, LOAN_ID, COUNTY, loan % type, debt ratio"),
        ('* EXCLUDE "loan % type"', "has no column loan % type; there are"),
        ("* EXCLUDE APPROVED", "has no column APPROVED; there are"),
        ('* EXCLUDE INCOME, INCOME AS "income"', "a name that is not upper case stands in double quotes"),
        ("* EXCLUDE INCOME, INCOME::VARCHAR AS INCOME", "column INCOME of .* is VARCHAR.* but as numeric it must be"),
        ("* EXCLUDE COUNTY, 7 AS COUNTY", "column COUNTY of .* is NUMBER.* but as categorical it must be"),
        ('* EXCLUDE "Applied on", \'x\' AS "Applied on"', "column Applied on of .* as week column it must be"),
    ],
)
@pytest.mark.parametrize("task", ["check_input", "score", "training_set"])
def test_columns_that_are_missing_or_changed(
    model: Model, view: Callable[[str], None], task: str, select: str, told: str
) -> None:
    view(select)
    if task == "training_set":
        error = error_of(lambda: model.training_set(WEEKS[7]))
    else:
        arguments = {"week": str(TWIN), "model_version": "GOOD"}
        error = error_of(lambda: getattr(model, task)(**arguments))
    assert isinstance(error, InputDataError)
    assert re.search(told, str(error))


def test_a_feature_without_any_value(model: Model, view: Callable[[str], None]) -> None:
    view("* EXCLUDE INCOME, NULL::NUMBER(12, 2) AS INCOME")
    for run in (model.check_input, model.score):
        error = error_of(lambda run=run: run(week=str(TWIN), model_version="GOOD"))
        assert isinstance(error, InputDataError)
        assert f"is NULL in all {ROWS} rows of week {TWIN}; mend the load" in str(error)
        assert str(error).startswith("column INCOME of ")


@pytest.mark.parametrize("task", ["check_input", "score"])
def test_a_week_without_rows_names_the_weeks_there_are(model: Model, task: str) -> None:
    error = error_of(lambda: getattr(model, task)(week="2027-01-04", model_version="GOOD"))
    assert isinstance(error, InputDataError)
    assert str(error) == (
        f"table {model.source.table.quoted} has no rows in week 2027-01-04; it has 10 weeks from 2026-01-05 "
        f"to 2026-03-09"
    )


def test_an_empty_table(model: Model, view: Callable[[str], None]) -> None:
    model.source = model.own_source()
    model.lab.rows(f"DELETE FROM {model.source.table.quoted}")
    assert "it has no week at all" in str(error_of(lambda: model.check_input(week=str(TWIN), model_version="GOOD")))


@pytest.mark.parametrize("task", ["check_input", "score", "check_drift", "check_performance", "training_set"])
@pytest.mark.parametrize(
    ("week", "told"),
    [
        ("2026-02-04", "week '2026-02-04' is a Wednesday, but weeks start on Monday; use 2026-02-02 or 2026-02-09"),
        ("soon", "week 'soon' is not a date; write its first day like 2026-03-02"),
    ],
)
def test_a_week_that_is_not_one(model: Model, task: str, week: str, told: str) -> None:
    arguments = {"version": "GOOD"} if task.startswith("check_d") or task == "check_performance" else {}
    error = error_of(lambda: getattr(model, task)(week=week, **arguments))
    assert isinstance(error, WeekError)
    assert str(error) == told


def test_an_alias_or_version_that_points_nowhere(model: Model) -> None:
    model.add("weak", "WEAK")
    model.make_champion("GOOD")
    for asked in ("STAGING", "V9"):
        error = error_of(lambda asked=asked: model.check_input(week=str(TWIN), model_version=asked))
        assert isinstance(error, ModelVersionError)
        assert str(error) == (
            f"model {model.name} has no version or alias {asked!r}; there are: GOOD (PRODUCTION), WEAK"
        )


def test_the_first_run_without_a_champion_or_a_model(model: Model, lab: Lab) -> None:
    for one in (model, Model(lab, lab.name("No such model"))):
        error = error_of(lambda one=one: one.check_input(week=str(TWIN)))
        assert isinstance(error, ModelVersionError)
        assert str(error) == f"model {one.name} has no champion yet; run its retraining DAG, or name a version"


def test_a_model_method_that_does_not_exist(model: Model) -> None:
    error = error_of(lambda: model.score(TWIN, model_version="GOOD", method=ScoreMethod("PREDICT_LUCK")))
    assert isinstance(error, ModelVersionError)
    assert str(error) == (
        f"version GOOD of model {model.name} has no method PREDICT_LUCK; there are: EXPLAIN, PREDICT, PREDICT_PROBA"
    )
    with pytest.raises(
        IdentifierError, match=r"model method 'PREDICT\(\)' is not a function's name; write e\.g\. PREDICT"
    ):
        ScoreMethod("PREDICT()")


@pytest.mark.parametrize("task", ["freeze", "evaluate"])
def test_a_model_method_that_does_not_exist_in_retraining(model: Model, task: str) -> None:
    error = error_of(lambda: getattr(model, task)("GOOD", method=ScoreMethod("PREDICT_LUCK")))
    assert "has no method PREDICT_LUCK; there are: EXPLAIN, PREDICT, PREDICT_PROBA" in str(error)


def test_a_wrong_password(model: Model, connection: Connection) -> None:
    conn_id = connection(password="not-the-password")
    error = error_of(lambda: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
    assert isinstance(error, ConnectionSetupError)
    assert str(error) == (
        "Airflow connection 'other': Snowflake refused login or password; mend them in the connection"
    )


def test_a_sandbox_that_is_not_running(model: Model, connection: Connection) -> None:
    port = free_port()
    conn_id = connection(port=port)
    error = error_of(lambda: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
    assert isinstance(error, ServiceUnreachableError)
    assert f"nobody answers at 127.0.0.1:{port}" in str(error)
    assert str(error).endswith("start the sandbox (make sandbox)")


def test_an_account_with_underscores(model: Model, connection: Connection) -> None:
    conn_id = connection(account="my_org-my_account", host=None, port=None)
    error = error_of(lambda: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
    assert isinstance(error, ConnectionSetupError)
    assert "account 'my_org-my_account' has underscores" in str(error)
    assert str(error).endswith("write 'my-org-my-account'")


def test_a_private_key_without_its_begin_and_end_lines(model: Model, connection: Connection, tmp_path: Path) -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
    (tmp_path / "key.p8").write_text(body)
    for setting, value in (("private_key_content", body), ("private_key_file", str(tmp_path / "key.p8"))):
        conn_id = connection(**{setting: value})
        error = error_of(lambda conn_id=conn_id: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
        assert isinstance(error, ConnectionSetupError)
        assert f"{setting} has no '-----BEGIN" in str(error)
        assert str(error).endswith("it must be the whole PEM file, its BEGIN and END lines included")
        assert body not in str(error)


def test_a_private_key_whose_passphrase_is_wrong(model: Model, connection: Connection) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"the passphrase"),
    )
    conn_id = connection(password="another-phrase", private_key_content=base64.b64encode(pem).decode())
    error = error_of(lambda: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
    assert isinstance(error, ConnectionSetupError)
    assert "the private key cannot be read" in str(error)
    assert "another-phrase" not in str(error)


def test_a_private_key_file_that_is_not_there(model: Model, connection: Connection, tmp_path: Path) -> None:
    conn_id = connection(private_key_file=str(tmp_path / "none.p8"))
    error = error_of(lambda: model.check_input(week=str(TWIN), snowflake_conn_id=conn_id))
    assert isinstance(error, ConnectionSetupError)
    assert "none.p8" in str(error)


def test_a_key_column_with_the_name_of_one_of_ours(model: Model, view: Callable[[str], None]) -> None:
    view("*, 1 AS SCORE")
    model.source = type(model.source).of(
        model.source.table.quoted,
        week_column='"Applied on"',
        label="APPROVED",
        categorical=["COUNTY", '"loan % type"'],
        numeric=["INCOME", '"debt ratio"', "MEMBER"],
        key=["SCORE"],
    )
    error = error_of(lambda: model.score(TWIN, model_version="GOOD"))
    assert isinstance(error, IdentifierError)
    assert "key column SCORE of " in str(error)
    assert str(error).endswith("rename it in a view and use that as the source")
