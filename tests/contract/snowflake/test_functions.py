"""What functions and operators give, by Snowflake's documentation: one expression, one value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import refused

NUMBERS: list[tuple[str, Any]] = [
    ("1 / 3", Decimal("0.333333")),
    ("7 / 2", Decimal("3.5")),
    ("1.5 / 3", Decimal("0.5")),
    ("1::FLOAT / 3", 1 / 3),
    ("MOD(-7, 3)", -1),
    ("5.5 % 2", Decimal("1.5")),
    ("0.1 + 0.2", Decimal("0.3")),
    ("'5' * 2", 10),
    ("2.5::INT", 3),
    ("2.5::FLOAT::INT", 3),
    ("(-2.5)::FLOAT::INT", -3),
    ("'2.5'::INT", 3),
    ("ROUND(2.5)", 3),
    ("ROUND(-2.5)", -3),
    ("ROUND(2.345, 2)", Decimal("2.35")),
    ("ROUND(125, -1)", 130),
    ("TRUNC(2.567, 1)", Decimal("2.5")),
    ("CEIL(2.1)", 3),
    ("FLOOR(-2.1)", -3),
    ("ABS(-2)", 2),
    ("SIGN(-2)", -1),
    ("SQUARE(3)", 9),
    ("SQRT(4)", 2),
    ("CBRT(27)", pytest.approx(3)),
    ("POWER(2, 3)", 8),
    ("EXP(0)", 1),
    ("LN(1)", 0),
    ("LOG(2, 8)", 3),
    ("FACTORIAL(5)", 120),
    ("ROUND(PI(), 4)", pytest.approx(3.1416)),
    ("DEGREES(PI())", pytest.approx(180)),
    ("RADIANS(180)", pytest.approx(3.14159265)),
    ("SIN(0)", 0),
    ("ATAN2(1, 1)", pytest.approx(0.78539816)),
    ("HAVERSINE(0, 0, 0, 1)", pytest.approx(111.19492664)),
    ("BITAND(5, 3)", 1),
    ("BITOR(5, 3)", 7),
    ("BITXOR(5, 3)", 6),
    ("BITNOT(5)", -6),
    ("BITSHIFTLEFT(1, 3)", 8),
    ("BITSHIFTRIGHT(8, 2)", 2),
    ("DIV0(1, 0)", 0),
    ("DIV0(1, 4)", Decimal("0.25")),
    ("DIV0(1, NULL)", None),
    ("DIV0NULL(1, NULL)", 0),
    ("WIDTH_BUCKET(5.35, 0.024, 10.06, 5)", 3),
    ("WIDTH_BUCKET(-1, 0, 10, 5)", 0),
    ("WIDTH_BUCKET(10, 0, 10, 5)", 6),
    ("GREATEST(1, NULL, 3)", None),
    ("GREATEST_IGNORE_NULLS(1, NULL, 3)", 3),
    ("LEAST(2, 1)", 1),
    ("UNIFORM(1, 10, RANDOM()) BETWEEN 1 AND 10", True),
    ("UNIFORM(0::FLOAT, 1::FLOAT, RANDOM()) BETWEEN 0 AND 1", True),
    ("NORMAL(0, 1, RANDOM()) IS NOT NULL", True),
    ("LENGTH(RANDSTR(5, RANDOM()))", 5),
    ("LENGTH(UUID_STRING())", 36),
]
CONDITIONS: list[tuple[str, Any]] = [
    ("IFF(NULL, 1, 2)", 2),
    ("COALESCE(NULL, 1)", 1),
    ("IFNULL(NULL, 1)", 1),
    ("NVL(NULL, 'x')", "x"),
    ("NVL2(NULL, 1, 2)", 2),
    ("NULLIF(1, 1)", None),
    ("NULLIFZERO(0)", None),
    ("ZEROIFNULL(NULL)", 0),
    ("DECODE(NULL, NULL, 'n', 'x')", "n"),
    ("DECODE(2, 1, 'one', 'other')", "other"),
    ("EQUAL_NULL(NULL, NULL)", True),
    ("BOOLAND(1, 0)", False),
    ("BOOLOR(1, 0)", True),
    ("BOOLXOR(1, 1)", False),
    ("BOOLNOT(1)", False),
    ("CASE WHEN 1 = 1.0 THEN 'same' END", "same"),
    ("'a' = 'a '", False),
    ("1 BETWEEN 0 AND 2", True),
    ("TRUE::INT", 1),
    ("TO_BOOLEAN('off')", False),
    ("TRY_TO_BOOLEAN('zz')", None),
    ("NULL IS DISTINCT FROM 1", True),
]
TEXTS: list[tuple[str, Any]] = [
    ("1.50::VARCHAR", "1.50"),
    ("100::FLOAT::VARCHAR", "100"),
    ("1.5::FLOAT::VARCHAR", "1.5"),
    ("TRUE::VARCHAR", "true"),
    ("'2024-01-01'::DATE::VARCHAR", "2024-01-01"),
    ("'2024-01-01 01:02:03'::TIMESTAMP_NTZ::VARCHAR", "2024-01-01 01:02:03.000"),
    ("TO_VARCHAR(12)", "12"),
    ("17 || '76'", "1776"),
    ("'a' || NULL", None),
    ("'a' || 100::FLOAT", "a100"),
    ("CONCAT('2024-01-01 01:02:03'::TIMESTAMP_NTZ, '!')", "2024-01-01 01:02:03.000!"),
    ("CONCAT('a', 'b', 'c')", "abc"),
    ("CONCAT_WS('-', 'a', NULL, 'b')", None),
    ("SPLIT_PART('127.0.0.1', '.', -1)", "1"),
    ("SPLIT_PART('a.b.c', '.', 0)", "a"),
    ("SPLIT_PART('a.b.c', '.', 9)", ""),
    ("STRTOK('a.b.c', '.', 2)", "b"),
    ("SUBSTR('abcdef', -3)", "def"),
    ("SUBSTRING('abcdef', 2, 2)", "bc"),
    ("LEFT('abc', 2)", "ab"),
    ("RIGHT('abc', 2)", "bc"),
    ("POSITION('b', 'abc')", 2),
    ("CHARINDEX('b', 'abcb', 3)", 4),
    ("INITCAP('hello world-foo')", "Hello World-Foo"),
    ("LOWER('A')", "a"),
    ("UPPER('a')", "A"),
    ("REVERSE('abc')", "cba"),
    ("REPEAT('ab', 2)", "abab"),
    ("SPACE(2) || 'x'", "  x"),
    ("LPAD('a', 3, '*')", "**a"),
    ("RPAD('a', 3)", "a  "),
    ("TRIM('  a ')", "a"),
    ("LTRIM('xxa', 'x')", "a"),
    ("RTRIM('axx', 'x')", "a"),
    ("RTRIMMED_LENGTH('a ')", 1),
    ("TRANSLATE('abc', 'ab', 'x')", "xc"),
    ("REPLACE('abcb', 'b')", "ac"),
    ("REPLACE('abc', 'b', 'x')", "axc"),
    ("INSERT('abcdef', 2, 2, 'ZZZ')", "aZZZdef"),
    ("ASCII('a')", 97),
    ("CHR(97)", "a"),
    ("UNICODE('ä')", 228),
    ("LENGTH(12.50::FLOAT)::VARCHAR || ':' || LENGTH('äb')::VARCHAR(5)", "4:2"),
    ("(COUNT(*) OVER ())::VARCHAR || (ROW_NUMBER() OVER (ORDER BY 1))::TEXT", "11"),
    ("SUM(HASH(1)) = HASH(1) AND SUM(HASH(1))::VARCHAR = HASH(1)::VARCHAR", True),
    ("LENGTH('ä')", 1),
    ("OCTET_LENGTH('ä')", 2),
    ("BIT_LENGTH('a')", 8),
    ("MD5('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("SHA1('a')", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ("SHA2('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("BASE64_ENCODE('Snowflake')", "U25vd2ZsYWtl"),
    ("BASE64_DECODE_STRING('U25vd2ZsYWtl')", "Snowflake"),
    ("HEX_ENCODE('SNOW')", "534E4F57"),
    ("HEX_DECODE_STRING('534E4F57')", "SNOW"),
    ("EDITDISTANCE('abc', 'abd')", 1),
    ("JAROWINKLER_SIMILARITY('Dwayne', 'duane')", 84),
    ("CONTAINS('abc', 'b')", True),
    ("STARTSWITH('abc', 'a')", True),
    ("ENDSWITH('abc', 'a')", False),
    ("'abc' LIKE 'A%'", False),
    ("'abc' ILIKE 'A%'", True),
    ("'a_c' LIKE 'a^_c' ESCAPE '^'", True),
    ("'abc' LIKE ANY ('x%', 'a%')", True),
    ("'abc' LIKE ALL ('x%', 'a%')", False),
    ("'abc' RLIKE 'b'", False),
    ("REGEXP_LIKE('aBc', '.b.', 'i')", True),
    ("REGEXP_REPLACE('abcabc', 'b', 'X')", "aXcaXc"),
    ("REGEXP_SUBSTR('abc123d45', '[0-9]+')", "123"),
    ("REGEXP_SUBSTR('abc123d45', '[0-9]+', 1, 2)", "45"),
    ("REGEXP_SUBSTR('abc', '[0-9]+')", None),
    ("REGEXP_COUNT('abcabc', 'b')", 2),
    ("REGEXP_INSTR('abc', 'b')", 2),
]
DATES: list[tuple[str, Any]] = [
    ("TO_DATE('2024-01-02')", date(2024, 1, 2)),
    ("TO_DATE('02/01/2024', 'dd/mm/yyyy')", date(2024, 1, 2)),
    ("TRY_TO_DATE('x')", None),
    ("TO_TIMESTAMP('2024-01-02 03:04:05.678')", datetime(2024, 1, 2, 3, 4, 5, 678000)),  # noqa: DTZ001
    ("TO_TIMESTAMP(1704164645)", datetime(2024, 1, 2, 3, 4, 5)),  # noqa: DTZ001
    ("TO_TIMESTAMP(1704164645678, 3)", datetime(2024, 1, 2, 3, 4, 5, 678000)),  # noqa: DTZ001
    ("TO_TIMESTAMP('02.01.2024 03:04', 'DD.MM.YYYY HH24:MI')", datetime(2024, 1, 2, 3, 4)),  # noqa: DTZ001
    ("TRY_TO_TIMESTAMP_NTZ('x')", None),
    ("TO_TIME('12:34:56')", time(12, 34, 56)),
    ("TO_CHAR('2024-01-02'::DATE, 'yyyy/mm/dd')", "2024/01/02"),
    ("TO_CHAR('2024-01-02'::DATE, 'DD-Mon-YYYY DY')", "02-Jan-2024 Tue"),
    ("TO_VARCHAR('2024-01-02 03:04:05.678'::TIMESTAMP_NTZ, 'HH24:MI:SS.FF3')", "03:04:05.678"),
    ("DATEADD(month, 1, '2024-01-31'::DATE)", date(2024, 2, 29)),
    ("DATEADD('days', 1, '2024-01-31'::DATE)", date(2024, 2, 1)),
    ("DATEADD(hour, 1, '2024-01-31'::DATE)", datetime(2024, 1, 31, 1)),  # noqa: DTZ001
    ("TIMESTAMPADD(minute, -5, '2024-01-01'::TIMESTAMP_NTZ)", datetime(2023, 12, 31, 23, 55)),  # noqa: DTZ001
    ("ADD_MONTHS('2024-02-29'::DATE, 1)", date(2024, 3, 31)),
    ("ADD_MONTHS('2024-01-31'::DATE, 1)", date(2024, 2, 29)),
    ("'2024-01-01'::DATE + 1", date(2024, 1, 2)),
    ("'2024-01-01'::DATE - '2023-12-25'::DATE", 7),
    ("DATEDIFF(week, '2024-01-07'::DATE, '2024-01-08'::DATE)", 1),
    ("DATEDIFF('weeks', '2024-01-07'::DATE, '2024-01-08'::DATE)", 1),
    ("DATEDIFF(year, '2023-12-31', '2024-01-01')", 1),
    ("DATEDIFF(month, '2024-01-31'::DATE, '2024-02-01'::DATE)", 1),
    ("DATEDIFF(hour, '2024-01-01 00:59:00'::TIMESTAMP, '2024-01-01 01:00:00'::TIMESTAMP)", 1),
    ("TIMESTAMPDIFF(second, '2024-01-01'::DATE, '2024-01-02'::DATE)", 86400),
    ("DATE_TRUNC('week', '2024-01-07'::DATE)", date(2024, 1, 1)),
    ("DATE_TRUNC('mon', '2024-01-07 10:11:12'::TIMESTAMP)", datetime(2024, 1, 1)),  # noqa: DTZ001
    ("TRUNC('2024-05-07'::DATE, 'quarter')", date(2024, 4, 1)),
    ("LAST_DAY('2024-02-03'::DATE)", date(2024, 2, 29)),
    ("LAST_DAY('2024-02-03'::DATE, 'week')", date(2024, 2, 4)),
    ("LAST_DAY('2024-02-03'::DATE, 'year')", date(2024, 12, 31)),
    ("NEXT_DAY('2024-01-01'::DATE, 'fr')", date(2024, 1, 5)),
    ("PREVIOUS_DAY('2024-01-01'::DATE, 'mo')", date(2023, 12, 25)),
    ("DAYNAME('2024-01-01'::DATE)", "Mon"),
    ("MONTHNAME('2024-01-01'::DATE)", "Jan"),
    ("DAYOFWEEK('2024-01-07'::DATE)", 0),
    ("DAYOFWEEKISO('2024-01-07'::DATE)", 7),
    ("WEEK('2024-12-30'::DATE)", 1),
    ("WEEKISO('2024-12-30'::DATE)", 1),
    ("YEAROFWEEK('2024-12-30'::DATE)", 2025),
    ("QUARTER('2024-05-07'::DATE)", 2),
    ("DAYOFYEAR('2024-12-31'::DATE)", 366),
    ("YEAR('2024-05-07'::DATE)", 2024),
    ("MONTH('2024-05-07'::DATE)", 5),
    ("DAY('2024-05-07'::DATE)", 7),
    ("HOUR('2024-01-01 05:06:07'::TIMESTAMP)", 5),
    ("MINUTE('2024-01-01 05:06:07'::TIMESTAMP)", 6),
    ("SECOND('2024-01-01 05:06:07'::TIMESTAMP)", 7),
    ("DATE_PART(epoch_second, '2024-01-01'::TIMESTAMP)", 1704067200),
    ("EXTRACT(epoch FROM '2024-01-01'::TIMESTAMP)", 1704067200),
    ("DATE_PART('dayofweekiso', '2024-01-07'::DATE)", 7),
    ("TIME_SLICE('2024-01-07 10:11:12'::TIMESTAMP_NTZ, 15, 'minute', 'end')", datetime(2024, 1, 7, 10, 15)),  # noqa: DTZ001
    ("TIME_SLICE('2019-02-28'::DATE, 4, 'month', 'START')", date(2019, 1, 1)),
    ("DATE_FROM_PARTS(2024, 13, 1)", date(2025, 1, 1)),
    ("TIMESTAMP_FROM_PARTS(2024, 1, 2, 3, 4, 5)", datetime(2024, 1, 2, 3, 4, 5)),  # noqa: DTZ001
    ("TIME_FROM_PARTS(1, 2, 3)", time(1, 2, 3)),
    ("MONTHS_BETWEEN('2019-03-31'::DATE, '2019-02-28'::DATE)", 1),
    ("MONTHS_BETWEEN('2019-03-01'::DATE, '2019-02-15'::DATE)", Decimal("0.548387")),
    ("CONVERT_TIMEZONE('UTC', 'America/New_York', '2024-01-01 12:00:00'::TIMESTAMP_NTZ)", datetime(2024, 1, 1, 7)),  # noqa: DTZ001
]
CASTS: list[tuple[str, Any]] = [
    ("TO_NUMBER('12.3456', 10, 2)", Decimal("12.35")),
    ("TO_DECIMAL('1.5')", 2),
    ("TRY_TO_NUMBER('x')", None),
    ("TO_DOUBLE('1.5')", 1.5),
    ("TRY_CAST('x' AS INT)", None),
    ("TRY_CAST('1' AS INT)", 1),
    ("CAST('2024-01-01' AS DATE)", date(2024, 1, 1)),
    ("5::NUMBER(10, 2)", Decimal("5.00")),
    ("TO_BINARY('6162')", bytearray(b"ab")),
    ("TO_BINARY('ab', 'UTF-8')", bytearray(b"ab")),
    ("TO_BINARY('YWI=', 'BASE64')", bytearray(b"ab")),
    ("'6162'::BINARY", bytearray(b"ab")),
    ("'6162'::BINARY::VARCHAR", "6162"),
]
# Of semi-structured values the client gets a JSON text; what counts is what it says.
DOCUMENT = """PARSE_JSON('{"a": {"b": [1, 2, {"c": "x"}]}, "n": null, "i": 10, "j": 9, "s": "x"}')"""
SEMI_STRUCTURED: list[tuple[str, Any]] = [
    (f"{DOCUMENT}:a.b[0]", 1),
    (f"GET_PATH({DOCUMENT}, 'a.b[2].c')", "x"),
    (f"GET({DOCUMENT}, 's')", "x"),
    (f"{DOCUMENT}['a']['b'][1]", 2),
    ("TRY_PARSE_JSON('{x')", None),
    ("OBJECT_CONSTRUCT('a', 1, 'b', NULL)", {"a": 1}),
    ("OBJECT_CONSTRUCT_KEEP_NULL('a', 1, 'b', NULL)", {"a": 1, "b": None}),
    ("OBJECT_KEYS(PARSE_JSON('{\"b\": 1}'))", ["b"]),
    ("OBJECT_INSERT(PARSE_JSON('{\"b\": 1}'), 'c', 2)", {"b": 1, "c": 2}),
    ("OBJECT_INSERT(PARSE_JSON('{\"b\": 1}'), 'b', 2, TRUE)", {"b": 2}),
    ("OBJECT_DELETE(PARSE_JSON('{\"b\": 1, \"c\": 2}'), 'b')", {"c": 2}),
    ("OBJECT_PICK(PARSE_JSON('{\"b\": 1, \"c\": 2}'), 'b')", {"b": 1}),
    ("ARRAY_CONSTRUCT(1, 'a')", [1, "a"]),
    ("[1, 2]", [1, 2]),
    ("ARRAY_APPEND([1], 2)", [1, 2]),
    ("ARRAY_PREPEND([1], 0)", [0, 1]),
    ("ARRAY_CAT([1], [2])", [1, 2]),
    ("ARRAY_SLICE([0, 1, 2, 3], 1, 3)", [1, 2]),
    ("ARRAY_SLICE([0, 1, 2, 3], 0, -2)", [0, 1]),
    ("ARRAY_DISTINCT([1, 1, 2])", [1, 2]),
    ("ARRAY_COMPACT(ARRAY_CONSTRUCT(1, NULL))", [1]),
    ("ARRAY_FLATTEN([[1], [2]])", [1, 2]),
    ("ARRAY_GENERATE_RANGE(1, 4)", [1, 2, 3]),
    ("ARRAY_INSERT([1, 2], 1, 9)", [1, 9, 2]),
    ("ARRAY_REMOVE([1, 2], 1)", [2]),
    ("ARRAY_REVERSE([1, 2])", [2, 1]),
    ("SPLIT('a.b', '.')", ["a", "b"]),
    ("STRTOK_TO_ARRAY('a.b', '.')", ["a", "b"]),
    ("TO_ARRAY(1)", [1]),
    ("TO_VARIANT('x')", "x"),
    ("'x'::VARIANT", "x"),
]
OF_SEMI_STRUCTURED: list[tuple[str, Any]] = [
    ("PARSE_JSON('\"abc\"')::VARCHAR", "abc"),
    ("PARSE_JSON('null')::VARCHAR", None),
    (f"{DOCUMENT}:s::VARCHAR", "x"),
    (f"{DOCUMENT}:i::INT", 10),
    (f"{DOCUMENT}:i > 9", True),
    (f"{DOCUMENT}:s = 'x'", True),
    (f"{DOCUMENT}:i BETWEEN 9 AND 11", True),
    (f"{DOCUMENT}:s IN ('x', 'y')", True),
    (f"{DOCUMENT}:s LIKE 'x%'", True),
    (f"UPPER({DOCUMENT}:s)", "X"),
    (f"LENGTH({DOCUMENT}:s)", 1),
    (f"{DOCUMENT}:s || '-' || {DOCUMENT}:i", "x-10"),
    (f"{DOCUMENT}:n IS NULL", False),
    (f"IS_NULL_VALUE({DOCUMENT}:n)", True),
    (f"TYPEOF({DOCUMENT}:a)", "OBJECT"),
    (f"TYPEOF({DOCUMENT}:i)", "INTEGER"),
    ("TYPEOF(PARSE_JSON('1.5'))", "DECIMAL"),
    ("TYPEOF(PARSE_JSON('null'))", "NULL_VALUE"),
    ("IS_INTEGER(PARSE_JSON('1'))", True),
    ("IS_VARCHAR(PARSE_JSON('1'))", False),
    ("IS_OBJECT(PARSE_JSON('{}'))", True),
    ("IS_ARRAY(PARSE_JSON('[]'))", True),
    ("IS_BOOLEAN(PARSE_JSON('true'))", True),
    ("AS_INTEGER(PARSE_JSON('1'))", 1),
    ("AS_VARCHAR(PARSE_JSON('1'))", None),
    ("ARRAY_SIZE([1, 2])", 2),
    ("ARRAY_CONTAINS(2::VARIANT, [1, 2])", True),
    ("ARRAY_CONTAINS('a'::VARIANT, ['b'])", False),
    ("ARRAY_POSITION(2, [1, 2])", 1),
    ("ARRAY_TO_STRING([1, 2], ',')", "1,2"),
    ("ARRAYS_OVERLAP([1, 2], [2, 3])", True),
]
ROWS = "VALUES (1, 'a', 2), (2, 'b', 4), (4, 'b', 5), (7, NULL, 8) AS t (x, s, y)"
AGGREGATES: list[tuple[str, Any]] = [
    ("COUNT(*)", 4),
    ("COUNT(s)", 3),
    ("COUNT(DISTINCT s)", 2),
    ("COUNT(DISTINCT x, s)", 3),
    ("COUNT_IF(x > 1)", 3),
    ("SUM(x)", 14),
    ("AVG(x)", Decimal("3.5")),
    ("AVG(x / 3)", Decimal("1.1666665")),
    ("MIN(x)", 1),
    ("MAX(s)", "b"),
    ("MEDIAN(x)", 3),
    ("MODE(s)", "b"),
    ("ANY_VALUE(1)", 1),
    ("MIN_BY(x, y)", 1),
    ("MAX_BY(x, y)", 7),
    ("BOOLAND_AGG(x > 0)", True),
    ("BOOLOR_AGG(x > 7)", False),
    ("BITAND_AGG(x)", 0),
    ("BITOR_AGG(x)", 7),
    ("BITXOR_AGG(x)", 0),
    ("STDDEV(x)", pytest.approx(2.6457513)),
    ("STDDEV_POP(x)", pytest.approx(2.2912878)),
    ("VARIANCE(x)", pytest.approx(7)),
    ("VAR_POP(x)", pytest.approx(5.25)),
    ("CORR(x, y)", pytest.approx(0.9827076)),
    ("COVAR_SAMP(x, y)", pytest.approx(6.5)),
    ("COVAR_POP(x, y)", pytest.approx(4.875)),
    ("REGR_SLOPE(x, y)", pytest.approx(1.04)),
    ("REGR_INTERCEPT(x, y)", pytest.approx(-1.44)),
    ("REGR_R2(x, y)", pytest.approx(0.96571429)),
    ("REGR_COUNT(x, y)", 4),
    ("REGR_AVGX(x, y)", pytest.approx(4.75)),
    ("SKEW(x)", pytest.approx(0.8639188)),
    ("KURTOSIS(x)", pytest.approx(-0.2857143)),
    ("APPROX_COUNT_DISTINCT(x)", pytest.approx(4, abs=1)),
    ("HLL(x)", pytest.approx(4, abs=1)),
    ("APPROX_TOP_K(s, 2)", '[["b",2],["a",1]]'),
    ("APPROX_PERCENTILE(x, 0.5)", pytest.approx(3, abs=1)),
    ("PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY x)", pytest.approx(1.75)),
    ("PERCENTILE_DISC(0.25) WITHIN GROUP (ORDER BY x)", 1),
    ("LISTAGG(s, ',') WITHIN GROUP (ORDER BY s)", "a,b,b"),
    ("LISTAGG(DISTINCT s, '|') WITHIN GROUP (ORDER BY s DESC)", "b|a"),
    ("LISTAGG(IFF(x > 100, s, NULL), ',')", ""),
    ("DATEADD(day, 1, MAX('2024-01-01'::DATE))", date(2024, 1, 2)),
    ("DATE_TRUNC('week', MIN('2024-01-07'::DATE))", date(2024, 1, 1)),
]
AGGREGATED_ARRAYS: list[tuple[str, Any]] = [
    ("ARRAY_AGG(s) WITHIN GROUP (ORDER BY x)", ["a", "b", "b"]),
    ("ARRAY_AGG(DISTINCT s) WITHIN GROUP (ORDER BY s)", ["a", "b"]),
    ("ARRAY_AGG(IFF(x > 100, s, NULL))", []),
    ("OBJECT_AGG(x::VARCHAR, s)", {"1": "a", "2": "b", "4": "b"}),
]
WINDOWS: list[tuple[str, list[Any]]] = [
    ("RATIO_TO_REPORT(x) OVER ()", [Decimal("0.071429"), Decimal("0.142857"), Decimal("0.285714"), Decimal("0.5")]),
    ("AVG(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", [1, Decimal("1.5"), 3, Decimal("5.5")]),
    ("LAG(s) IGNORE NULLS OVER (ORDER BY x DESC)", ["b", "b", None, None]),
    ("LEAD(x, 1, 0) OVER (ORDER BY x)", [2, 4, 7, 0]),
    ("FIRST_VALUE(s) OVER (ORDER BY x)", ["a"] * 4),
    ("LAST_VALUE(x) OVER (ORDER BY x)", [7] * 4),
    ("NTILE(2) OVER (ORDER BY x)", [1, 1, 2, 2]),
    ("ROW_NUMBER() OVER (ORDER BY x)", [1, 2, 3, 4]),
    ("RANK() OVER (ORDER BY s NULLS LAST)", [1, 2, 2, 4]),
    ("DENSE_RANK() OVER (ORDER BY s NULLS LAST)", [1, 2, 2, 3]),
    ("PERCENT_RANK() OVER (ORDER BY x)", [0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1]),
    ("CUME_DIST() OVER (ORDER BY x)", [0.25, 0.5, 0.75, 1]),
]


@pytest.fixture(scope="module")
def cursor(session: Any) -> Iterator[SnowflakeCursor]:
    """One cursor for all of them."""
    with session.connection.cursor() as cursor:
        yield cursor


def one(cursor: SnowflakeCursor, sql: str) -> Any:
    """The one value of a query."""
    return cursor.execute(sql).fetchone()[0]


@pytest.mark.parametrize(
    ("expression", "expected"), [*NUMBERS, *CONDITIONS, *TEXTS, *DATES, *CASTS, *OF_SEMI_STRUCTURED], ids=str
)
def test_a_value(cursor: SnowflakeCursor, expression: str, expected: Any) -> None:
    value = one(cursor, f"SELECT {expression}")
    assert value == expected
    assert isinstance(value, bool) == isinstance(expected, bool)
    assert isinstance(value, datetime) == isinstance(expected, datetime)


@pytest.mark.parametrize(("expression", "expected"), SEMI_STRUCTURED, ids=str)
def test_a_semi_structured_value(cursor: SnowflakeCursor, expression: str, expected: Any) -> None:
    value = one(cursor, f"SELECT {expression}")
    assert (json.loads(value) if value is not None else None) == expected


@pytest.mark.parametrize(("expression", "expected"), AGGREGATES, ids=str)
def test_an_aggregate(cursor: SnowflakeCursor, expression: str, expected: Any) -> None:
    assert one(cursor, f"SELECT {expression} FROM {ROWS}") == expected


@pytest.mark.parametrize(("expression", "expected"), AGGREGATED_ARRAYS, ids=str)
def test_an_aggregated_array(cursor: SnowflakeCursor, expression: str, expected: Any) -> None:
    assert json.loads(one(cursor, f"SELECT {expression} FROM {ROWS}")) == expected


@pytest.mark.parametrize(("expression", "expected"), WINDOWS, ids=str)
def test_a_window_function(cursor: SnowflakeCursor, expression: str, expected: list[Any]) -> None:
    rows = cursor.execute(f"SELECT {expression} FROM {ROWS} ORDER BY x").fetchall()
    assert [row[0] for row in rows] == expected


def test_hash_is_a_signed_number_that_equal_values_share(cursor: SnowflakeCursor) -> None:
    row = cursor.execute("SELECT HASH(1), HASH(1.0), HASH(1::FLOAT), HASH('1'), HASH(1, 2), HASH(2, 1)").fetchone()
    assert row[0] == row[1] == row[2]
    assert len(set(row)) == 4
    assert all(-(2**63) <= value < 2**63 for value in row)


def test_random_values_differ_by_row_and_repeat_by_seed(cursor: SnowflakeCursor) -> None:
    query = "SELECT RANDOM({0}), UNIFORM(1, 1000000, RANDOM({0})), RANDSTR(8, RANDOM({0})) FROM VALUES (1), (2), (3)"
    first, second, other = (cursor.execute(query.format(seed)).fetchall() for seed in (42, 42, 43))
    assert all(len({row[i] for row in first}) == 3 for i in range(3))
    assert first == second != other


@pytest.mark.parametrize(
    ("sql", "code", "text"),
    [
        ("SELECT 1 / 0", 100051, "Division by zero"),
        ("SELECT 1::FLOAT / 0", 100051, "Division by zero"),
        ("SELECT 'abc'::INT", 100038, "'abc' is not recognized"),
        ("SELECT NO_SUCH_FUNCTION(1)", 2140, "Unknown function NO_SUCH_FUNCTION"),
        ("SELECT LIST_SORT([1])", 2140, "Unknown function LIST_SORT"),
    ],
)
def test_an_error(cursor: SnowflakeCursor, sql: str, code: int, text: str) -> None:
    with refused(code, text):
        cursor.execute(sql)
