"""The parameters of sessions and the account: what each is here, and which values the sandbox can honour.

A value that would have no effect here is refused, by name. `CLIENT_…` parameters are the clients' own business:
the server's part is to hand them back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported

Check = Callable[[str], bool]


@dataclass(frozen=True)
class Parameter:
    """A parameter: its default, its type, what it does, and a test of the values that work."""

    name: str
    default: str
    type: str
    description: str
    works: Check

    def parse(self, value: Any) -> str:
        """The value as it is kept; Snowflake's error for nonsense, a refusal for what has no effect here."""
        text = str(value).strip() if self.type != "STRING" else str(value)
        if self.type == "BOOLEAN":
            text = {"1": "true", "0": "false", "on": "true", "off": "false"}.get(text.lower(), text.lower())
        if (self.type == "BOOLEAN" and text not in {"true", "false"}) or (self.type == "NUMBER" and not _number(text)):
            raise SqlError(
                1007, "22023", f"{COMPILATION}invalid type [{value}] for parameter '{self.name}', expected {self.type}"
            )
        if not self.works(text):
            raise unsupported(f"{self.name} = {value}")
        return text


def _number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


def _any(_: str) -> bool:
    return True


def _one_of(*values: str) -> Check:
    allowed = {value.lower() for value in values}
    return lambda text: text.lower() in allowed


_UTC = _one_of("UTC", "Etc/UTC")
_TIMESTAMP = "YYYY-MM-DD HH24:MI:SS.FF3"
_ZONED = "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM"

# Name, default, type, description, and the values that work: `_any`, or those that change nothing here.
_SESSION: list[tuple[str, str, str, str, Check | None]] = [
    ("ABORT_DETACHED_QUERY", "false", "BOOLEAN", "Abort statements whose client is gone", None),
    ("AUTOCOMMIT", "true", "BOOLEAN", "Commit each statement outside of transactions", _any),
    ("BINARY_INPUT_FORMAT", "HEX", "STRING", "Format of binary values as text", None),
    ("BINARY_OUTPUT_FORMAT", "HEX", "STRING", "Format of binary values as text", None),
    ("DATE_INPUT_FORMAT", "AUTO", "STRING", "Format of dates as text", None),
    ("DATE_OUTPUT_FORMAT", "YYYY-MM-DD", "STRING", "Format of dates as text", None),
    ("ERROR_ON_NONDETERMINISTIC_MERGE", "true", "BOOLEAN", "Refuse a MERGE of several rows into one", None),
    ("ERROR_ON_NONDETERMINISTIC_UPDATE", "false", "BOOLEAN", "Refuse an UPDATE of one row by several", None),
    ("GEOGRAPHY_OUTPUT_FORMAT", "GeoJSON", "STRING", "Format of geographical values", None),
    ("JSON_INDENT", "2", "NUMBER", "Blanks before the lines of JSON", _any),
    ("LOCK_TIMEOUT", "43200", "NUMBER", "Seconds to wait for a lock", _any),
    ("MULTI_STATEMENT_COUNT", "1", "NUMBER", "Statements in one request; 0 is any number", _any),
    ("PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "ARROW", "STRING", "Form of results", None),
    ("QUERY_RESULT_FORMAT", "ARROW", "STRING", "Form of results", None),
    ("QUERY_TAG", "", "STRING", "String (up to 2000 characters) used to tag statements", lambda t: len(t) <= 2000),
    ("QUOTED_IDENTIFIERS_IGNORE_CASE", "false", "BOOLEAN", "Take quoted names as capitals", None),
    ("ROWS_PER_RESULTSET", "0", "NUMBER", "The most rows of a result; 0 is any number", None),
    ("SIMULATED_DATA_SHARING_CONSUMER", "", "STRING", "Consumer account to simulate", None),
    ("STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", "0", "NUMBER", "Seconds to wait for a warehouse; none is needed", _any),
    ("STATEMENT_TIMEOUT_IN_SECONDS", "172800", "NUMBER", "Seconds after which a statement is canceled", _any),
    ("STRICT_JSON_OUTPUT", "false", "BOOLEAN", "Write JSON by the letter of its standard", None),
    ("TIMESTAMP_DAY_IS_ALWAYS_24H", "false", "BOOLEAN", "Days of 24 hours, whatever the clock does", _any),
    ("TIMESTAMP_INPUT_FORMAT", "AUTO", "STRING", "Format of timestamps as text", None),
    ("TIMESTAMP_LTZ_OUTPUT_FORMAT", "", "STRING", "Format of timestamps as text", None),
    ("TIMESTAMP_NTZ_OUTPUT_FORMAT", _TIMESTAMP, "STRING", "Format of timestamps as text", None),
    ("TIMESTAMP_OUTPUT_FORMAT", _ZONED, "STRING", "Format of timestamps as text", None),
    ("TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_NTZ", "STRING", "What TIMESTAMP means", None),
    ("TIMESTAMP_TZ_OUTPUT_FORMAT", "", "STRING", "Format of timestamps as text", None),
    ("TIMEZONE", "Etc/UTC", "STRING", "Time zone", _UTC),
    ("TIME_INPUT_FORMAT", "AUTO", "STRING", "Format of times as text", None),
    ("TIME_OUTPUT_FORMAT", "HH24:MI:SS", "STRING", "Format of times as text", None),
    ("TRANSACTION_ABORT_ON_ERROR", "false", "BOOLEAN", "Roll back when a statement fails", None),
    ("TRANSACTION_DEFAULT_ISOLATION_LEVEL", "READ COMMITTED", "STRING", "How transactions are isolated", None),
    ("TWO_DIGIT_CENTURY_START", "1970", "NUMBER", "First year of dates with two digits", None),
    ("UNSUPPORTED_DDL_ACTION", "ignore", "STRING", "What to do with constraints that are not enforced", None),
    ("USE_CACHED_RESULT", "true", "BOOLEAN", "Answer from earlier results; each query is run here", _any),
    ("WEEK_OF_YEAR_POLICY", "0", "NUMBER", "Which week of a year is its first", None),
    ("WEEK_START", "0", "NUMBER", "First day of a week", _one_of("0", "1")),
    ("CLIENT_ENABLE_LOG_INFO_STATEMENT_PARAMETERS", "false", "BOOLEAN", "The client's own", _any),
    ("CLIENT_MEMORY_LIMIT", "1536", "NUMBER", "The client's own", _any),
    ("CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX", "false", "BOOLEAN", "The client's own", _any),
    ("CLIENT_PREFETCH_THREADS", "4", "NUMBER", "The client's own", _any),
    ("CLIENT_REQUEST_MFA_TOKEN", "false", "BOOLEAN", "The client's own", _any),
    ("CLIENT_RESULT_CHUNK_SIZE", "160", "NUMBER", "The client's own", _any),
    ("CLIENT_RESULT_COLUMN_CASE_INSENSITIVE", "false", "BOOLEAN", "The client's own", _any),
    ("CLIENT_SESSION_KEEP_ALIVE", "false", "BOOLEAN", "Keep an idle session alive", _any),
    ("CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "3600", "NUMBER", "Seconds between signs of life", _any),
    ("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "0", "NUMBER", "Bound values that go through a stage", _one_of("0")),
    ("CLIENT_STORE_TEMPORARY_CREDENTIAL", "false", "BOOLEAN", "The client's own", _any),
    ("CLIENT_TELEMETRY_ENABLED", "false", "BOOLEAN", "Let the client report of itself", _any),
    ("CLIENT_TIMESTAMP_TYPE_MAPPING", "TIMESTAMP_LTZ", "STRING", "The client's own", _any),
    ("CLIENT_VALIDATE_DEFAULT_PARAMETERS", "false", "BOOLEAN", "The client's own", _any),
]


def _works(default: str, check: Check | None) -> Check:
    return check or (lambda text: text.lower() == default.lower())


PARAMETERS = {
    name: Parameter(name, default, type_, description, _works(default, check))
    for name, default, type_, description, check in _SESSION
}
DEFAULTS = {name: parameter.default for name, parameter in PARAMETERS.items()}

# Those that the server hands to clients at log-in and with each answer.
FOR_CLIENTS = [
    "AUTOCOMMIT",
    "TIMEZONE",
    *(name for name in PARAMETERS if name.startswith("CLIENT_") or name.endswith("_OUTPUT_FORMAT")),
]


def find(name: str) -> Parameter:
    """A parameter by its name in any case; one that is not known is refused."""
    if parameter := PARAMETERS.get(name.upper()):
        return parameter
    raise unsupported(f"parameter {name.upper()}")


def for_clients(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters that concern clients, in the types that they expect."""
    return [{"name": name, "value": _typed(PARAMETERS[name], values[name])} for name in FOR_CLIENTS]


def _typed(parameter: Parameter, value: Any) -> Any:
    if parameter.type == "BOOLEAN":
        return str(value).lower() == "true"
    return int(value) if parameter.type == "NUMBER" else value
