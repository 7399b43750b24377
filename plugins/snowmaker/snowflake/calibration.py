"""Calibration in the warehouse: what a version's holdout shows of its scores, and the chance at a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.calibration import CalibrationMap


def score_bins(relation: Statement, bins: int) -> Statement:
    """Count rows (N) and POSITIVES of bins of scores with about as many rows each; UPPER is a bin's greatest score.

    Rows with equal scores are in one bin, so the bins are the same however the rows are ordered.

    :param relation: rows of LABEL and SCORE
    :param bins: how many bins there are at most
    """
    return Statement(
        f"SELECT BIN, MAX(SCORE) AS UPPER, SUM(N) AS N, SUM(P) AS POSITIVES FROM ("
        f"SELECT SCORE, N, P, FLOOR({bins} * (SUM(N) OVER (ORDER BY SCORE) - N) / SUM(N) OVER ()) AS BIN FROM ("
        f"SELECT SCORE, COUNT(*)::FLOAT AS N, COUNT_IF(LABEL = 1)::FLOAT AS P FROM ({relation.text}) "
        f"WHERE LABEL IS NOT NULL AND SCORE IS NOT NULL GROUP BY SCORE)) GROUP BY BIN ORDER BY BIN",
        relation.values,
    )


def chance(maps: Mapping[str, CalibrationMap]) -> Statement:
    """Give the chance of class 1 as an expression over MODEL_VERSION and SCORE; NULL for other versions.

    :param maps: the calibration maps by version, at least one
    """
    parts, values = [], []
    for version, found in maps.items():
        steps = "".join(" WHEN SCORE <= %s::FLOAT THEN %s::FLOAT" for _ in found.edges)
        rest = "%s::FLOAT" if not steps else f"CASE{steps} ELSE %s::FLOAT END"
        parts.append(f"WHEN MODEL_VERSION = %s THEN {rest}")
        pairs = [value for pair in zip(found.edges, found.rates, strict=False) for value in pair]
        values += [version, *pairs, found.rates[-1]]
    return Statement(f"CASE {' '.join(parts)} END", tuple(values))
