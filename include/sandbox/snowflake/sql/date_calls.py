"""Calls of the functions of dates and times, and their formats, put to the engine."""

from __future__ import annotations

import re

from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.sql.macros import engine_function, macro

_SPANS = {
    "YEAR": "to_years",
    "QUARTER": "to_quarters",
    "MONTH": "to_months",
    "WEEK": "to_weeks",
    "DAY": "to_days",
}
_TIME_SPANS = {
    "HOUR": "to_hours",
    "MINUTE": "to_minutes",
    "SECOND": "to_seconds",
    "MILLISECOND": "to_milliseconds",
    "MICROSECOND": "to_microseconds",
}
# The parts of a date that mean the same to the engine, and the other ways to write them.
_PARTS = {*_SPANS, *_TIME_SPANS}
_SPELLINGS = {
    "YEAR": "Y YY YYY YYYY YR YEARS YRS",
    "QUARTER": "Q QTR QTRS QUARTERS",
    "MONTH": "MM MON MONS MONTHS",
    "WEEK": "W WK WEEKS WEEKOFYEAR WOY WY",
    "DAY": "D DD DAYS DAYOFMONTH",
    "HOUR": "H HH HR HOURS HRS",
    "MINUTE": "M MI MIN MINUTES MINS",
    "SECOND": "S SEC SECONDS SECS",
    "MILLISECOND": "MS MSEC MILLISECONDS",
    "MICROSECOND": "US USEC MICROSECONDS",
}
_SPELLED = {short: part for part, spellings in _SPELLINGS.items() for short in spellings.split()}
# Midnight of the day that Snowflake counts slices of time from; weeks begin on Mondays.
_SLICES_FROM, _WEEKS_FROM = "1970-01-01", "1969-12-29"


def truncate(node: exp.Expression) -> exp.Expression | None:
    """DATE_TRUNC and TRUNC of a date: a DATE stays one."""
    unit = node.args.get("unit")
    if unit is None:
        return None
    part = _part(unit, {*_PARTS, "NANOSECOND"})
    return macro("DATE_TRUNC", exp.Literal.string(part), _as_timestamp(node.this))


def add(node: exp.DateAdd) -> exp.Expression | None:
    """DATEADD: of a DATE and days or more a DATE, else a timestamp."""
    part = _part(node.args["unit"], _PARTS)
    count = exp.cast(exp.Round(this=node.expression.copy()), "INT")
    value = _as_timestamp(node.this)
    if part in _SPANS:
        return macro("MOVED", value, engine_function(_SPANS[part], count))
    return exp.paren(exp.Add(this=value, expression=engine_function(_TIME_SPANS[part], count)))


def _part(unit: exp.Expression, known: set[str]) -> str:
    name = str(unit.name).upper()
    name = _SPELLED.get(name, name)
    if name not in known:
        raise unsupported(f"the date part {name}")
    return name


def _as_timestamp(value: exp.Expression) -> exp.Expression:
    """A text is taken as a timestamp."""
    return exp.cast(value, "TIMESTAMP") if isinstance(value, exp.Literal) and value.is_string else value.copy()


def difference(node: exp.DateDiff) -> exp.Expression:
    """The number of boundaries between two dates; weeks begin on Mondays."""
    part = _part(node.args["unit"], _PARTS)
    later, earlier = _as_timestamp(node.this), _as_timestamp(node.expression)
    if part == "WEEK":
        return macro("WEEKS_BETWEEN", earlier, later)
    return engine_function("date_diff", exp.Literal.string(part), earlier, later)


def extract(node: exp.Extract) -> exp.Expression | None:
    """DATE_PART and EXTRACT, by every spelling of a part."""
    name = node.this.name.upper()
    if name == "EPOCH":
        node.set("this", exp.Var(this="EPOCH_SECOND"))
    elif name in _SPELLED and isinstance(node.this, exp.Literal):
        node.set("this", exp.Var(this=_SPELLED[name]))
    return None


def add_months(node: exp.AddMonths) -> exp.Expression:
    """ADD_MONTHS: the end of a month stays the end of a month."""
    return macro("DATEADD_MONTHS", _as_timestamp(node.this), node.expression)


def time_slice(node: exp.TimeSlice) -> exp.Expression:
    """TIME_SLICE, counted from 1970."""
    part = _part(node.args["unit"], _PARTS)
    width = engine_function({**_SPANS, **_TIME_SPANS}[part], node.expression)
    origin = exp.cast(exp.Literal.string(_WEEKS_FROM if part == "WEEK" else _SLICES_FROM), "TIMESTAMP")
    kind = node.args.get("kind")
    end = kind is not None and str(kind.name).upper() == "END"
    return macro("TIME_SLICE_END" if end else "TIME_SLICE", node.this, width, origin)


def in_zone(node: exp.ConvertTimezone) -> exp.Expression | None:
    """CONVERT_TIMEZONE."""
    source, target, value = node.args.get("source_tz"), node.args["target_tz"], node.args["timestamp"]
    if source is None:
        if target.name.upper() != "UTC":
            raise unsupported("CONVERT_TIMEZONE to a TIMESTAMP_TZ of another zone than UTC")
        return exp.cast(value.copy(), "TIMESTAMPTZ")
    return macro("IN_ZONE", source, target, _as_timestamp(value))


# Snowflake's elements of a format (in the order they are looked for), and the engine's. None is not supported.
_ELEMENTS: dict[str, str | None] = {
    "YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MON": "%b", "MM": "%m", "DD": "%d", "DY": "%a", "HH24": "%H",
    "HH12": "%I", "AM": "%p", "PM": "%p", "MI": "%M", "SS": "%S", "FF9": "%n", "FF6": "%f", "FF3": "%g",
    "FF": "%n", "TZH:TZM": None, "TZHTZM": None, "TZH": None,
}  # fmt: skip
_FORMAT = re.compile("|".join([r'"[^"]*"', *_ELEMENTS, "%-?[A-Za-z](?:_[a-z]+)?", "[A-Za-z]+"]), re.IGNORECASE)


_FRACTIONS = {"%f_three": "%g", "%f_six": "%f", "%f_nine": "%n"}


def engine_format(snowflake: str) -> str:
    """The engine's format of dates and times; the parser may have translated a part of it already."""

    def element(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith('"'):
            return text[1:-1].replace("%", "%%")
        if text.startswith("%"):
            return _FRACTIONS.get(text, text.replace("-", ""))
        if text == "T":
            return text
        if not (known := _ELEMENTS.get(text.upper())):
            raise unsupported(f"the format {snowflake}")
        return known

    return _FORMAT.sub(element, snowflake)


def format_time(node: exp.TimeToStr) -> exp.Expression:
    """A date or time as text."""
    return macro("FORMATTED", _as_timestamp(node.this), exp.Literal.string(_format_of(node)))


def parse_time(node: exp.Expression) -> exp.Expression | None:
    """A text as a date or time, by a format."""
    if node.args.get("format") is not None:
        node.set("format", exp.Literal.string(_format_of(node)))
    return None


def _format_of(node: exp.Expression) -> str:
    given = node.args["format"]
    if not isinstance(given, exp.Literal):
        raise unsupported("a computed format of dates or times")
    return engine_format(given.name)


def last_day(node: exp.LastDay) -> exp.Expression | None:
    """LAST_DAY of a month or of another part."""
    unit = node.args.get("unit")
    part = _part(unit, {"YEAR", "QUARTER", "MONTH", "WEEK"}) if unit is not None else "MONTH"
    return None if part == "MONTH" else macro(f"LAST_DAY_{part}", node.this)


def to_text(node: exp.ToChar) -> exp.Expression:
    """TO_CHAR and TO_VARCHAR."""
    given = node.args.get("format")
    if given is None:
        return macro("TEXT", node.this)
    if re.search(r"[09$]", given.name.upper().replace("FF9", "")):
        raise unsupported(f"TO_CHAR of a number with the format {given.name}")
    return macro("FORMATTED", _as_timestamp(node.this), exp.Literal.string(_format_of(node)))
