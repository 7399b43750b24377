"""DuckDB macros for the functions that the engine lacks, or has in another sense than Snowflake.

A macro's name is the function's, behind a prefix; `functions` calls the macro wherever a statement calls the
function. Three tricks recur: `typeof(x)` is a constant to the optimizer, so a CASE over it costs nothing and
lets one macro serve all types; `cast_to_type(a, b)` gives `a` the type of `b` and never computes `b`;
`to_json(x)` leaves JSON as it is.
"""

from __future__ import annotations

from sqlglot import exp

HOME = "memory.main"
PREFIX = f"{HOME}._sf_"

_TEXT_OF_FLOAT = """(CASE WHEN isnan(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) THEN 'NaN'
    WHEN abs(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) < 1e15
        AND trunc(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) = TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)
    THEN CAST(TRY_CAST(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE) AS BIGINT) AS VARCHAR)
    ELSE CAST(x AS VARCHAR) END)"""
# Values that compare equal hash equal, whatever their types; numbers of up to 15 digits are compared as such.
_HASHABLE = """CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN
    (CASE WHEN abs(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) < 1e15 THEN
        CAST(TRY_CAST(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE) + 0.0 AS DOUBLE) AS VARCHAR) ELSE CAST(x AS VARCHAR) END)
    WHEN typeof(x) IN ('INTEGER', 'BIGINT', 'SMALLINT', 'TINYINT', 'HUGEINT', 'UBIGINT', 'UINTEGER')
        OR starts_with(typeof(x), 'DECIMAL') THEN
    (CASE WHEN abs(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) < 1e15
        THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE) AS VARCHAR) ELSE CAST(x AS VARCHAR) END)
    WHEN typeof(x) IN ('BLOB', 'JSON', 'VARCHAR') THEN 's' || CAST(x AS VARCHAR)
    ELSE typeof(x) || CAST(x AS VARCHAR) END"""
_JSONS = "CAST(to_json(a) AS JSON[])"
_KIND = "json_type(to_json(x))"
_ISO_WEEK_START = "CAST(date_trunc('week', x) AS DATE)"

# By Snowflake's name; several bodies are overloads by the number of arguments.
_DEFINITIONS: dict[str, str | tuple[str, ...]] = {
    # numbers
    "DIVIDE": "(x, y) AS CASE WHEN y = 0 THEN error('Division by zero') "
    "ELSE cast_to_type(x / y, x * 1.000000 + 0 * y) END",
    "DIV0": "(x, y) AS CASE WHEN y = 0 AND x IS NOT NULL THEN 0 ELSE cast_to_type(x / y, x * 1.000000 + 0 * y) END",
    "DIV0NULL": "(x, y) AS CASE WHEN (y = 0 OR y IS NULL) AND x IS NOT NULL THEN 0 "
    "ELSE cast_to_type(x / y, x * 1.000000 + 0 * y) END",
    "AVERAGE": "(average, sample) AS cast_to_type(average, sample * 1.000000)",
    # Exact, as Snowflake's is for few values. Of equal counts the smaller value comes first.
    "APPROX_TOP_K": tuple(
        f"({parameters}) AS to_json(list_transform(list_slice(list_sort(list_transform(map_entries(histogram(x)), "
        f"e -> {{'n': -CAST(e.value AS BIGINT), 'v': e.key}})), 1, {k}), s -> json_array(s.v, -s.n)))"
        for parameters, k in (("x", "1"), ("x, k", "k"), ("x, k, counters", "k"))
    ),
    "WIDTH_BUCKET": """(x, low, high, buckets) AS
        CASE WHEN x < low THEN 0 WHEN x >= high THEN buckets + 1
        ELSE CAST(floor((x - low) / (high - low) * buckets) AS BIGINT) + 1 END""",
    "HASH1": f"(x) AS {_HASHABLE}",
    "ROUNDED": "(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') "
    "THEN CAST(round(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) AS BIGINT) ELSE CAST(x AS BIGINT) END",
    "CBRT": "(x) AS sign(x) * round(power(abs(x), 1.0 / 3), 14)",
    # text
    "TEXT": f"""(x) AS CASE typeof(x)
        WHEN 'VARCHAR' THEN CAST(x AS VARCHAR)
        WHEN 'JSON' THEN json_extract_string(to_json(x), '$')
        WHEN 'DOUBLE' THEN {_TEXT_OF_FLOAT}
        WHEN 'FLOAT' THEN {_TEXT_OF_FLOAT}
        WHEN 'TIMESTAMP' THEN strftime(TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%g')
        WHEN 'TIMESTAMP WITH TIME ZONE'
        THEN strftime(TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%g +0000')
        WHEN 'TIME' THEN left(CAST(x AS VARCHAR), 8)
        WHEN 'BLOB' THEN hex(TRY_CAST(x AS BLOB))
        ELSE CAST(x AS VARCHAR) END""",
    "SHORT_TEXT": "(x, n) AS CASE WHEN length(x) > n "
    "THEN error('String ''' || x || ''' is too long and would be truncated') ELSE x END",
    "RANDSTR": "(n) AS array_to_string(list_transform(range(n), i -> substr("
    "'0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', "
    "1 + CAST(floor(random() * 62 + 0 * i) AS INTEGER), 1)), '')",
    "BINARY": "(x) AS CASE typeof(x) WHEN 'BLOB' THEN TRY_CAST(x AS BLOB) ELSE unhex(CAST(x AS VARCHAR)) END",
    "BINARY_OF_BASE64": "(x) AS from_base64(x)",
    "BINARY_OF_UTF8": "(x) AS encode(x)",
    "SPLIT": "(x, separator) AS CASE WHEN x IS NULL OR separator IS NULL THEN NULL "
    "WHEN separator = '' THEN to_json([x]) ELSE to_json(string_split(x, separator)) END",
    "STRTOK_TO_ARRAY": (
        "(x) AS to_json(list_filter(string_split(x, ' '), t -> t <> ''))",
        "(x, separators) AS to_json(list_filter("
        "string_split(translate(x, separators, repeat(left(separators, 1), length(separators))), left(separators, 1)), "
        "t -> t <> ''))",
    ),
    "OCTET_LENGTH": "(x) AS octet_length(encode(x))",
    "BIT_LENGTH": "(x) AS 8 * octet_length(encode(x))",
    "ASCII": "(x) AS CASE WHEN x = '' THEN 0 ELSE ord(x) END",
    "CHARINDEX": (
        "(part, x) AS strpos(x, part)",
        "(part, x, start) AS CASE WHEN strpos(substr(x, greatest(start, 1)), part) = 0 THEN 0 "
        "ELSE strpos(substr(x, greatest(start, 1)), part) + greatest(start, 1) - 1 END",
    ),
    "BASE64_ENCODE": "(x) AS to_base64(encode(x))",
    "RTRIMMED_LENGTH": "(x) AS length(rtrim(x, ' '))",
    "REGEXP_COUNT": "(x, pattern) AS CASE WHEN pattern = '' THEN 0 ELSE len(regexp_extract_all(x, pattern)) END",
    # Of what is found, the n-th.
    "REGEXP_SUBSTR": (
        "(x, pattern) AS regexp_extract_all(x, pattern)[1]",
        "(x, pattern, start) AS regexp_extract_all(substr(x, start), pattern)[1]",
        "(x, pattern, start, occurrence) AS regexp_extract_all(substr(x, start), pattern)[occurrence]",
    ),
    "REGEXP_INSTR": "(x, pattern) AS CASE WHEN x IS NULL OR pattern IS NULL THEN NULL "
    "WHEN NOT regexp_matches(x, pattern) THEN 0 ELSE strpos(x, regexp_extract(x, pattern)) END",
    "REGEXP_SUBSTR_ALL": "(x, pattern) AS to_json(regexp_extract_all(x, pattern))",
    # dates
    "DATE_TRUNC": "(part, x) AS cast_to_type(date_trunc(part, x), x)",
    "WEEKS_BETWEEN": "(earlier, later) AS "
    "date_diff('day', date_trunc('week', earlier), date_trunc('week', later)) // 7",
    "MOVED": "(x, span) AS cast_to_type(x + span, x)",
    "DATEADD_MONTHS": "(x, n) AS cast_to_type(CASE WHEN last_day(x) = CAST(x AS DATE) "
    "THEN CAST(last_day(x + to_months(n)) AS TIMESTAMP) + (CAST(x AS TIMESTAMP) - CAST(CAST(x AS DATE) AS TIMESTAMP)) "
    "ELSE CAST(x + to_months(n) AS TIMESTAMP) END, x)",
    "TIME_SLICE": "(x, width, origin) AS cast_to_type(time_bucket(width, CAST(x AS TIMESTAMP), origin), x)",
    "TIME_SLICE_END": "(x, width, origin) AS cast_to_type(time_bucket(width, CAST(x AS TIMESTAMP), origin) + width, x)",
    "IN_ZONE": "(source, target, x) AS CAST(x AS TIMESTAMP) AT TIME ZONE source AT TIME ZONE target",
    "FORMATTED": "(x, pattern) AS strftime(x, pattern)",
    "MONTHS_BETWEEN": """(a, b) AS CAST(round(CASE
        WHEN day(a) = day(b) OR (last_day(a) = CAST(a AS DATE) AND last_day(b) = CAST(b AS DATE))
        THEN (year(a) - year(b)) * 12 + month(a) - month(b)
        ELSE (year(a) - year(b)) * 12 + month(a) - month(b)
            + (epoch(a) - epoch(date_trunc('month', a)) - epoch(b) + epoch(date_trunc('month', b))) / 86400 / 31
        END, 6) AS DECIMAL(38, 6))""",
    "LAST_DAY_YEAR": "(x) AS make_date(year(x), 12, 31)",
    "LAST_DAY_QUARTER": "(x) AS CAST(date_trunc('quarter', x) + INTERVAL 3 MONTH - INTERVAL 1 DAY AS DATE)",
    "LAST_DAY_WEEK": f"(x) AS {_ISO_WEEK_START} + 6",
    # semi-structured values
    "TYPEOF": f"""(x) AS CASE {_KIND} WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'BIGINT' THEN 'INTEGER'
        WHEN 'HUGEINT' THEN 'INTEGER' WHEN 'DOUBLE'
        THEN (CASE WHEN contains(lower(CAST(to_json(x) AS VARCHAR)), 'e') THEN 'DOUBLE' ELSE 'DECIMAL' END)
        WHEN 'NULL' THEN 'NULL_VALUE' ELSE {_KIND} END""",
    "IS_INTEGER": f"(x) AS {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT')",
    "IS_DECIMAL": f"(x) AS {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')",
    "IS_DOUBLE": f"(x) AS {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')",
    "IS_REAL": f"(x) AS {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')",
    "IS_VARCHAR": f"(x) AS {_KIND} = 'VARCHAR'",
    "IS_CHAR": f"(x) AS {_KIND} = 'VARCHAR'",
    "IS_BOOLEAN": f"(x) AS {_KIND} = 'BOOLEAN'",
    "IS_OBJECT": f"(x) AS {_KIND} = 'OBJECT'",
    "IS_ARRAY": f"(x) AS {_KIND} = 'ARRAY'",
    "IS_NULL_VALUE": f"(x) AS {_KIND} = 'NULL'",
    "AS_INTEGER": f"(x) AS CASE WHEN {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT') THEN CAST(to_json(x) AS BIGINT) END",
    "AS_DOUBLE": f"(x) AS CASE WHEN {_KIND} IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE') "
    "THEN CAST(to_json(x) AS DOUBLE) END",
    "AS_VARCHAR": f"(x) AS CASE WHEN {_KIND} = 'VARCHAR' THEN json_extract_string(to_json(x), '$') END",
    "AS_CHAR": f"(x) AS CASE WHEN {_KIND} = 'VARCHAR' THEN json_extract_string(to_json(x), '$') END",
    "AS_BOOLEAN": f"(x) AS CASE WHEN {_KIND} = 'BOOLEAN' THEN CAST(to_json(x) AS BOOLEAN) END",
    "AS_ARRAY": f"(x) AS CASE WHEN {_KIND} = 'ARRAY' THEN to_json(x) END",
    "AS_OBJECT": f"(x) AS CASE WHEN {_KIND} = 'OBJECT' THEN to_json(x) END",
    "TO_VARIANT": "(x) AS to_json(x)",
    "TO_ARRAY": f"(x) AS CASE WHEN x IS NULL THEN NULL WHEN {_KIND} = 'ARRAY' THEN to_json(x) ELSE json_array(x) END",
    "TO_OBJECT": f"(x) AS CASE WHEN x IS NULL OR {_KIND} = 'OBJECT' THEN to_json(x) "
    "ELSE error('Failed to cast variant value to OBJECT') END",
    "OBJECT_KEYS": "(x) AS to_json(list_sort(json_keys(to_json(x))))",
    "OBJECT_INSERT": (
        "(o, k, v) AS CASE WHEN list_contains(json_keys(to_json(o)), k) "
        "THEN to_json(error('Duplicate field key ''' || k || '''')) WHEN v IS NULL THEN to_json(o) "
        "ELSE json_merge_patch(to_json(o), json_object(CAST(k AS VARCHAR), v)) END",
        "(o, k, v, update) AS CASE WHEN NOT update AND list_contains(json_keys(to_json(o)), k) "
        "THEN to_json(error('Duplicate field key ''' || k || '''')) "
        "ELSE json_merge_patch(to_json(o), json_object(CAST(k AS VARCHAR), v)) END",
    ),
    "ARRAY_SIZE": "(a) AS CASE WHEN json_type(to_json(a)) = 'ARRAY' THEN json_array_length(to_json(a)) END",
    "ARRAY_CONTAINS": f"(x, a) AS list_contains({_JSONS}, to_json(x))",
    "ARRAY_POSITION": f"(x, a) AS list_position({_JSONS}, to_json(x)) - 1",
    "ARRAY_APPEND": f"(a, x) AS to_json(list_append({_JSONS}, to_json(x)))",
    "ARRAY_PREPEND": f"(a, x) AS to_json(list_prepend(to_json(x), {_JSONS}))",
    "ARRAY_CAT": f"(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL "
    f"ELSE to_json(list_concat({_JSONS}, CAST(to_json(b) AS JSON[]))) END",
    "ARRAY_COMPACT": f"(a) AS to_json(list_filter({_JSONS}, e -> json_type(e) <> 'NULL'))",
    "ARRAY_DISTINCT": f"(a) AS to_json(list_reduce({_JSONS}, "
    "(found, e) -> CASE WHEN list_contains(found, e) THEN found ELSE list_append(found, e) END, CAST([] AS JSON[])))",
    "ARRAY_INSERT": f"(a, n, x) AS to_json(list_concat(list_append(({_JSONS})[:n], to_json(x)), ({_JSONS})[n + 1:]))",
    "ARRAY_REMOVE": f"(a, x) AS to_json(list_filter({_JSONS}, e -> e <> to_json(x)))",
    "ARRAY_REMOVE_AT": f"(a, n) AS to_json(list_concat(({_JSONS})[:n], ({_JSONS})[n + 2:]))",
    "ARRAY_REVERSE": f"(a) AS to_json(list_reverse({_JSONS}))",
    "ARRAY_FLATTEN": "(a) AS to_json(flatten(CAST(to_json(a) AS JSON[][])))",
    "ARRAY_TO_STRING": f"(a, separator) AS list_aggregate(list_transform({_JSONS}, "
    "e -> coalesce(json_extract_string(e, '$'), '')), 'string_agg', separator)",
    "ARRAY_GENERATE_RANGE": (
        "(low, high) AS to_json(range(low, high))",
        "(low, high, step) AS to_json(range(low, high, step))",
    ),
    "ARRAY_SLICE": f"""(a, low, high) AS to_json(({_JSONS})
        [CASE WHEN low < 0 THEN greatest(len({_JSONS}) + low, 0) ELSE low END + 1:
         CASE WHEN high < 0 THEN len({_JSONS}) + high ELSE high END])""",
    "OBJECT_DELETE": "(o, k) AS json_merge_patch(to_json(o), json_object(CAST(k AS VARCHAR), NULL))",
    "OBJECT_PICK": "(o, k) AS CASE WHEN list_contains(json_keys(to_json(o)), k) "
    "THEN json_object(CAST(k AS VARCHAR), json_extract(to_json(o), k)) ELSE CAST('{}' AS JSON) END",
    # A VARIANT that is compared takes the other side's type.
    "AS_NUMBER_OF": "(x) AS CAST(json_extract_string(to_json(x), '$') AS DOUBLE)",
    "AS_TYPE_OF": "(x, other) AS cast_to_type(json_extract_string(to_json(x), '$'), other)",
    "TRY_TO_TIMESTAMP": "(x) AS TRY_CAST(x AS TIMESTAMP)",
    "TRY_TO_TIMESTAMP_NTZ": "(x) AS TRY_CAST(x AS TIMESTAMP)",
    "ARRAYS_OVERLAP": f"(a, b) AS list_has_any({_JSONS}, CAST(to_json(b) AS JSON[]))",
}


MACROS = [
    f"CREATE MACRO {PREFIX}{name} {bodies if isinstance(bodies, str) else ', '.join(bodies)}"
    for name, bodies in _DEFINITIONS.items()
]
NAMES = frozenset(_DEFINITIONS)


def macro(name: str, *arguments: exp.Expr) -> exp.Expression:
    """A call of one of the sandbox's macros."""
    return exp.Anonymous(this=f"{PREFIX}{name}", expressions=[a.copy() for a in arguments])


def is_macro(node: exp.Expr | None, name: str) -> bool:
    """True for a call of that macro."""
    return isinstance(node, exp.Anonymous) and node.this == f"{PREFIX}{name}"


def engine_function(name: str, *arguments: exp.Expr) -> exp.Expression:
    """A call of one of the engine's functions."""
    return exp.Anonymous(this=name, expressions=[a.copy() for a in arguments])
