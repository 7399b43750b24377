"""Attributions of a version's features, computed and averaged in the warehouse by the version's EXPLAIN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from snowmaker.explainable_model import explanation_of
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.scoring import ScoreMethod, call
from snowmaker.snowflake.source_rows import identified_rows
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Feature, Source
    from snowmaker.week import Week

EXPLAIN = ScoreMethod("EXPLAIN")


def sample(
    sample: QualifiedName, sources: Sequence[Source], first: Week, last: Week, *, table: QualifiedName, rows: int
) -> Statement:
    """Keep some rows of a training set in a temporary table: the same ones each time, and as good as any others.

    They are those of the least hashes of key and features, which have nothing to do with what the rows hold.

    :param sample: the table to make
    :param sources: the source as each version takes it; a row is told by the first one's key and features
    """
    features = tuple(dict.fromkeys(feature.column for source in sources for feature in source.features))
    identified = identified_rows(replace(sources[0], table=table), first, last, also=features)
    return Statement(
        f"CREATE OR REPLACE TEMPORARY TABLE {sample} AS "
        f"SELECT {listed(features)} FROM ({identified.text}) ORDER BY ROW_ID LIMIT {rows:d}",
        identified.values,
    )


def mean_attributions(
    sample: QualifiedName, features: tuple[Feature, ...], *, model: QualifiedName, version: str, by_class: bool
) -> Statement:
    """Explain rows and average their attributions' sizes: FEATURE (its number, from 0 on), CLASS, MEAN_ABSOLUTE.

    ROW_COUNT tells of how many rows.

    :param sample: the rows
    :param by_class: whether an attribution is JSON text, a number a class; else CLASS is ''
    """
    columns = listed(f"E.{Identifier(explanation_of(feature.column.name))}" for feature in features)
    called = f"TABLE({call(model, version, EXPLAIN, features)}) E"
    parts = "LATERAL FLATTEN(INPUT => R.PARTS) F"
    if by_class:
        parts += ", LATERAL FLATTEN(INPUT => PARSE_JSON(F.VALUE::VARCHAR)) C"
    of_class, value, group = ("C.KEY", "C.VALUE", "F.INDEX, C.KEY") if by_class else ("''", "F.VALUE", "F.INDEX")
    return Statement(
        f"SELECT F.INDEX AS FEATURE, {of_class} AS CLASS, AVG(ABS({value}::FLOAT)) AS MEAN_ABSOLUTE, "
        f"COUNT(*) AS ROW_COUNT FROM (SELECT ARRAY_CONSTRUCT({columns}) AS PARTS FROM {sample} S, {called}) R, {parts} "
        f"GROUP BY {group} ORDER BY {group}"
    )
