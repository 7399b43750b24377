"""What a model monitor is asked to be, held against the documented rules before anything is sent. Pure.

The rules are those of Snowflake's reference of CREATE MODEL MONITOR and of its guide on ML Observability.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker.snowflake.identifiers import Identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snowmaker.source import Source

Others = Literal["keep", "suspend", "drop"]
"""What becomes of the monitors of other versions."""
MOST_MONITORS, MOST_FEATURES, MOST_SEGMENTS = 250, 500, 5
ONE_DAY = "1 day"
_INTERVAL = re.compile(r"(\d{1,9})\s+(second|minute|hour|day)s?", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_LEAST_REFRESH = 60
_ZONELESS = ("DATE", "TIMESTAMP_NTZ")
_TEXT = ("VARCHAR", "TEXT", "STRING", "CHAR")


@dataclass(frozen=True)
class MonitorOptions:
    """How a monitor works, whatever it looks at.

    :param warehouse: the warehouse that its refreshes run in
    :param refresh_interval: how often it reads new rows and labels, at least every 60 seconds
    :param aggregation_window: whole days that it adds up; checks by week need '1 day'
    :param segments: text columns, among key and features, by whose values it can be asked; at most 5
    :raises ValueError: naming the option, what was found, the rule and the remedy

    >>> MonitorOptions("compute_wh", segments=("county",)).segment_columns
    (Identifier(name='COUNTY'),)
    """

    warehouse: str
    refresh_interval: str = "1 hour"
    aggregation_window: str = ONE_DAY
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        Identifier.parse(self.warehouse)
        if (seconds_of(self.refresh_interval) or 0) < _LEAST_REFRESH:
            raise ValueError(
                f"refresh_interval is {self.refresh_interval!r}; write a number of seconds, minutes, hours or days, "
                f"60 seconds at least, e.g. '1 hour'"
            )
        seconds = seconds_of(self.aggregation_window)
        if not seconds or "day" not in self.aggregation_window.lower():
            raise ValueError(
                f"aggregation_window is {self.aggregation_window!r}; a monitor adds up whole days: write e.g. '1 day'"
            )
        if len(self.segments) > MOST_SEGMENTS:
            raise ValueError(
                f"segments has {len(self.segments)} columns; a monitor takes {MOST_SEGMENTS} at most, remove some"
            )
        if twice := _twice(column.name for column in self.segment_columns):
            raise ValueError(f"segments lists {twice} more than once; name each column once")

    @property
    def segment_columns(self) -> tuple[Identifier, ...]:
        """The segments as names."""
        return tuple(Identifier.parse(name) for name in self.segments)


def seconds_of(interval: str) -> int | None:
    """Return the length of an interval; None of what is none.

    >>> seconds_of("90 minutes"), seconds_of("1 DAY"), seconds_of("soon")
    (5400, 86400, None)
    """
    found = _INTERVAL.fullmatch(interval.strip())
    return int(found[1]) * _SECONDS[found[2].lower()] if found else None


def check_monitored(source: Source, options: MonitorOptions, types: Mapping[str, str], taken: Iterable[str]) -> None:
    """Check that a source's rows can be monitored.

    :param types: type of each of the source's columns, by name
    :param taken: names that no feature may have, for a scored row has columns of these names
    :raises ValueError: naming table, column, what was found, the rule and the remedy
    """
    table = source.table.quoted
    if len(source.features) > MOST_FEATURES:
        raise ValueError(
            f"{table} has {len(source.features)} features; a monitor takes {MOST_FEATURES} at most. Check its drift "
            f"with engine snowmaker"
        )
    if clash := sorted({feature.column.name for feature in source.features} & set(taken)):
        raise ValueError(f"feature {clash[0]} of {table} has the name of a scored row's column; rename it in a view")
    if not types[source.week_column.name].upper().startswith(_ZONELESS):
        raise ValueError(
            f"week column {source.week_column.name} of {table} is {types[source.week_column.name]}, whose day depends "
            f"on the time zone of the session, and a monitor refreshes in another one; cast it to DATE or "
            f"TIMESTAMP_NTZ in a view"
        )
    there = [*(column.name for column in source.key), *(feature.column.name for feature in source.features)]
    for column in options.segment_columns:
        if column.name not in there:
            raise ValueError(
                f"segment {column.name} is neither key nor feature of {table}, so training sets do not have it; add "
                f"it to source.key"
            )
        if not types[column.name].upper().startswith(_TEXT):
            raise ValueError(
                f"segment {column.name} of {table} is {types[column.name]}; a monitor's segments are texts: sort the "
                f"values into a few texts in a view"
            )


def _twice(names: Iterable[str]) -> str:
    return ", ".join(name for name, count in Counter(names).items() if count > 1)
