"""What model monitors measured: many calls of their table functions in one statement, a week a row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.profile import SCORE
from snowmaker.snowflake.literals import name_text
from snowmaker.snowflake.monitor_source import SCORE as SCORE_COLUMN
from snowmaker.snowflake.monitor_source import segment
from snowmaker.snowflake.predictions import NOT_SHADOW
from snowmaker.snowflake.source_rows import in_weeks
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.source import Source
    from snowmaker.week import Week

# Rows are stamped with their week's first day, so a day of a monitor is a week.
_GRANULARITY = "1 DAY"
_WEEKS = "%s, %s::TIMESTAMP_NTZ, %s::TIMESTAMP_NTZ"
_SELECTED = "SELECT %s AS VERSION, %s AS METRIC, EVENT_TIMESTAMP::DATE AS WEEK_START, METRIC_VALUE AS VALUE"


@dataclass(frozen=True)
class DriftCall:
    """One call of MODEL_MONITOR_DRIFT_METRIC.

    :param metric: Snowflake's name of the metric
    :param column: the monitor's column
    :param scale: whether to divide by the column's standard deviation in the baseline
    :param part: a column and a value of it, for one segment
    """

    metric: str
    column: Identifier
    scale: bool = False
    part: tuple[Identifier, str] | None = None


def drift_values(monitor: QualifiedName, baseline: QualifiedName, calls: Sequence[DriftCall], week: Week) -> Statement:
    """Ask for drift in a week: PLACE (of the call), VALUE, and how many values were USED and UNUSED."""
    parts: list[str] = []
    values: list[object] = []
    for place, call in enumerate(calls):
        value = "METRIC_VALUE"
        if call.scale:
            value += f" / NULLIF((SELECT STDDEV_POP({call.column}) FROM {baseline}), 0)"
        extra = ", %s" if call.part else ""
        parts.append(
            f"SELECT {place} AS PLACE, {value} AS VALUE, COL_COUNT_USED AS USED, COL_COUNT_UNUSED AS UNUSED FROM "
            f"TABLE(MODEL_MONITOR_DRIFT_METRIC(%s, %s, %s, {_WEEKS}{extra}))"
        )
        values += [monitor.quoted, call.metric, name_text(call.column), *_weeks(week, week)]
        values += [_segments(*call.part)] if call.part else []
    return Statement(" UNION ALL ".join(parts), tuple(values))


def performance_values(monitor: QualifiedName, metrics: Mapping[str, str], first: Week, last: Week) -> Statement:
    """Ask for performance by week: METRIC, WEEK_START, VALUE, and how many rows were USED and UNUSED.

    :param metrics: Snowflake's names by ours
    """
    return _ordered([_performance(monitor, "", *names, first, last) for names in metrics.items()])


def histories(
    monitors: Mapping[str, QualifiedName], metrics: Mapping[str, str], drift: str, first: Week, last: Week
) -> Statement:
    """Ask several versions' monitors for performance, and drift of the score: VERSION besides ``performance_values``.

    :param monitors: by version
    :param drift: Snowflake's name of the drift metric, given as METRIC 'score'
    """
    parts = []
    for version, monitor in monitors.items():
        parts += [_performance(monitor, version, *names, first, last) for names in metrics.items()]
        values = (version, SCORE, monitor.quoted, drift, name_text(SCORE_COLUMN), *_weeks(first, last))
        text = (
            f"{_SELECTED}, COL_COUNT_USED AS USED, COL_COUNT_UNUSED AS UNUSED FROM "
            f"TABLE(MODEL_MONITOR_DRIFT_METRIC(%s, %s, %s, {_WEEKS}))"
        )
        parts.append(Statement(text, values))
    return _ordered(parts)


def predicted_rows(predictions: QualifiedName, model: str, version: str, first: Week, last: Week) -> Statement:
    """Count a version's predictions by week."""
    return Statement(
        f"SELECT WEEK_START, COUNT(*) AS N FROM {predictions} WHERE {NOT_SHADOW} AND MODEL_NAME = %s "
        f"AND MODEL_VERSION = %s AND WEEK_START >= %s::DATE AND WEEK_START <= %s::DATE "
        f"GROUP BY WEEK_START ORDER BY WEEK_START",
        (model, version, first.start, last.start),
    )


def segment_values(source: Source, column: Identifier, week: Week, most: int) -> Statement:
    """List the commonest values of a segment's column in a week."""
    condition = in_weeks(source.week_column, week, week)
    return Statement(
        f"SELECT {column}::VARCHAR AS VALUE FROM {source.table} WHERE {condition.text} AND {column} IS NOT NULL "
        f"GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT {most:d}",
        condition.values,
    )


def week_verdicts(table: QualifiedName, model: str, version: str, engine: str, first: Week, last: Week) -> Statement:
    """List the worst verdict of each week that an engine judged: WORST 2 is a breach, 1 a warning."""
    return Statement(
        f"SELECT WEEK_START, MAX(CASE VERDICT WHEN 'breach' THEN 2 WHEN 'warn' THEN 1 ELSE 0 END) AS WORST "
        f"FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s AND ENGINE = %s AND VERDICT IS NOT NULL "
        f"AND WEEK_START >= %s::DATE AND WEEK_START <= %s::DATE GROUP BY WEEK_START ORDER BY WEEK_START",
        (model, version, engine, first.start, last.start),
    )


def _performance(monitor: QualifiedName, version: str, ours: str, theirs: str, first: Week, last: Week) -> Statement:
    return Statement(
        f"{_SELECTED}, COUNT_USED AS USED, COUNT_UNUSED AS UNUSED "
        f"FROM TABLE(MODEL_MONITOR_PERFORMANCE_METRIC(%s, %s, {_WEEKS}))",
        (version, ours, monitor.quoted, theirs, *_weeks(first, last)),
    )


def _weeks(first: Week, last: Week) -> tuple[str, str, str]:
    return _GRANULARITY, str(first.start), str(last.end)


def _ordered(parts: Sequence[Statement]) -> Statement:
    text = " UNION ALL ".join(part.text for part in parts)
    return Statement(f"{text} ORDER BY WEEK_START, METRIC", tuple(value for part in parts for value in part.values))


def _segments(column: Identifier, value: str) -> str:
    return json.dumps({"SEGMENTS": [{"column": name_text(segment(column)), "value": value}]}, ensure_ascii=False)
