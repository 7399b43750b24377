"""ALTER TABLE and COMMENT where they change what the engine does not keep, or keeps in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from include.sandbox.snowflake.errors import not_found, syntax_error, unsupported
from include.sandbox.snowflake.results import DONE, Result, status
from include.sandbox.snowflake.sql import facts
from include.sandbox.snowflake.sql.definitions import cluster_text, set_property
from include.sandbox.snowflake.sql.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session
    from include.sandbox.snowflake.sql.facts import Facts, TableKey

_OURS = (exp.AlterSet, exp.ClusterProperty, exp.SwapTable)
# What a column that is added IF NOT EXISTS cannot have (docs, ALTER TABLE).
_ALWAYS_ADDED = (
    exp.DefaultColumnConstraint,
    exp.AutoIncrementColumnConstraint,
    exp.GeneratedAsIdentityColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.PrimaryKeyColumnConstraint,
    exp.Reference,
)


def own(expression: exp.Expression, session: Session) -> Result | None:
    """Carry out a statement that is not the engine's; None leaves it to the engine."""
    if isinstance(expression, exp.Comment):
        return _comment(expression, session)
    if not isinstance(expression, exp.Alter):
        return None
    actions = expression.args["actions"]
    for column in actions:
        if isinstance(column, exp.ColumnDef) and column.args.get("exists") and column.find(*_ALWAYS_ADDED):
            raise syntax_error(f"column {column.name} cannot be added IF NOT EXISTS with a DEFAULT or a key")
    comments = [a for a in actions if isinstance(a, exp.AlterColumn) and a.args.get("comment")]
    if not comments and not isinstance(actions[0], _OURS):
        return None
    key = target_of(expression)
    if key is None or facts.read(session.cursor, key) is None:
        if expression.args.get("exists"):
            return status(DONE)
        raise not_found("Table", ".".join(key or ()))
    with session.transaction.whole():
        for action in actions:
            _carry_out(action, key, session)
    return status(DONE)


def _carry_out(action: exp.Expression, key: TableKey, session: Session) -> None:
    if isinstance(action, exp.AlterColumn) and action.args.get("comment"):
        _comment_column(session, key, action.this.name, action.args["comment"].name)
    elif isinstance(action, exp.SwapTable):
        _swap(key, action.this, session)
    elif isinstance(action, exp.ClusterProperty):
        known = _change(session, key)
        known.cluster_by = cluster_text(action.expressions)
        facts.write(session.cursor, key, known)
    elif isinstance(action, exp.AlterSet):
        known = _change(session, key)
        for properties in action.expressions:
            for option in properties.expressions if isinstance(properties, exp.Properties) else [properties]:
                if isinstance(option, exp.SchemaCommentProperty):
                    known.comment = option.this.name
                elif type(option) is exp.Property:
                    set_property(known, option)
                else:
                    raise unsupported(f"ALTER TABLE ... SET {option.sql(dialect='snowflake')}")
        facts.write(session.cursor, key, known)
    else:
        raise unsupported(f"ALTER TABLE ... {action.sql(dialect='snowflake')}")


def _change(session: Session, key: TableKey) -> Facts:
    known = facts.read(session.cursor, key)
    if known is None:
        raise not_found("Table", ".".join(key))
    return known


def _swap(key: TableKey, other: exp.Table, session: Session) -> None:
    second = (other.catalog, other.db, other.name)
    if facts.read(session.cursor, second) is None:
        raise not_found("Table", ".".join(second))
    if second[:2] != key[:2]:
        raise unsupported("ALTER TABLE ... SWAP WITH a table of another schema")
    between = (*key[:2], f"{key[2]} swaps with {second[2]}")
    for old, new in ((key, between), (second, key), (between, second)):
        session.cursor.duck.execute(f"ALTER TABLE {facts.quoted(old)} RENAME TO {facts.quoted(new[2:])}")


def _comment(comment: exp.Comment, session: Session) -> Result | None:
    kind, text = str(comment.args["kind"]).upper(), comment.expression.name
    if kind == "COLUMN":
        column = comment.this
        _comment_column(session, session.qualify((*[p.name for p in column.parts[:-1]],)), column.name, text)
        return status(DONE)
    key = target_of(comment)
    if kind != "TABLE" or key is None:
        raise unsupported(f"COMMENT ON {kind}")
    if (known := facts.read(session.cursor, key)) is None:
        if comment.args.get("exists"):
            return status(DONE)
        raise not_found("Table", ".".join(key))
    known.comment = text
    facts.write(session.cursor, key, known)
    return status(DONE)


def _comment_column(session: Session, key: TableKey, column: str, text: str) -> None:
    quoted = text.replace("'", "''")
    session.cursor.duck.execute(f"COMMENT ON COLUMN {facts.quoted(key)}.{facts.quoted((column,))} IS '{quoted}'")
