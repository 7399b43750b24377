"""Airflow's own hooks against the sandbox: S3Hook, AwsLogsHook, SecretsManagerHook."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from .support import BUCKET, CREDENTIALS, Server


@pytest.fixture
def connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    extra = {"region_name": "us-east-1", "endpoint_url": server.url}
    login = {"login": CREDENTIALS["aws_access_key_id"], "password": CREDENTIALS["aws_secret_access_key"]}
    monkeypatch.setenv("AIRFLOW_CONN_SANDBOX", json.dumps({"conn_type": "aws", **login, "extra": extra}))
    return "sandbox"


def test_the_s3_hook_works(connection: str, tmp_path: Path) -> None:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(connection)
    hook.load_string("text", "hook/a b.txt", BUCKET, encrypt=True)
    with pytest.raises(ValueError, match="already exists"):
        hook.load_string("text", "hook/a b.txt", BUCKET)
    hook.load_bytes(b"bytes", "hook/b.gz", BUCKET, replace=True)
    (tmp_path / "file").write_text("file")
    hook.load_file(tmp_path / "file", "hook/c/d", BUCKET, gzip=True)
    assert hook.read_key("hook/a b.txt", BUCKET) == "text"
    assert hook.check_for_key(f"s3://{BUCKET}/hook/b.gz")
    assert hook.check_for_wildcard_key("hook/*.txt", BUCKET)
    assert hook.list_keys(BUCKET, "hook/") == ["hook/a b.txt", "hook/b.gz", "hook/c/d"]
    assert hook.list_prefixes(BUCKET, "hook/", "/") == ["hook/c/"]
    hook.copy_object("hook/a b.txt", "hook/e", BUCKET, BUCKET)
    assert Path(hook.download_file("hook/e", BUCKET, str(tmp_path))).read_text() == "text"
    hook.put_bucket_tagging({"k": "v"}, bucket_name=BUCKET)
    assert hook.get_bucket_tagging(BUCKET) == [{"Key": "k", "Value": "v"}]
    hook.delete_bucket_tagging(BUCKET)
    assert [item["Size"] for item in hook.iter_file_metadata("hook/e", BUCKET)] == [4]
    hook.delete_objects(BUCKET, hook.list_keys(BUCKET, "hook/"))
    assert hook.list_keys(BUCKET, "hook/") == []
    hook.create_bucket("made-by-a-hook")
    assert hook.check_for_bucket("made-by-a-hook")
    hook.load_string("x", "k", "made-by-a-hook")
    hook.delete_bucket("made-by-a-hook", force_delete=True)
    assert not hook.check_for_bucket("made-by-a-hook")


def test_the_logs_hook_reads_a_stream_to_its_end(connection: str, server: Server) -> None:
    from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook

    logs = server.client("logs")
    place = {"logGroupName": "/test/hook", "logStreamName": "s"}
    logs.create_log_group(logGroupName="/test/hook")
    logs.create_log_stream(**place)
    now = int(time.time() * 1000)
    lines = [{"timestamp": now + number, "message": str(number)} for number in range(25_000)]
    for start in range(0, len(lines), 10_000):
        logs.put_log_events(**place, logEvents=lines[start : start + 10_000])
    hook = AwsLogsHook(connection)
    read = [event["message"] for event in hook.get_log_events("/test/hook", "s", start_time=0, skip=5)]
    assert read == [str(number) for number in range(5, 25_000)]
    late = [event["message"] for event in hook.get_log_events("/test/hook", "s", start_time=now + 24_990)]
    assert late == [str(number) for number in range(24_990, 25_000)]


def test_the_secrets_hook_reads_a_dictionary(connection: str, server: Server) -> None:
    from airflow.providers.amazon.aws.hooks.secrets_manager import SecretsManagerHook

    server.client("secretsmanager").create_secret(Name="hook/text", SecretString='{"user": "me"}')
    assert SecretsManagerHook(connection).get_secret_as_dict("hook/text") == {"user": "me"}
