"""What the demo expects to happen, and the table it ends with: read from Snowflake, judged by pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class WeekRow:
    """One scored week, as the table shows it."""

    week: date
    number: int
    source_rows: int
    rows: int
    version: str
    worst_feature: str | None
    psi: float | None
    drift: str | None
    f1: float | None
    performance: str | None
    labelled: int
    scored_at: datetime
    run: str

    @property
    def verdict(self) -> str:
        """The worse of the drift and the performance verdict."""
        order = ("ok", "warn", "breach")
        found = [verdict for verdict in (self.drift, self.performance) if verdict]
        return max(found, key=order.index) if found else "-"


@dataclass(frozen=True)
class ModelEvent:
    """A promotion or rejection."""

    event: str
    version: str
    previous: str | None
    week: date
    reason: str
    at: datetime


@dataclass(frozen=True)
class Expectation:
    """Something that must have happened, and whether it did."""

    what: str
    met: bool
    found: str


_WEEKS = """
SELECT S.WEEK_START_DATE::DATE AS WEEK, MAX(S.WEEK) AS NUMBER, COUNT(*) AS SOURCE_ROWS,
       COUNT(S.MORTGAGERESPONSE) AS LABELLED, MAX(P.N) AS N, MAX(P.MODEL_VERSION) AS MODEL_VERSION,
       MAX(P.SCORED_AT) AS SCORED_AT, MAX(P.RUN_ID) AS RUN_ID
FROM MORTGAGE_APPLICATIONS S
JOIN (SELECT WEEK_START, COUNT(*) AS N, MAX(MODEL_VERSION) AS MODEL_VERSION, MIN(SCORED_AT) AS SCORED_AT,
             MAX(RUN_ID) AS RUN_ID
      FROM MORTGAGE_PREDICTIONS_CURRENT GROUP BY WEEK_START) P ON P.WEEK_START = S.WEEK_START_DATE::DATE
GROUP BY 1 ORDER BY 1
"""
_DRIFT = """
SELECT WEEK_START, MODEL_VERSION, FEATURE, VALUE, VERDICT FROM SNOWMAKER_DRIFT
WHERE SEGMENT = '' AND METRIC = 'psi' AND VERDICT IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY WEEK_START, MODEL_VERSION ORDER BY
    CASE VERDICT WHEN 'breach' THEN 2 WHEN 'warn' THEN 1 ELSE 0 END DESC, VALUE DESC NULLS LAST) = 1
"""
_PERFORMANCE = """
SELECT WEEK_START, MODEL_VERSION, VALUE, VERDICT FROM SNOWMAKER_PERFORMANCE
WHERE METRIC = 'f1' AND SEGMENT = '' AND CLASS = '' AND NOT IS_ESTIMATE
"""
_EVENTS = """
SELECT EVENT, MODEL_VERSION, PREVIOUS_VERSION, WEEK_START, REASON, WRITTEN_AT
FROM SNOWMAKER_MODEL_EVENTS ORDER BY SEQUENCE
"""


def read_weeks(connection: SnowflakeConnection) -> list[WeekRow]:
    """Read all scored weeks with their checks."""
    drift = {(row[0], row[1]): row[2:] for row in _rows(connection, _DRIFT)}
    performance = {(row[0], row[1]): row[2:] for row in _rows(connection, _PERFORMANCE)}
    weeks = []
    for week, number, source_rows, labelled, rows, version, scored_at, run in _rows(connection, _WEEKS):
        feature, psi, drifted = drift.get((week, version), (None, None, None))
        f1, performed = performance.get((week, version), (None, None))
        checks = (feature, psi, drifted, f1, performed)
        weeks.append(WeekRow(week, number, source_rows, rows, version, *checks, labelled, scored_at, run))
    return weeks


def read_events(connection: SnowflakeConnection) -> list[ModelEvent]:
    """Read the model events, the oldest first."""
    return [ModelEvent(*row) for row in _rows(connection, _EVENTS)]


def read_champion(connection: SnowflakeConnection) -> list[tuple[str, bool, str]]:
    """Read name, whether it is the default, and aliases of every version."""
    cursor = connection.cursor()
    cursor.execute("SHOW VERSIONS IN MODEL MORTGAGE_RESPONSE")
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [(row["name"], str(row["is_default_version"]).lower() == "true", str(row["aliases"])) for row in rows]


def table(weeks: Sequence[WeekRow]) -> str:
    """Write the weeks as a table for a terminal."""
    header = ("week", "rows", "version", "worst feature", "PSI", "F1", "verdict")
    cells = [
        (
            f"{row.week} ({row.number})",
            str(row.rows),
            row.version,
            row.worst_feature or "-",
            "-" if row.psi is None else f"{row.psi:.3f}",
            "no labels yet" if row.f1 is None else f"{row.f1:.3f}",
            row.verdict,
        )
        for row in weeks
    ]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    head = "  ".join(text.ljust(width) for text, width in zip(header, widths, strict=True))
    return "\n".join([head, "-" * len(head), *lines])


def judge(
    weeks: Sequence[WeekRow],
    events: Sequence[ModelEvent],
    versions: Sequence[tuple[str, bool, str]],
    asset_runs: int,
    run_starts: Mapping[date, datetime],
    *,
    expected_weeks: int,
    shift_week: int,
) -> list[Expectation]:
    """Hold what happened against what must have happened.

    :param versions: name, is-default and aliases of each version
    :param asset_runs: retraining runs that an asset event triggered and that succeeded
    :param run_starts: when each week's scoring run started; the champion is settled at its beginning
    :param expected_weeks: how many weeks were to be scored
    :param shift_week: number of the week in which the distribution shifts
    """
    promoted = [event for event in events if event.event == "PROMOTED"]
    crowned = [event for event in events if event.event in ("PROMOTED", "ROLLED_BACK")]
    complete = [row for row in weeks if row.rows == row.source_rows]
    calm = [row for row in weeks if row.number < shift_week]
    breached = [row for row in weeks if row.number >= shift_week and row.drift == "breach"]
    second = promoted[1] if len(promoted) > 1 else None
    # What a person scored anew since, by whichever version, is not the backfill's doing.
    by_backfill = [row for row in weeks if "/backfill__" in row.run]
    after = [row for row in by_backfill if second and run_starts[row.week] > second.at]
    by_champion = [
        row
        for row in after
        if row.version in {_champion_at(crowned, moment) for moment in (run_starts[row.week], row.scored_at)}
    ]
    unlabelled = [row for row in weeks if not row.labelled]
    champions = [name for name, default, _ in versions if default]
    aliased = [name for name, _, aliases in versions if "PRODUCTION" in aliases]
    newest = crowned[-1].version if crowned else None
    return [
        Expectation(
            f"{expected_weeks} weeks are scored, each row once",
            len(complete) == len(weeks) == expected_weeks,
            f"{len(complete)} of {len(weeks)} weeks complete",
        ),
        Expectation(
            "the first version became champion by itself",
            bool(promoted) and promoted[0].previous is None,
            promoted[0].version if promoted else "no promotion",
        ),
        Expectation(
            f"no drift before week {shift_week}, a breach from then on",
            bool(calm) and all(row.drift == "ok" for row in calm) and bool(breached),
            f"{[row.drift for row in calm]}, then {len(breached)} breaches",
        ),
        Expectation("the asset event triggered a retraining", asset_runs >= 1, f"{asset_runs} runs"),
        Expectation(
            "the second version beat the champion and replaced it",
            second is not None and second.previous == promoted[0].version,
            f"{second.version} ({second.reason})" if second else "no second promotion",
        ),
        Expectation(
            "the weeks that come after are scored by it or its successor",
            bool(after) and len(by_champion) == len(after),
            f"{len(by_champion)} of {len(after)} weeks",
        ),
        Expectation(
            "F1 is known where labels are, and only there",
            bool(unlabelled) and all((row.f1 is not None) == (row.labelled > 0) for row in weeks),
            f"{len(unlabelled)} weeks without labels",
        ),
        Expectation(
            "one champion: default version, PRODUCTION alias and events agree",
            champions == aliased == [newest],
            f"default {champions}, alias {aliased}, by the events {newest}",
        ),
    ]


def _champion_at(crowned: Sequence[ModelEvent], moment: datetime) -> str:
    return [event for event in crowned if event.at < moment][-1].version


def _rows(connection: SnowflakeConnection, statement: str) -> list[tuple[Any, ...]]:
    return list(connection.cursor().execute(statement).fetchall())
