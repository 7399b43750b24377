"""What has been granted to roles and users. It is kept and shown, and restricts nobody: every role has all rights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import not_found, unsupported
from include.sandbox.snowflake.language.grammar import Statement, split_name
from include.sandbox.snowflake.objects import roles, tags
from include.sandbox.snowflake.sql.rewrite import target_of
from include.sandbox.snowflake.staging import stages

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_CATALOG_KINDS = {"TASK", "ALERT", "TAG", "DATASET", "INTEGRATION"}
_TABLES = {"TABLE", "VIEW", "DYNAMIC TABLE"}
KINDS = ["DATABASE", "SCHEMA", "WAREHOUSE", "USER", "MODEL", "STAGE", *sorted(_TABLES | _CATALOG_KINDS)]
PLURALS = {f"{kind}S": kind for kind in KINDS}
_IN_ACCOUNT = {"DATABASE", "WAREHOUSE", "USER", "INTEGRATION"}


@dataclass(frozen=True)
class Grant:
    """A privilege on an object, or a role, in the hands of a role or user."""

    privilege: str  # USAGE for a role that is granted
    granted_on: str  # the kind of object, ROLE for a role, ACCOUNT for the account
    name: tuple[str, ...]  # of the object; of the place, for objects to come
    granted_to: str  # ROLE or USER
    grantee: str
    grant_option: bool = False
    granted_by: str = ""
    is_future: bool = False
    created_on: str = ""

    @property
    def identity(self) -> str:
        """What makes it another grant than the rest."""
        parts = [self.privilege, self.granted_on, *self.name, self.granted_to, self.grantee, self.is_future]
        return json.dumps(parts)

    @property
    def since(self) -> datetime:
        """When it was granted."""
        return datetime.fromisoformat(self.created_on)


def add(session: Session, grants: Iterable[Grant]) -> None:
    """Keep grants; one that there is stays, and may gain the option to hand it on."""
    catalog, now = session.account.catalog, datetime.now(UTC).isoformat()
    for grant in grants:
        whole = asdict(replace(grant, created_on=now, granted_by=session.role))
        key = ("", "", grant.identity)
        if not catalog.create(roles.GRANT, key, whole, if_not_exists=True) and grant.grant_option:
            catalog.update(roles.GRANT, key, grant_option=True)


def remove(session: Session, grants: Iterable[Grant], *, only_option: bool = False) -> None:
    """Forget grants; one that is not there is no fault."""
    catalog = session.account.catalog
    for grant in grants:
        key = ("", "", grant.identity)
        if not only_option:
            catalog.drop(roles.GRANT, key, if_exists=True)
        elif catalog.find(roles.GRANT, key):
            catalog.update(roles.GRANT, key, grant_option=False)


def every(session: Session, wanted: Callable[[Grant], bool]) -> list[Grant]:
    """The grants that fulfil a condition, the oldest first."""
    held = [entry.definition for entry in session.account.catalog.entries(roles.GRANT)]
    found = [Grant(**{**fields, "name": tuple(fields["name"])}) for fields in held]
    return sorted((grant for grant in found if wanted(grant)), key=lambda grant: (grant.created_on, grant.identity))


# ---- objects -------------------------------------------------------------------------------------


def account_name(session: Session) -> tuple[str, ...]:
    """The full name of the account."""
    return (session.account.name.upper(),)


def object_name(session: Session, kind: str, text: str) -> tuple[str, ...]:
    """The full name of an object that is there, or Snowflake's error."""
    parts = split_name(text)
    account = session.account
    if kind == "ROLE":
        return (roles.check(account, parts[0]),)
    if kind == "USER":
        return (account.users.get(parts[0]).name,)
    if kind == "WAREHOUSE":
        return account.warehouses.get(parts[0]).key[2:]
    if kind in {"DATABASE", "SCHEMA"} or kind in _TABLES:
        key = tags.carrier(session, kind, text)[1]
        return key[: {"DATABASE": 1, "SCHEMA": 2}.get(kind, 3)]
    if kind == "MODEL":
        account.models.model(session.qualify(text))
        return session.qualify(text)
    if kind == "STAGE":
        if not stages.exists(session, session.qualify(text)):
            raise not_found("Stage", ".".join(session.qualify(text)))
        return session.qualify(text)
    if kind in _CATALOG_KINDS:
        key = ("", "", parts[0]) if kind in _IN_ACCOUNT else session.qualify(text)
        name = tuple(part for part in key if part)
        if not account.catalog.find(kind, key):
            raise not_found(kind.capitalize(), ".".join(name))
        return name
    raise unsupported(f"grants on {kind}")


def shown(name: tuple[str, ...]) -> str:
    """A full name as Snowflake shows it: parts that need quotes have them."""
    return ".".join(p if p.isidentifier() and p == p.upper() else '"' + p.replace('"', '""') + '"' for p in name)


def names_in(session: Session, kind: str, place: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The objects of a kind in a database or schema, for `ALL ... IN`."""
    database, schema = place[0], place[1] if len(place) > 1 else None
    if kind == "SCHEMA":
        return [(database, name) for name in session.account.engine.schemas(database)]
    if kind in {"TABLE", "VIEW"}:
        table, name, internal = (
            ("duckdb_tables()", "table_name", "internal")
            if kind == "TABLE"
            else ("duckdb_views()", "view_name", "internal")
        )
        found = session.cursor.query(
            f"SELECT schema_name, {name} FROM {table} WHERE NOT {internal} AND database_name = ? "
            "AND schema_name = coalesce(?, schema_name) AND schema_name <> '_FS_INFORMATION_SCHEMA'",
            [database, schema],
        ).table
        return [(database, *row) for row in zip(*(found.column(i).to_pylist() for i in (0, 1)), strict=True)]
    if kind in _CATALOG_KINDS - _IN_ACCOUNT:
        return [entry.key for entry in session.account.catalog.entries(kind, database, schema)]
    raise unsupported(f"GRANT ... ON ALL {kind}S")


def forget(session: Session, kind: str, name: tuple[str, ...]) -> None:
    """An object is gone, or another is in its place: what was granted on it, in it, and to it is gone too."""
    within = kind in {"DATABASE", "SCHEMA"}

    def is_on(grant: Grant) -> bool:
        if (grant.granted_on, grant.name) == (kind, name) or (grant.granted_to, grant.grantee) == (kind, name[-1]):
            return True
        return within and len(grant.name) >= len(name) and grant.name[: len(name)] == name

    remove(session, every(session, is_on))


def move(session: Session, kind: str, name: tuple[str, ...], new: tuple[str, ...]) -> None:
    """An object has another name."""
    for grant in every(session, lambda grant: (grant.granted_on, grant.name) == (kind, name)):
        catalog, whole = session.account.catalog, asdict(replace(grant, name=new))
        catalog.drop(roles.GRANT, ("", "", grant.identity))
        catalog.create(roles.GRANT, ("", "", replace(grant, name=new).identity), whole, replace=True)


def after_own(session: Session, own: Statement, values: dict[str, Any]) -> None:
    """Follow one of the sandbox's own statements that has dropped, replaced or renamed an object."""
    name, new = values.get("name"), values.get("new")
    verb = own.grammar.split()[0]
    if not name or not (verb == "DROP" or values.get("replace") or (verb == "ALTER" and "RENAME TO" in own.grammar)):
        return
    kind = re.sub(r"\[[^\]]*\]|\{.*|\(.*", "", own.grammar.removeprefix(verb)).strip()
    if kind not in {*KINDS, "ROLE"}:
        return
    if verb != "ALTER":
        forget(session, kind, _full(session, kind, str(name)))
    elif new:
        move(session, kind, _full(session, kind, str(name)), _full(session, kind, str(new)))


def after_definition(session: Session, expression: exp.Expression) -> None:
    """Follow a table or view that is dropped, replaced or renamed."""
    kind, key = str(expression.args.get("kind")).upper(), target_of(expression)
    is_gone = isinstance(expression, exp.Drop) or bool(expression.args.get("replace"))
    if kind not in {"TABLE", "VIEW"} or not key or key[0] == "temp":
        return
    if is_gone:
        forget(session, kind, key)
    if renamed := expression.find(exp.AlterRename):
        table = renamed.this
        move(session, kind, key, (table.catalog or key[0], table.db or key[1], table.name))


def _full(session: Session, kind: str, text: str) -> tuple[str, ...]:
    parts = split_name(text)
    if kind in _IN_ACCOUNT or kind == "ROLE":
        return parts[-1:]
    if kind == "SCHEMA":
        return parts if len(parts) == 2 else (str(session.database), *parts)
    return session.qualify(parts) if (session.database and session.schema) or len(parts) == 3 else parts
