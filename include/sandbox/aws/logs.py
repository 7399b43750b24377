"""Write to the sandbox's own CloudWatch logs from inside the server."""

from __future__ import annotations

from include.sandbox.aws.log_store import LogStore

_store: LogStore


def use(store: LogStore) -> None:
    """Write to ``store`` from now on."""
    global _store  # noqa: PLW0603 (one server a process, as moto's own state is)
    _store = store


def write_line(region: str, group: str, stream: str, line: str) -> None:
    """Add a line that a program has written just now."""
    _store.write_line(region, group, stream, line)
