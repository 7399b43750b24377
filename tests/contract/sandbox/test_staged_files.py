"""Files of stages when a client or the sandbox itself is gone in the middle."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from pathlib import Path

import pytest
import snowflake.connector
from snowflake_support import refused

from include.sandbox import process
from include.sandbox.process import Sandbox


def test_half_an_upload_is_not_seen(sandbox: Sandbox, tmp_path: Path) -> None:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE OR REPLACE STAGE half")
        (tmp_path / "a.txt").write_text("whole")
        put = f"PUT file://{tmp_path}/a.txt @half AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
        cursor.execute(put)
        info = cursor._execute_helper(put)["data"]["stageInfo"]
        context = ssl.create_default_context(cafile=sandbox.env["REQUESTS_CA_BUNDLE"])
        headers = {"Content-Length": "1000000", "Authorization": f"Bearer {info['creds']['GCS_ACCESS_TOKEN']}"}
        for name in ("a.txt", "b.txt"):
            client = http.client.HTTPSConnection(info["endPoint"], context=context)
            client.putrequest("PUT", f"/{info['location']}{name}")
            for key, value in headers.items():
                client.putheader(key, value)
            client.endheaders(b"half of it")
            client.close()
        listed = cursor.execute("LIST @half").fetchall()
        assert [(row[0], row[1]) for row in listed] == [("half/a.txt", 5)]


def test_a_token_is_for_its_folder_only(sandbox: Sandbox, tmp_path: Path) -> None:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE OR REPLACE STAGE guarded")
        (tmp_path / "a.txt").write_text("x")
        info = cursor._execute_helper(f"PUT file://{tmp_path}/a.txt @guarded/in")["data"]["stageInfo"]
        context = ssl.create_default_context(cafile=sandbox.env["REQUESTS_CA_BUNDLE"])
        token = info["creds"]["GCS_ACCESS_TOKEN"]
        for path, given in (
            ("stages/in/a.txt", ""),
            ("stages/in/a.txt", token[:-1] + ("0" if token[-1] != "0" else "1")),
            ("stages/out.txt", token),
            ("stages/in/../../../escaped.txt", token),
            ("stages/in/%2e%2e/%2e%2e/escaped.txt", token),
        ):
            client = http.client.HTTPSConnection(info["endPoint"], context=context)
            client.request("PUT", f"/{path}", b"x", {"Authorization": f"Bearer {given}"})
            assert (path, client.getresponse().status) == (path, 401)
        assert cursor.execute("LIST @guarded").fetchall() == []


def test_stages_formats_and_loads_outlive_a_kill(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process.start(state, only="snowflake")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", before.env["REQUESTS_CA_BUNDLE"])
    open_one = snowflake.connector.connect(**before.settings.connection())
    cursor = open_one.cursor()
    (tmp_path / "a.csv").write_text("1|x\n")
    cursor.execute("CREATE STAGE kept")
    cursor.execute("CREATE TEMPORARY STAGE gone")
    cursor.execute("CREATE FILE FORMAT bars TYPE = CSV FIELD_DELIMITER = '|'")
    cursor.execute("CREATE TABLE t (n INT, s VARCHAR)")
    for stage in ("kept", "gone"):
        cursor.execute(f"PUT file://{tmp_path}/a.csv @{stage}")
    cursor.execute("COPY INTO t FROM @kept FILE_FORMAT = (FORMAT_NAME = bars)")
    before.kill()
    with contextlib.suppress(Exception):
        open_one.close()
    after = process.start(state, only="snowflake", snowflake_port=None)
    try:
        with snowflake.connector.connect(**after.settings.connection()) as connection:
            cursor = connection.cursor()
            assert [row[0] for row in cursor.execute("LIST @kept").fetchall()] == ["kept/a.csv.gz"]
            again = cursor.execute("COPY INTO t FROM @kept FILE_FORMAT = (FORMAT_NAME = bars)").fetchall()
            assert again == [("Copy executed with 0 files processed.",)]
            assert cursor.execute("SELECT * FROM t").fetchall() == [(1, "x")]
            with refused(2003, "does not exist"):
                cursor.execute("LIST @gone")
        assert len(list((state / "snowflake" / "stages" / "files").iterdir())) == 1
    finally:
        after.stop()
