"""Starting and stopping the sandbox itself."""

from __future__ import annotations

import os
import socket
import stat
import tomllib
from pathlib import Path

import pytest

from include.sandbox import process, settings


def test_a_second_sandbox_on_a_state_is_refused(sandbox: process.Sandbox) -> None:
    with pytest.raises(process.SandboxError, match="ended with code 1"):
        process.start(sandbox.settings.state)
    assert "is running on" in (sandbox.settings.state / "sandbox.log").read_text()


def test_a_taken_port_is_named(state: Path) -> None:
    with socket.create_server((settings.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(process.SandboxError):
            process.start(state, only="snowflake", snowflake_port=port)
    assert f"port {port} of the snowflake server is taken" in (state / "sandbox.log").read_text()


def test_the_clients_files_are_private_and_say_where_it_is(sandbox: process.Sandbox) -> None:
    known = sandbox.settings
    for name in ("env", "connections.toml", "settings.json"):
        assert stat.S_IMODE((known.state / name).stat().st_mode) == 0o600
    connections = tomllib.loads((known.state / "connections.toml").read_text())
    assert connections["sandbox"] == known.connection()


def test_stopping_leaves_no_process_and_no_promise(state: Path) -> None:
    running = process.start(state, only="snowflake")
    pids = [int(pid) for pid in (state / "ready").read_text().split()]
    running.stop()
    assert not (state / "ready").exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_left_in_the_temporary_directory(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    running = process.start(state, only="snowflake")
    running.stop()
    assert list(temporary.iterdir()) == []
