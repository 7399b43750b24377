"""Casts, and what is a BINARY."""

from __future__ import annotations

from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.sql.macros import macro

_Type = exp.DataType.Type
# Whole numbers, which the engine writes as Snowflake does. A macro would be there many times over, once planned.
_COUNTS = (exp.Length, exp.Count, exp.RowNumber)
_REFUSED = {_Type.GEOGRAPHY, _Type.GEOMETRY, _Type.VECTOR}


def cast(node: exp.Cast) -> exp.Expression | None:
    """What takes the place of a cast; None leaves it to the engine."""
    kind = node.to.this
    if kind in _REFUSED:
        raise unsupported(f"the type {node.to.sql(dialect='snowflake')}")
    if kind in exp.DataType.TEXT_TYPES:
        return _to_text(node)
    if kind == _Type.VARIANT:
        return macro("TO_VARIANT", node.this)
    if kind in {_Type.ARRAY, _Type.OBJECT} and not node.to.expressions:
        return macro("TO_ARRAY" if kind == _Type.ARRAY else "TO_OBJECT", node.this)
    if isinstance(node, exp.TryCast):
        return macro("TRY_TO_TIMESTAMP", node.this) if kind in {_Type.TIMESTAMPNTZ, _Type.TIMESTAMP} else None
    if kind in {_Type.BINARY, _Type.VARBINARY}:
        return macro("BINARY", node.this)
    is_exact = isinstance(node.this, exp.Literal | exp.JSONExtract | exp.Bracket | exp.Boolean)
    return macro("ROUNDED", node.this) if kind in {_Type.INT, _Type.BIGINT} and not is_exact else None


def _to_text(node: exp.Cast) -> exp.Expression | None:
    if isinstance(node, exp.TryCast):
        return _short(macro("TEXT", node.this), node.to)
    if isinstance(node.this, exp.JSONExtract | exp.Bracket):
        return _short(node.copy(), node.to) if node.to.expressions else None
    if _is_count(node.this):
        return _short(node.copy(), node.to) if node.to.expressions else None
    is_text = isinstance(node.this, exp.Literal) and node.this.is_string
    return _short(node.this if is_text else macro("TEXT", node.this), node.to)


def is_count_as_text(node: exp.Expression | None) -> bool:
    """True for a cast to text that is left to the engine, as `_to_text` leaves it."""
    return isinstance(node, exp.Cast) and node.to.this in exp.DataType.TEXT_TYPES and _is_count(node.this)


def _is_count(node: exp.Expression) -> bool:
    call = node.this if isinstance(node, exp.Window) else node
    if isinstance(call, exp.Sum):
        return isinstance(call.this, exp.Cast) and call.this.to.this == _Type.BIGINT
    return isinstance(call, _COUNTS)


def _short(text: exp.Expression, to: exp.DataType) -> exp.Expression:
    if not to.expressions:
        return text
    limit = to.expressions[0].this
    if isinstance(text, exp.Cast):
        text.to.set("expressions", None)
    return macro("SHORT_TEXT", text, limit)


def to_binary(node: exp.ToBinary) -> exp.Expression:
    """A text is taken as hexadecimal digits, unless another format is given."""
    given = node.args.get("format")
    form = str(given.name).upper() if given is not None else "HEX"
    if node.args.get("safe") or form not in {"HEX", "BASE64", "UTF-8", "UTF8"}:
        raise unsupported("TRY_TO_BINARY" if node.args.get("safe") else f"the format {form} of a BINARY")
    name = {"HEX": "BINARY", "BASE64": "BINARY_OF_BASE64"}.get(form, "BINARY_OF_UTF8")
    return macro(name, node.this)
