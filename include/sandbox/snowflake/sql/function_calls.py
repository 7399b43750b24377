"""How a call of one of Snowflake's functions is put to the engine, where the engine's own function will not do.

Most go to the macro of the function's name; the rest are rewritten here. What cannot be done right is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.sql import casts, date_calls
from include.sandbox.snowflake.sql.macros import NAMES, engine_function, is_macro, macro

# Which macro a parsed function goes to, with its arguments in the macro's order.
_BY_MACRO: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.WidthBucket: ("WIDTH_BUCKET", ("this", "min_value", "max_value", "num_buckets")),
    exp.Split: ("SPLIT", ("this", "expression")),
    exp.StrtokToArray: ("STRTOK_TO_ARRAY", ("this", "expression")),
    exp.ByteLength: ("OCTET_LENGTH", ("this",)),
    exp.BitLength: ("BIT_LENGTH", ("this",)),
    exp.Ascii: ("ASCII", ("this",)),
    exp.Base64Encode: ("BASE64_ENCODE", ("this",)),
    exp.RtrimmedLength: ("RTRIMMED_LENGTH", ("this",)),
    exp.Cbrt: ("CBRT", ("this",)),
    exp.MonthsBetween: ("MONTHS_BETWEEN", ("this", "expression")),
    exp.Typeof: ("TYPEOF", ("this",)),
    exp.IsArray: ("IS_ARRAY", ("this",)),
    exp.IsNullValue: ("IS_NULL_VALUE", ("this",)),
    exp.ToVariant: ("TO_VARIANT", ("this",)),
    exp.ToArray: ("TO_ARRAY", ("this",)),
    exp.JSONKeys: ("OBJECT_KEYS", ("this",)),
    exp.ObjectInsert: ("OBJECT_INSERT", ("this", "key", "value", "update_flag")),
    exp.ArraySize: ("ARRAY_SIZE", ("this",)),
    exp.ArrayContains: ("ARRAY_CONTAINS", ("expression", "this")),
    exp.ArrayPosition: ("ARRAY_POSITION", ("expression", "this")),
    exp.ArrayAppend: ("ARRAY_APPEND", ("this", "expression")),
    exp.ApproxTopK: ("APPROX_TOP_K", ("this", "expression", "counters")),
    exp.ArrayPrepend: ("ARRAY_PREPEND", ("this", "expression")),
    exp.ArrayCompact: ("ARRAY_COMPACT", ("this",)),
    exp.ArrayDistinct: ("ARRAY_DISTINCT", ("this",)),
    exp.ArrayInsert: ("ARRAY_INSERT", ("this", "position", "expression")),
    exp.ArrayRemove: ("ARRAY_REMOVE", ("this", "expression")),
    exp.ArrayReverse: ("ARRAY_REVERSE", ("this",)),
    exp.Flatten: ("ARRAY_FLATTEN", ("this",)),
    exp.ArrayToString: ("ARRAY_TO_STRING", ("this", "expression")),
    exp.GenerateSeries: ("ARRAY_GENERATE_RANGE", ("start", "end", "step")),
    exp.ArraySlice: ("ARRAY_SLICE", ("this", "start", "end")),
    exp.ArrayOverlaps: ("ARRAYS_OVERLAP", ("this", "expression")),
}
# Functions that the engine has in another sense, or not at all.
_REFUSED: dict[type[exp.Expr], str] = {
    exp.Soundex: "SOUNDEX",
    exp.HashAgg: "HASH_AGG",
    exp.ArrayIntersect: "ARRAY_INTERSECTION",
    exp.ArrayExcept: "ARRAY_EXCEPT",
    exp.SortArray: "ARRAY_SORT",
    exp.ArrayMax: "ARRAY_MAX",
    exp.ArrayMin: "ARRAY_MIN",
    exp.Collate: "COLLATE",
    exp.XMLGet: "XMLGET",
    exp.CheckJson: "CHECK_JSON",
    exp.Reduce: "REDUCE",
    exp.ArrayFilter: "FILTER",
    exp.Transform: "TRANSFORM",
    exp.Zipf: "ZIPF",
    exp.BoolxorAgg: "BOOLXOR_AGG",
}


@cache
def is_call(type_: type[exp.Expr]) -> bool:
    """True for functions, and for what else has a translation."""
    return issubclass(type_, (exp.Func, *_OF_TEXT)) or type_ in _REFUSED or type_ in _BY_MACRO or type_ in _HANDLERS


def translate_call(node: exp.Expr) -> exp.Expression | None:
    """What takes the place of a call; None leaves it to the engine."""
    if isinstance(node, _OF_TEXT):
        _take_texts(node)
    if refused := _REFUSED.get(type(node)):
        raise unsupported(refused)
    if by_macro := _BY_MACRO.get(type(node)):
        name, arguments = by_macro
        return macro(name, *[node.args[a] for a in arguments if node.args.get(a) is not None])
    if isinstance(node, exp.Anonymous) and node.name.upper() in NAMES:
        return macro(node.name.upper(), *node.expressions)
    handler = _HANDLERS.get(type(node))
    return handler(node) if handler else None


# Functions and operators of text. What they are given becomes text as Snowflake writes it, also a VARIANT.
_OF_TEXT = (
    *(exp.DPipe, exp.Concat, exp.ConcatWs, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpReplace, exp.RegexpExtract),
    *(exp.RegexpCount, exp.RegexpInstr, exp.Contains, exp.StartsWith, exp.EndsWith, exp.Upper, exp.Lower, exp.Initcap),
    *(exp.Length, exp.Replace, exp.Split, exp.SplitPart, exp.Strtok, exp.StrtokToArray, exp.Left, exp.Right),
    *(exp.Substring, exp.Reverse, exp.Repeat, exp.Levenshtein, exp.JarowinklerSimilarity, exp.StrPosition),
    *(exp.ByteLength, exp.Ascii, exp.Translate, exp.MD5, exp.SHA, exp.SHA2, exp.Pad),
)
_TEXTS = ("this", "expression", "replacement", "substr", "delimiter")
_ARE_NUMBERS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Pad: ("expression",),
    exp.Left: ("expression",),
    exp.Right: ("expression",),
    exp.Repeat: ("times",),
}


def _take_texts(node: exp.Expression) -> None:
    numbers = _ARE_NUMBERS.get(type(node), ())
    given = [node.args.get(name) for name in _TEXTS if name not in numbers]
    given += node.expressions if isinstance(node, exp.Concat | exp.ConcatWs) else []
    for argument in given:
        if casts.is_count_as_text(argument):
            continue
        if isinstance(argument, exp.Column | exp.JSONExtract | exp.GetExtract | exp.Bracket | exp.Cast | exp.Add):
            argument.replace(macro("TEXT", argument))
    if isinstance(node, exp.Length) and is_macro(node.this, "TEXT"):
        node.set("binary", None)  # else a CASE over its type would plan the argument three times


# ---- numbers ----


def _divide(node: exp.Div) -> exp.Expression:
    return macro("DIVIDE", node.this, node.expression)


def _divide_or_zero(node: exp.If) -> exp.Expression | None:
    """DIV0 and DIV0NULL arrive as what they stand for."""
    division, condition = node.args.get("false"), node.this
    if not isinstance(division, exp.Div) or not isinstance(node.args.get("true"), exp.Literal):
        return None
    dividend, divisor = (side.unnest() for side in (division.this, division.expression))
    is_zero = exp.EQ(this=divisor.copy(), expression=exp.Literal.number(0))
    tested = condition.this.unnest() if isinstance(condition, exp.And | exp.Or) else None
    if tested is None or tested.sql() != is_zero.sql():
        return None
    return macro("DIV0" if isinstance(condition, exp.And) else "DIV0NULL", dividend, divisor)


def _average(node: exp.Avg) -> exp.Expression | None:
    """An average of whole numbers has six decimals; the window or filter that it has goes along."""
    if node.find(exp.Placeholder):
        return None  # it would be bound twice
    outer: exp.Expr = node
    while isinstance(outer.parent, exp.Window | exp.Filter) and outer.arg_key == "this":
        outer = outer.parent
    operand = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if isinstance(operand, exp.Cast) and operand.to.this in {exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT}:
        return None  # of floats, and stays one
    sample: exp.Expr = exp.Min(this=operand.copy())
    if outer is not node:
        sample = outer.copy()
        for average in list(sample.find_all(exp.Avg)):
            average.replace(exp.Min(this=operand.copy()))
    outer.replace(macro("AVERAGE", outer, sample))
    return None


# ---- aggregates ----


def _count_if(node: exp.CountIf) -> exp.Expression | None:
    """COUNT_IF of no row that says yes is 0, also where all are NULL; done in place, as the generator makes copies."""
    if not isinstance(node.this, exp.Distinct):
        node.set("this", exp.Is(this=exp.paren(node.this, copy=False), expression=exp.true()))
        node.set("zero_on_all_null", None)
    return None


def _list(node: exp.GroupConcat) -> exp.Expression | None:
    """LISTAGG of nothing is an empty text."""
    outer: exp.Expression = node
    while isinstance(outer.parent, exp.Window | exp.WithinGroup | exp.Filter) and outer.arg_key == "this":
        outer = outer.parent
    if not isinstance(outer.parent, exp.Coalesce):
        outer.replace(exp.Coalesce(this=outer.copy(), expressions=[exp.Literal.string("")]))
    return None


def _array_of(node: exp.ArrayAgg) -> exp.Expression | None:
    """ARRAY_AGG leaves NULLs out, also where it is ordered, and is an empty array where nothing is left."""
    outer = node.parent
    whole: exp.Expr = outer if isinstance(outer, exp.WithinGroup) else node
    if isinstance(whole.parent, exp.Window | exp.Filter):
        return None
    operand = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    values: exp.Expression = node.this.copy()
    if isinstance(outer, exp.WithinGroup):
        values = exp.Order(this=values, expressions=[o.copy() for o in outer.expression.expressions])
    present = exp.Where(this=exp.Not(this=exp.Is(this=operand.copy(), expression=exp.null())))
    array = engine_function("to_json", exp.Filter(this=engine_function("list", values), expression=present))
    whole.replace(exp.Coalesce(this=array, expressions=[engine_function("json_array")]))
    return None


def _share(node: exp.Window) -> exp.Expression | None:
    """RATIO_TO_REPORT."""
    call = node.this
    if not (isinstance(call, exp.Anonymous) and call.name.upper() == "RATIO_TO_REPORT"):
        return None
    total = node.copy()
    total.set("this", exp.Sum(this=call.expressions[0].copy()))
    return macro("DIVIDE", call.expressions[0], total)


def _uniform(node: exp.Uniform) -> exp.Expression | None:
    if not isinstance(node.args.get("gen"), exp.Rand):
        raise unsupported("UNIFORM of another generator than RANDOM()")
    low, high = node.this, node.expression
    if all(re.fullmatch(r"-?\d+", bound.sql()) for bound in (low, high)):
        return None
    return exp.paren(
        exp.Add(
            this=low.copy(),
            expression=exp.Mul(
                this=engine_function("random"), expression=exp.paren(exp.Sub(this=high.copy(), expression=low.copy()))
            ),
        )
    )


def _random(node: exp.Rand) -> exp.Expression | None:
    """A signed number of 64 bits; with a seed a row's number decides, so the same rows have the same numbers."""
    if isinstance(node.parent, exp.Func) and not isinstance(node.parent, exp.Cast):
        return None  # of UNIFORM, NORMAL, RANDSTR: only where from they draw
    drawn: exp.Expression = engine_function("random")
    if node.this is not None:
        if not isinstance(node.find_ancestor(exp.Where, exp.Join, exp.Group, exp.Having, exp.Select), exp.Select):
            raise unsupported("RANDOM(seed) outside the columns and the ORDER BY of a SELECT")
        drawn = engine_function("concat", node.this, exp.Literal.string("/"), exp.Window(this=exp.RowNumber()))
    unsigned = exp.cast(engine_function("hash", drawn), "INT128", dialect="duckdb")
    return exp.cast(exp.paren(unsigned - exp.Literal.number(2**63)), "BIGINT")


def _random_text(node: exp.Randstr) -> exp.Expression:
    if not isinstance(node.args.get("generator"), exp.Rand):
        raise unsupported("RANDSTR of another generator than RANDOM()")
    return macro("RANDSTR", node.this)


def _extreme(node: exp.Expression) -> exp.Expression | None:
    if isinstance(node.this, exp.JSONExtract | exp.GetExtract):
        raise unsupported(f"{node.key.upper()} of a VARIANT: cast it first")
    return None


# ---- text ----


def _hash(node: exp.Anonymous) -> exp.Expression | None:
    """HASH is a signed number of 64 bits; the same for equal values of different types."""
    if node.name.upper() != "HASH":
        return None
    if any(a.is_star for a in node.expressions):
        raise unsupported("HASH(*)")
    values = [macro("HASH1", a) for a in node.expressions]
    unsigned = exp.cast(engine_function("hash", *values), "INT128", dialect="duckdb")
    return exp.cast(exp.paren(unsigned - exp.Literal.number(2**63)), "BIGINT")


def _trim(node: exp.Trim) -> exp.Expression:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position")), "trim")
    characters = node.expression
    return engine_function(
        name, macro("TEXT", node.this), characters if characters is not None else exp.Literal.string(" ")
    )


def _named(node: exp.Anonymous) -> exp.Expression | None:
    if node.name.upper() in {"TO_TIMESTAMP_TZ", "TO_TIMESTAMP_LTZ"} and len(node.expressions) == 1:
        return exp.cast(node.expressions[0].copy(), "TIMESTAMPTZ")
    return _hash(node)


def _sha2(node: exp.Expression) -> exp.Expression | None:
    length = node.args.get("length")
    if length is not None and length.sql() != "256":
        raise unsupported(f"SHA2 of {length.sql()} bits")
    return None


def _no_options(*options: str) -> Callable[[exp.Expression], exp.Expression | None]:
    """Refuse options of a function that the engine would not heed."""

    def check(node: exp.Expression) -> exp.Expression | None:
        for option in options:
            if node.args.get(option) is not None:
                raise unsupported(f"{node.key.upper()} with {option}")
        return None

    return check


# ---- semi-structured values ----


def _compare(node: exp.Expression) -> exp.Expression | None:
    """A VARIANT is compared as a value of the other side's type, not as text."""
    for side, other in (("this", "expression"), ("expression", "this")):
        mine, theirs = node.args[side], node.args[other]
        if not _is_variant(mine) or isinstance(theirs, exp.Null | exp.Boolean):
            continue
        if theirs.find(exp.Placeholder):
            raise unsupported("a comparison of a VARIANT with a bound value: cast it first")
        if _is_variant(theirs):
            if not isinstance(node, exp.EQ | exp.NEQ):
                raise unsupported("a comparison of two VARIANTs: cast one of them")
        elif isinstance(theirs, exp.Literal | exp.Neg) and not theirs.is_string:
            mine.replace(macro("AS_NUMBER_OF", mine))
        else:
            mine.replace(macro("AS_TYPE_OF", mine, theirs))
    return None


def _compare_with_several(node: exp.In | exp.Between) -> exp.Expression | None:
    others = [node.args["low"], node.args["high"]] if isinstance(node, exp.Between) else node.expressions
    if _is_variant(node.this) and others:
        numbers = all(isinstance(o, exp.Literal | exp.Neg) and not o.is_string for o in others)
        node.this.replace(macro("AS_NUMBER_OF", node.this) if numbers else macro("AS_TYPE_OF", node.this, others[0]))
    return None


def _sort(node: exp.Ordered) -> exp.Expression | None:
    if _is_variant(node.this):
        raise unsupported("ORDER BY of a VARIANT: cast it first")
    return None


def _is_variant(node: exp.Expression) -> bool:
    return isinstance(node.unnest(), exp.JSONExtract | exp.GetExtract)


_FLATTENED = {"INPUT", "OUTER", "PATH", "RECURSIVE", "MODE"}


def _flatten(node: exp.Explode) -> exp.Expression | None:
    """FLATTEN with any but its first argument is not done; saying that it is not is allowed."""
    for argument in node.expressions:
        name = argument.this.name.upper() if isinstance(argument, exp.Kwarg) else ""
        value = argument.expression.sql().upper() if isinstance(argument, exp.Kwarg) else ""
        if name not in _FLATTENED or (name, value) not in {
            ("OUTER", "FALSE"),
            ("RECURSIVE", "FALSE"),
            ("MODE", "'BOTH'"),
            ("PATH", "''"),
        }:
            raise unsupported(f"FLATTEN with {name or 'several arguments'}")
        argument.pop()
    return None


def _array(node: exp.Array) -> exp.Expression:
    return engine_function("json_array", *node.expressions)


def _concatenate(node: exp.ArrayConcat) -> exp.Expression:
    return macro("ARRAY_CAT", node.this, *node.expressions)


_HANDLERS: dict[type[exp.Expr], Callable[..., exp.Expression | None]] = {
    exp.DateDiff: date_calls.difference,
    exp.Extract: date_calls.extract,
    exp.Hll: lambda node: exp.ApproxDistinct(this=node.this.copy()),
    exp.CountIf: _count_if,
    exp.GroupConcat: _list,
    exp.ArrayAgg: _array_of,
    exp.Window: _share,
    exp.Rand: _random,
    exp.Uniform: _uniform,
    exp.Randstr: _random_text,
    exp.Max: _extreme,
    exp.Min: _extreme,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _compare),
    exp.In: _compare_with_several,
    exp.Between: _compare_with_several,
    exp.Ordered: _sort,
    exp.Explode: _flatten,
    exp.Div: _divide,
    exp.If: _divide_or_zero,
    exp.Avg: _average,
    exp.TimestampTrunc: date_calls.truncate,
    exp.DateTrunc: date_calls.truncate,
    exp.DateAdd: date_calls.add,
    exp.AddMonths: date_calls.add_months,
    exp.LastDay: date_calls.last_day,
    exp.Anonymous: _named,
    exp.SHA2: _sha2,
    exp.SHA2Digest: _sha2,
    exp.Array: _array,
    exp.ArrayConcat: _concatenate,
    exp.Cast: casts.cast,
    exp.TryCast: casts.cast,
    exp.ToBinary: casts.to_binary,
    exp.ToChar: date_calls.to_text,
    exp.TimeToStr: date_calls.format_time,
    exp.StrToTime: date_calls.parse_time,
    exp.TsOrDsToDate: date_calls.parse_time,
    exp.TsOrDsToTime: date_calls.parse_time,
    exp.TimeSlice: date_calls.time_slice,
    exp.ConvertTimezone: date_calls.in_zone,
    exp.Trim: _trim,
    exp.RegrCount: lambda node: exp.cast(engine_function("regr_count", node.this, node.expression), "BIGINT"),
    exp.RegexpReplace: _no_options("occurrence"),
}
