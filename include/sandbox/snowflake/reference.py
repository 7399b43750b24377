"""The list of statements in the README, from the table of them: `python -m include.sandbox.snowflake.reference`."""

from __future__ import annotations

import re

from include.sandbox.snowflake import grammar, refusals, statements


def markdown() -> str:
    """One line a statement: its grammar, and what it does."""
    statements.load()
    lines = [f"| `{_readable(s.grammar)}` | {s.doc} |" for s in grammar.STATEMENTS]
    return "\n".join(["| Statement | What it does |", "|---|---|", *lines])


def _readable(text: str) -> str:
    """A grammar without the names of its values' kinds."""
    text = re.sub(r":\w+\}", "}", text)
    for option in ("replace", "absent", "exists", "everywhere"):
        text = text.replace(f"[{option}:", "[")
    return text.replace("{", "<").replace("}", ">").replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), refusals.markdown(), sep="\n\n")
