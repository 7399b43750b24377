"""The sandbox as processes: `up` holds both servers, `start` runs an `up` and waits until it is ready."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from include.sandbox import settings
from include.sandbox.settings import HOST, Settings

_REPOSITORY = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_ENDING = (signal.SIGINT, signal.SIGTERM)


class SandboxError(Exception):
    """The sandbox cannot start, or did not."""


def up(state: Path, snowflake_port: int | None, aws_port: int | None, only: str | None) -> int:
    """Run the servers in the foreground until a signal comes or one of them ends."""
    for number in _ENDING:
        signal.signal(number, _interrupt)
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SandboxError(f"a sandbox is running on {state} already; stop it, or choose another --state") from None
        ready = state / "ready"
        ready.unlink(missing_ok=True)
        known = settings.load_or_make(state, snowflake_port, aws_port)
        servers: list[subprocess.Popen[bytes]] = []
        try:
            servers.extend(_launch(known, name) for name in _names(only))
            for name, server in zip(_names(only), servers, strict=True):
                _wait_until(_PROBES[name](known), server, f"the {name} server")
            settings.write_clients_files(known)
            settings.write_private(ready, "".join(f"{pid}\n" for pid in [os.getpid(), *(s.pid for s in servers)]))
            print(f"The sandbox is ready: source {state / 'env'}", flush=True)
            return _watch(servers)
        except KeyboardInterrupt:
            return 0
        finally:
            ready.unlink(missing_ok=True)
            _stop(servers)


@dataclass
class Sandbox:
    """A sandbox that this process has started."""

    settings: Settings
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        """The variables with which clients find it."""
        return self.settings.environment()

    def stop(self) -> None:
        """End it in order and wait until it is gone."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def kill(self) -> None:
        """End it and its servers at once, as a crash would."""
        _, *servers = _ready_processes(self.settings.state)
        self.process.kill()
        self.process.wait(30)
        for pid in servers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for port in (self.settings.snowflake_port, self.settings.aws_port):
            deadline = time.monotonic() + 10
            while settings.is_taken(port) and time.monotonic() < deadline:
                time.sleep(0.02)


def start(
    state: Path,
    *,
    snowflake_port: int | None = 0,
    aws_port: int | None = 0,
    only: str | None = None,
    timeout: float = 60,
) -> Sandbox:
    """Start a sandbox in the background and return when it is ready."""
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "include.sandbox", "up", "--state", str(state), "--end-with", str(os.getpid())]
    for option, value in (("--snowflake-port", snowflake_port), ("--aws-port", aws_port), ("--only", only)):
        if value is not None:
            command += [option, str(value)]
    log = (state / "sandbox.log").open("ab")
    process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=log, stderr=log)  # noqa: S603
    log.close()
    try:
        wait_ready(state, timeout, process)
    except BaseException:
        process.terminate()
        process.wait(30)
        raise
    return Sandbox(settings.load(state), process)


def wait_ready(state: Path, timeout: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until the sandbox on this state is ready; with a process, the one that it runs."""
    deadline = time.monotonic() + timeout
    while not _is_ready(state, process):
        if process and process.poll() is not None:
            raise SandboxError(f"the sandbox ended with code {process.returncode}; see {state / 'sandbox.log'}")
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox on {state} is not ready after {timeout:g} s; see {state / 'sandbox.log'}")
        time.sleep(0.05)


def _is_ready(state: Path, process: subprocess.Popen[bytes] | None) -> bool:
    """True if the sandbox lives and said that it is ready; one that was killed left its word behind."""
    processes = _ready_processes(state)
    if not processes or (process and process.pid != processes[0]):
        return False
    try:
        os.kill(processes[0], 0)
    except ProcessLookupError:
        return False
    return True


def _ready_processes(state: Path) -> list[int]:
    """The processes of a ready sandbox: `up` itself, then its servers."""
    try:
        return [int(pid) for pid in (state / "ready").read_text().split()]
    except FileNotFoundError:
        return []


def _names(only: str | None) -> list[str]:
    return [only] if only else ["snowflake", "aws"]


def _launch(known: Settings, name: str) -> subprocess.Popen[bytes]:
    port = known.snowflake_port if name == "snowflake" else known.aws_port
    if settings.is_taken(port):
        raise SandboxError(
            f"port {port} of the {name} server is taken; choose another with --{name}-port (0: any free)"
        )
    folder = known.state / "aws" if name == "aws" else known.state
    command = [sys.executable, "-m", f"include.sandbox.{name}", "--state", str(folder), "--port", str(port)]
    # A session of its own, so that Ctrl-C reaches the server through `up` only, in order.
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=_REPOSITORY,
        start_new_session=True,
        preexec_fn=functools.partial(end_with, os.getpid()),  # noqa: PLW1509 (this process has one thread)
        # XGBoost's threads spin at barriers; on busy cores a model then takes many times as long.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **known.environment()},
    )


def end_with(parent: int) -> None:
    """Let this process end when its parent does, however that comes about (Linux only)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def _snowflake_probe(known: Settings) -> Callable[[], bool]:
    context = ssl.create_default_context(cafile=str(known.trust))

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, known.snowflake_port), 1) as plain:
                context.wrap_socket(plain, server_hostname=HOST).close()
        except OSError:
            return False
        return True

    return answers


def _aws_probe(known: Settings) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            with urlopen(f"http://{HOST}:{known.aws_port}/moto-api/", timeout=2) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    return answers


_PROBES = {"snowflake": _snowflake_probe, "aws": _aws_probe}


def _wait_until(answers: Callable[[], bool], server: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + 60
    while not answers():
        if server.poll() is not None:
            raise SandboxError(f"{what} ended before it was ready")
        if time.monotonic() > deadline:
            raise SandboxError(f"{what} does not answer")
        time.sleep(0.05)


def _watch(servers: list[subprocess.Popen[bytes]]) -> int:
    while all(server.poll() is None for server in servers):
        time.sleep(0.2)
    print("A server of the sandbox has ended; stopping the rest.", file=sys.stderr)
    return 1


def _stop(servers: list[subprocess.Popen[bytes]]) -> None:
    for server in servers:
        server.terminate()
    for server in servers:
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _interrupt(*_: object) -> None:
    # Ctrl-C comes as two signals: from the terminal and from our starter. The second must not break off the stopping.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
