"""Schemas as earlier releases left them: their tables and rows, made by their own code (folder ``releases``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snowflake.connector import SnowflakeConnection

from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement

from .lab import DATABASE, Lab, Model, fresh

FIRST, MONITORING = "first", "monitoring"
_RELEASES = Path(__file__).parent / "releases"


@dataclass
class OldSchema(Lab):
    """A schema of an earlier release, in the database where the weekly table and the logged models are."""

    schema: str = field(default_factory=lambda: fresh("Of an older release %"))

    @classmethod
    def of(cls, lab: Lab, release: str, *only: str) -> OldSchema:
        """Make a schema and run what the release left behind, of all tables or of some only."""
        old = cls(lab.sandbox, lab.connection, lab.frame, lab.artefacts, lab.logged)
        old.rows(f'CREATE SCHEMA {DATABASE}."{old.schema}"')
        script = (_RELEASES / f"{release}.sql").read_text()
        for statement in script.strip().removesuffix(";").split(";\n"):
            if only and not any(f"{{schema}}.{name} (" in statement for name in only):
                continue
            old.rows(statement.replace("{model}", old.name("Loans")).replace("{schema}", old.prefix))
        return old

    def name(self, name: str) -> str:
        """The full name of an object in the schema."""
        return f'{self.prefix}."{name}"'

    @property
    def prefix(self) -> str:
        """The schema's full name."""
        return f'"{DATABASE}"."{self.schema}"'

    def own_table(self, name: str) -> QualifiedName:
        """One of Snowmaker's tables in it."""
        return QualifiedName.parse(self.name(name))

    def loans(self, lab: Lab) -> Model:
        """The model that the release's rows are of: GOOD is champion, WEAK was before it."""
        model = Model(self, self.name("Loans"))
        model.source = Model(lab, self.name("Loans")).source
        model.predictions = self.name("LOAN_PREDICTIONS")
        for kind in ("weak", "good"):
            model.add(kind, kind.upper())
        self.rows(f"ALTER MODEL {model.name} SET DEFAULT_VERSION = GOOD")
        self.rows(f"ALTER MODEL {model.name} VERSION GOOD SET ALIAS = PRODUCTION")
        return model


class Watched(WarehouseSession):
    """A session that keeps the statements it sent, and lets something happen before each."""

    def __init__(self, connection: SnowflakeConnection, before: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(connection, "snowflake_default")
        self.sent: list[str] = []
        self.before = before

    @contextmanager
    def _run(self, statement: Statement) -> Iterator[Any]:
        self.before(statement.text)
        self.sent.append(statement.text)
        with super()._run(statement) as cursor:
            yield cursor
