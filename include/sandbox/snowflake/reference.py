"""The lists of the README: what works and what is refused, from the code's own tables.

`python -m include.sandbox.snowflake.reference` writes them into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlglot import exp

from include.sandbox.snowflake import refusals, statements
from include.sandbox.snowflake.automation import procedures
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.sql import constants, known_functions, tables

README = Path(__file__).parents[1] / "README.md"
_VERBS = {"CREATE", "ALTER", "DROP", "SHOW", "EXECUTE", "COMMENT", "ON", "USE", "CALL", "SELECT"}
MARK = "<!-- From here on written by `python -m include.sandbox.snowflake.reference`. -->\n"


def markdown() -> str:
    """What works: statements, table functions, views, functions, procedures, parameters. Then what is refused."""
    statements.load()
    works = [(_readable(s.grammar), s.doc) for s in grammar.STATEMENTS]
    return "\n\n".join(
        [
            "## The statements that the sandbox carries out itself",
            "Queries, INSERT, UPDATE, DELETE, MERGE, and CREATE, ALTER and DROP of tables and views go to the engine.",
            _table("Statement", "What it does", sorted(works, key=_by_object)),
            "## Table functions and views",
            _table("`TABLE(...)`", "Its rows", _documented(tables.TABLE_FUNCTIONS)),
            _table("`INFORMATION_SCHEMA`", "Its rows", _documented(tables.VIEWS)),
            "## Functions",
            _listed(_functions()),
            "## Procedures",
            _table("`CALL`", "What it does", _documented(procedures.PROCEDURES)),
            "## Session parameters",
            _listed(parameters.PARAMETERS),
            "## What is refused",
            "Error 2, `Unsupported feature`, names what it was. This is what the sandbox knows that it has not; "
            "whatever else is in no list above is refused as well.",
            _table("Refused", "Why", sorted(refusals.REFUSED.items())),
            "Functions of Snowflake's that are not there: " + _listed(known_functions.MISSING),
        ]
    )


def _table(first: str, second: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([f"| {first} | {second} |", "|---|---|", *(f"| `{a}` | {b} |" for a, b in rows)])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) + "."


def _documented(functions: Mapping[str, Callable[..., Any]]) -> list[tuple[str, str]]:
    return [(name, (f.__doc__ or "").strip().split("\n")[0]) for name, f in sorted(functions.items())]


def _by_object(row: tuple[str, str]) -> tuple[str, str]:
    """What a statement is about comes before what it does to it."""
    words = re.findall(r"[A-Z_$]{2,}", re.sub(r"\[[^]]*\]|\(\w+(\\\|\w+)*\)|<\w+>", "", row[0]))
    about = [word for word in words if word not in _VERBS] or words or [""]
    return (about[0].rstrip("S"), row[0])


def _readable(text: str) -> str:
    """A grammar without the names of its values' kinds."""
    text = re.sub(r":\w+\}", "}", text)
    text = re.sub(r"\[[a-z_]+:", "[", text)
    return text.replace("{", "<").replace("}", ">").replace("|", "\\|")


def _functions() -> list[str]:
    """The functions of a query, by the names that Snowflake writes them with."""
    parsed = (_written(name) for name in known_functions.PARSED)
    return sorted({*filter(None, parsed), *known_functions.NAMED, *constants.CONSTANT_FUNCTIONS} - {"MODEL"})


def _written(name: str) -> str | None:
    """The name of a function that the parser knows; operators such as AND have none."""
    function = getattr(exp, name)
    arguments = {key: exp.column("x") for key, required in function.arg_types.items() if required}
    if "expressions" in arguments:
        arguments["expressions"] = [exp.column("x")]
    if "to" in arguments:
        arguments["to"] = exp.DataType.build("INT")
    if name == "Case":
        return None
    found = re.match(r"[A-Z_0-9]+(?=\(|\Z)", function(**arguments).sql(dialect="snowflake"))
    return found[0] if found else None


def write() -> None:
    """Put the lists into the README, in the place of those that are there."""
    above = README.read_text().split(MARK)[0]
    README.write_text(f"{above}{MARK}\n{markdown()}\n")


if __name__ == "__main__":
    write()
