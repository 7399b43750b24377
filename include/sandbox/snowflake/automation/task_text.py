"""The text of CREATE and ALTER TASK, taken apart and checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.automation import background
from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error, unsupported
from include.sandbox.snowflake.language import properties, scanner, scripting
from include.sandbox.snowflake.language.grammar import resolve_identifier, unquote
from include.sandbox.snowflake.language.scanner import Token
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.sql.constants import CONSTANT_FUNCTIONS

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Key
    from include.sandbox.snowflake.session import Session

_FIELDS = {
    "WAREHOUSE": "warehouse",
    "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE": "size",
    "SCHEDULE": "schedule",
    "CONFIG": "config",
    "ALLOW_OVERLAPPING_EXECUTION": "overlaps",
    "USER_TASK_TIMEOUT_MS": "timeout_ms",
    "SUSPEND_TASK_AFTER_NUM_FAILURES": "suspend_after",
    "TASK_AUTO_RETRY_ATTEMPTS": "retries",
    "COMMENT": "comment",
    "FINALIZE": "finalize",
}
_REFUSED = (
    *("ERROR_INTEGRATION", "SUCCESS_INTEGRATION", "LOG_LEVEL", "TRACE_LEVEL", "OVERLAP_POLICY", "SCHEDULING_MODE"),
    *("TARGET_COMPLETION_INTERVAL", "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS", "EXECUTE", "CLONE"),
    *("SERVERLESS_TASK_MIN_STATEMENT_SIZE", "SERVERLESS_TASK_MAX_STATEMENT_SIZE"),
)
KINDS = {
    **dict.fromkeys(["WAREHOUSE", "FINALIZE"], "name"),
    **dict.fromkeys(["SCHEDULE", "CONFIG", "COMMENT"], "text"),
    **dict.fromkeys(["USER_TASK_TIMEOUT_MS", "SUSPEND_TASK_AFTER_NUM_FAILURES", "TASK_AUTO_RETRY_ATTEMPTS"], "number"),
    "ALLOW_OVERLAPPING_EXECUTION": "flag",
    "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE": "word",
    **dict.fromkeys(_REFUSED, properties.REFUSED),
    **{name: "scalar" for name in parameters.PARAMETERS if name not in _REFUSED},
}
_RANGES = {
    "USER_TASK_TIMEOUT_MS": (0, 604_800_000),
    "SUSPEND_TASK_AFTER_NUM_FAILURES": (0, 2**31 - 1),
    "TASK_AUTO_RETRY_ATTEMPTS": (0, 30),
}
_SIZES = {"XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "X-SMALL", "X-LARGE", "2X-LARGE", "XXXLARGE"}


def read(session: Session, key: Key, rest: str) -> dict[str, Any]:
    """What a CREATE says behind the task's name, as fields of a definition."""
    fields: dict[str, Any] = {"parameters": {}}
    while True:
        found = properties.parse(rest, KINDS, "TASK", stops=("AFTER", "WHEN", "AS"))
        settings = settings_of(session, key, found.values)
        fields["parameters"] |= settings.pop("parameters")
        fields |= settings
        rest = rest[found.end :]
        words = scanner.tokens(rest)
        if not words:
            raise syntax_error("a task says what it does: AS <sql>.")
        behind = rest[words[0].end :]
        if words[0].is_word("AS"):
            fields["sql"] = body(behind)
            return fields
        if words[0].is_word("WHEN"):
            end = _end_of_condition(words)
            fields["when"], rest = condition(rest[words[0].end : words[end].start]), rest[words[end].start :]
        else:
            fields["after"], rest = _names_up_to_next(key, behind)


def settings_of(session: Session, key: Key, values: dict[str, Any]) -> dict[str, Any]:
    """Properties as fields of a definition, checked; session parameters apart, under `parameters`."""
    fields: dict[str, Any] = {"parameters": {}}
    for name, value in values.items():
        if name not in _FIELDS:
            fields["parameters"][name] = _parameter(name, value)
            continue
        if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            raise properties.invalid_value(value, name)
        fields[_FIELDS[name]] = value
    if "warehouse" in fields:
        fields["warehouse"] = background.check_warehouse(session, fields["warehouse"])
    if "size" in fields and fields["size"] not in _SIZES:
        raise properties.invalid_value(fields["size"], "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE")
    if fields.get("warehouse") and fields.get("size"):
        raise SqlError(
            1422, "22023", f"{COMPILATION}a task has a WAREHOUSE or a USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE."
        )
    if "schedule" in fields:
        background.check_schedule(fields["schedule"])
    if "config" in fields:
        config(fields["config"])
    if "finalize" in fields:
        fields["finalize"] = _in_schema(key, fields["finalize"])
    return fields


def unset(text: str) -> tuple[list[str], list[str]]:
    """The fields and the session parameters that an UNSET names."""
    names = properties.names(text, KINDS, "TASK")
    return [_FIELDS[n] for n in names if n in _FIELDS], [n for n in names if n not in _FIELDS]


def names(key: Key, text: str) -> list[str]:
    """The names of tasks, separated by commas, in the schema of a task."""
    found, rest = _names_up_to_next(key, text)
    if rest.strip():
        raise syntax_error(f"unexpected '{rest.strip()}'.")
    return found


def body(text: str) -> str:
    """What a task does: a statement or a block, of which the syntax is checked."""
    sql = text.strip()
    while sql.endswith(";") and not scanner.is_block(sql):
        sql = sql[:-1].rstrip()
    if not sql:
        raise syntax_error("a task says what it does: AS <sql>.")
    scripting.check(sql)
    return sql


def condition(text: str) -> str:
    """The condition of a task; the functions of Snowflake's own in it must be there."""
    for token in scanner.tokens(text):
        name = token.text.upper()
        if token.kind == "word" and name.startswith("SYSTEM$") and name not in CONSTANT_FUNCTIONS:
            raise unsupported(f"WHEN {name}")
    if not text.strip():
        raise syntax_error("WHEN is followed by a condition.")
    scripting.check(f"SELECT {text}")
    return text.strip()


def config(text: str) -> dict[str, Any]:
    """A configuration: the text of a JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SqlError(91400, "22000", "Invalid config. Must be a string representation of a valid JSON Object.")
    return value


def _parameter(name: str, value: str) -> str:
    if name == "AUTOCOMMIT" and value.upper() != "TRUE":
        what = f"AUTOCOMMIT = {value.lower()}"
        raise SqlError(
            91400, "22000", f"The parameter {what} is not supported with Tasks. Remove the parameter and try again."
        )
    return parameters.find(name).parse(value)


def _end_of_condition(found: list[Token]) -> int:
    """The index of the AS that ends a WHEN."""
    depth = 0
    for index, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
        if depth == 0 and token.is_word("AS"):
            return index
    raise syntax_error("a task says what it does: AS <sql>.")


def _names_up_to_next(key: Key, text: str) -> tuple[list[str], str]:
    """The names at the beginning of a text, and what follows them."""
    found = scanner.tokens(text)
    result: list[str] = []
    position = 0
    while position < len(found):
        parts = []
        while position < len(found) and found[position].kind in {"word", "quoted", "text"}:
            token = found[position]
            inside = scanner.tokens(unquote(token.text)) if token.kind == "text" else [token]
            parts += [resolve_identifier(part.text) for part in inside if part.text != "."]
            position += 1
            if position >= len(found) or found[position].text != ".":
                break
            position += 1
        if not parts:
            raise syntax_error(f"expected the name of a task, found '{found[position].text}'.")
        result.append(_in_schema(key, tuple(parts)))
        if position >= len(found) or found[position].text != ",":
            break
        position += 1
    if not result:
        raise syntax_error("expected the name of a task.")
    return list(dict.fromkeys(result)), text[found[position].start :] if position < len(found) else ""


def _in_schema(key: Key, name: tuple[str, ...]) -> str:
    """A task's name without its schema, which must be the one of the graph."""
    if len(name) > 3 or (*key[:2], "")[3 - len(name) : 2] != name[:-1]:
        raise SqlError(91400, "22000", f"Task {'.'.join(name)} is not in the schema of its graph, {'.'.join(key[:2])}.")
    return name[-1]
