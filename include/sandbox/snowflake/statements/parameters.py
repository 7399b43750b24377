"""The SQL of parameters and of session variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.errors import syntax_error, unsupported
from include.sandbox.snowflake.language import scanner
from include.sandbox.snowflake.language.grammar import matches, resolve_identifier, statement, unquote
from include.sandbox.snowflake.language.variables import Variable
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

# ---- parameters ----------------------------------------------------------------------------------


@statement("ALTER SESSION SET {settings:rest}")
def alter_session_set(session: Session, settings: str) -> Result:
    """Set session parameters; a value that would have no effect here is refused."""
    given = [(parameters.find(name), value) for name, value in _settings(settings)]
    for parameter, value in given:
        parameter.parse(value)
    for parameter, value in given:
        session.set_parameter(parameter, value)
    return status(DONE)


@statement("ALTER SESSION UNSET {names:rest}")
def alter_session_unset(session: Session, names: str) -> Result:
    """Give session parameters their defaults."""
    given = [parameters.find(t.text) for t in scanner.tokens(names) if t.text not in {",", ";"}]
    if not given:
        raise syntax_error("UNSET is to be followed by names.")
    for parameter in given:
        session.set_parameter(parameter, parameter.default)
    return status(DONE)


def _settings(text: str) -> list[tuple[str, str]]:
    """The names and values of a SET."""
    found = [t for t in scanner.tokens(text) if t.text not in {",", ";"}]
    pairs: list[tuple[str, str]] = []
    while found:
        if len(found) < 3 or found[0].kind != "word" or found[1].text != "=":
            raise syntax_error(f"unexpected '{found[0].text}'.")
        sign = "-" if found[2].text == "-" else ""
        name, value = found[0].text, found[3 if sign else 2]
        pairs.append((name, sign + (unquote(value.text) if value.kind == "text" else value.text)))
        del found[: 4 if sign else 3]
    if not pairs:
        raise syntax_error("SET is to be followed by a name.")
    return pairs


_PARAMETER_COLUMNS = ["key", "value", "default", "level", "description", "type"]


@statement(
    "SHOW PARAMETERS [LIKE {like:text}] [(IN|FOR) (SESSION|[account:ACCOUNT]|USER [{user:ident}]"
    "|WAREHOUSE [{warehouse:ident}]|DATABASE [{database:ident}]|SCHEMA [{schema:name}]|TABLE [{table:name}])]"
)
def show_parameters(session: Session, like: str | None, **place: str | None) -> Result:
    """List the parameters that the sandbox knows, with the session's values or the account's."""
    named = {kind: name for kind, name in place.items() if name and kind != "account"}
    for kind, name in named.items():
        if kind in {"database", "schema", "table"}:
            raise unsupported(f"SHOW PARAMETERS IN {kind.upper()}")
        if kind == "user":
            session.account.users.get(resolve_identifier(name))
        else:
            session.account.warehouses.get(resolve_identifier(name))
    values = parameters.DEFAULTS if named or place["account"] else session.parameters
    known = list(parameters.PARAMETERS.values())
    if "warehouse" in named:
        known = [p for p in known if p.name.startswith("STATEMENT_")]
    records = [
        {
            "key": parameter.name,
            "value": str(values[parameter.name]),
            "default": parameter.default,
            "level": "" if values[parameter.name] == parameter.default else "SESSION",
            "description": parameter.description,
            "type": parameter.type,
        }
        for parameter in known
        if matches(parameter.name, like)
    ]
    return rows(records, _PARAMETER_COLUMNS)


# ---- variables -----------------------------------------------------------------------------------

_VARIABLE_COLUMNS = {
    "session_id": pa.string(),
    "created_on": CREATED_ON,
    "updated_on": CREATED_ON,
    "name": pa.string(),
    "value": pa.string(),
    "type": pa.string(),
    "comment": pa.string(),
}


@statement("SHOW VARIABLES [LIKE {like:text}] [IN SESSION]")
def show_variables(session: Session, like: str | None) -> Result:
    """List the session's variables."""
    records = [
        {
            "session_id": str(session.id),
            "created_on": variable.created_on,
            "updated_on": variable.updated_on,
            "name": name,
            "value": variable.text,
            "type": variable.type,
            "comment": "",
        }
        for name, variable in sorted(session.variables.items())
        if matches(name, like)
    ]
    return rows(records, _VARIABLE_COLUMNS)


@statement("SET {assignments:rest}")
def set_variables(session: Session, assignments: str, params: Any = None) -> Result:
    """Set session variables: `SET a = 1`, or several as in `SET (a, b) = (1, 2)`."""
    names, values = _assigned(assignments)
    query = f"SELECT {', '.join(f'{value} AS v{i}' for i, value in enumerate(values))}"
    found = execution.run(session, query, params).table
    if found.num_rows != 1 or found.num_columns != len(names):
        raise syntax_error("SET needs as many values as names.")
    for position, name in enumerate(names):
        session.variables[name] = Variable.of(found.column(position)[0].as_py(), session.variables.get(name))
    return status(DONE)


def _assigned(text: str) -> tuple[list[str], list[str]]:
    """The names and the expressions of a SET."""
    found = scanner.tokens(text)
    sign = next((i for i, token in enumerate(found) if token.text == "="), 0)
    names = [t for t in found[:sign] if t.kind in {"word", "quoted"}]
    expression = text[found[sign].end :].strip() if found else ""
    if not names or not expression:
        raise syntax_error(f"unexpected in SET: {text}")
    if found[0].text != "(":
        values = [expression]
    elif found[-1].text == ")" and found[sign + 1].text == "(":
        values = _parts(text, found[sign + 2 : -1], found[-1].start)
    else:
        raise syntax_error(f"unexpected in SET: {text}")
    if len(names) != len(values):
        raise syntax_error("SET needs as many values as names.")
    return [resolve_identifier(t.text) for t in names], values


def _parts(text: str, found: list[scanner.Token], end: int) -> list[str]:
    """The expressions between commas that stand in no parentheses of their own."""
    depth, start, parts = 0, found[0].start if found else end, []
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append(text[start : token.start])
            start = token.end
    return [*parts, text[start:end]]


@statement("UNSET {name:ident}")
def unset_variable(session: Session, name: str) -> Result:
    """Forget a session variable."""
    session.variables.pop(resolve_identifier(name), None)
    return status(DONE)


@statement("UNSET {names:rest}")
def unset_variables(session: Session, names: str) -> Result:
    """Forget session variables: `UNSET (a, b)`."""
    found = scanner.tokens(names)
    if len(found) < 3 or found[0].text != "(" or found[-1].text != ")":
        raise syntax_error(f"unexpected in UNSET: {names}")
    for token in found[1:-1]:
        if token.text != ",":
            session.variables.pop(resolve_identifier(token.text), None)
    return status(DONE)
