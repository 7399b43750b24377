"""Which functions give what Snowflake documents: those that the contract tests call. All others are refused.

The engine has many functions of its own, and several of Snowflake's names in another sense.
"""

from __future__ import annotations

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, unsupported
from include.sandbox.snowflake.sql.macros import NAMES

# As the parser calls them.
PARSED = frozenset(
    """
    Abs Acos AddMonths All And Any AnyValue ApproxDistinct ApproxQuantile ApproxTopK ArgMax ArgMin Array ArrayAgg
    ArrayAppend ArrayCompact ArrayConcat ArrayConstructCompact ArrayContains ArrayDistinct ArrayInsert
    ArrayOverlaps ArrayPosition ArrayPrepend ArrayRemove ArrayRemoveAt ArrayReverse ArraySize ArraySlice
    ArrayToString ArrayUniqueAgg Ascii Asin Atan Atan2 Avg Base64DecodeString Base64Encode Between BitLength
    BitwiseAndAgg BitwiseOrAgg BitwiseXorAgg Booland Boolnot Boolor ByteLength Case Cast Cbrt Ceil Chr Coalesce
    Concat ConcatWs Contains ConvertTimezone Corr Cos Cosh Cot Count CountIf CovarPop CovarSamp CumeDist
    CurrentDate CurrentTimestamp CurrentVersion DateAdd DateDiff DateFromParts DateTrunc Day DayOfMonth
    DayOfWeek DayOfWeekIso DayOfYear Dayname DecodeCase Degrees DenseRank EndsWith EqualNull Exists Exp Explode
    Extract Factorial FirstValue Flatten Floor GenerateSeries Generator GetExtract Greatest GroupConcat Grouping
    GroupingId Hex HexDecodeString Hll Hour If In Initcap IsArray IsNullValue JSONExtract JSONFormat JSONKeys
    JSONObject JarowinklerSimilarity Kurtosis Lag LastDay LastValue Lead Least Left Length Levenshtein Ln
    Localtime Localtimestamp Log LogicalAnd LogicalOr Lower MD5 MD5Digest Max Median Min Minute Mode
    ModelAttribute Month Monthname MonthsBetween NextDay Normal NthValue Ntile Nullif Nvl2 ObjectAgg
    ObjectInsert Or Pad ParseJSON PercentRank PercentileCont PercentileDisc Pi Pow PreviousDay Quarter Radians
    Rand Randstr Rank RegexpCount RegexpExtract RegexpExtractAll RegexpInstr RegexpLike RegexpReplace RegrAvgx
    RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat Replace Reverse Right Round
    RowNumber RtrimmedLength SHA SHA1Digest SHA2 SHA2Digest Second Seq1 Seq2 Seq4 Seq8 Sign Sin Sinh Skewness
    Space Split SplitPart Sqrt StarMap StartsWith Stddev StddevPop StrPosition StrToTime StripNullValue Strtok
    StrtokToArray Struct Stuff Substring Sum Tan Tanh Time TimeFromParts TimeSlice TimeToStr TimestampFromParts
    TimestampTrunc ToArray ToBinary ToBoolean ToChar ToDouble ToNumber ToVariant Translate Trim Trunc TryCast
    TsOrDsToDate TsOrDsToTime Typeof Unicode Uniform UnixToTime Unnest Upper Uuid Variance VariancePop Week
    WeekOfYear WidthBucket Xor Year YearOfWeek YearOfWeekIso
    """.split()  # noqa: SIM905
)
# Those that the parser does not know, by name.
NAMED = NAMES | frozenset(
    """
    AS_ARRAY AS_BOOLEAN AS_DOUBLE AS_INTEGER AS_OBJECT AS_VARCHAR GET_DDL HASH HAVERSINE IDENTIFIER IS_BOOLEAN
    IS_CHAR IS_DECIMAL IS_DOUBLE IS_INTEGER IS_OBJECT IS_REAL IS_VARCHAR MODEL OBJECT_DELETE OBJECT_PICK
    RATIO_TO_REPORT TO_OBJECT TO_TIMESTAMP TO_TIMESTAMP_LTZ TO_TIMESTAMP_NTZ TO_TIMESTAMP_TZ TRY_TO_TIMESTAMP
    """.split()  # noqa: SIM905
)
# Snowflake has them, the sandbox has not.
MISSING = frozenset(
    """
    AI_COMPLETE APPROX_TOP_K_ACCUMULATE APPROXIMATE_JACCARD_INDEX APPROXIMATE_SIMILARITY ARRAYS_TO_OBJECT
    ARRAYS_ZIP ARRAY_EXCEPT ARRAY_INTERSECTION ARRAY_MAX ARRAY_MIN ARRAY_SORT ARRAY_UNION_AGG AS_BINARY AS_DATE
    AS_DECIMAL AS_NUMBER AS_TIME AS_TIMESTAMP_NTZ BASE64_DECODE_BINARY BITMAP_COUNT BOOLXOR_AGG CHECK_JSON CHECK_XML
    COLLATE COLLATION COMPRESS CONDITIONAL_CHANGE_EVENT CONDITIONAL_TRUE_EVENT CURRENT_IP_ADDRESS CURRENT_STATEMENT
    CURRENT_TRANSACTION DECOMPRESS_STRING DECRYPT ENCRYPT FILTER GETBIT HASH_AGG HEX_DECODE_BINARY HLL_ACCUMULATE
    HLL_ESTIMATE INVOKER_ROLE IS_BINARY IS_DATE IS_TIME IS_TIMESTAMP_NTZ JAROWINKLER_SIMILARITY MINHASH
    MINHASH_COMBINE PARSE_IP PARSE_URL PARSE_XML REDUCE REGR_VALX REGR_VALY SOUNDEX SOUNDEX_P123 ST_DISTANCE
    ST_MAKEPOINT TO_GEOGRAPHY TO_XML TRANSFORM TRY_BASE64_DECODE_STRING TRY_HEX_DECODE_STRING TRY_TO_BINARY
    TRY_TO_TIMESTAMP_LTZ TRY_TO_TIMESTAMP_TZ VECTOR_COSINE_SIMILARITY VECTOR_INNER_PRODUCT VECTOR_L2_DISTANCE XMLGET
    ZIPF
    """.split()  # noqa: SIM905
)
_PLACES = (exp.TableFromRows, exp.ModelAttribute, exp.Lateral)


def check_known(function: exp.Func) -> None:
    """Refuse a function that the sandbox does not have, or that nobody has."""
    place = function.parent
    while isinstance(place, exp.Dot | exp.Window):
        place = place.parent  # INFORMATION_SCHEMA.F(...), MODEL(...)!F(...) OVER (...)
    if isinstance(place, _PLACES) or function.find_ancestor(exp.HistoricalData):
        return
    if not isinstance(function, exp.Anonymous):
        if type(function).__name__ not in PARSED:
            raise unsupported(function.sql_name())
        return
    name = function.name.upper()
    if name in MISSING:
        raise unsupported(name)
    if name not in NAMED:
        raise SqlError(2140, "42601", f"SQL compilation error:\nUnknown function {name}")
