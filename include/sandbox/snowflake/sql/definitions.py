"""CREATE, ALTER and DROP in the engine's terms: temporary tables, clones, typed CTAS, keys that nobody enforces.

What Snowflake knows of a table beyond that (`facts`) is written with it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, unsupported
from include.sandbox.snowflake.results import Result, dropped, status
from include.sandbox.snowflake.sql import facts, history
from include.sandbox.snowflake.sql.facts import Facts
from include.sandbox.snowflake.sql.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey

_KINDS = {"TABLE", "VIEW"}
_UNENFORCED = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
_UNENFORCED_ON_TABLE = (exp.PrimaryKey, exp.UniqueColumnConstraint, exp.ForeignKey, exp.Constraint)


def settled(expression: exp.Expression, session: Session) -> Result | None:
    """The answer to an IF (NOT) EXISTS where nothing is to be done; names of one spelling but for case are refused."""
    key = target_of(expression)
    if isinstance(expression, exp.Drop | exp.Alter) and expression.args.get("exists") and key and key[0] != "temp":
        if _named(session, key) == key[2]:
            return None
        is_drop = isinstance(expression, exp.Drop)
        return status(dropped(key[2], done=False) if is_drop else "Statement executed successfully.")
    if not isinstance(expression, exp.Create) or expression.kind not in _KINDS or not key or key[0] == "temp":
        return None
    if _is_temporary(expression):
        return None
    found = _named(session, key)
    if found and found != key[2]:
        raise unsupported(f"two names that differ only in case: {found} and {key[2]}")
    if found and expression.args.get("exists"):
        return status(f"{key[2]} already exists, statement succeeded.")
    return None


def exists(session: Session, key: TableKey) -> bool:
    """True if there is a table, view or sequence of this name."""
    return key[0] == "temp" or _named(session, key) == key[2]


def _named(session: Session, key: TableKey) -> str | None:
    """What the table, view or sequence is called that the engine finds under a name, however that is spelled."""
    found = session.cursor.duck.execute(
        " UNION ALL ".join(
            f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE (database_name, schema_name) = (?, ?) "
            f"AND lower({kind}_name) = lower(?)"
            for kind in ("table", "view", "sequence")
        ),
        [*key, *key, *key],
    ).fetchall()
    return str(found[0][0]) if found else None


@contextmanager
def recorded(expression: exp.Expression, session: Session) -> Iterator[None]:
    """Define a table or view together with what the engine does not know of it, or not at all."""
    key, kind = target_of(expression), str(expression.args.get("kind")).upper()
    if key is None or kind != "TABLE" or isinstance(expression, exp.Comment):
        yield
        return
    if key[0] == "temp" or (isinstance(expression, exp.Create) and _is_temporary(expression)):
        yield
        if isinstance(expression, exp.Create):
            facts.write(session.cursor, ("temp", "main", _physical(key, session)), _declared(expression, session))
        return
    with session.transaction.whole():
        session.transaction.recorder.query_id = session.current.id if session.current else ""
        before = facts.read(session.cursor, key)
        yield
        if isinstance(expression, exp.Create):
            history.forget_table(session.cursor, key[0], before)
            _begin(session, key, _declared(expression, session))
        elif isinstance(expression, exp.Drop):
            history.forget_table(session.cursor, key[0], before)
        elif isinstance(expression, exp.Alter) and before is not None:
            _altered(session, key, before, expression)


def _begin(session: Session, key: TableKey, known: Facts) -> None:
    facts.write(session.cursor, key, known)
    history.check_lengths(session.cursor, key, known)
    session.transaction.recorder.add(key, known, session.cursor)


def _altered(session: Session, key: TableKey, known: Facts, alter: exp.Alter) -> None:
    """Columns that were added, dropped, renamed, or given a type begin a new history."""
    for action in alter.args["actions"]:
        if isinstance(action, exp.AlterRename):
            return
        if isinstance(action, exp.ColumnDef):
            known.types |= _types_of([action])
        elif isinstance(action, exp.RenameColumn):
            known.types = {action.args["to"].name if n == action.this.name else n: t for n, t in known.types.items()}
        elif isinstance(action, exp.AlterColumn) and action.args.get("dtype"):
            known.types.pop(action.this.name, None)
            known.types |= _types_of([exp.ColumnDef(this=action.this, kind=action.args["dtype"])])
        elif isinstance(action, exp.Drop):
            for column in action.find_all(exp.Column):
                known.types.pop(column.name, None)
    if all(isinstance(a, exp.AlterColumn) and not a.args.get("dtype") for a in alter.args["actions"]):
        return
    history.forget_table(session.cursor, key[0], known)
    known.id = uuid.uuid4().hex
    _begin(session, key, known)


def _declared(create: exp.Create, session: Session) -> Facts:
    """What a CREATE says that the engine does not keep."""
    known = Facts()
    schema = create.this
    if isinstance(schema, exp.Schema):
        known.types = _types_of(schema.expressions)
    for option in create.args.get("properties") or []:
        if isinstance(option, exp.SchemaCommentProperty):
            known.comment = option.this.name
        elif isinstance(option, exp.TransientProperty):
            known.is_transient = True
        elif isinstance(option, exp.ClusterProperty):
            known.cluster_by = cluster_text(option.expressions)
        elif isinstance(option, exp.LikeProperty):
            known.types = _types_like(option.this, session)
        elif type(option) is exp.Property:
            set_property(known, option)
    if clone := create.args.get("clone"):
        known.types = _types_like(clone.this, session)
    return known


def _types_like(table: exp.Table, session: Session) -> dict[str, str]:
    source = facts.read(session.cursor, (table.catalog, table.db, table.name))
    return dict(source.types) if source else {}


def cluster_text(expressions: list[exp.Expression]) -> str:
    """A clustering key, as SHOW TABLES writes it."""
    return f"LINEAR({', '.join(e.sql(dialect='snowflake') for e in expressions)})"


def set_property(known: Facts, option: exp.Property) -> None:
    """Take over an option of CREATE or ALTER TABLE; one that would do nothing is refused."""
    name, value = option.name.upper(), option.args["value"]
    if name == "DATA_RETENTION_TIME_IN_DAYS":
        known.retention_days = int(value.name)
        if not 0 <= known.retention_days <= (1 if known.is_transient else 90):
            raise SqlError(
                1008, "22023", f"SQL compilation error:\ninvalid value [{value.name}] for parameter '{name}'"
            )
    elif name == "CHANGE_TRACKING":
        known.change_tracking = bool(value.to_py())
    elif name == "COMMENT":
        known.comment = value.name
    elif not (name == "ENABLE_SCHEMA_EVOLUTION" and value.to_py() is False):
        raise unsupported(f"the option {name} of a table")


_TYPES_WITH_MORE = {
    exp.DataType.Type.VARIANT: "VARIANT",
    exp.DataType.Type.OBJECT: "OBJECT",
    exp.DataType.Type.ARRAY: "ARRAY",
    exp.DataType.Type.TIMESTAMPLTZ: "TIMESTAMP_LTZ(9)",
}


def _types_of(columns: list[exp.Expression]) -> dict[str, str]:
    """The declared types that say more than the engine's."""
    found = {}
    for column in columns:
        if not isinstance(column, exp.ColumnDef) or not isinstance(column.kind, exp.DataType):
            continue
        kind = column.kind.this
        if kind in exp.DataType.TEXT_TYPES:
            default = "1" if kind in {exp.DataType.Type.CHAR, exp.DataType.Type.NCHAR} else None
            length = column.kind.expressions[0].name if column.kind.expressions else default
            if length:
                found[column.name] = f"VARCHAR({length})"
        elif kind in _TYPES_WITH_MORE:
            found[column.name] = _TYPES_WITH_MORE[kind]
    return found


def definition(expression: exp.Expression, session: Session) -> exp.Expression:
    """Put a CREATE into the engine's terms: temporary names, clones, typed CTAS, no enforced keys."""
    if not isinstance(expression, exp.Create) or expression.kind not in {"TABLE", "VIEW"}:
        return expression
    key, target = target_of(expression), expression.find(exp.Table)
    if _is_temporary(expression) and key and target:
        for arg, value in (("this", _physical(key, session)), ("db", None), ("catalog", None)):
            target.set(arg, value and exp.to_identifier(value, quoted=True))
    if properties := expression.args.get("properties"):
        kept = [p for p in properties.expressions if isinstance(p, exp.TemporaryProperty | exp.LikeProperty)]
        properties.set("expressions", kept)
    if clone := expression.args.get("clone"):
        expression.set("clone", None)
        expression.set("expression", exp.select("*").from_(clone.this))
    if isinstance(expression.this, exp.Schema):
        _drop_unenforced_constraints(expression.this)
        for column in expression.this.find_all(exp.ColumnDef):
            _without_length(column.kind)
        if expression.expression:
            _cast_to_columns(expression)
    return expression


def _without_length(kind: exp.Expression | None) -> None:
    if isinstance(kind, exp.DataType) and kind.this in exp.DataType.TEXT_TYPES:
        kind.set("expressions", None)


def _drop_unenforced_constraints(schema: exp.Schema) -> None:
    """Snowflake records keys and does not enforce them; the engine would."""
    schema.set("expressions", [e for e in schema.expressions if not isinstance(e, _UNENFORCED_ON_TABLE)])
    for column in schema.find_all(exp.ColumnDef):
        constraints = column.args.get("constraints") or []
        column.set("constraints", [c for c in constraints if not isinstance(c.args.get("kind"), _UNENFORCED)])


def _cast_to_columns(create: exp.Create) -> None:
    """CREATE TABLE t (a INT, ...) AS query: cast the query's columns, which the engine cannot do by itself."""
    columns = create.this.expressions
    if not all(isinstance(c, exp.ColumnDef) and c.kind for c in columns):
        return
    names = [f"_{i}" for i in range(len(columns))]
    inner = exp.Subquery(
        this=create.expression,
        alias=exp.TableAlias(this=exp.to_identifier("_q"), columns=[exp.to_identifier(n, quoted=True) for n in names]),
    )
    casts = [
        exp.alias_(exp.cast(exp.column(n, quoted=True), c.kind.copy()), c.this.copy())
        for n, c in zip(names, columns, strict=True)
    ]
    create.set("expression", exp.select(*casts).from_(inner))
    create.set("this", create.this.this)


def after_definition(expression: exp.Expression, session: Session, result: Result) -> Result:
    """Remember the temporary objects that a statement made or dropped, and answer with the name they go by."""
    key = target_of(expression)
    kind = str(expression.args.get("kind")).capitalize()
    if isinstance(expression, exp.Create) and _is_temporary(expression) and key:
        if kind in {"Table", "View"} and key[0] != "temp":
            session.temporary_tables[key] = _physical(key, session)
            return status(f"{kind} {key[2]} successfully created.")
    elif isinstance(expression, exp.Drop) and key and key[0] == "temp":
        names = [name for name, physical in session.temporary_tables.items() if physical == key[2]]
        for name in names:
            del session.temporary_tables[name]
        return status(f"{names[0][2]} successfully dropped.")
    return result


def _is_temporary(create: exp.Create) -> bool:
    properties = create.args.get("properties")
    return bool(properties and properties.find(exp.TemporaryProperty))


def _physical(key: TableKey, session: Session) -> str:
    return f"{session.id}:{'.'.join(key)}" if key[0] != "temp" else key[2]


_TEMPORARY = re.compile(
    r"^(\s*CREATE\s+(?:OR\s+REPLACE\s+)?)(?:(?:SCOPED|LOCAL|GLOBAL)\s+TEMP(?:ORARY)?|VOLATILE)\b", re.IGNORECASE
)
_LATE_IF_NOT_EXISTS = re.compile(
    r"^(\s*CREATE\s[\w\s]*?TABLE)\s+((?:\"[^\"]+\"|[\w$.])+)\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE
)


def usual_spelling(sql: str) -> str:
    """Spellings that Snowflake takes and the parser does not: of TEMPORARY, and of where IF NOT EXISTS stands."""
    return _LATE_IF_NOT_EXISTS.sub(r"\1 IF NOT EXISTS \2", _TEMPORARY.sub(r"\1TEMPORARY", sql))
