"""Tags: what they are, and which objects and columns carry them.

A tag is an object of the catalog. What an object carries is one entry under the object's own name, so that it goes
with its schema; it refers to tags by their identity, so that a tag dropped and made again starts with nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, unsupported
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.sql.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Catalog, Entry
    from include.sandbox.snowflake.session import Session

Key = tuple[str, str, str]
Given = dict[str | None, dict[str, str]]  # values by tag, of each column, and under None of the object
KIND = "TAG"
MAX_VALUE = 256
MAX_ALLOWED = 5000
MAX_TAGS = 50
# What may carry a tag, and the domain that its references are listed under.
TABLE_LIKE = {"TABLE", "VIEW", "DYNAMIC TABLE"}
IN_SCHEMA = {"TASK", "ALERT"}
MODULE = "MODULE"  # the domain of models
DOMAINS = {
    **dict.fromkeys(TABLE_LIKE, "TABLE"),
    **{name: name for name in (*IN_SCHEMA, "SCHEMA", "DATABASE")},
    "MODEL": MODULE,
}


@dataclass(frozen=True)
class Reference:
    """A tag on an object or a column, set there or inherited from `level`."""

    tag: Key
    value: str
    level: str
    domain: str
    key: Key
    column: str | None = None


# ---- tags ----------------------------------------------------------------------------------------


def define(allowed: list[str] | None, comment: str | None) -> dict[str, Any]:
    """The definition of a new tag."""
    check_allowed(allowed or [])
    return {"id": uuid.uuid4().hex, "allowed": allowed, "comment": comment}


def check_allowed(values: list[str]) -> None:
    """Refuse a list of values that is too long, or has one that is."""
    if len(values) > MAX_ALLOWED or any(len(value) > MAX_VALUE for value in values):
        raise SqlError(
            1008,
            "22023",
            f"{COMPILATION}a tag has at most {MAX_ALLOWED} allowed values of at most {MAX_VALUE} characters",
        )


def find(session: Session, name: str | tuple[str, ...]) -> Entry:
    """A tag by its name; one that does not exist is refused."""
    key = session.qualify(name)
    entry = session.account.catalog.find(KIND, key)
    if entry is None:
        raise not_found("Tag", ".".join(key))
    return entry


def checked(session: Session, given: dict[tuple[str, ...], str]) -> dict[str, str]:
    """Values by the identity of their tags, each tag known and each value allowed."""
    found: dict[str, str] = {}
    for name, value in given.items():
        tag = find(session, name)
        allowed = tag.definition["allowed"]
        if len(value) > MAX_VALUE or (allowed is not None and value not in allowed):
            expected = f"at most {MAX_VALUE} characters" if allowed is None else f"one of {', '.join(allowed)}"
            raise SqlError(
                1008,
                "22023",
                f"{COMPILATION}invalid value '{value}' for tag '{'.'.join(tag.key)}': expected {expected}",
            )
        found[tag.definition["id"]] = value
    return found


# ---- what carries them ---------------------------------------------------------------------------


def carrier(session: Session, kind: str, name: str) -> tuple[str, Key]:
    """The domain and full name of an object that is there, or Snowflake's error."""
    domain, catalog = DOMAINS[kind], session.account.catalog
    parts = grammar.split_name(name)
    engine = session.account.engine
    if domain == "DATABASE":
        if parts[0] not in engine.databases():
            raise not_found("Database", parts[0])
        return domain, (parts[0], "", "")
    if domain == "SCHEMA":
        database, schema, _ = session.qualify((*parts, ""))
        if not engine.has_schema(database, schema):
            raise not_found("Schema", f"{database}.{schema}")
        return domain, (database, schema, "")
    key = session.qualify(name)
    if domain == "TABLE":
        if key in session.temporary_tables:
            raise unsupported("tags of temporary tables")
        if not columns(session, key):
            raise not_found("Dynamic table" if kind == "DYNAMIC TABLE" else kind.capitalize(), ".".join(key))
    elif domain == MODULE:
        session.account.models.model(key)
    else:
        catalog.get(domain, key)
    return domain, key


def columns(session: Session, key: Key) -> list[str]:
    """The columns of a table or view; none if there is no such object."""
    found = session.cursor.query(
        "SELECT column_name FROM duckdb_columns() WHERE (database_name, schema_name, table_name) = (?, ?, ?)", list(key)
    )
    return [str(name) for name in found.table.column("column_name").to_pylist()]


def put(session: Session, domain: str, key: Key, values: dict[str, str], column: str | None = None) -> None:
    """Set tags, given by identity, on an object or on one of its columns."""
    carried = _carried(session, domain, key)
    place = carried["columns"].setdefault(column, {}) if column else carried["object"]
    place.update(values)
    if len(place) > MAX_TAGS:
        raise SqlError(1008, "22023", f"{COMPILATION}an object carries at most {MAX_TAGS} tags")
    if domain == MODULE:
        session.account.models.set_tags(key, values)
    else:
        _keep(session.account.catalog, domain, key, carried)


def take_away(session: Session, domain: str, key: Key, ids: list[str], column: str | None = None) -> None:
    """Unset tags, given by identity."""
    if domain == MODULE:
        session.account.models.unset_tags(key, ids)
        return
    carried = _carried(session, domain, key)
    place = carried["columns"].get(column, {}) if column else carried["object"]
    for tag in ids:
        place.pop(tag, None)
    _keep(session.account.catalog, domain, key, carried)


def forget(session: Session, domain: str, key: Key) -> None:
    """An object is gone, or another one is in its place."""
    session.account.catalog.drop(_kind(domain), key, if_exists=True)


def move(session: Session, domain: str, key: Key, new: Key) -> None:
    """An object has another name."""
    catalog = session.account.catalog
    if catalog.find(_kind(domain), key):
        catalog.drop(_kind(domain), new, if_exists=True)
        catalog.rename(_kind(domain), key, new)


def _kind(domain: str) -> str:
    return f"TAGS OF {domain}"


def _carried(session: Session, domain: str, key: Key) -> dict[str, Any]:
    """What an object carries; of one that was made anew under an old name, nothing."""
    if domain == MODULE:
        return {"object": session.account.models.tags(key), "columns": {}}
    catalog = session.account.catalog
    entry = catalog.find(_kind(domain), key)
    if entry is None or entry.definition["of"] != _identity(catalog, domain, key):
        return {"object": {}, "columns": {}}
    return {"object": dict(entry.definition["object"]), "columns": dict(entry.definition["columns"])}


def _keep(catalog: Catalog, domain: str, key: Key, carried: dict[str, Any]) -> None:
    catalog.create(_kind(domain), key, {**carried, "of": _identity(catalog, domain, key)}, replace=True)


def _identity(catalog: Catalog, domain: str, key: Key) -> str | None:
    entry = catalog.find(domain, key) if domain in IN_SCHEMA else None
    return entry.created_on.isoformat() if entry else None


# ---- references ----------------------------------------------------------------------------------


def references(session: Session, domain: str, key: Key, column: str | None = None) -> list[Reference]:
    """The tags of an object or a column, with those it inherits; what is set nearer counts."""
    known = _by_identity(session.account.catalog)
    found: dict[Key, Reference] = {}
    for level, place, of_column in _places(domain, key, column):
        carried = _carried(session, level, place)
        values = carried["columns"].get(of_column, {}) if of_column else carried["object"]
        shown = "COLUMN" if of_column else level
        for tag, value in values.items():
            if tag in known:
                own = "COLUMN" if column else domain
                found.setdefault(known[tag], Reference(known[tag], value, shown, own, key, column))
    return sorted(found.values(), key=lambda r: r.tag)


def _places(domain: str, key: Key, column: str | None) -> Iterator[tuple[str, Key, str | None]]:
    if column:
        yield domain, key, column
    yield domain, key, None
    if domain not in ("SCHEMA", "DATABASE"):
        yield "SCHEMA", (key[0], key[1], ""), None
    if domain != "DATABASE":
        yield "DATABASE", (key[0], "", ""), None


def carriers(session: Session, tag: Entry) -> list[Reference]:
    """What a tag is set on, everywhere in the account."""
    catalog = session.account.catalog
    found = []
    for domain in sorted(set(DOMAINS.values())):
        keys = [entry.key for entry in catalog.entries(_kind(domain))]
        for key in keys if domain != MODULE else [model.key for model in session.account.models.models()]:
            carried = _carried(session, domain, key)
            places = [(None, carried["object"]), *carried["columns"].items()]
            found += [
                Reference(tag.key, values[tag.definition["id"]], "COLUMN" if c else domain, domain, key, c)
                for c, values in places
                if tag.definition["id"] in values
            ]
    return found


def _by_identity(catalog: Catalog) -> dict[str, Key]:
    return {entry.definition["id"]: entry.key for entry in catalog.entries(KIND)}


# ---- tags in a CREATE, and what becomes of them --------------------------------------------------


def take(session: Session, expression: exp.Expression, sql: str) -> Given | None:
    """Take `[WITH] TAG (...)` out of a CREATE; None if a statement defines nothing that carries tags."""
    if not isinstance(expression, exp.Create | exp.Alter | exp.Drop) or _kind_of(expression) not in TABLE_LIKE:
        return None
    given: Given = {}
    for clause in list(expression.find_all(exp.Tags)):
        column = clause.find_ancestor(exp.ColumnDef)
        values = {_name(p.this, sql): p.args["value"].name for p in clause.expressions}
        given[_column_name(column) if column else None] = checked(session, values)
        (clause.parent if isinstance(clause.parent, exp.ColumnConstraint) else clause).pop()
    properties = expression.args.get("properties")
    if given and properties and properties.find(exp.TemporaryProperty):
        raise unsupported("tags of temporary tables")
    if given and properties and not properties.expressions:
        expression.set("properties", None)
    return given


def _kind_of(expression: exp.Expression) -> str:
    return str(expression.args.get("kind")).upper()


def _column_name(column: exp.Expression) -> str:
    identifier = column.this
    return str(identifier.name if identifier.args.get("quoted") else identifier.name.upper())


def _name(node: exp.Expression, sql: str) -> tuple[str, ...]:
    if isinstance(node, exp.Var):  # the parser forgets whether a name of one part was quoted
        quoted = '"' + node.name.replace('"', '""') + '"'
        return (node.name if quoted in sql else node.name.upper(),)
    parts = list(node.find_all(exp.Identifier, bfs=False))
    return tuple(p.name if p.args.get("quoted") else p.name.upper() for p in parts)


def stays(session: Session, expression: exp.Expression) -> bool:
    """True for a CREATE ... IF NOT EXISTS of what is there: nothing of it counts."""
    key = target_of(expression)
    if not isinstance(expression, exp.Create) or not expression.args.get("exists") or key is None:
        return False
    return key[0] == "temp" or bool(columns(session, key))


def after(session: Session, expression: exp.Expression, given: Given) -> None:
    """Keep the tags of tables and views in step with a definition that was carried out."""
    key = target_of(expression)
    if key is None or key[0] == "temp":
        return
    if isinstance(expression, exp.Create):
        if expression.args.get("replace"):
            forget(session, "TABLE", key)
        for column, values in given.items():
            put(session, "TABLE", key, values, column)
    elif isinstance(expression, exp.Drop):
        forget(session, "TABLE", key)
    elif isinstance(expression, exp.Alter):
        for action in expression.args.get("actions") or []:
            if isinstance(action, exp.AlterRename):
                move(session, "TABLE", key, session.qualify(tuple(part.name for part in action.this.parts)))
