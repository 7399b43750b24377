"""What a CREATE says of a view or of columns beyond the query: comments, and the text of the statement.

Comments are kept by the engine with what they are about; a view's text, as it was written, in the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import already_exists, not_found, unsupported
from include.sandbox.snowflake.objects import tags
from include.sandbox.snowflake.sql.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

Key = tuple[str, str, str]
KIND = "VIEW"


@dataclass
class Notes:
    """What is to be written down when the statement has been carried out."""

    text: str | None = None
    comment: str | None = None
    columns: dict[str, str] = field(default_factory=dict)


def take(expression: exp.Expression, sql: str) -> Notes | None:
    """Take the comments out of a CREATE; None if a statement defines no view and has no comments of columns."""
    if isinstance(expression, exp.Create):
        is_view = str(expression.kind).upper() == "VIEW"
        notes = Notes(text=sql.strip().rstrip(";").strip() if is_view else None)
        for constraint in list(expression.find_all(exp.CommentColumnConstraint)):
            column = constraint.find_ancestor(exp.ColumnDef)
            if column and constraint.parent and constraint.find_ancestor(exp.Schema) is expression.this:
                notes.columns[_column_name(column)] = constraint.this.name
                constraint.parent.pop()
        properties = expression.args.get("properties")
        comment = properties.find(exp.SchemaCommentProperty) if is_view and properties else None
        if properties and comment is not None:
            notes.comment = comment.this.name
            comment.pop()
            if not properties.expressions:
                expression.set("properties", None)
        return notes if is_view or notes.columns else None
    return Notes() if isinstance(expression, exp.Drop) and str(expression.args.get("kind")).upper() == "VIEW" else None


def _column_name(column: exp.Expression) -> str:
    identifier = column.this
    return str(identifier.name if identifier.args.get("quoted") else identifier.name.upper())


def after(session: Session, expression: exp.Expression, notes: Notes) -> None:
    """Write down what a statement that has been carried out says, or forget it."""
    key, catalog = target_of(expression), session.account.catalog
    if key is None:
        return
    if isinstance(expression, exp.Create):
        physical = session.temporary_tables.get(key)
        place = ("temp", "main", physical) if physical else key
        write_comments(session, place, notes)
        if notes.text and not physical and key[0] != "temp":
            catalog.create(KIND, key, {"text": notes.text}, replace=True)
    else:
        catalog.drop(KIND, key, if_exists=True)


def write_comments(session: Session, key: Key, notes: Notes) -> None:
    """Let the engine keep comments on a view or table and its columns."""
    if notes.comment is not None:
        comment_on(session, "VIEW", key, notes.comment)
    for column, comment in notes.columns.items():
        comment_on(session, "COLUMN", (*key, column), comment)


def comment_on(session: Session, kind: str, parts: tuple[str, ...], comment: str | None) -> None:
    """Replace a comment; None takes it away."""
    name = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in parts)
    text = exp.convert(comment).sql("duckdb")
    session.cursor.query(f"COMMENT ON {kind} {name} IS {text}")


def column_comments(session: Session, key: Key) -> dict[str, str]:
    """The comments on the columns of a table or view."""
    where = "(database_name, schema_name, table_name) = (?, ?, ?) AND comment IS NOT NULL"
    query = f"SELECT column_name, comment FROM duckdb_columns() WHERE {where}"
    return {c["column_name"]: c["comment"] for c in session.cursor.query(query, list(key)).table.to_pylist()}


def views(session: Session) -> list[dict[str, Any]]:
    """All views that clients have made, by name, with what is known of each."""
    query = (
        "SELECT database_name, schema_name, view_name, comment, sql FROM duckdb_views() "
        "WHERE NOT internal AND NOT temporary AND schema_name NOT IN ('main', '_fs_information_schema') "
        "ORDER BY ALL"
    )
    return list(session.cursor.query(query).table.to_pylist())


def rename(session: Session, key: Key, new: Key, *, if_exists: bool) -> bool:
    """Give a view another name within its schema, with its tags; False if there was none and that is fine."""
    names = {(v["database_name"], v["schema_name"], v["view_name"]) for v in views(session)}
    if key not in names:
        if if_exists:
            return False
        raise not_found("View", ".".join(key))
    if new[:2] != key[:2]:
        raise unsupported("ALTER VIEW ... RENAME TO another schema")
    if tags.columns(session, new):
        raise already_exists(".".join(new))
    old, name = (exp.to_identifier(part, quoted=True).sql("duckdb") for part in (key[2], new[2]))
    place = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in key[:2])
    session.cursor.query(f"ALTER VIEW {place}.{old} RENAME TO {name}")
    catalog = session.account.catalog
    if catalog.find(KIND, key):
        catalog.drop(KIND, new, if_exists=True)
        catalog.rename(KIND, key, new)
    tags.move(session, "TABLE", key, new)
    return True
