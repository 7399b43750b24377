"""Tasks whose ends are told of: run by Airflow, with its notifiers, to real servers on loopback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.demo.local_airflow import REPOSITORY

from .servers import Mailbox, Requests, mail_server, web_server

pytestmark = pytest.mark.timeout(300)

SECRETS = {
    "mail": "Mail-pass-4711",
    "web": "Web-pass-4712",
    "hook": "hook-path-4713",
    "slack": "T000/B000/slack-4714",
    "token": "xoxb-4715",
}
SLACK = f"/services/{SECRETS['slack']}"
MOVED = ["PSI of INCOME is 0.412 (breach from 0.25)", "PSI of <b>AGE</b> {{ conn.mail.password }} is 0.11"]
TEAM = ["a@example.com", "b@example.com"]
MODEL = '"ML"."LOANS"."MORTGAGE"'
GATE = {
    "challenger": "V2",
    "champion": "V1",
    "rows": 1200,
    "rules": [{"rule": "f1", "value": 0.78, "bound": 0.7, "passed": True, "at_most": False}],
    "metrics": {"V1": {"f1": 0.7}, "V2": {"f1": 0.78}},
}
# Tasks that end as ours do: what they return, and what the callbacks read of them, is the operators'.
DAGS = """
import sys
from datetime import timedelta

from airflow.sdk import DAG, BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

before = set(sys.modules)
from snowmaker.exceptions import ChallengerRejectedError
from snowmaker.notifications.callbacks import ByPipeline, notification_callbacks

notify = notification_callbacks(NOTIFICATIONS, model=MODEL)
imported = {name for name in set(sys.modules) - before if not name.startswith("snowmaker.")}
assert not imported, imported


class Ending(BaseOperator):
    template_fields = ("week",)
    cause = "drift"
    reason = "PSI of INCOME is 0.412"
    approval = None

    def __init__(self, *, result=None, verdict=None, error=None, **kwargs):
        super().__init__(**kwargs)
        self.result, self.verdict, self.error, self.week = result, verdict, error, "{{ params.week }}"

    def execute(self, context):
        if self.error == "no":
            self.approval = {"approved": False, "decided_by": "ada", "note": "not now"}
            raise ChallengerRejectedError("rejected, champion unchanged")
        if self.error == "skip":
            raise AirflowSkipException("rejected")
        if self.error:
            password = BaseHook.get_connection("mail").password
            raise RuntimeError(f"{self.error} {{{{ conn.mail.password }}}} {password}")
        return self.result


with DAG("ends", schedule=None, params={"week": "2026-03-02", "pipeline": "mortgage"}, default_args={
    "on_failure_callback": notify.on_failure, "retry_delay": timedelta(0),
}):
    for verdict in ("ok", "warn", "breach"):
        Ending(task_id=verdict, on_success_callback=notify.on_check, result={**CHECK, "verdict": verdict})
    Ending(task_id="promote", on_success_callback=notify.on_promotion, verdict=GATE, result={"champion": "V2"})
    Ending(task_id="reject", on_skipped_callback=notify.on_rejection, verdict=REJECTED, error="skip")
    Ending(task_id="refuse", verdict=GATE, error="no", on_failure_callback=[*notify.on_failure, *notify.on_rejection])
    Ending(
        task_id="roll_back",
        on_success_callback=ByPipeline({"mortgage": notify.on_rollback}),
        result={"champion": "V1", "previous": "V2"},
    )
    Ending(task_id="fails", retries=1, error="no rows <script> in the week:")
"""
RUN = """
import sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.dagbag import BundleDagBag
bundle = sys.argv[1]
bag = BundleDagBag(bundle, bundle_path=bundle, bundle_name="snowmaker")
assert not bag.import_errors, bag.import_errors
run = bag.dags["ends"].test()
print("\\nSTATES", sorted((task.task_id, str(task.state), task.try_number) for task in run.get_task_instances()))
"""


@dataclass(frozen=True)
class Told:
    """What a run of all tasks sent, and what Airflow logged."""

    mailbox: Mailbox
    web: Requests
    log: str

    def posts(self, path: str) -> list[dict[str, Any]]:
        return [content for found, _, content in self.web.received if found == path]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("notifications")
    with mail_server() as mailbox, web_server() as web:
        done = run_all(folder, connections(mailbox, web))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        yield Told(mailbox, web, done.stdout + done.stderr)


def connections(mailbox: Mailbox, web: Requests) -> dict[str, str]:
    mail = {"host": "127.0.0.1", "port": mailbox.port, "login": "me", "password": SECRETS["mail"]}
    login = {"login": "me", "password": SECRETS["web"]}
    plain = {"disable_tls": True, "disable_ssl": True, "from_email": "airflow@example.com"}
    told = {
        "mail": {"conn_type": "smtp", **mail, "extra": plain},
        "slack": {"conn_type": "slackwebhook", "host": f"{web.url}/services", "password": SECRETS["slack"]},
        "hook": {"conn_type": "http", "host": f"{web.url}/{SECRETS['hook']}", **login},
        "refused": {"conn_type": "http", "host": f"{web.url}/refused/{SECRETS['hook']}"},
        "token": {"conn_type": "slack", "password": SECRETS["token"], "extra": {"base_url": f"{web.url}/api/"}},
        "deaf": {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:1/{SECRETS['slack']}"},
        "nobody": {"conn_type": "http", "host": f"http://127.0.0.1:1/{SECRETS['hook']}"},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in told.items()}


def run_all(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "dags").mkdir()
    everything = ["warn", "breach", "degraded", "promotion", "rejection", "rollback", "failure"]
    notifications = [
        {
            "to": "smtp",
            "conn_id": "mail",
            "events": ["breach", "failure"],
            "recipients": ["a@example.com", "b@example.com"],
        },
        {"to": "slack", "conn_id": "slack", "events": ["warn", "promotion", "failure"]},
        {"to": "http", "conn_id": "hook", "events": everything},
        {"to": "http", "conn_id": "refused", "events": ["breach"]},
        {"to": "http", "conn_id": "nobody", "events": ["breach"]},
        {"to": "slack", "conn_id": "deaf", "events": ["breach"]},
        {"to": "slack", "conn_id": "token", "events": ["rejection"], "channel": "#models"},
        {"to": "smtp", "conn_id": "missing", "events": ["breach"], "recipients": ["c@example.com"]},
    ]
    check = {"week": "2026-03-02", "model_version": "V1", "degraded": False, "since": None, "moved": MOVED}
    rejected = {**GATE, "rules": [{**GATE["rules"][0], "value": 0.6, "passed": False}]}
    values = {"NOTIFICATIONS": notifications, "MODEL": MODEL, "CHECK": check, "GATE": GATE, "REJECTED": rejected}
    header = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    (folder / "dags" / "ends.py").write_text(header + DAGS)
    env = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__API__BASE_URL": "https://airflow.example.com/af",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": "snowmaker",
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": str(folder)},
                }
            ]
        ),
        "PYTHONPATH": str(REPOSITORY / "plugins"),
        **environment,
    }
    command = [sys.executable, "-c", RUN, str(folder)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)


def test_mail_tells_what_moved_and_where_to_look(told: Told) -> None:
    breach, failure = told.mailbox.mails
    assert breach["Subject"] == "Drift breach: ML.LOANS.MORTGAGE, week 2026-03-02"
    assert (breach["From"], breach["To"]) == ("airflow@example.com", "a@example.com, b@example.com")
    body = breach.get_body().get_content()
    assert "Drift breach: model ML.LOANS.MORTGAGE, version V1, week 2026-03-02" in body
    assert "Moved: PSI of INCOME is 0.412 (breach from 0.25)" in body
    assert 'href="https://airflow.example.com/af/dags/ends/runs/' in body
    assert 'href="https://airflow.example.com/af/snowmaker/reports/ends/' in body
    assert failure["Subject"] == "Task fails failed: ML.LOANS.MORTGAGE, week 2026-03-02"
    assert told.mailbox.recipients == [TEAM, TEAM]


def test_what_a_message_holds_is_neither_markup_nor_a_template(told: Told) -> None:
    breach, failure = (mail.get_body().get_content() for mail in told.mailbox.mails)
    assert "PSI of &lt;b&gt;AGE&lt;/b&gt; {{ conn.mail.password }} is 0.11" in breach
    assert "RuntimeError: no rows &lt;script&gt; in the week: {{ conn.mail.password }} ***" in failure
    (slack,) = [post["text"] for post in told.posts(SLACK) if "failed" in post["text"]]
    assert "no rows &lt;script&gt; in the week: {{ conn.mail.password }} ***" in slack


def test_slack_gets_the_events_it_asked_for(told: Told) -> None:
    first_lines = sorted(post["text"].splitlines()[0] for post in told.posts(SLACK))
    assert first_lines == [
        "*Drift warning: model ML.LOANS.MORTGAGE, version V1, week 2026-03-02*",
        "*Promoted: model ML.LOANS.MORTGAGE, version V2, week 2026-03-02*",
        "*Task fails failed: model ML.LOANS.MORTGAGE, week 2026-03-02*",
    ]
    (promoted,) = [post["text"] for post in told.posts(SLACK) if "Promoted" in post["text"]]
    assert "V2 against V1, 1200 rows: f1 0.7800 (needs 0.7): pass" in promoted
    assert "|Run>" in promoted


def test_slack_gets_it_in_a_channel_by_an_api_token(told: Told) -> None:
    sent = [(headers, body) for path, headers, body in told.web.received if path.startswith("/api/")]
    ((headers, content),) = [(headers, body) for headers, body in sent if "ada" not in body["text"]]
    assert headers["Authorization"] == f"Bearer {SECRETS['token']}"
    assert content["channel"] == "#models"
    assert content["text"].startswith("*Rejected: model ML.LOANS.MORTGAGE, version V2, week 2026-03-02*\n")


def test_any_url_gets_the_message_as_json(told: Told) -> None:
    posts = told.posts(f"/{SECRETS['hook']}")
    assert sorted(event for post in posts for event in post["events"]) == [
        "breach",
        "failure",
        "promotion",
        "rejection",
        "rejection",
        "rollback",
        "warn",
    ]
    (breach,) = [post for post in posts if post["events"] == ["breach"]]
    assert breach["text"].splitlines()[0] == "Drift breach: model ML.LOANS.MORTGAGE, version V1, week 2026-03-02"
    assert (breach["model"], breach["week"], breach["version"]) == ("ML.LOANS.MORTGAGE", "2026-03-02", "V1")
    assert breach["details"] == [f"Moved: {'; '.join(MOVED)}"]
    assert breach["links"].keys() == {"Run", "Report"}
    rejections = [post["details"][:2] for post in posts if post["events"] == ["rejection"]]
    assert ["Champion unchanged: V1", "V2 against V1, 1200 rows: f1 0.6000 (needs 0.7): FAIL"] in rejections
    assert ["Champion unchanged: V1", "Rejected by ada: not now"] in rejections
    (back,) = [post for post in posts if post["events"] == ["rollback"]]
    assert back["details"][0] == "Champion: V1 (before: V2)"
    logins = {headers["Authorization"] for path, headers, _ in told.web.received if SECRETS["hook"] in path[:20]}
    assert logins == {"Basic " + base64.b64encode(f"me:{SECRETS['web']}".encode()).decode()}


def test_a_task_that_is_tried_again_has_not_failed_yet(told: Told) -> None:
    assert len([post for post in told.posts(f"/{SECRETS['hook']}") if post["events"] == ["failure"]]) == 1
    assert "('fails', 'failed', 2)" in told.log


def test_a_message_that_cannot_be_sent_bothers_neither_task_nor_others(told: Told) -> None:
    assert "('breach', 'success', 1)" in told.log
    lines = [line for line in told.log.splitlines() if "snowmaker.notifications" in line and "is not sent to" in line]
    subject = "'Drift breach: ML.LOANS.MORTGAGE, week 2026-03-02' is not sent to"
    assert len(lines) == 4, lines
    for name, reason in (
        ("http (connection refused)", "500:Internal Server Error"),
        ("http (connection nobody)", "Connection refused"),
        ("slack (connection deaf)", "Connection refused"),
        ("smtp (connection missing)", "SMTP connection is not found"),
    ):
        assert any(f"{subject} {name}: " in line and reason in line for line in lines), name


def test_no_secret_is_in_a_message_or_in_what_is_told_of_it(told: Told) -> None:
    messages = [str(content) for _, _, content in told.web.received]
    messages += [mail.as_string() + mail.get_body().get_content() for mail in told.mailbox.mails]
    messages += [line for line in told.log.splitlines() if "snowmaker.notifications" in line]
    assert [secret for secret in SECRETS.values() for message in messages if secret in message] == []


def test_no_webhook_is_in_any_log(told: Told) -> None:
    # That of `dag.test`, which masks nothing.
    assert "RuntimeError: no rows <script> in the week: {{ conn.mail.password }} Mail-pass-4711" in told.log
    assert [name for name in ("hook", "slack", "token") if SECRETS[name] in told.log] == []
