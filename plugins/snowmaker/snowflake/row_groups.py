"""Sums of scored and labelled rows by random group, of which the metrics of any resample of groups can be made.

A rank metric is no sum over rows. Its Hájek projection is: what each row adds, the ranks of all rows held fixed.
``snowmaker.resampled`` reads them. One statement, whatever the number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.measured import CALIBRATION_BINS
from snowmaker.snowflake.performance import EPSILON, logarithm, segmented
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUP = "MODEL_VERSION, SEGMENT"
_UP_TO = "ORDER BY SCORE RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"


def binary_groups(relation: Statement, threshold: float, *, segments: int = 0) -> Statement:
    """Add up what the metrics of a binary classification are made of, by version, segment and ROW_GROUP.

    WINS are a group's positives, each counting the share of all negatives with a lower score, ties a half, and LOSSES
    its negatives, each counting the share of all positives with a higher one. PRECISIONS are the precisions at its
    positives' scores; RECALLED is by how much its rows move those at the scores below. GAP_0, … are the scores
    less the labels in each tenth of [0, 1].

    :param relation: rows of MODEL_VERSION, LABEL, SCORE and ROW_GROUP, and SEGMENT_0, … if there are segments
    :param threshold: score from which class 1 is predicted
    :param segments: how many columns to split by
    """
    tenth = f"LEAST(FLOOR(SCORE * {CALIBRATION_BINS}), {CALIBRATION_BINS - 1})"
    gaps = listed(f"SUM(IFF({tenth} = {i}, N * SCORE - P, 0)) AS GAP_{i}" for i in range(CALIBRATION_BINS))
    within = f"PARTITION BY {_GROUP}"
    return Statement(
        f"WITH {segmented(relation, segments)}, {_ranked(_GROUP, 'IFF(LABEL = 1, 1, 0)')}, "
        f"PRECISE AS (SELECT {_GROUP}, ROW_GROUP, SCORE, N, P, WINS, LOSSES, P_FROM / N_FROM AS AT_SCORE, "
        f"SUM(P / N_FROM) OVER ({within} {_UP_TO}) AS BELOW, "
        f"SUM(P * P_FROM / (N_FROM * N_FROM)) OVER ({within} {_UP_TO}) AS PRECISION_BELOW FROM PLACED) "
        f"SELECT {_GROUP}, ROW_GROUP, SUM(N) AS N, SUM(P) AS POSITIVES, SUM(IFF(SCORE >= %s, P, 0)) AS TP, "
        f"SUM(IFF(SCORE >= %s, N - P, 0)) AS FP, SUM(P * WINS) AS WINS, SUM((N - P) * LOSSES) AS LOSSES, "
        f"SUM(P * AT_SCORE) AS PRECISIONS, SUM(P * BELOW - N * PRECISION_BELOW) AS RECALLED, "
        f"SUM(-P * {logarithm('SCORE')} - (N - P) * {logarithm('1 - SCORE')}) AS LOG_LOSS, "
        f"SUM(P * POWER(1 - SCORE, 2) + (N - P) * POWER(SCORE, 2)) AS SQUARED, {gaps} "
        f"FROM PRECISE GROUP BY {_GROUP}, ROW_GROUP ORDER BY {_GROUP}, ROW_GROUP",
        (*relation.values, threshold, threshold),
    )


def class_groups(relation: Statement, *, segments: int = 0) -> Statement:
    """Add up what the metrics of several classes are made of, by version, segment, class and ROW_GROUP.

    :param relation: rows of MODEL_VERSION, LABEL, PREDICTION, PROBABILITIES and ROW_GROUP, and SEGMENT_0, … if there
        are segments
    :param segments: how many columns to split by
    """
    columns = listed(["MODEL_VERSION", "ROW_GROUP", *(f"SEGMENT_{place}" for place in range(segments))])
    classes = Statement(
        f"SELECT {columns}, F.KEY AS CLASS, F.VALUE::FLOAT AS SCORE, IFF(LABEL::VARCHAR = F.KEY, 1, 0) AS LABEL, "
        f"IFF(PREDICTION = F.KEY, 1, 0) AS CHOICE "
        f"FROM (SELECT {columns}, LABEL, PREDICTION, PROBABILITIES FROM ({relation.text})), "
        f"LATERAL FLATTEN(INPUT => PROBABILITIES) F",
        relation.values,
    )
    group = f"{_GROUP}, CLASS"
    carried = {"CHOSEN": "SUM(CHOICE)::FLOAT", "TP": "SUM(LABEL * CHOICE)::FLOAT"}
    return Statement(
        f"WITH {segmented(classes, segments)}, {_ranked(group, 'LABEL', carried)} "
        f"SELECT {group}, ROW_GROUP, SUM(N) AS N, SUM(P) AS POSITIVES, SUM(CHOSEN) AS CHOSEN, SUM(TP) AS TP, "
        f"SUM(P * WINS) AS WINS, SUM((N - P) * LOSSES) AS LOSSES, SUM(-P * {logarithm('SCORE')}) AS LOG_LOSS "
        f"FROM PLACED GROUP BY {group}, ROW_GROUP ORDER BY {group}, ROW_GROUP",
        classes.values,
    )


def residual_groups(relation: Statement, *, segments: int = 0) -> Statement:
    """Add up the errors of predicted numbers by version, segment and ROW_GROUP.

    The labels are taken from their mean (FROM_MEAN), so that no digit of their spread is lost.

    :param relation: rows of MODEL_VERSION, LABEL, SCORE and ROW_GROUP, and SEGMENT_0, … if there are segments
    :param segments: how many columns to split by
    """
    return Statement(
        f"WITH {segmented(relation, segments)} SELECT {_GROUP}, ROW_GROUP, COUNT(*)::FLOAT AS N, "
        f"SUM(POWER(LABEL - SCORE, 2)) AS SQUARED, SUM(ABS(LABEL - SCORE)) AS ABSOLUTE, "
        f"SUM(ABS(LABEL - SCORE) / GREATEST(ABS(LABEL), {EPSILON})) AS SHARES, "
        f"SUM(LABEL - MEAN) AS FROM_MEAN, SUM(POWER(LABEL - MEAN, 2)) AS SPREAD "
        f"FROM (SELECT {_GROUP}, ROW_GROUP, LABEL::FLOAT AS LABEL, SCORE, "
        f"AVG(LABEL::FLOAT) OVER (PARTITION BY {_GROUP}) AS MEAN FROM SEGMENTED) "
        f"GROUP BY {_GROUP}, ROW_GROUP ORDER BY {_GROUP}, ROW_GROUP",
        relation.values,
    )


def _ranked(group: str, positive: str, carried: dict[str, str] | None = None) -> str:
    """Give the common table expressions that count each group's rows of a score, and place the score among all.

    :param group: what scores are ranked within
    :param positive: the expression of whether a row is of class 1
    :param carried: other sums over rows of one group and score, by name
    """
    within, tied = f"PARTITION BY {group}", f"PARTITION BY {group}, SCORE"
    sums: Sequence[str] = [f"{expression} AS {name}" for name, expression in (carried or {}).items()]
    names = "".join(f", {name}" for name in carried or {})
    counted = listed([f"COUNT(*)::FLOAT AS N, SUM({positive})::FLOAT AS P", *sums])
    return (
        f"COUNTED AS (SELECT {group}, ROW_GROUP, SCORE, {counted} FROM SEGMENTED GROUP BY {group}, ROW_GROUP, SCORE), "
        f"RANKED AS (SELECT {group}, ROW_GROUP, SCORE, N, P{names}, "
        f"SUM(N) OVER ({within} {_UP_TO}) AS N_UP, SUM(P) OVER ({within} {_UP_TO}) AS P_UP, "
        f"SUM(N) OVER ({tied}) AS N_TIED, SUM(P) OVER ({tied}) AS P_TIED, "
        f"SUM(N) OVER ({within}) AS N_ALL, SUM(P) OVER ({within}) AS P_ALL FROM COUNTED), "
        f"PLACED AS (SELECT {group}, ROW_GROUP, SCORE, N, P{names}, "
        f"N_ALL - N_UP + N_TIED AS N_FROM, P_ALL - P_UP + P_TIED AS P_FROM, "
        f"((N_UP - P_UP) - (N_TIED - P_TIED) / 2) / NULLIF(N_ALL - P_ALL, 0) AS WINS, "
        f"(P_ALL - P_UP + P_TIED / 2) / NULLIF(P_ALL, 0) AS LOSSES FROM RANKED)"
    )
