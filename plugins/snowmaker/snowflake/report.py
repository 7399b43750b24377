"""What a weekly report reads: few rows of Snowmaker's own tables, whatever the model's features and weeks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.profile import SCORE
from snowmaker.snowflake import tables
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Value
    from snowmaker.week import Week

# A week may have been scored by several versions; the one reported, then the last one, speaks for it.
_ONE_VERSION = (
    "MODEL_VERSION = FIRST_VALUE(MODEL_VERSION) OVER (PARTITION BY WEEK_START ORDER BY "
    "IFF(WEEK_START = %s::DATE AND MODEL_VERSION = %s, 0, 1), WRITTEN_AT DESC, MODEL_VERSION DESC)"
)
_JUDGED = (
    "SEGMENT, FEATURE, METRIC, VALUE, P_VALUE, WARN, BREACH, VERDICT, ROW_COUNT, "
    "CASE VERDICT WHEN 'breach' THEN 2 WHEN 'warn' THEN 1 ELSE 0 END AS GRAVITY, "
    "ABS(VALUE) / NULLIF(ABS(BREACH), 0) AS SEVERITY"
)
_WORST_FIRST = "GRAVITY DESC, SEVERITY DESC NULLS LAST, METRIC"


@dataclass(frozen=True)
class ReportedWeek:
    """Which model's report of which week, and how many weeks back it looks."""

    model: QualifiedName
    version: str
    week: Week
    weeks: int

    def table(self, name: str) -> QualifiedName:
        """Return one of Snowmaker's tables beside the model."""
        return self.model.sibling(name)

    @property
    def window(self) -> tuple[str, tuple[Value, ...]]:
        """The condition that a row is of this model and of these weeks, and its values."""
        return (
            "MODEL_NAME = %s AND WEEK_START > %s::DATE AND WEEK_START <= %s::DATE",
            (self.model.quoted, self.week.shift(-self.weeks).start, self.week.start),
        )

    @property
    def one_version(self) -> tuple[str, tuple[Value, ...]]:
        """The condition that a row is of the version that speaks for its week, and its values."""
        return _ONE_VERSION, (self.week.start, self.version)


def drift_by_week(of: ReportedWeek, features: int) -> Statement:
    """Select the worst judged metric of each feature and week, for the worst features (PLACE 1 is the worst)."""
    window, in_window = of.window
    one_version, speaking = of.one_version
    week = of.week.start
    return Statement(
        f"WITH JUDGED AS (SELECT WEEK_START, {_JUDGED} FROM {of.table(tables.DRIFT)} "
        f"WHERE {window} AND SEGMENT = '' AND VERDICT IS NOT NULL QUALIFY {one_version}), "
        f"WORST AS (SELECT * FROM JUDGED "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY WEEK_START, FEATURE ORDER BY {_WORST_FIRST}) = 1), "
        f"BY_FEATURE AS (SELECT FEATURE, MAX(IFF(WEEK_START = %s::DATE, GRAVITY, -1)) AS GRAVITY_NOW, "
        f"MAX(IFF(WEEK_START = %s::DATE, SEVERITY, NULL)) AS SEVERITY_NOW, MAX(SEVERITY) AS SEVERITY_EVER "
        f"FROM WORST GROUP BY FEATURE), "
        f"RANKED AS (SELECT FEATURE, COUNT(*) OVER () AS FEATURES, COUNT_IF(GRAVITY_NOW > 0) OVER () AS MOVED, "
        f"ROW_NUMBER() OVER (ORDER BY GRAVITY_NOW DESC, "
        f"SEVERITY_NOW DESC NULLS LAST, SEVERITY_EVER DESC NULLS LAST, FEATURE) AS PLACE FROM BY_FEATURE) "
        f"SELECT WORST.*, RANKED.PLACE, RANKED.FEATURES, RANKED.MOVED "
        f"FROM WORST JOIN RANKED ON RANKED.FEATURE = WORST.FEATURE "
        f"WHERE RANKED.PLACE <= %s ORDER BY RANKED.PLACE, WORST.WEEK_START",
        (*in_window, *speaking, week, week, features),
    )


def drift_by_segment(of: ReportedWeek, most: int) -> Statement:
    """Select the worst segments and features of the week."""
    return Statement(
        f"SELECT * FROM (SELECT {_JUDGED} FROM {of.table(tables.DRIFT)} WHERE MODEL_NAME = %s "
        f"AND MODEL_VERSION = %s AND WEEK_START = %s::DATE AND SEGMENT <> '' AND VERDICT IS NOT NULL) "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY SEGMENT, FEATURE ORDER BY {_WORST_FIRST}) = 1 "
        f"ORDER BY {_WORST_FIRST}, SEGMENT, FEATURE LIMIT {most:d}",
        (of.model.quoted, of.version, of.week.start),
    )


def score_profiles(of: ReportedWeek) -> Statement:
    """Select the profile of the score of each week."""
    window, in_window = of.window
    one_version, speaking = of.one_version
    return Statement(
        f"SELECT WEEK_START, PROFILE FROM {of.table(tables.PROFILES)} "
        f"WHERE {window} AND SEGMENT = '' AND FEATURE = %s QUALIFY {one_version} ORDER BY WEEK_START",
        (*in_window, SCORE, *speaking),
    )


def baseline_and_week(of: ReportedWeek, features: Sequence[str]) -> Statement:
    """Select the profiles of some features in the version's baseline and in the week."""
    return Statement(
        f"SELECT B.FEATURE, B.PROFILE AS BEFORE, P.PROFILE AS NOW FROM {of.table(tables.BASELINES)} B "
        f"LEFT JOIN {of.table(tables.PROFILES)} P ON P.MODEL_NAME = B.MODEL_NAME "
        f"AND P.MODEL_VERSION = B.MODEL_VERSION AND P.FEATURE = B.FEATURE AND P.SEGMENT = '' "
        f"AND P.WEEK_START = %s::DATE "
        f"WHERE B.SEGMENT = '' AND B.MODEL_NAME = %s AND B.MODEL_VERSION = %s "
        f"AND B.FEATURE IN ({listed('%s' for _ in features)})",
        (of.week.start, of.model.quoted, of.version, *features),
    )


def performance_by_week(of: ReportedWeek, metric: str) -> Statement:
    """Select a metric of all weeks and versions, and whether it is an estimate."""
    window, in_window = of.window
    return Statement(
        f"SELECT WEEK_START, MODEL_VERSION, VALUE, REFERENCE, IS_ESTIMATE, VERDICT, ROW_COUNT "
        f"FROM {of.table(tables.PERFORMANCE)} WHERE {window} AND SEGMENT = '' AND CLASS = '' AND METRIC = %s "
        f"ORDER BY WEEK_START, MODEL_VERSION, IS_ESTIMATE",
        (*in_window, metric),
    )


def newest_performance(of: ReportedWeek, metric: str, *, is_error: bool, segments: int, others: int) -> Statement:
    """Select the newest week with labels: all metrics of all rows and classes, and the worst segments by ``metric``.

    :param is_error: whether the metric is the better the smaller it is
    """
    window, in_window = of.window
    one_version, speaking = of.one_version
    return Statement(
        f"SELECT * FROM (SELECT WEEK_START, SEGMENT, CLASS, METRIC, VALUE, REFERENCE, VERDICT, ROW_COUNT "
        f"FROM {of.table(tables.PERFORMANCE)} WHERE {window} AND NOT IS_ESTIMATE "
        f"QUALIFY WEEK_START = MAX(WEEK_START) OVER () AND {one_version}) "
        f"WHERE SEGMENT = '' OR (CLASS = '' AND METRIC = %s) "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY SEGMENT = '' ORDER BY "
        f"IFF(SEGMENT = '', 0, VALUE - COALESCE(REFERENCE, 0)) {'DESC' if is_error else 'ASC'} NULLS LAST, "
        f"SEGMENT, CLASS, METRIC) <= IFF(SEGMENT = '', {others:d}, {segments:d}) "
        f"ORDER BY SEGMENT = '', IFF(SEGMENT = '', 0, VALUE - COALESCE(REFERENCE, 0)) "
        f"{'DESC' if is_error else 'ASC'} NULLS LAST, SEGMENT, CLASS, METRIC",
        (*in_window, *speaking, metric),
    )


def newest_calibration(of: ReportedWeek) -> Statement:
    """Select the calibration of the newest week that has one."""
    window, in_window = of.window
    one_version, speaking = of.one_version
    return Statement(
        f"SELECT WEEK_START, MODEL_VERSION, MEAN_SCORE, RATE, ROW_COUNT FROM {of.table(tables.CALIBRATION)} "
        f"WHERE {window} QUALIFY WEEK_START = MAX(WEEK_START) OVER () AND {one_version} ORDER BY BIN",
        (*in_window, *speaking),
    )


def top_features(of: ReportedWeek, most: int) -> Statement:
    """Select the features that make most of the version's score, with their share and the champion's before it.

    FEATURES tells how many there are.
    """
    return Statement(
        f"SELECT FEATURE, SHARE, CHAMPION, CHAMPION_SHARE, ROW_COUNT, COUNT(*) OVER () AS FEATURES "
        f"FROM {of.table(tables.ATTRIBUTIONS)} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s AND CLASS = '' "
        f"ORDER BY PLACE LIMIT {most:d}",
        (of.model.quoted, of.version),
    )


def read_report(model: QualifiedName, week: Week, dag_id: str) -> Statement:
    """Select a week's report, if a run of the DAG wrote it."""
    return Statement(
        f"SELECT HTML FROM {model.sibling(tables.REPORTS)} WHERE MODEL_NAME = %s AND WEEK_START = %s::DATE "
        f"AND STARTSWITH(RUN_ID, %s)",
        (model.quoted, week.start, f"{dag_id}/"),
    )
