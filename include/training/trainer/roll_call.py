"""A line of each host to the first one: who is there, who was lost, and why the others should end.

XGBoost's communicator only says that a connection broke; this says whose, and passes on the reason of the host
that has one.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from .failure import TrainingFailure

PORT = 29099
# Hosts of a job start within minutes of each other.
PATIENCE = 300.0
# A dead host's connections break at once; only a host that lives has to be waited for.
_GRACE = 5.0


class Line:
    """A connection that carries JSON, a line a message."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._buffer = b""

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def send(self, message: Any) -> None:
        """Send a message; that nobody listens any more is no failure of the sender."""
        with suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, patience: float) -> Any:
        """Return the next message, or None if the other side is gone or says nothing in time."""
        self._socket.settimeout(patience)
        with suppress(OSError):
            while b"\n" not in self._buffer:
                received = self._socket.recv(65536)
                if not received:
                    return None
                self._buffer += received
            line, _, self._buffer = self._buffer.partition(b"\n")
            return json.loads(line)
        return None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def gather_hosts(hosts: Sequence[str], patience: float = PATIENCE) -> dict[str, Line]:
    """As the first host, wait until all others have called.

    :raises TrainingFailure: naming the hosts that did not
    """
    lines: dict[str, Line] = {}
    deadline = time.monotonic() + patience
    with socket.create_server((_address_of(hosts[0], deadline), PORT)) as server:
        while len(lines) < len(hosts) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                line = Line(server.accept()[0])
            except TimeoutError:
                missing = [name for name in hosts[1:] if name not in lines]
                raise TrainingFailure(
                    f"{', '.join(missing)} did not join {hosts[0]} within {patience:.0f} s; see the log of that host, "
                    f"and let the instances' security group admit port {PORT} and all others among themselves"
                ) from None
            name = line.receive(patience=_GRACE)
            if name in hosts[1:]:
                lines[name] = line
            else:
                line.close()
    return lines


def call_first(hosts: Sequence[str], own: str, patience: float = PATIENCE) -> Line:
    """As another host, call the first one until it answers.

    :raises TrainingFailure: if it does not in time
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            address = (_address_of(hosts[0], deadline), PORT)
            opened = socket.create_connection(address, timeout=max(deadline - time.monotonic(), 0.01))
        except OSError as error:
            if time.monotonic() >= deadline:
                raise TrainingFailure(
                    f"{own} cannot reach {hosts[0]} on port {PORT}: {error}; see the log of that host, "
                    f"and let the instances' security group admit all ports among themselves"
                ) from None
            time.sleep(0.1)
            continue
        line = Line(opened)
        line.send(own)
        return line


def hear_reason(lines: dict[str, Line]) -> str | None:
    """As the first host, find out why a connection broke: another host says it, or is gone without a word.

    :return: the reason to tell, or None if all others are there and say nothing
    """
    deadline = time.monotonic() + _GRACE
    lost = []
    waiting = dict(lines)
    while waiting and (left := deadline - time.monotonic()) > 0:
        ready = set(select.select(list(waiting.values()), [], [], left)[0])
        for name in [name for name, line in waiting.items() if line in ready]:
            reason = waiting.pop(name).receive(patience=_GRACE)
            if reason:
                return str(reason)
            lost.append(name)
        if lost:
            # One that can say more may follow: its own end was the reason of the other's.
            deadline = min(deadline, time.monotonic() + 0.5)
    return tell_lost(*lost) if lost else None


def tell_lost(*names: str) -> str:
    """Say that hosts are gone."""
    return (
        f"{', '.join(names)} was lost: its process ended without a word, as when it runs out of memory (exit code 137) "
        f"or its instance fails; see the log of that host, and train again"
    )


def _address_of(name: str, deadline: float) -> str:
    """Resolve a host's name; its entry may come a moment after its container."""
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise TrainingFailure(f"host {name} has no address: {error}; the job's network is broken") from None
            time.sleep(0.1)
