"""What a statement makes of a call's result, an object: its fields are taken without a detour over JSON if they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from include.sandbox.snowflake.scoring.calls import Call


def put_column(call: Call, node: exp.Expression) -> None:
    """Put the predictions where the call was."""
    column: exp.Expression = exp.column(call.column, quoted=True)
    access = node.parent
    if not call.method.returns_object:
        node.replace(column)
    elif access is not None and (name := _cast_field(access, call)):
        access.replace(_taken(call, name, column))
    else:
        node.replace(exp.Anonymous(this="to_json", expressions=[column]))


def open_fields(call: Call, node: exp.Expression, select: exp.Select) -> None:
    """Let the SELECTs around this one take the fields of `call AS name` from a column of its own, not from its JSON.

    So does the registry's client. Where one of them has a star the column would be seen, and nothing is done.
    """
    alias = node.parent
    if not call.method.returns_object or not isinstance(alias, exp.Alias) or alias.parent is not select:
        return
    readers = [] if select.args.get("distinct") else _readers(select)
    if any(projection.is_star for reader in readers for projection in reader.expressions):
        return
    hidden = f"{alias.alias}: opened"
    found = False
    for column in [c for reader in readers for c in reader.find_all(exp.Column) if c.name == alias.alias]:
        access = column.parent
        is_own = any(column.find_ancestor(exp.Select) is reader for reader in readers)
        if is_own and access is not None and access.this is column and (name := _cast_field(access, call)):
            access.replace(_taken(call, name, exp.column(hidden, table=column.args.get("table"), quoted=True)))
            found = True
    if found:
        opened = exp.alias_(exp.column(call.column, quoted=True), hidden, quoted=True)
        select.set("expressions", [*select.expressions, opened])


def _readers(select: exp.Select) -> list[exp.Select]:
    """The SELECTs that read this one directly: around it, or by the name that it has in a WITH."""
    parent = select.parent
    if isinstance(parent, exp.Subquery) and isinstance(parent.parent, exp.From | exp.Join):
        reader = parent.find_ancestor(exp.Select)
        return [reader] if reader is not None and not parent.alias_column_names else []
    if isinstance(parent, exp.CTE) and not parent.alias_column_names:
        tables = [t for t in select.root().find_all(exp.Table) if not t.db and t.name == parent.alias]
        readers = [t.find_ancestor(exp.Select) for t in tables if isinstance(t.parent, exp.From | exp.Join)]
        return [r for r in readers if r is not None]
    return []


def _taken(call: Call, name: str, column: exp.Expression) -> exp.Expression:
    if name not in call.method.outputs:
        return exp.null()
    return exp.Dot(this=column, expression=exp.to_identifier(name, quoted=True))


def _cast_field(access: exp.Expression, call: Call) -> str | None:
    """The key in `value:key::type` or `value['key']::type`; a time stays a text, which it is in an object."""
    if not isinstance(access.parent, exp.Cast):
        return None
    name = None
    if isinstance(access, exp.JSONExtract):
        keys = list(access.expression.find_all(exp.JSONPathKey))
        name = str(keys[0].this) if len(keys) == 1 else None
    elif isinstance(access, exp.Bracket) and len(access.expressions) == 1 and access.expressions[0].is_string:
        name = str(access.expressions[0].this)
    return None if name and call.method.outputs.get(name) == "TIMESTAMP_NTZ" else name
