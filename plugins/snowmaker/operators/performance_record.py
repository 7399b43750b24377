"""What the performance check keeps in its tables: reading it, and replacing whole weeks of it in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from snowmaker.labelled_weeks import LabelledWeek
from snowmaker.operators.base import replace_rows
from snowmaker.snowflake import tables
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Value
    from snowmaker.verdicts import Verdict

    Row = Mapping[str, Value]

TABLES = (tables.PERFORMANCE, tables.CALIBRATION, tables.LABELS)
# So that no statement nears Snowflake's greatest length.
_ROWS_A_STATEMENT = 500


@dataclass(frozen=True)
class MeasuredWeek:
    """A week as it was measured, of one version and segment ('': all rows).

    :param references: the version's metrics on its own holdout
    :param metric: the metric it is judged by
    :param verdict: of that metric; None if it is shown and not judged
    """

    week: Week
    version: str
    segment: str
    found: Measured
    is_estimate: bool
    references: Mapping[str, float]
    metric: str
    verdict: Verdict | None

    def performance_rows(self) -> Iterator[Row]:
        """Give a row a metric, those of single classes too."""
        for label, metrics in {"": self.found.metrics, **self.found.classes}.items():
            whole = not label and not self.segment
            for metric, value in metrics.items():
                yield {
                    "WEEK_START": self.week.start,
                    "MODEL_VERSION": self.version,
                    "SEGMENT": self.segment,
                    "CLASS": label,
                    "METRIC": metric,
                    "VALUE": value,
                    "REFERENCE": self.references.get(metric) if whole else None,
                    "IS_ESTIMATE": self.is_estimate,
                    "VERDICT": self.verdict if whole and metric == self.metric else None,
                    "ROW_COUNT": self.found.rows,
                    "ENGINE": tables.SNOWMAKER_ENGINE,
                }

    def calibration_rows(self) -> Iterator[Row]:
        """Give a row a bin of the scores, of all labelled rows."""
        if self.segment or self.is_estimate:
            return
        for found in self.found.calibration:
            yield {
                "WEEK_START": self.week.start,
                "MODEL_VERSION": self.version,
                "BIN": found.place,
                "MEAN_SCORE": found.mean_score,
                "RATE": found.rate,
                "ROW_COUNT": found.rows,
            }


@dataclass(frozen=True)
class RecordedWeek:
    """What the tables say of a week's judged metric."""

    week: Week
    version: str
    value: float | None
    reference: float | None
    is_estimate: bool
    verdict: Verdict | None


def last_checked(session: WarehouseSession, model: QualifiedName, first: Week, last: Week) -> dict[Week, LabelledWeek]:
    """Read what weeks were when they were last checked."""
    rows = session.rows(
        Statement(
            f"SELECT WEEK_START, LABELLED, FINGERPRINT FROM {model.sibling(tables.LABELS)} "
            f"WHERE MODEL_NAME = %s AND WEEK_START >= %s AND WEEK_START <= %s",
            (model.quoted, first.start, last.start),
        )
    )
    return {week_of(row): LabelledWeek(int(row["LABELLED"]), row["FINGERPRINT"]) for row in rows}


def recorded(
    session: WarehouseSession, model: QualifiedName, metric: str, first: Week, last: Week
) -> list[RecordedWeek]:
    """Read a metric of all weeks that were measured or estimated, the oldest first."""
    rows = session.rows(
        Statement(
            f"SELECT WEEK_START, MODEL_VERSION, VALUE, REFERENCE, IS_ESTIMATE, VERDICT "
            f"FROM {model.sibling(tables.PERFORMANCE)} WHERE MODEL_NAME = %s AND METRIC = %s AND ENGINE = %s "
            f"AND SEGMENT = '' AND CLASS = '' AND WEEK_START >= %s AND WEEK_START <= %s ORDER BY WEEK_START",
            (model.quoted, metric, tables.SNOWMAKER_ENGINE, first.start, last.start),
        )
    )
    return [
        RecordedWeek(
            week=week_of(row),
            version=row["MODEL_VERSION"],
            value=row["VALUE"],
            reference=row["REFERENCE"],
            is_estimate=bool(row["IS_ESTIMATE"]),
            verdict=row["VERDICT"],
        )
        for row in rows
    ]


def rewrite_weeks(
    session: WarehouseSession,
    model: QualifiedName,
    weeks: Mapping[Week, LabelledWeek | None],
    measured: Sequence[MeasuredWeek],
    run: str,
) -> None:
    """Replace all that is kept of some weeks in one transaction, so that none is taken for checked that is not.

    :param weeks: what each week is now; None if it has no predictions any more
    :param measured: what was measured of them
    :param run: who writes
    """
    checked = [
        {"WEEK_START": week.start, "LABELLED": found.labelled, "FINGERPRINT": found.fingerprint}
        for week, found in weeks.items()
        if found
    ]
    kept: dict[str, list[Row]] = {
        tables.PERFORMANCE: [row for found in measured for row in found.performance_rows()],
        tables.CALIBRATION: [row for found in measured for row in found.calibration_rows()],
        tables.LABELS: list(checked),
    }
    statements = []
    for name, rows in kept.items():
        table = model.sibling(name)
        statements.append(_delete(table, model, list(weeks)))
        statements += _insert(table, model, rows, run)
    performance = model.sibling(tables.PERFORMANCE)
    replace_rows(session, performance, lock=f"{performance.quoted} {model.quoted}", holder=run, statements=statements)


def week_of(row: Mapping[str, Any]) -> Week:
    """Read the week of a row."""
    return Week(date.fromisoformat(str(row["WEEK_START"])[:10]))


def _delete(table: QualifiedName, model: QualifiedName, weeks: Sequence[Week]) -> Statement:
    engine = " AND ENGINE = %s" if table.object.name == tables.PERFORMANCE else ""
    return Statement(
        f"DELETE FROM {table} WHERE MODEL_NAME = %s AND WEEK_START IN ({listed('%s' for _ in weeks)}){engine}",
        (model.quoted, *(week.start for week in weeks), *([tables.SNOWMAKER_ENGINE] if engine else [])),
    )


def _insert(table: QualifiedName, model: QualifiedName, rows: Sequence[Row], run: str) -> Iterator[Statement]:
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[start : start + _ROWS_A_STATEMENT]
        values = [(model.quoted, *row.values(), run) for row in part]
        yield tables.insert_rows(table, ("MODEL_NAME", *part[0], "RUN_ID"), values)
