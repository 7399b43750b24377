"""File formats: their options, what these may be, and the named ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, unsupported
from include.sandbox.snowflake.language.options import Word, boolean, invalid_option, invalid_value, number

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

KIND = "FILE FORMAT"
Check = Callable[[str, Any], Any]


def _text(name: str, value: Any) -> str | None:
    """A text, or NONE for there being none."""
    if isinstance(value, Word) and value.upper() in {"NONE", "NULL"}:
        return None
    if not isinstance(value, str):
        raise invalid_value(name, value)
    return None if value.upper() == "NONE" else str(value)


def _texts(name: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return [str(v) for v in value]
    if isinstance(value, str):
        return [str(value)]
    raise invalid_value(name, value)


def _one_of(*allowed: str) -> Check:
    def check(name: str, value: Any) -> str:
        if str(value).upper() not in allowed:
            raise invalid_value(name, value)
        return str(value).upper()

    return check


def _delimiter(name: str, value: Any) -> str | None:
    text = _text(name, value)
    if text is not None and not 0 < len(text) <= 20:
        raise invalid_value(name, value)
    if text and text.lower().startswith(("\\x", "0x")):
        text = bytes.fromhex(text[2:]).decode("latin-1")
    return text


def _character(name: str, value: Any) -> str | None:
    text = _delimiter(name, value)
    if text is not None and len(text) != 1:
        raise invalid_value(name, value)
    return text


def _format(name: str, value: Any) -> str:
    return str(_text(name, value) or "AUTO")


_COMPRESSION = _one_of("AUTO", "GZIP", "BZ2", "BROTLI", "ZSTD", "DEFLATE", "RAW_DEFLATE", "NONE")
_DATES: dict[str, tuple[Any, Check]] = {
    "DATE_FORMAT": ("AUTO", _format),
    "TIME_FORMAT": ("AUTO", _format),
    "TIMESTAMP_FORMAT": ("AUTO", _format),
    "BINARY_FORMAT": ("HEX", _one_of("HEX", "BASE64", "UTF8", "UTF-8")),
}
_ENCODINGS = ("UTF8", "UTF-8", "ISO88591", "ISO-8859-1", "LATIN1", "WINDOWS1252", "UTF16", "UTF16LE", "UTF16BE")
# For each type of file: an option's default, and what checks a value.
OPTIONS: dict[str, dict[str, tuple[Any, Check]]] = {
    "CSV": {
        "COMPRESSION": ("AUTO", _COMPRESSION),
        "RECORD_DELIMITER": ("\n", _delimiter),
        "FIELD_DELIMITER": (",", _delimiter),
        "MULTI_LINE": (True, boolean),
        "FILE_EXTENSION": (None, _text),
        "PARSE_HEADER": (False, boolean),
        "SKIP_HEADER": (0, number),
        "SKIP_BLANK_LINES": (False, boolean),
        **_DATES,
        "ESCAPE": (None, _character),
        "ESCAPE_UNENCLOSED_FIELD": ("\\", _character),
        "TRIM_SPACE": (False, boolean),
        "FIELD_OPTIONALLY_ENCLOSED_BY": (None, _character),
        "NULL_IF": (["\\N"], _texts),
        "ERROR_ON_COLUMN_COUNT_MISMATCH": (True, boolean),
        "VALIDATE_UTF8": (True, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "EMPTY_FIELD_AS_NULL": (True, boolean),
        "SKIP_BYTE_ORDER_MARK": (True, boolean),
        "ENCODING": ("UTF8", _one_of(*_ENCODINGS)),
    },
    "JSON": {
        "COMPRESSION": ("AUTO", _COMPRESSION),
        "FILE_EXTENSION": (None, _text),
        **_DATES,
        "TRIM_SPACE": (False, boolean),
        "MULTI_LINE": (True, boolean),
        "NULL_IF": ([], _texts),
        "ENABLE_OCTAL": (False, boolean),
        "ALLOW_DUPLICATE": (False, boolean),
        "STRIP_OUTER_ARRAY": (False, boolean),
        "STRIP_NULL_VALUES": (False, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "IGNORE_UTF8_ERRORS": (False, boolean),
        "SKIP_BYTE_ORDER_MARK": (True, boolean),
    },
    "PARQUET": {
        "COMPRESSION": ("AUTO", _one_of("AUTO", "LZO", "SNAPPY", "GZIP", "ZSTD", "NONE")),
        "SNAPPY_COMPRESSION": (True, boolean),
        "BINARY_AS_TEXT": (True, boolean),
        "USE_LOGICAL_TYPE": (False, boolean),
        "TRIM_SPACE": (False, boolean),
        "USE_VECTORIZED_SCANNER": (False, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "NULL_IF": ([], _texts),
    },
    "AVRO": {
        "COMPRESSION": ("AUTO", _COMPRESSION),
        "TRIM_SPACE": (False, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "NULL_IF": ([], _texts),
    },
    "ORC": {
        "TRIM_SPACE": (False, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "NULL_IF": ([], _texts),
    },
    "XML": {
        "COMPRESSION": ("AUTO", _COMPRESSION),
        "IGNORE_UTF8_ERRORS": (False, boolean),
        "PRESERVE_SPACE": (False, boolean),
        "STRIP_OUTER_ELEMENT": (False, boolean),
        "DISABLE_SNOWFLAKE_DATA": (False, boolean),
        "DISABLE_AUTO_CONVERT": (False, boolean),
        "REPLACE_INVALID_CHARACTERS": (False, boolean),
        "SKIP_BYTE_ORDER_MARK": (True, boolean),
    },
}
# What no file can be read or written with here: the option, and the values that change nothing.
_NOT_HONOURED: dict[str, dict[str, Any]] = {
    "CSV": {"MULTI_LINE": True, "VALIDATE_UTF8": True},
    "JSON": {
        "TRIM_SPACE": False,
        "NULL_IF": [],
        "ENABLE_OCTAL": False,
        "STRIP_NULL_VALUES": False,
        "REPLACE_INVALID_CHARACTERS": False,
        "IGNORE_UTF8_ERRORS": False,
        "SKIP_BYTE_ORDER_MARK": True,
        "DATE_FORMAT": "AUTO",
        "TIME_FORMAT": "AUTO",
        "TIMESTAMP_FORMAT": "AUTO",
        "BINARY_FORMAT": "HEX",
        "MULTI_LINE": True,
    },
    "PARQUET": {"TRIM_SPACE": False, "REPLACE_INVALID_CHARACTERS": False, "NULL_IF": []},
}


@dataclass(frozen=True)
class FileFormat:
    """A type of file with those options that were set."""

    type: str
    options: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """An option's value, set or by default."""
        return self.options.get(name, OPTIONS[self.type][name][0])

    def check_usable(self) -> None:
        """Refuse files and options that cannot be honoured."""
        if self.type not in _NOT_HONOURED:
            raise unsupported(f"FILE_FORMAT = (TYPE = {self.type})")
        for name, value in _NOT_HONOURED[self.type].items():
            if self[name] != value:
                raise unsupported(f"FILE_FORMAT = (TYPE = {self.type} {name} = {self[name]})")
        if self.type != "PARQUET" and self["COMPRESSION"] == "BROTLI":
            raise unsupported("FILE_FORMAT = (COMPRESSION = BROTLI)")

    def definition(self) -> dict[str, Any]:
        """Plain values, to be kept in the catalog."""
        return {"TYPE": self.type, **self.options}


def checked(given: dict[str, Any], base: FileFormat | None = None) -> FileFormat:
    """A format of the options that a statement gives, added to those of a format that was there."""
    given = dict(given)
    type_ = str(given.pop("TYPE", base.type if base else "CSV")).upper()
    if type_ not in OPTIONS:
        raise invalid_value("TYPE", type_)
    if base and base.type != type_:
        base = None
    values = dict(base.options) if base else {}
    for name, value in given.items():
        if name not in OPTIONS[type_]:
            raise invalid_option(name)
        values[name] = OPTIONS[type_][name][1](name, value)
    made = FileFormat(type_, values)
    if type_ == "CSV" and made["PARSE_HEADER"] and made["SKIP_HEADER"]:
        raise SqlError(1008, "22023", f"{COMPILATION}PARSE_HEADER = TRUE and SKIP_HEADER cannot be set together")
    return made


def resolve(session: Session, given: Any, base: FileFormat | None = None) -> FileFormat:
    """The format of a `FILE_FORMAT =` clause: options, FORMAT_NAME with options, or a bare name."""
    if given is None:
        return base or checked({})
    if isinstance(given, str):
        return named(session, given)
    if not isinstance(given, dict):
        raise invalid_value("FILE_FORMAT", given)
    given = dict(given)
    if (name := given.pop("FORMAT_NAME", None)) is not None:
        return checked(given, named(session, str(name)))
    return checked(given, None if "TYPE" in given else base)


def named(session: Session, name: str) -> FileFormat:
    """A named file format."""
    key = session.qualify(name)
    definition = session.temporary_objects.get((KIND, key))
    if definition is None:
        found = session.account.catalog.find(KIND, key)
        if not found:
            raise not_found("File format", ".".join(key))
        definition = found.definition
    return from_definition(definition)


def from_definition(definition: dict[str, Any]) -> FileFormat:
    """A format as the catalog keeps it."""
    options = {k: v for k, v in definition.items() if k.isupper() and k != "TYPE"}
    return FileFormat(definition["TYPE"], options)


def described(kept: FileFormat) -> list[dict[str, Any]]:
    """A format's options as DESC FILE FORMAT and DESC STAGE list them."""
    records = [("TYPE", kept.type, "CSV")]
    records += [(name, kept[name], default) for name, (default, _) in OPTIONS[kept.type].items()]
    return [
        {
            "property": name,
            "property_type": _kind(default),
            "property_value": _shown(value),
            "property_default": _shown(default),
        }
        for name, value, default in records
    ]


def _kind(value: Any) -> str:
    return {bool: "Boolean", int: "Integer", list: "List"}.get(type(value), "String")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_shown(v) for v in value)}]"
    return str("NONE" if value is None else value).replace("\\", "\\\\").replace("\n", "\\n")
