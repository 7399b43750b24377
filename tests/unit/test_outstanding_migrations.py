"""What is still to do is told by a table's columns and comment alone."""

from __future__ import annotations

import pytest

from snowmaker.exceptions import OwnTableError
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.migrations import MIGRATIONS, outstanding

EVENTS = QualifiedName.parse("ml.loans.snowmaker_model_events")
FIRST = dict.fromkeys(
    ("EVENT_ID", "EVENT", "MODEL_NAME", "MODEL_VERSION", "WEEK_START", "RUN_ID", "WRITTEN_AT"), "N"
) | dict.fromkeys(("PREVIOUS_VERSION", "REASON", "GATE"), "Y")


def to_do(columns: dict[str, str], comment: str = "") -> list[str]:
    """The statements, each as its action."""
    described = [{"name": name, "null?": nullable} for name, nullable in columns.items()]
    texts = [statement.text for statement in outstanding(EVENTS, tables.MODEL_EVENTS, comment, described)]
    return [text.removeprefix(f"ALTER TABLE {EVENTS} ").partition(" SET SEQUENCE")[0] for text in texts]


def test_each_step_that_is_done_is_left_out() -> None:
    fill, not_null = f"UPDATE {EVENTS} T", 'ALTER COLUMN "SEQUENCE" SET NOT NULL'
    mark = "SET COMMENT = 'snowmaker schema 2'"
    added = [f'ADD COLUMN "{name}"' for name in ("DECIDED_BY", "DECISION", "SEQUENCE")]
    columns = dict(FIRST)
    for column, kind, left in (
        ("DECIDED_BY", "VARCHAR", added[1:]),
        ("DECISION", "VARCHAR", added[2:]),
        ("SEQUENCE", "NUMBER", []),
    ):
        assert f'ADD COLUMN "{column}" {kind}' in to_do(columns)
        columns[column] = "Y"
        assert [text.rsplit(" ", 1)[0] for text in to_do(columns)[:-3]] == left
        assert to_do(columns)[-3:] == [fill, not_null, mark]
    columns["SEQUENCE"] = "N"
    assert to_do(columns) == [mark]


def test_a_comment_tells_which_steps_there_are() -> None:
    assert to_do(FIRST, "Ours, snowmaker schema 1") == [*to_do(FIRST)[:-1], "SET COMMENT = 'Ours, snowmaker schema 2'"]


def test_a_table_without_a_column_that_it_always_had_is_somebody_elses() -> None:
    with pytest.raises(OwnTableError, match=r"MODEL_EVENTS.* no column EVENT_ID, GATE, so no release"):
        to_do({name: nullable for name, nullable in FIRST.items() if name not in ("EVENT_ID", "GATE")})


@pytest.mark.parametrize("kind", [*tables.COLUMNS, tables.PREDICTIONS])
def test_there_is_a_migration_to_every_version(kind: str) -> None:
    assert 1 + len(MIGRATIONS.get(kind, ())) == tables.current_schema(kind)
    for migration in MIGRATIONS.get(kind, ()):
        made = {*migration.added, *migration.computed}
        assert made <= tables.COLUMNS.get(kind, dict.fromkeys(made)).keys()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "snowmaker schema 2"),
        ("It's ours", "It's ours; snowmaker schema 2"),
        ("snowmaker schema 1", "snowmaker schema 2"),
        ("Owner: a, snowmaker schema 1, b", "Owner: a, snowmaker schema 2, b"),
    ],
)
def test_a_comment_keeps_what_a_person_wrote(before: str, after: str) -> None:
    assert tables.schema_comment(tables.DRIFT, before) == after
    assert tables.schema_of(after) == 2


@pytest.mark.parametrize(
    ("comment", "version"), [("", 1), ("Ours", 1), ("snowmaker schema 17", 17), ("x snowmaker schema 3.", 3)]
)
def test_a_comment_tells_the_version(comment: str, version: int) -> None:
    assert tables.schema_of(comment) == version
