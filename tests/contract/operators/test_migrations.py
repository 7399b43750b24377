"""Tables of earlier releases become today's: every row is kept, whatever dies or happens at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest
import snowflake.connector

from snowmaker.exceptions import OwnTableError
from snowmaker.hooks.own_tables import ensure_predictions, ensure_table, read_table
from snowmaker.hooks.warehouse import StatementError, WarehouseSession
from snowmaker.profile import Profile
from snowmaker.snowflake import tables
from snowmaker.snowflake.predictions import create_predictions
from snowmaker.snowflake.statement import Statement

from .lab import Lab
from .old_tables import FIRST, MONITORING, OldSchema, Watched
from .weekly_data import source_of

PREDICTIONS = "LOAN_PREDICTIONS"
CHANGED = [tables.BASELINES, tables.DRIFT, tables.PERFORMANCE, tables.MODEL_EVENTS, PREDICTIONS]
"""The tables that have changed since the first release."""


class Killed(Exception):
    """The process died here."""


@dataclass(frozen=True)
class Undisturbed:
    """The first release's tables after a migration that nothing disturbed."""

    content: dict[str, list[list[str]]]
    versions: dict[str, int]
    changes: list[str]


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> Undisturbed:
    old, session = OldSchema.of(lab, FIRST, *CHANGED), Watched(lab.connection)
    ensure_changed(session, old)
    return Undisturbed(content(old), versions(old), [sent for sent in session.sent if is_change(sent)])


@pytest.fixture(scope="module")
def made(lab: Lab) -> OldSchema:
    """A schema in which this release made all tables."""
    schema = OldSchema(lab.sandbox, lab.connection, lab.frame, lab.artefacts, lab.logged)
    lab.rows(f"CREATE SCHEMA {schema.prefix}")
    session = Watched(lab.connection)
    for name in tables.COLUMNS:
        ensure(session, schema, name)
    source = source_of(lab.name("Weekly applications"))
    ensure_predictions(
        session, schema.own_table(PREDICTIONS), create_predictions(schema.own_table(PREDICTIONS), source, "NUMBER", {})
    )
    return schema


def ensure(session: WarehouseSession, schema: OldSchema, name: str) -> None:
    if name == PREDICTIONS:
        ensure_predictions(session, schema.own_table(name))
    else:
        ensure_table(session, schema.own_table(name))


def ensure_changed(session: WarehouseSession, schema: OldSchema) -> None:
    for name in CHANGED:
        ensure(session, schema, name)


def columns(schema: OldSchema, name: str) -> dict[str, tuple[str, str]]:
    """By column its type, and whether it may be NULL."""
    return {row[0]: (row[1], row[3]) for row in schema.rows(f"DESCRIBE TABLE {schema.name(name)}")}


def content(schema: OldSchema) -> dict[str, list[list[str]]]:
    """All rows of the tables, the columns in one order, without the schema's own name."""
    found = {}
    for name in CHANGED:
        frame = schema.frame_of(f"SELECT * FROM {schema.name(name)}").astype(str)
        rows = frame[sorted(frame.columns)].to_numpy().tolist()
        found[name] = sorted([value.replace(schema.schema, "") for value in row] for row in rows)
    return found


def versions(schema: OldSchema) -> dict[str, int]:
    return {name: tables.schema_of(comment) for name, comment in comments(schema).items()}


def comments(schema: OldSchema) -> dict[str, str]:
    return {row[1]: row[5] for row in schema.rows(f"SHOW TABLES IN SCHEMA {schema.prefix}")}


@pytest.mark.parametrize("release", [FIRST, MONITORING])
def test_tables_of_an_earlier_release_become_those_of_this_one(lab: Lab, made: OldSchema, release: str) -> None:
    old = OldSchema.of(lab, release)
    before = {name: old.rows(f"SELECT COUNT(*) FROM {old.name(name)}")[0][0] for name in comments(old)}
    session = Watched(lab.connection)
    for name in before:
        ensure(session, old, name)
        assert columns(old, name) == columns(made, name)
        assert old.rows(f"SELECT COUNT(*) FROM {old.name(name)}")[0][0] == before[name]
    assert versions(old).items() <= versions(made).items()


def test_a_session_that_finds_all_tables_current_looks_once_and_changes_nothing(lab: Lab, made: OldSchema) -> None:
    session = Watched(lab.connection)
    for _ in range(2):
        for name in (*tables.COLUMNS, PREDICTIONS):
            ensure(session, made, name)
    assert [sent.split(" IN ")[0] for sent in session.sent] == ["SHOW TABLES", "SHOW TABLES"]


def test_bins_and_counts_become_profiles(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.BASELINES)
    table = old.name(tables.BASELINES)
    before = {row[:2]: row[2:] for row in old.rows(f"SELECT MODEL_VERSION, FEATURE, BINS, COUNTS FROM {table}")}
    ensure_table(Watched(lab.connection), old.own_table(tables.BASELINES))
    rows = old.rows(f"SELECT MODEL_VERSION, FEATURE, PROFILE FROM {table} WHERE SEGMENT = ''")
    profiles = {row[:2]: Profile.from_json(row[2]) for row in rows}
    assert {key: str(list(profile.counts)) for key, profile in profiles.items()} == {
        key: counts for key, (_, counts) in before.items()
    }
    assert profiles["GOOD", "COUNTY"].bins.categories == (
        "100% County", "None", "St. Mary's", 'the "Old" Town', "Ü-\\Land %s",
    )  # fmt: skip
    assert profiles["WEAK", "score"].bins.edges == (0.4179222881793976, 0.5670174360275269)
    assert {profile.bins.kind for profile in profiles.values()} == {"numeric", "categorical"}


def test_events_are_counted_in_the_order_in_which_they_were_written(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.MODEL_EVENTS)
    table = old.name(tables.MODEL_EVENTS)
    other = "SELECT EVENT_ID || '2', EVENT, 'other', MODEL_VERSION, PREVIOUS_VERSION, WEEK_START, REASON, GATE"
    # Another model's, the other way round.
    old.rows(f"INSERT INTO {table} {other}, RUN_ID, DATEADD(hour, -2 * HOUR(WRITTEN_AT), WRITTEN_AT) FROM {table}")
    rejected = "MODEL_NAME = 'other' AND EVENT = 'REJECTED'"
    old.rows(f"UPDATE {table} SET WRITTEN_AT = DATEADD(day, -1, WRITTEN_AT) WHERE {rejected}")
    ensure_table(Watched(lab.connection), old.own_table(tables.MODEL_EVENTS))
    rows = old.rows(f"SELECT MODEL_NAME, EVENT, MODEL_VERSION FROM {table} ORDER BY MODEL_NAME = 'other', SEQUENCE")
    assert [row[1:] for row in rows] == [
        ("PROMOTED", "WEAK"), ("PROMOTED", "GOOD"), ("REJECTED", "WEAK"),
        ("REJECTED", "WEAK"), ("PROMOTED", "WEAK"), ("PROMOTED", "GOOD"),
    ]  # fmt: skip
    assert [row[0] for row in old.rows(f"SELECT SEQUENCE FROM {table} ORDER BY 1")] == [1, 1, 2, 2, 3, 3]


def test_a_migration_that_dies_after_every_single_statement_is_finished_in_the_end(
    lab: Lab, undisturbed: Undisturbed
) -> None:
    old = OldSchema.of(lab, FIRST, *CHANGED)
    done: list[str] = []
    while dies_after_one_more(lab, old, done):
        assert len(done) <= len(undisturbed.changes), "an attempt did something else"
    assert len(done) == len(undisturbed.changes) >= 25
    assert content(old) == undisturbed.content
    assert versions(old) == undisturbed.versions


def dies_after_one_more(lab: Lab, old: OldSchema, done: list[str]) -> bool:
    """Migrate until one statement that no attempt has got to yet is through; False if there is none."""
    before = len(done)

    def die(text: str) -> None:
        if len(done) > before:
            raise Killed
        if is_change(text) and text not in done:
            done.append(text)

    with suppress(Killed):
        ensure_changed(Watched(lab.connection, die), old)
    return len(done) > before


def is_change(statement: str) -> bool:
    return statement.startswith(("ALTER", "UPDATE"))


def test_whatever_another_session_is_faster_with_nothing_is_lost(lab: Lab, undisturbed: Undisturbed) -> None:
    old = OldSchema.of(lab, FIRST, *CHANGED)
    faster = Watched(lab.connection)
    overtaken: list[str] = []

    def overtake(text: str) -> None:
        # The other one finishes a table, each at another point of this one's work.
        name = next((name for name in CHANGED if f'"{name}"' in text and is_change(text)), None)
        if name and name not in overtaken and sum(name in sent for sent in slower.sent) > 2 + len(overtaken):
            overtaken.append(name)
            ensure(faster, old, name)

    slower = Watched(lab.connection, overtake)
    ensure_changed(slower, old)
    assert overtaken == CHANGED[:4]
    assert content(old) == undisturbed.content


def test_several_sessions_may_migrate_at_once(lab: Lab, undisturbed: Undisturbed) -> None:
    old = OldSchema.of(lab, FIRST, *CHANGED)
    begin = threading.Barrier(3)

    def migrate() -> None:
        with lab.connect() as connection:
            begin.wait()
            ensure_changed(Watched(connection), old)

    with ThreadPoolExecutor(3) as pool:
        for attempt in [pool.submit(migrate) for _ in range(3)]:
            attempt.result()
    assert content(old) == undisturbed.content
    assert versions(old) == undisturbed.versions


def test_a_task_of_the_release_before_can_end_but_not_decide(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.DRIFT, tables.MODEL_EVENTS, PREDICTIONS)
    for name in (tables.DRIFT, tables.MODEL_EVENTS, PREDICTIONS):
        ensure(Watched(lab.connection), old, name)
    before = "WEEK_START, MODEL_NAME, MODEL_VERSION, FEATURE, METRIC, VALUE, VERDICT, ROW_COUNT, RUN_ID, WRITTEN_AT"
    old.rows(f"INSERT INTO {old.name(tables.DRIFT)} ({before}) SELECT {before} FROM {old.name(tables.DRIFT)}")
    assert old.rows(f"SELECT DISTINCT SEGMENT, ENGINE FROM {old.name(tables.DRIFT)}") == [("", "snowmaker")]
    before = "WEEK_START, ROW_ID, LOAN_ID, MODEL_NAME, MODEL_VERSION, SCORE, PREDICTION, RUN_ID, SCORED_AT"
    old.rows(f"INSERT INTO {old.name(PREDICTIONS)} ({before}) SELECT {before} FROM {old.name(PREDICTIONS)}")
    assert old.rows(f"SELECT DISTINCT IS_SHADOW FROM {old.name(PREDICTIONS)}") == [(False,)]
    before = "EVENT_ID, EVENT, MODEL_NAME, MODEL_VERSION, WEEK_START, RUN_ID, WRITTEN_AT"
    events = old.name(tables.MODEL_EVENTS)
    # It would stand in no order.
    with pytest.raises(snowflake.connector.errors.Error, match="SEQUENCE"):
        old.rows(f"INSERT INTO {events} ({before}) SELECT {before} FROM {events}")


def test_a_table_of_a_newer_release_is_refused(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.DRIFT, tables.LOCKS, PREDICTIONS)
    for name in (tables.DRIFT, tables.LOCKS, PREDICTIONS):
        old.rows(f"ALTER TABLE {old.name(name)} SET COMMENT = 'Ours (snowmaker schema 99)'")
    session = Watched(lab.connection)
    for name in (tables.DRIFT, tables.LOCKS):
        with pytest.raises(OwnTableError, match=f"{name}.* newer release.*99.*knows {tables.current_schema(name)}"):
            ensure_table(session, old.own_table(name))
        with pytest.raises(OwnTableError, match="upgrade Snowmaker"):
            read_table(session, old.own_table(name), Statement(f"SELECT * FROM {old.own_table(name)}"))
    with pytest.raises(OwnTableError, match=f"{PREDICTIONS}.* newer release"):
        ensure_predictions(session, old.own_table(PREDICTIONS))
    assert all(sent.startswith("SHOW") for sent in session.sent)


def test_somebody_elses_table_is_left_alone(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.DRIFT)
    old.rows(f"CREATE OR REPLACE TABLE {old.name(tables.DRIFT)} (WEEK_START DATE, AUTHOR VARCHAR)")
    with pytest.raises(OwnTableError, match=r"no column MODEL_NAME.*no release of Snowmaker made it; rename it"):
        ensure_table(Watched(lab.connection), old.own_table(tables.DRIFT))
    assert columns(old, tables.DRIFT).keys() == {"WEEK_START", "AUTHOR"}


def test_what_a_person_wrote_of_a_table_stays(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, PREDICTIONS)
    old.rows(f"ALTER TABLE {old.name(PREDICTIONS)} SET COMMENT = 'It''s 100% ours \\\\'")
    session = Watched(lab.connection)
    ensure_predictions(session, old.own_table(PREDICTIONS))
    assert comments(old)[PREDICTIONS] == "It's 100% ours \\; snowmaker schema 2"


def test_a_role_that_may_not_alter_the_table_is_told_what_to_do(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.DRIFT)
    refusal = snowflake.connector.errors.ProgrammingError(
        "SQL access control error: Insufficient privileges to operate on table", errno=3001
    )

    def refuse(text: str) -> None:
        if is_change(text):
            raise StatementError("snowflake_default", Statement(text), refusal)

    with pytest.raises(OwnTableError, match=r"SNOWMAKER_DRIFT.*role.*'snowflake_default' may not alter it.*OWNERSHIP"):
        ensure_table(Watched(lab.connection, refuse), old.own_table(tables.DRIFT))


def test_an_error_that_does_not_go_away_is_told(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.BASELINES)
    old.rows(f"ALTER TABLE {old.name(tables.BASELINES)} ALTER COLUMN BINS DROP NOT NULL")
    old.rows(f"UPDATE {old.name(tables.BASELINES)} SET BINS = NULL WHERE FEATURE = 'score'")
    with pytest.raises(StatementError, match=r"NULL result in a non-nullable column.*SET NOT NULL"):
        ensure_table(Watched(lab.connection), old.own_table(tables.BASELINES))
    assert columns(old, tables.BASELINES).keys() >= {"BINS", "COUNTS"}
