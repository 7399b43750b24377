from __future__ import annotations

import json
import logging
import traceback

import pytest

from snowmaker.exceptions import SnowmakerError

from .lab import Lab
from .weekly_data import TWIN, WEEKS


def test_no_credential_is_in_results_errors_or_logs(
    lab: Lab, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for client in ("snowflake.connector", "snowflake.snowpark", "botocore", "snowmaker"):
        caplog.set_level(logging.DEBUG, logger=client)
    model = lab.model()
    told: list[str] = []
    logged = model.log(lab.upload(lab.artefacts["good"]))
    version = logged["model_version"]
    model.versions.append(version)
    training_set = model.training_set(WEEKS[7])
    frozen = model.freeze(version)
    verdict = model.evaluate(version)
    promoted = model.promote(verdict, TWIN)
    settled = model.check_input(week=str(TWIN))
    results = [logged, training_set, frozen, verdict, promoted, settled, model.score(TWIN)]
    results += [model.check_drift(TWIN, version), model.check_performance(TWIN.shift(2), version)]
    told += [json.dumps(result) for result in results]
    assert all(len(result) < 10_000 for result in told)

    settings = json.loads(lab.sandbox.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    wrong = {**settings, "login": "nobody"}
    down = {**settings, "extra": {**settings["extra"], "port": 1}}
    keyless = {**settings, "extra": {**settings["extra"], "private_key_content": settings["password"]}}
    for connection in (wrong, down, keyless):
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
        with pytest.raises(SnowmakerError) as caught:
            model.check_input(week=str(TWIN), snowflake_conn_id="other")
        told.append("".join(traceback.format_exception(caught.value)))

    printed = capfd.readouterr()
    told += [caplog.text, printed.out, printed.err]
    assert "snowflake.connector" in caplog.text
    assert "Champion of" in caplog.text + printed.out + printed.err
    secrets = [lab.sandbox.settings.password, lab.sandbox.settings.aws_secret_access_key]
    assert not [text for text in told for secret in secrets if secret in text]
