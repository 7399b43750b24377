"""How tables of earlier releases become today's: which statements are still to do. Pure.

Each statement commits by itself and leaves a table from which the rest can be told, so whatever was interrupted, or is
done by two at once, is finished by looking again. Every row is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snowmaker.exceptions import OwnTableError
from snowmaker.snowflake.identifiers import Identifier, literal
from snowmaker.snowflake.statement import Statement
from snowmaker.snowflake.tables import (
    BASELINES,
    COLUMNS,
    DRIFT,
    MODEL_EVENTS,
    PERFORMANCE,
    PREDICTIONS,
    SNOWMAKER_ENGINE,
    schema_comment,
    schema_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from snowmaker.snowflake.identifiers import QualifiedName


@dataclass(frozen=True)
class Migration:
    """What a schema version of a table has that the one before has not.

    :param added: new columns, with their types and what they hold in the rows there are
    :param computed: new columns that are made of others: the type, and the statement that fills them
    :param relaxed: columns that may be NULL from now on
    :param dropped: columns whose content stands in ``computed`` now
    """

    added: Mapping[str, str] = field(default_factory=dict)
    computed: Mapping[str, tuple[str, Callable[[QualifiedName], Statement]]] = field(default_factory=dict)
    relaxed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def statements(self, table: QualifiedName, columns: Mapping[str, bool]) -> Iterator[Statement]:
        """Give those statements that are still to do.

        :param columns: the table's columns, and whether they may be NULL
        """
        alter = f"ALTER TABLE {table}"
        for name, kind in self.added.items():
            if name not in columns:
                yield Statement(f"{alter} ADD COLUMN {Identifier(name)} {kind}")
        for name, (kind, fill) in self.computed.items():
            if name not in columns:
                yield Statement(f"{alter} ADD COLUMN {Identifier(name)} {kind}")
            if columns.get(name, True):
                yield fill(table)
                yield Statement(f"{alter} ALTER COLUMN {Identifier(name)} SET NOT NULL")
        for name in self.relaxed:
            if not columns.get(name, True):
                yield Statement(f"{alter} ALTER COLUMN {Identifier(name)} DROP NOT NULL")
        for name in self.dropped:
            if name in columns:
                yield Statement(f"{alter} DROP COLUMN IF EXISTS {Identifier(name)}")


def _count_events(table: QualifiedName) -> Statement:
    return Statement(
        f"UPDATE {table} T SET SEQUENCE = N.PLACE FROM (SELECT EVENT_ID, WRITTEN_AT, ROW_NUMBER() OVER "
        f"(PARTITION BY MODEL_NAME ORDER BY WRITTEN_AT, EVENT_ID) AS PLACE FROM {table}) N "
        f"WHERE T.EVENT_ID = N.EVENT_ID AND T.WRITTEN_AT = N.WRITTEN_AT AND T.SEQUENCE IS NULL"
    )


def _join_bins_and_counts(table: QualifiedName) -> Statement:
    # Both are JSON, the bins an object without their kind; means were not kept.
    return Statement(
        f"""UPDATE {table} SET PROFILE = '{{"bins":{{"kind":"' || """
        f"""IFF(STARTSWITH(BINS, '{{"edges"'), 'numeric', 'categorical') || '",' || SUBSTR(BINS, 2) || """
        f"""',"counts":' || COUNTS || ',"mean":null,"stddev":null,"not_finite":0,"bin_means":[],"weeks":1}}' """
        f"WHERE PROFILE IS NULL"
    )


_EVERY_ROW = "VARCHAR DEFAULT '' NOT NULL"
_OURS = f"VARCHAR DEFAULT '{SNOWMAKER_ENGINE}' NOT NULL"
# By table the migrations to version 2, 3, … The defaults let a check or a scoring of the release before, which runs on
# meanwhile, write its rows.
MIGRATIONS: dict[str, tuple[Migration, ...]] = {
    BASELINES: (
        Migration(
            added={"SEGMENT": _EVERY_ROW},
            computed={"PROFILE": ("VARCHAR", _join_bins_and_counts)},
            dropped=("BINS", "COUNTS"),
        ),
    ),
    DRIFT: (
        Migration(
            added={"SEGMENT": _EVERY_ROW, "P_VALUE": "FLOAT", "WARN": "FLOAT", "BREACH": "FLOAT", "ENGINE": _OURS},
            relaxed=("VALUE", "VERDICT"),
        ),
    ),
    PERFORMANCE: (
        Migration(
            added={
                "SEGMENT": _EVERY_ROW,
                "CLASS": _EVERY_ROW,
                "REFERENCE": "FLOAT",
                "IS_ESTIMATE": "BOOLEAN DEFAULT FALSE NOT NULL",
                "ENGINE": _OURS,
            },
            relaxed=("VERDICT",),
        ),
    ),
    MODEL_EVENTS: (
        Migration(
            added={"DECIDED_BY": "VARCHAR", "DECISION": "VARCHAR"},
            computed={"SEQUENCE": ("NUMBER", _count_events)},
        ),
    ),
    PREDICTIONS: (Migration(added={"IS_SHADOW": "BOOLEAN DEFAULT FALSE NOT NULL"}),),
}


def outstanding(
    table: QualifiedName, kind: str, comment: str, described: Sequence[Mapping[str, Any]]
) -> list[Statement]:
    """Give the statements that still are to be run until a table is as this release makes it.

    :param kind: the table's name, or PREDICTIONS
    :param comment: the table's comment, which tells its schema version
    :param described: what DESCRIBE TABLE tells
    :raises OwnTableError: if it lacks a column that every release's has
    """
    columns = {str(row["name"]): str(row["null?"]).upper() == "Y" for row in described}
    steps = MIGRATIONS.get(kind, ())[schema_of(comment) - 1 :]
    made = {name for step in steps for name in (*step.added, *step.computed)}
    missing = [name for name in COLUMNS.get(kind, {}) if name not in columns and name not in made]
    if missing:
        raise OwnTableError(
            f"table {table.quoted} has no column {', '.join(missing)}, so no release of Snowmaker made it; rename it, "
            f"and Snowmaker makes its own"
        )
    statements = [statement for step in steps for statement in step.statements(table, columns)]
    marked = literal(schema_comment(kind, comment))
    return [*statements, Statement(f"ALTER TABLE {table} SET COMMENT = {marked}")]
