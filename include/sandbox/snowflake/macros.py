"""DuckDB macros for the functions that the engine has in another sense than Snowflake."""

from __future__ import annotations

HOME = "memory.main"
# Overloaded by type: of a DATE Snowflake makes a DATE, where the engine makes a timestamp.
_BY_TYPE = "(x DATE, {by}) AS CAST({value} AS DATE), " + ", ".join(
    f"(x {type_}, {{by}}) AS {{value}}" for type_ in ("TIMESTAMP", "TIMESTAMPTZ")
)
MACROS = [
    f"CREATE MACRO {HOME}._truncated {_BY_TYPE.format(by='part VARCHAR', value='date_trunc(part, x)')}",
    f"CREATE MACRO {HOME}._moved {_BY_TYPE.format(by='span INTERVAL', value='x + span')}",
    f"""CREATE MACRO {HOME}._width_bucket(x, low, high, buckets) AS
        CASE WHEN x < low THEN 0 WHEN x >= high THEN buckets + 1
        ELSE CAST(floor((x - low) / (high - low) * buckets) AS BIGINT) + 1 END""",
]
