"""What the history functions of alerts and tasks have in common: a span of time, a name, a number of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, invalid_argument_types

if TYPE_CHECKING:
    from include.sandbox.snowflake.sql.tables import Arguments

_KEPT = timedelta(days=7)
_TIMES = {"scheduled_time", "completed_time", "query_start_time", "next_scheduled_time"}


@dataclass(frozen=True)
class Window:
    """Which runs are wanted: scheduled in `[start, end)`, of a name, the latest so many of them."""

    start: datetime
    end: datetime | None
    name: str | None
    limit: int

    def choose(self, runs: Iterable[dict[str, Any]], columns: Iterable[str]) -> list[dict[str, Any]]:
        """The runs that are wanted, the latest first, with a value for each column."""
        wanted = [
            run
            for run in runs
            if self._is_in_time(datetime.fromisoformat(run["scheduled_time"]))
            and (self.name is None or run["name"].upper() == self.name.upper())
        ]
        wanted.sort(key=lambda run: datetime.fromisoformat(run["scheduled_time"]), reverse=True)
        return [{column: _value(run, column.lower()) for column in columns} for run in wanted[: self.limit]]

    def _is_in_time(self, scheduled: datetime) -> bool:
        return self.start <= scheduled and (self.end is None or scheduled <= self.end)


def window(arguments: Arguments, function: str, name: str, more: Iterable[str] = ()) -> Window:
    """Read the arguments of a history function; `name` is what it calls the name of the object."""
    known = ["scheduled_time_range_start", "scheduled_time_range_end", "result_limit", name.lower(), *more]
    if arguments.positional or set(arguments.named) - set(known):
        unknown = ", ".join(sorted(set(arguments.named) - set(known))) or "positional"
        raise invalid_argument_types(function, unknown.upper())
    start, end = (_time(arguments.named.get(key), function) for key in known[:2])
    limit = arguments.named.get("result_limit", 100)
    if not isinstance(limit, int) or not 1 <= limit <= 10_000:
        raise SqlError(1008, "22023", f"{COMPILATION}invalid value [{limit}] for function '{function}', parameter 3")
    oldest = datetime.now(UTC) - _KEPT
    if (start and start < oldest - timedelta(minutes=1)) or (end and end < oldest):
        raise SqlError(
            91040, "22023", f"Cannot retrieve data from more than {_KEPT.days} days ago for function {function}."
        )
    wanted = arguments.named.get(name.lower())
    return Window(max(start, oldest) if start else oldest, end, None if wanted is None else str(wanted), limit)


def _time(value: Any, function: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise invalid_argument_types(function, "VARCHAR") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _value(run: dict[str, Any], name: str) -> Any:
    value = run.get(name)
    return datetime.fromisoformat(value) if value is not None and name in _TIMES else value
