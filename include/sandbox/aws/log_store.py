"""CloudWatch's groups, streams and events in one SQLite file, each line written as it comes.

Events are kept in the order of their time, and of their arrival where that is the same.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log_group (
  region TEXT, name TEXT, created INTEGER, retention INTEGER, tags TEXT, PRIMARY KEY (region, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stream (
  id INTEGER PRIMARY KEY AUTOINCREMENT, region TEXT, log_group TEXT, name TEXT, created INTEGER,
  first INTEGER, last INTEGER, ingested INTEGER, UNIQUE (region, log_group, name));
CREATE TABLE IF NOT EXISTS event (
  stream INTEGER, time INTEGER, number INTEGER, ingested INTEGER, message TEXT,
  PRIMARY KEY (stream, time, number)) WITHOUT ROWID;
"""
_STREAM_FIELDS = "id, name, created, first, last, ingested"
# An answer holds at most so many bytes, counted as the service counts them.
LARGEST_ANSWER = 1 << 20
EVENT_OVERHEAD = 26
# The agent on the instances cuts longer lines.
_LONGEST_LINE = (256 << 10) - EVENT_OVERHEAD

Position = tuple[int, int]
START: Position = (-1, 0)
END: Position = (1 << 62, 0)


@dataclass(frozen=True)
class Group:
    """A log group."""

    region: str
    name: str
    created: int
    retention: int | None
    tags: dict[str, str]


@dataclass(frozen=True)
class Stream:
    """A log stream; times in milliseconds, None while it has no events."""

    id: int
    name: str
    created: int
    first: int | None
    last: int | None
    ingested: int | None


@dataclass(frozen=True)
class Event:
    """A log event, and where it stands."""

    stream: int
    time: int
    number: int
    ingested: int
    message: str

    @property
    def position(self) -> Position:
        """Where it stands among the events of all streams."""
        return self.time, self.number

    @property
    def size(self) -> int:
        """How many bytes the service counts for it."""
        return len(self.message.encode()) + EVENT_OVERHEAD


class LogStore:
    """All logs of all regions. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Keep the logs in ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        last = self._db.execute("SELECT max(number) FROM event").fetchone()[0]
        self._numbers = itertools.count((last or 0) + 1)

    def create_group(self, region: str, name: str, tags: dict[str, str]) -> bool:
        """Make a group; False where it is there."""
        row = (region, name, _now(), None, json.dumps(tags))
        return self._change("INSERT OR IGNORE INTO log_group VALUES (?, ?, ?, ?, ?)", row) == 1

    def groups(self, region: str) -> list[Group]:
        """Return a region's groups by name."""
        rows = self._rows("SELECT * FROM log_group WHERE region = ? ORDER BY name", (region,))
        return [Group(*row[:4], json.loads(row[4])) for row in rows]

    def has_group(self, region: str, name: str) -> bool:
        """Say whether there is such a group."""
        return bool(self._rows("SELECT 1 FROM log_group WHERE region = ? AND name = ?", (region, name)))

    def set_retention(self, region: str, name: str, days: int | None) -> None:
        """Note how long a group's events are to be kept; they stay longer."""
        self._change("UPDATE log_group SET retention = ? WHERE region = ? AND name = ?", (days, region, name))

    def delete_group(self, region: str, name: str) -> None:
        """Remove a group with its streams and events."""
        with self._lock:
            for stream in self.streams(region, name):
                self.delete_stream(region, name, stream.name)
            self._change("DELETE FROM log_group WHERE region = ? AND name = ?", (region, name))

    def create_stream(self, region: str, group: str, name: str) -> bool:
        """Make a stream; False where it is there."""
        sql = "INSERT OR IGNORE INTO stream (region, log_group, name, created) VALUES (?, ?, ?, ?)"
        return self._change(sql, (region, group, name, _now())) == 1

    def streams(self, region: str, group: str) -> list[Stream]:
        """Return a group's streams by name."""
        sql = f"SELECT {_STREAM_FIELDS} FROM stream WHERE region = ? AND log_group = ? ORDER BY name"
        return [Stream(*row) for row in self._rows(sql, (region, group))]

    def stream(self, region: str, group: str, name: str) -> Stream | None:
        """Return a stream, or nothing where there is none."""
        sql = f"SELECT {_STREAM_FIELDS} FROM stream WHERE region = ? AND log_group = ? AND name = ?"
        rows = self._rows(sql, (region, group, name))
        return Stream(*rows[0]) if rows else None

    def delete_stream(self, region: str, group: str, name: str) -> None:
        """Remove a stream with its events."""
        with self._lock:
            found = self.stream(region, group, name)
            if found:
                self._change("DELETE FROM event WHERE stream = ?", (found.id,))
                self._change("DELETE FROM stream WHERE id = ?", (found.id,))

    def append(self, stream: Stream, events: Sequence[tuple[int, str]]) -> None:
        """Add events, each with its time and text, all of them or none."""
        now = _now()
        with self._lock:
            rows = [(stream.id, moment, next(self._numbers), now, text) for moment, text in events]
            times = [moment for moment, _ in events]
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
                sql = (
                    "UPDATE stream SET first = min(coalesce(first, ?), ?), last = max(coalesce(last, ?), ?),"
                    " ingested = ? WHERE id = ?"
                )
                low, high = min(times), max(times)
                self._db.execute(sql, (low, low, high, high, now, stream.id))
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def write_line(self, region: str, group: str, stream: str, line: str) -> None:
        """Add a line that a program has written just now; group and stream are made where they are missing."""
        found = self.stream(region, group, stream)
        if found is None:
            self.create_group(region, group, {})
            self.create_stream(region, group, stream)
            found = self.stream(region, group, stream)
        if found:
            now = _now()
            self.append(found, [(now, piece) for piece in _pieces(line)])

    def forward(self, streams: Sequence[int], after: Position, start: int, end: int) -> Iterator[Event]:
        """Give the events of streams behind a position, and with ``start`` <= time < ``end``."""
        return self._walk(streams, max(after, (start - 1, END[0])), (end - 1, END[0]), descending=False)

    def backward(self, streams: Sequence[int], before: Position, start: int, end: int) -> Iterator[Event]:
        """Give the events of streams before a position, the last first, with ``start`` <= time < ``end``."""
        return self._walk(streams, (start - 1, END[0]), min(before, (end, -1)), descending=True)

    def _walk(self, streams: Sequence[int], low: Position, high: Position, *, descending: bool) -> Iterator[Event]:
        """Give the events strictly between two positions, in portions, so that no lock is held meanwhile."""
        order, marks = ("DESC" if descending else "ASC"), ", ".join("?" * len(streams))
        sql = (
            f"SELECT stream, time, number, ingested, message FROM event WHERE stream IN ({marks})"
            f" AND (time, number) > (?, ?) AND (time, number) < (?, ?) ORDER BY time {order}, number {order} LIMIT 1000"
        )
        while True:
            rows = self._rows(sql, (*streams, *low, *high))
            for row in rows:
                yield Event(*row)
            if len(rows) < 1000:
                return
            low, high = (low, rows[-1][1:3]) if descending else (rows[-1][1:3], high)

    def _rows(self, sql: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, tuple(values)).fetchall()

    def _change(self, sql: str, values: Iterable[Any]) -> int:
        with self._lock:
            return self._db.execute(sql, tuple(values)).rowcount


def _pieces(line: str) -> list[str]:
    """Cut a line into pieces no longer than an event may be; an empty line is an event of one space."""
    if len(line) * 4 <= _LONGEST_LINE:
        return [line or " "]
    data = line.encode()
    cuts = range(0, len(data), _LONGEST_LINE)
    return [data[cut : cut + _LONGEST_LINE].decode(errors="replace") for cut in cuts]


def _now() -> int:
    return int(time.time() * 1000)
