"""The tokens of SQL text, for statements that hold others: blocks, alerts, tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|(?<!:)//[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<word>[A-Za-z_][\w$]*)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<sign>:=|=>|::|<=|>=|<>|!=|.)""",
    re.DOTALL | re.VERBOSE,
)

# What follows BEGIN where it opens a transaction, and no block.
_TRANSACTION = ("WORK", "TRANSACTION", "NAME")


@dataclass(frozen=True)
class Token:
    """A word, sign, number, string (`text`) or quoted name, and where it stands."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.start + len(self.text)

    def is_word(self, *words: str) -> bool:
        """True if it is one of these keywords, in any case."""
        return self.kind == "word" and self.text.upper() in words


def tokens(sql: str) -> list[Token]:
    """The tokens of a text, without spaces and comments."""
    found = ((str(match.lastgroup), match) for match in _TOKEN.finditer(sql))
    return [Token(kind, match[0], match.start()) for kind, match in found if kind != "gap"]


def closing(found: list[Token], opening: int) -> int | None:
    """The index of the parenthesis that closes the one at an index, if there is one."""
    depth = 0
    for index in range(opening, len(found)):
        if found[index].kind == "sign":
            depth += {"(": 1, ")": -1}.get(found[index].text, 0)
            if depth == 0:
                return index
    return None


def is_block(sql: str) -> bool:
    """True if the text is a block of statements, `BEGIN ... END`, rather than one of them."""
    found = tokens(sql)
    if found and found[0].is_word("DECLARE"):
        return True
    return len(found) > 1 and found[0].is_word("BEGIN") and found[1].text != ";" and not found[1].is_word(*_TRANSACTION)


def holds_statements(sql: str) -> bool:
    """True if the text is a statement that other statements are a part of: a block, an alert, a task."""
    words = [token.text.upper() for token in tokens(sql)[:4]]
    if words[:1] in (["CREATE"], ["ALTER"]) and not {"ALERT", "TASK"}.isdisjoint(words[1:]):
        return True
    return is_block(sql)
