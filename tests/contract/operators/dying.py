"""Sessions that end in the midst of what they do, and a registry that takes an alias from its holder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

from snowflake.connector.errors import OperationalError

from snowmaker.hooks.warehouse import StatementError, WarehouseSession
from snowmaker.snowflake.statement import Statement

_SET_ALIAS = re.compile(r"ALTER MODEL (?P<model>.*) VERSION (?P<version>.*) SET ALIAS = (?P<alias>\w+)")


class Died(BaseException):
    """The task was killed."""


@contextmanager
def dying_after(last: int | str) -> Iterator[None]:
    """Let the sessions send no more, as if the task were killed.

    :param last: after so many statements, or after the first one that has these words
    """
    run, sent = WarehouseSession._run, []

    def run_or_die(session: WarehouseSession, statement: Statement) -> Any:
        is_over = len(sent) >= last if isinstance(last, int) else any(last in text for text in sent)
        if is_over:
            raise Died
        sent.append(statement.text)
        return run(session, statement)

    with mock.patch.object(WarehouseSession, "_run", run_or_die):
        yield


@contextmanager
def losing_the_answer_to(number: int) -> Iterator[None]:
    """Let one statement be carried out, but its answer get lost: the task sees an error, and may go on."""
    run, sent = WarehouseSession._run, []

    @contextmanager
    def run_and_lose(session: WarehouseSession, statement: Statement) -> Iterator[Any]:
        sent.append(statement)
        with run(session, statement) as cursor:
            if len(sent) == number:
                raise StatementError(session.conn_id, statement, OperationalError("the connection was lost", 250003))
            yield cursor

    with mock.patch.object(WarehouseSession, "_run", run_and_lose):
        yield


@contextmanager
def refusing(words: str) -> Iterator[None]:
    """Let the service refuse statements that have these words."""
    run = WarehouseSession._run

    def run_or_refuse(session: WarehouseSession, statement: Statement) -> Any:
        if words in statement.text:
            raise StatementError(session.conn_id, statement, OperationalError("it is in use", 1489))
        return run(session, statement)

    with mock.patch.object(WarehouseSession, "_run", run_or_refuse):
        yield


@contextmanager
def registry_that(*, takes_aliases: bool) -> Iterator[None]:
    """Let the registry take an alias from the version that holds it, or refuse that, as the sandbox's does."""
    run = WarehouseSession._run

    def run_and_take(session: WarehouseSession, statement: Statement) -> Any:
        if match := _SET_ALIAS.fullmatch(statement.text):
            with run(session, Statement(f"SHOW VERSIONS IN MODEL {match['model']}")) as cursor:
                names = [column.name for column in cursor.description]
                rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            for row in rows:
                if match["alias"] in json.loads(row["aliases"]):
                    unset = Statement(f"ALTER MODEL {match['model']} VERSION {match['alias']} UNSET ALIAS")
                    run(session, unset).__enter__()
        return run(session, statement)

    with mock.patch.object(WarehouseSession, "_run", run_and_take) if takes_aliases else nullcontext():
        yield
