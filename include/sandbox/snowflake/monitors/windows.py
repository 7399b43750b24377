"""The time of a metric: which windows are asked for, and how they are put together.

A monitor keeps its data by aggregation window, so a window is the smallest thing that a metric can be asked for: it is
in the range [start, end) when its own start is. Windows and granularities begin where TIME_SLICE lets them begin:
at multiples from 1970-01-01, weeks on Mondays. How the service aligns its own is not published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError

_GRANULARITY = re.compile(r"(\d{1,6})\s+(DAY|WEEK|MONTH|QUARTER|YEAR)", re.IGNORECASE)
_INTERVAL = re.compile(r"(\d{1,9})\s+(second|minute|hour|day)s?", re.IGNORECASE)
_DEFAULT_RANGE = timedelta(days=60)
_ALL = "ALL"
_LAST = datetime(9999, 12, 31)  # noqa: DTZ001 - like all moments here it has no zone


def invalid_argument(value: Any, name: str, expected: str) -> SqlError:
    """An argument of a metric's function that it does not take."""
    return SqlError(1008, "22023", f"{COMPILATION}invalid value [{value}] for argument '{name}': {expected}")


def seconds_of(text: str) -> int | None:
    """The length of an interval such as '1 day' or '90 minutes'; None for what is not one."""
    found = _INTERVAL.fullmatch(text.strip())
    if not found:
        return None
    return int(found[1]) * {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}[found[2].lower()]


@dataclass(frozen=True)
class TimeRange:
    """The windows [start, end) of `window_days` days each, to be put together by granularity ('ALL': in one)."""

    start: datetime
    end: datetime
    window_days: int
    granularity: str

    def sql(self, columns: str) -> str:
        """The rows of the table `source` in the range: `bucket`, the start of the row's granule, and columns of it."""
        window = f"time_bucket(INTERVAL '{self.window_days} days', CAST(ts AS TIMESTAMP), TIMESTAMP '1970-01-01')"
        return (
            f"SELECT {self._bucket('window_start')} AS bucket, {columns} "
            f"FROM (SELECT *, {window} AS window_start FROM source WHERE ts IS NOT NULL) "
            f"WHERE window_start >= {_literal(self.start)} AND window_start < {_literal(self.end)}"
        )

    def rows_sql(self, column: str) -> str:
        """A condition in Snowflake's SQL that holds for all rows of the range and for few others."""
        end = min(self.end, _LAST - timedelta(days=self.window_days)) + timedelta(days=self.window_days)
        return f"{column} >= '{self.start}'::TIMESTAMP_NTZ AND {column} < '{end}'::TIMESTAMP_NTZ"

    def _bucket(self, start: str) -> str:
        if self.granularity == _ALL:
            return _literal(self.start)
        number, unit = self.granularity.split()
        origin = "1969-12-29" if unit == "WEEK" else "1970-01-01"
        return f"time_bucket(INTERVAL '{number} {unit}', {start}, TIMESTAMP '{origin}')"


def time_range(window_days: int, granularity: Any, start: Any, end: Any, now: datetime) -> TimeRange:
    """Read the arguments of a metric's function; what is NULL has its default: 1 day, and the 60 days until now."""
    last = _moment(end, "END_TIME") if end is not None else now
    first = _moment(start, "START_TIME") if start is not None else now - _DEFAULT_RANGE
    return TimeRange(first, last, window_days, _granularity(granularity))


def _granularity(value: Any) -> str:
    text = "1 DAY" if value is None else str(value).strip()
    if text.upper() == _ALL:
        return _ALL
    found = _GRANULARITY.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise invalid_argument(value, "GRANULARITY", "it is '<num> DAY', WEEK, MONTH, QUARTER or YEAR, 'ALL' or NULL.")
    return f"{int(found[1])} {found[2].upper()}"


def _moment(value: Any, name: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise SqlError(100035, "22007", f"Timestamp '{value}' is not recognized") from None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime.combine(value, time())
    raise invalid_argument(value, name, "it is a timestamp or NULL.")


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"
