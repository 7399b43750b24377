"""CREATE and DROP in the engine's terms: temporary tables, clones, typed CTAS, keys that nobody enforces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from include.sandbox.snowflake import stages
from include.sandbox.snowflake.results import Result, status
from include.sandbox.snowflake.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey

_UNENFORCED = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
_UNENFORCED_ON_TABLE = (exp.PrimaryKey, exp.UniqueColumnConstraint, exp.ForeignKey, exp.Constraint)


def definition(expression: exp.Expression, session: Session) -> exp.Expression:
    """Put a CREATE into the engine's terms: temporary names, clones, typed CTAS, no enforced keys."""
    if not isinstance(expression, exp.Create) or expression.kind not in {"TABLE", "VIEW"}:
        return expression
    key, target = target_of(expression), expression.find(exp.Table)
    if _is_temporary(expression) and key and target:
        for arg, value in (("this", _physical(key, session)), ("db", None), ("catalog", None)):
            target.set(arg, value and exp.to_identifier(value, quoted=True))
    if properties := expression.args.get("properties"):
        kept = [p for p in properties.expressions if not isinstance(p, exp.TransientProperty | exp.CopyGrantsProperty)]
        properties.set("expressions", kept)
    if clone := expression.args.get("clone"):
        expression.set("clone", None)
        expression.set("expression", exp.select("*").from_(clone.this))
    if isinstance(expression.this, exp.Schema):
        _drop_unenforced_constraints(expression.this)
        if expression.expression:
            _cast_to_columns(expression)
    return expression


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
        if kind == "Stage":
            session.temporary_stages.append(lambda: stages.remove_stage(session, key))
        elif kind in {"Table", "View"} and key[0] != "temp":
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
