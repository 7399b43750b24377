"""Loads generated weeks into a Snowflake table: every week once and whole, its labels when they are due.

What to load is decided by pure functions from what the table holds, so a load that ran before or crashed
half-way is simply continued. Meant for one loader of a table at a time. Knows no dataset in particular.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from snowflake.connector import SnowflakeConnection

BATCH_ROWS = 250_000
# "… does not exist or not authorized", as a query and as a USE or CREATE report it.
_MISSING_OBJECT_ERRORS = (2003, 2043)


class LoadError(Exception):
    """A load that cannot be done; the message names the table and what to do."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a weekly dataset is made of.

    :param columns: Snowflake type by column name, in table order.
    :param fingerprint_column: a whole-numbered column without NULLs whose sum tells one made week from another.
    :param generate: makes week `index` of `rows` rows, given the Monday of week 1; the label is complete.
    """

    columns: Mapping[str, str]
    week_column: str
    label_column: str
    fingerprint_column: str
    generate: Callable[[int, date, int], pd.DataFrame]


@dataclass(frozen=True)
class StoredWeek:
    """What a table holds of one week; `fingerprint` is the sum of the fingerprint column."""

    start: date
    rows: int
    labelled_rows: int
    fingerprint: int


@dataclass(frozen=True)
class LoadPlan:
    """The weeks to make (numbers from 1), and those of the table whose labels are due."""

    first_week: date
    missing: tuple[int, ...]
    due: Mapping[int, StoredWeek]
    last_labelled: int


def last_complete_week(today: date) -> date:
    """Return the Monday of the last week that ended before `today`."""
    return today - timedelta(days=today.weekday() + 7)


def plan_load(stored: Sequence[StoredWeek], *, weeks: int, last_week: date, labels_after_weeks: int) -> LoadPlan:
    """Decide what is to be loaded so that the table holds weeks 1 to `weeks`, none later than `last_week`.

    An empty table gets its first week so that the last one is `last_week`; afterwards its first week stays.
    :raises LoadError: `last_week` or the weeks in the table do not begin on a Monday.
    """
    if last_week.weekday() != 0:
        raise LoadError(f"last week {last_week} is a {last_week:%A}; name the Monday that begins the week")
    for week in stored:
        if week.start.weekday() != 0:
            raise LoadError(
                f"the table holds a week that begins on {week.start}, a {week.start:%A}, so it was not loaded "
                "by this command; choose another --table"
            )
    first_week = min((week.start for week in stored), default=last_week - timedelta(weeks=weeks - 1))
    by_number = {_number(week.start, first_week): week for week in stored}
    last_number = _number(last_week, first_week)
    last_labelled = last_number - labels_after_weeks
    wanted = range(1, min(weeks, last_number) + 1)
    return LoadPlan(
        first_week=first_week,
        missing=tuple(number for number in wanted if number not in by_number),
        due={n: w for n, w in sorted(by_number.items()) if n <= last_labelled and not w.labelled_rows},
        last_labelled=last_labelled,
    )


def _number(week: date, first_week: date) -> int:
    return (week - first_week).days // 7 + 1


class WeeklyTable:
    """A table in Snowflake that holds a weekly dataset.

    :param database: unquoted name, as are `schema` and `table`; made on first use where it is missing. The
        connection's own unless given, as for `schema`.
    :raises LoadError: a name is missing, or not a plain identifier.
    """

    def __init__(
        self,
        connection: SnowflakeConnection,
        dataset: Dataset,
        *,
        database: str | None,
        schema: str | None,
        table: str,
    ) -> None:
        self.connection = connection
        self.dataset = dataset
        self.database = _plain_name("database", database or connection.database)
        self.schema = _plain_name("schema", schema or connection.schema)
        self.table = _plain_name("table", table)
        self.name = f'"{self.database}"."{self.schema}"."{self.table}"'
        self._staging_table = f"{self.table}__LOADING"
        columns = ", ".join(f'"{name}" {kind}' for name, kind in dataset.columns.items())
        self._definition = f"({columns})"

    def stored_weeks(self) -> list[StoredWeek]:
        """Read which weeks the table holds; none where there is no table yet."""
        from snowflake.connector.errors import ProgrammingError

        week, label, fingerprint = (
            f'"{name}"'
            for name in (self.dataset.week_column, self.dataset.label_column, self.dataset.fingerprint_column)
        )
        query = f"SELECT {week}, COUNT(*), COUNT({label}), SUM({fingerprint}) FROM {self.name} GROUP BY {week}"
        try:
            found = self._execute(query)
        except ProgrammingError as error:
            if error.errno not in _MISSING_OBJECT_ERRORS:
                raise
            return []
        return [StoredWeek(_as_date(start), rows, known, int(total)) for start, rows, known, total in found]

    def load(self, *, weeks: int, rows: int, last_week: date, labels_after_weeks: int) -> LoadPlan:
        """Load the missing weeks up to `weeks`, fill the labels that are due, and return what was done."""
        plan = plan_load(self.stored_weeks(), weeks=weeks, last_week=last_week, labels_after_weeks=labels_after_weeks)
        if plan.missing:
            self._create()
        self._fill_labels(plan)
        for numbers in _batches(plan.missing, max(1, BATCH_ROWS // rows)):
            self._replace_weeks(self._generate(plan, number, rows) for number in numbers)
        return plan

    def arrive_labels(self, *, last_week: date, labels_after_weeks: int) -> LoadPlan:
        """Fill the labels that are due once `last_week` is over, load nothing, and return what was done."""
        stored = self.stored_weeks()
        if not stored:
            raise LoadError(f"{self.name} holds no weeks; load some first")
        plan = plan_load(stored, weeks=0, last_week=last_week, labels_after_weeks=labels_after_weeks)
        self._fill_labels(plan)
        return plan

    def _fill_labels(self, plan: LoadPlan) -> None:
        frames = []
        for number, week in plan.due.items():
            frame = self._generate(plan, number, week.rows)
            # Another seed or scenario would swap the week's rows for other ones, not only add labels.
            if int(frame[self.dataset.fingerprint_column].sum()) != week.fingerprint:
                raise LoadError(
                    f"{self.name}: the rows of week {number} ({week.start}) are not those that these options "
                    "make, so their labels are not known; use the seed and scenario the table was loaded with"
                )
            frames.append(frame)
        if frames:
            self._replace_weeks(frames)

    def _generate(self, plan: LoadPlan, number: int, rows: int) -> pd.DataFrame:
        frame = self.dataset.generate(number, plan.first_week, rows)
        if number > plan.last_labelled:
            frame[self.dataset.label_column] = frame[self.dataset.label_column].mask([True] * rows)
        return frame

    def _create(self) -> None:
        from snowflake.connector.errors import ProgrammingError

        parents = [
            f'CREATE DATABASE IF NOT EXISTS "{self.database}"',
            f'CREATE SCHEMA IF NOT EXISTS "{self.database}"."{self.schema}"',
        ]

        def create(statement: str) -> None:
            # Parents are made only when they are found missing: who may create a table in a schema may well
            # not be allowed to create databases, and IF NOT EXISTS asks for the privilege all the same.
            try:
                self._execute(statement)
            except ProgrammingError as error:
                if error.errno not in _MISSING_OBJECT_ERRORS or not parents:
                    raise
                create(parents.pop())
                self._execute(statement)

        create(f"CREATE TABLE IF NOT EXISTS {self.name} {self._definition}")

    def _replace_weeks(self, frames: Iterable[pd.DataFrame]) -> None:
        """Put whole weeks in the place of whatever the table holds of them, all in one transaction."""
        import pandas as pd
        from snowflake.connector.pandas_tools import write_pandas

        staging = f'"{self.database}"."{self.schema}"."{self._staging_table}"'
        columns = ", ".join(f'"{name}"' for name in self.dataset.columns)
        week = f'"{self.dataset.week_column}"'
        self._execute(f"CREATE OR REPLACE TEMPORARY TABLE {staging} {self._definition}")
        write_pandas(
            self.connection,
            pd.concat(frames, ignore_index=True)[list(self.dataset.columns)],
            self._staging_table,
            database=self.database,
            schema=self.schema,
            use_logical_type=True,
        )
        self._execute("BEGIN")
        try:
            self._execute(f"DELETE FROM {self.name} WHERE {week} IN (SELECT {week} FROM {staging})")
            self._execute(f"INSERT INTO {self.name} ({columns}) SELECT {columns} FROM {staging}")
            self._execute("COMMIT")
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute(f"DROP TABLE {staging}")

    def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            return cursor.execute(statement).fetchall()


def _batches(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _plain_name(kind: str, name: str | None) -> str:
    if not name:
        raise LoadError(f"the connection names no {kind}; give --{kind}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", name):
        raise LoadError(f"--{kind} {name!r}: only names of letters, digits and _ that begin with no digit are taken")
    return name.upper()


def _as_date(value: datetime | date) -> date:
    return value.date() if isinstance(value, datetime) else value
