"""What Snowflake has and the sandbox knowingly has not, with the reason in a few words.

The table makes the refusals say why, and the list in the README of what does not work.
"""

from __future__ import annotations

import re

_CONTAINERS = "it runs no containers"
_POLICIES = "it has one owner, from whom nothing is to be kept"
_OUTSIDE = "it reaches no other service"

# A kind of object or a statement, by its words, and why there is none.
REFUSED: dict[str, str] = {
    "COMPUTE POOL": _CONTAINERS,
    "EXECUTE JOB SERVICE": _CONTAINERS,
    "SERVICE": _CONTAINERS,
    "IMAGE REPOSITORY": _CONTAINERS,
    "STREAMLIT": _CONTAINERS,
    "NOTEBOOK": _CONTAINERS,
    "FUNCTION": "it runs no functions of the user's; a model's methods can be called",
    "AGGREGATE FUNCTION": "it runs no functions of the user's",
    "EXTERNAL FUNCTION": _OUTSIDE,
    "PROCEDURE": "it runs no procedures of the user's; a block of plain statements can be an alert's or a task's",
    "STREAM": "it keeps no record of a table's changes",
    "PIPE": "it loads no files by itself; COPY INTO does",
    "EXTERNAL TABLE": _OUTSIDE,
    "ICEBERG TABLE": _OUTSIDE,
    "EVENT TABLE": "it keeps no events of functions and services",
    "HYBRID TABLE": "its tables are all of one kind",
    "MATERIALIZED VIEW": "it refreshes dynamic tables only",
    "SHARE": "it is one account",
    "LISTING": "it is one account",
    "DATABASE ROLE": "its roles are the account's",
    "REPLICATION GROUP": "it is one account",
    "FAILOVER GROUP": "it is one account",
    "CONNECTION": "it is one account",
    "ACCOUNT": "it is one account, with its parameters as they are",
    "MANAGED ACCOUNT": "it is one account",
    "APPLICATION": "it runs no native apps",
    "APPLICATION PACKAGE": "it runs no native apps",
    "MASKING POLICY": _POLICIES,
    "ROW ACCESS POLICY": _POLICIES,
    "AGGREGATION POLICY": _POLICIES,
    "PROJECTION POLICY": _POLICIES,
    "PRIVACY POLICY": _POLICIES,
    "NETWORK POLICY": "it listens on this machine only",
    "NETWORK RULE": "it listens on this machine only",
    "PASSWORD POLICY": _POLICIES,
    "SESSION POLICY": _POLICIES,
    "AUTHENTICATION POLICY": _POLICIES,
    "PACKAGES POLICY": _POLICIES,
    "RESOURCE MONITOR": "its warehouses cost nothing",
    "SECRET": _OUTSIDE,
    "GIT REPOSITORY": _OUTSIDE,
    "API INTEGRATION": _OUTSIDE,
    "EXTERNAL ACCESS INTEGRATION": _OUTSIDE,
    "SECURITY INTEGRATION": _OUTSIDE,
    "STORAGE INTEGRATION": _OUTSIDE,
    "CATALOG INTEGRATION": _OUTSIDE,
    "EXTERNAL VOLUME": _OUTSIDE,
    "CORTEX SEARCH SERVICE": "it has no language models",
    "SEMANTIC VIEW": "it has no language models",
    "AGENT": "it has no language models",
    "EXECUTE NOTEBOOK": _CONTAINERS,
    "CALL": "it runs no procedures of the user's, only some of Snowflake's",
    "SNOWFLAKE SCRIPTING": "its blocks are plain statements, without variables, branches, loops and handlers",
    "GRANT OWNERSHIP": "every object is the account's one owner's",
    "CHANGES": "it keeps no record of a table's changes",
    "MATCH_RECOGNIZE": "the engine has nothing like it",
}
_WORDS = re.compile(r"[A-Z_]+")
_VERBS = {"CREATE", "ALTER", "DROP", "SHOW", "DESC", "DESCRIBE", "UNDROP", "USE", "COMMENT"}
_MODIFIERS = {"OR", "REPLACE", "TEMPORARY", "TEMP", "TRANSIENT", "SECURE", "ON", "ALTER", "IF", "NOT", "EXISTS"}


def reason(what: str) -> str | None:
    """Why something is refused, by the first words of its statement or the name of its kind."""
    words = _WORDS.findall(what.upper())
    if words and words[0] in _VERBS:
        words = words[1:]
        while words and words[0] in _MODIFIERS:
            words = words[1:]
    for length in (3, 2, 1):
        for phrase in (" ".join(words[:length]), " ".join(words[:length]).removesuffix("S")):
            if phrase in REFUSED:
                return REFUSED[phrase]
    return None


def markdown() -> str:
    """One line a kind, for the README."""
    lines = [f"| `{what}` | {why} |" for what, why in sorted(REFUSED.items())]
    return "\n".join(["| Refused | Why the sandbox has none |", "|---|---|", *lines])
