"""Texts of files as values of the engine, and values as texts, by a file format's rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import unsupported

if TYPE_CHECKING:
    from include.sandbox.snowflake.staging.formats import FileFormat

_PARTS = [
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MON", "%b"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("FF3", "%g"),
    ("FF6", "%f"),
    ("FF9", "%n"),
    ("FF", "%n"),
    ("TZHTZM", "%z"),
    ("TZH:TZM", "%z"),
]
_PART = re.compile("|".join(name for name, _ in sorted(_PARTS, key=lambda p: -len(p[0]))), re.IGNORECASE)
_ZONE = r"\s*(Z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
_WRONG = {
    "BOOLEAN": (100037, "22018", "Boolean value '{}' is not recognized"),
    "DATE": (100040, "22007", "Date '{}' is not recognized"),
    "TIME": (100108, "22007", "Time '{}' is not recognized"),
    "TIMESTAMP": (100035, "22007", "Timestamp '{}' is not recognized"),
    "JSON": (100069, "22P02", "Error parsing JSON: {}"),
    "BLOB": (100115, "22018", "The following string is not a legal hex-encoded value: '{}'"),
}


def pattern(format_: str) -> str:
    """A date format of Snowflake's in the engine's signs."""
    names = dict(_PARTS)
    made = "".join(
        names[piece.upper()] if _PART.fullmatch(piece) else _plain(piece, format_)
        for piece in re.split(f"({_PART.pattern})", format_, flags=re.IGNORECASE)
    )
    return "'" + made.replace("'", "''") + "'"


def _plain(piece: str, format_: str) -> str:
    literal = re.sub(r'"([^"]*)"', "", piece)
    if re.search(r"[A-SU-Za-su-z]", literal):  # a `T` stands between date and time
        raise unsupported(f"the format '{format_}'")
    return piece.replace('"', "").replace("%", "%%")


def wrong_value(type_: str, value: str) -> tuple[int, str, str]:
    """Number, SQLSTATE and text of the error for a text that is no value of a type."""
    kind = "TIMESTAMP" if type_.startswith("TIMESTAMP") else type_
    code, state, message = _WRONG.get(kind, (100038, "22018", "Numeric value '{}' is not recognized"))
    return code, state, message.format(value)


def read(column: str, type_: str, format_: FileFormat) -> str:
    """The value of a text, NULL if it is none of this type."""
    if type_ == "VARCHAR":
        return column
    if type_ == "BOOLEAN":
        return (
            f"CASE WHEN lower({column}) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true "
            f"WHEN lower({column}) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END"
        )
    if type_ == "JSON":
        return f"CASE WHEN json_valid({column}) THEN {column}::JSON END"
    if type_ == "BLOB":
        how = {"HEX": "unhex({0})", "BASE64": "from_base64({0})"}.get(format_["BINARY_FORMAT"], "encode({0})")
        return f"TRY({how.format(column)})"
    if type_ == "DATE":
        return _read_date(column, format_["DATE_FORMAT"])
    if type_ == "TIME":
        if format_["TIME_FORMAT"].upper() != "AUTO":
            return f"try_strptime({column}, {pattern(format_['TIME_FORMAT'])})::TIME"
        return f"TRY_CAST({column} AS TIME)"
    if type_.startswith("TIMESTAMP"):
        return _read_timestamp(column, type_, format_["TIMESTAMP_FORMAT"])
    number = rf"CASE WHEN NOT regexp_matches({column}, '[_a-df-zA-DF-Z]') THEN {column} END"
    if type_ in {"DOUBLE", "FLOAT"}:
        return f"TRY_CAST(replace({column}, '_', '?') AS {type_})"
    return f"TRY_CAST({number} AS {type_})"


def _read_date(column: str, format_: str) -> str:
    if format_.upper() != "AUTO":
        return f"try_strptime({column}, {pattern(format_)})::DATE"
    return (
        f"CASE WHEN regexp_full_match({column}, '-?\\d+') THEN TRY_CAST({_epoch(column)} AS DATE) ELSE coalesce("
        f"TRY_CAST({column} AS DATE), try_strptime({column}, ['%d-%b-%Y', '%m/%d/%Y'])::DATE) END"
    )


def _read_timestamp(column: str, type_: str, format_: str) -> str:
    if format_.upper() != "AUTO":
        return f"TRY_CAST(try_strptime({column}, {pattern(format_)}) AS {type_})"
    local = column if "ZONE" in type_ else f"regexp_replace({column}, '{_ZONE}', '')"
    return (
        f"CASE WHEN regexp_full_match({column}, '-?\\d+') THEN TRY_CAST({_epoch(column)} AS {type_}) ELSE coalesce("
        f"TRY_CAST({local} AS {type_}), "
        f"try_strptime({local}, ['%m/%d/%Y %H:%M:%S', '%a %b %d %H:%M:%S %Y'])::{type_}) END"
    )


def _epoch(column: str) -> str:
    """A whole number is seconds, or smaller units when it is too large for that."""
    number = f"TRY_CAST({column} AS BIGINT)"
    return (
        f"CASE WHEN abs({number}) < 31536000000 THEN make_timestamp({number} * 1000000) "
        f"WHEN abs({number}) < 31536000000000 THEN make_timestamp({number} * 1000) "
        f"WHEN abs({number}) < 31536000000000000 THEN make_timestamp({number}) "
        f"ELSE make_timestamp({number} // 1000) END"
    )


def write(column: str, type_: str, format_: FileFormat) -> str:
    """The text of a value."""
    if type_ in {"DOUBLE", "FLOAT"}:
        return f"regexp_replace(replace({column}::VARCHAR, 'nan', 'NaN'), '\\.0$', '')"
    if type_ == "DATE" and format_["DATE_FORMAT"].upper() != "AUTO":
        return f"strftime({column}, {pattern(format_['DATE_FORMAT'])})"
    if type_ == "TIME" and format_["TIME_FORMAT"].upper() != "AUTO":
        return f"strftime(DATE '1970-01-01' + {column}, {pattern(format_['TIME_FORMAT'])})"
    if type_ == "TIME":
        return f"substr({column}::VARCHAR, 1, 8)"
    if type_.startswith("TIMESTAMP"):
        if format_["TIMESTAMP_FORMAT"].upper() != "AUTO":
            return f"strftime({column}, {pattern(format_['TIMESTAMP_FORMAT'])})"
        zone = " || ' Z'" if "ZONE" in type_ else ""
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%g'){zone}"
    if type_ == "BLOB":
        how = {"HEX": "hex({0})", "BASE64": "to_base64({0})"}.get(format_["BINARY_FORMAT"], "decode({0})")
        return how.format(column)
    return f"{column}::VARCHAR"
