"""Performance in the warehouse: sums over predictions and labels, by week, version and segment, in one statement.

Rows with equal scores are counted together first, so that ranks, ties and sums cost one sort of the different scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.measured import CALIBRATION_BINS
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

# The least probability whose logarithm is taken, and the least label a share is taken of, as in scikit-learn.
EPSILON = "2.220446049250313e-16::FLOAT"
_GROUP = "WEEK_START, MODEL_VERSION, SEGMENT"


def tenths(
    relation: Statement,
    threshold: float,
    *,
    is_wrong: str,
    is_good: str,
    positive: str = "IFF(LABEL = 1, 1, 0)",
    segments: int = 0,
) -> Statement:
    """Add up what the metrics of a binary classification are made of: a row for each tenth of the scores' range.

    ``measured.read_binary`` reads them. WINS are the pairs in the right order, ties a half; PRECISIONS the
    precision at each positive's score. WRONG and BAD count labels and scores that cannot be.

    :param relation: rows of WEEK_START, MODEL_VERSION, LABEL and SCORE, and SEGMENT_0, … if there are segments
    :param threshold: score from which class 1 is predicted
    :param is_wrong: the condition that LABEL is wrong
    :param is_good: the condition that SCORE is good
    :param positive: the expression of how much a row is of class 1: whether it is, or how likely
    :param segments: how many columns to split by
    """
    return _ranked(
        relation,
        segments,
        keys=(),
        tied=f"SUM({positive})::FLOAT AS P, COUNT_IF({is_wrong}) AS WRONG, "
        f"COUNT_IF(NOT COALESCE({is_good}, FALSE)) AS BAD",
        carried=("WRONG", "BAD"),
        key=f"LEAST(FLOOR(SCORE * {CALIBRATION_BINS}), {CALIBRATION_BINS - 1})::FLOAT AS BIN",
        sums=f"SUM(BAD) AS BAD, SUM(WRONG) AS WRONG, SUM(N * SCORE) AS SCORES, "
        f"SUM(IFF(SCORE >= %s, P, 0)) AS TP, SUM(IFF(SCORE >= %s, N - P, 0)) AS FP, "
        f"SUM(P * (P_ALL - P_UP + P) / (N_ALL - N_UP + N)) AS PRECISIONS, "
        f"SUM(-P * {logarithm('SCORE')} - (N - P) * {logarithm('1 - SCORE')}) AS LOG_LOSS, "
        f"SUM(P * POWER(1 - SCORE, 2) + (N - P) * POWER(SCORE, 2)) AS SQUARED",
        values=(threshold, threshold),
    )


def by_class(relation: Statement, *, is_good: str, segments: int = 0) -> Statement:
    """Add up what the metrics of several classes are made of: a row for each class, held against the rest.

    ``measured.read_multiclass`` reads them. CHOSEN counts the predictions of the class, TP the right ones; the
    LOG_LOSS is that of the rows whose label is the class.

    :param relation: rows of WEEK_START, MODEL_VERSION, LABEL, PREDICTION (the class as text), SCORE and PROBABILITIES
        (an OBJECT: class to probability), and SEGMENT_0, … if there are segments
    :param is_good: the condition that SCORE is good
    :param segments: how many columns to split by
    """
    columns = listed(["WEEK_START", "MODEL_VERSION", *_segment_columns(segments)])
    classes = Statement(
        f"SELECT {columns}, F.KEY AS CLASS, F.VALUE::FLOAT AS SCORE, IFF(LABEL::VARCHAR = F.KEY, 1, 0) AS LABEL, "
        f"IFF(PREDICTION = F.KEY, 1, 0) AS CHOICE, IFF({is_good}, 0, 1) AS IS_BAD "
        f"FROM (SELECT {columns}, LABEL, PREDICTION, SCORE, PROBABILITIES FROM ({relation.text})), "
        f"LATERAL FLATTEN(INPUT => PROBABILITIES) F",
        relation.values,
    )
    return _ranked(
        classes,
        segments,
        keys=("CLASS",),
        tied="SUM(LABEL)::FLOAT AS P, SUM(CHOICE)::FLOAT AS CHOSEN, SUM(LABEL * CHOICE)::FLOAT AS TP, "
        "SUM(IS_BAD) AS BAD",
        carried=("CHOSEN", "TP", "BAD"),
        key="CLASS",
        sums=f"SUM(CHOSEN) AS CHOSEN, SUM(TP) AS TP, SUM(BAD) AS BAD, SUM(-P * {logarithm('SCORE')}) AS LOG_LOSS",
    )


def residuals(relation: Statement, *, is_wrong: str, is_good: str, segments: int = 0) -> Statement:
    """Add up the errors of predicted numbers, a row for each week, version and segment.

    ``measured.read_regression`` reads it. The labels' spread is added up around their mean, in a second pass: the
    shorter Σy² - (Σy)²/n loses every digit where the labels are large beside their spread.

    :param relation: rows of WEEK_START, MODEL_VERSION, LABEL and SCORE, and SEGMENT_0, … if there are segments
    :param is_wrong: the condition that LABEL is wrong
    :param is_good: the condition that SCORE is good
    :param segments: how many columns to split by
    """
    return Statement(
        f"WITH {segmented(relation, segments)} SELECT {_GROUP}, COUNT(*) AS N, COUNT_IF({is_wrong}) AS WRONG, "
        f"COUNT_IF(NOT COALESCE({is_good}, FALSE)) AS BAD, "
        f"SUM(POWER(LABEL - SCORE, 2)) AS SQUARED, SUM(ABS(LABEL - SCORE)) AS ABSOLUTE, "
        f"SUM(ABS(LABEL - SCORE) / GREATEST(ABS(LABEL), {EPSILON})) AS SHARES, "
        f"SUM(POWER(LABEL - MEAN, 2)) AS SPREAD "
        f"FROM (SELECT {_GROUP}, LABEL::FLOAT AS LABEL, SCORE, "
        f"AVG(LABEL::FLOAT) OVER (PARTITION BY {_GROUP}) AS MEAN FROM SEGMENTED) "
        f"GROUP BY {_GROUP} ORDER BY {_GROUP}",
        relation.values,
    )


def _ranked(
    relation: Statement,
    segments: int,
    *,
    keys: Sequence[str],
    tied: str,
    carried: Sequence[str],
    key: str,
    sums: str,
    values: tuple[float, ...] = (),
) -> Statement:
    """Count N rows and P positives of each different score, rank the scores, and add up.

    :param keys: what a row is ranked by itself by, beside week, version and segment
    :param tied: P, and other sums over rows of one score
    :param carried: the names of these others
    :param key: the expression of the result's rows within a group
    :param sums: sums over the different scores; N_UP and P_UP are the rows and positives up to a score
    :param values: the values bound to ``sums``
    """
    group = listed([_GROUP, *keys])
    window = f"OVER (PARTITION BY {group} ORDER BY SCORE ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    return Statement(
        f"WITH {segmented(relation, segments)}, "
        f"TIES AS (SELECT {group}, SCORE, COUNT(*)::FLOAT AS N, {tied} FROM SEGMENTED GROUP BY {group}, SCORE), "
        f"RANKED AS (SELECT {group}, SCORE, N, P, {listed(carried)}, "
        f"SUM(N) {window} AS N_UP, SUM(P) {window} AS P_UP, "
        f"SUM(N) OVER (PARTITION BY {group}) AS N_ALL, SUM(P) OVER (PARTITION BY {group}) AS P_ALL FROM TIES) "
        f"SELECT {_GROUP}, {key}, SUM(N) AS N, SUM(P) AS POSITIVES, "
        f"SUM(P * (N_UP - P_UP - (N - P) / 2)) AS WINS, {sums} "
        f"FROM RANKED GROUP BY {_GROUP}, {key.split()[-1]} ORDER BY {_GROUP}, {key.split()[-1]}",
        (*relation.values, *values),
    )


def segmented(relation: Statement, segments: int) -> str:
    """Give the common table expressions of all rows (SEGMENT '') and again of each segment column's."""
    columns = "* EXCLUDE (" + listed(_segment_columns(segments)) + ")" if segments else "*"
    parts = [
        f"SELECT {columns}, {segment} AS SEGMENT FROM MEASURED_ROWS"
        for segment in ("''::VARCHAR", *_segment_columns(segments))
    ]
    return f"MEASURED_ROWS AS ({relation.text}), SEGMENTED AS ({' UNION ALL '.join(parts)})"


def _segment_columns(segments: int) -> list[str]:
    return [f"SEGMENT_{place}" for place in range(segments)]


def logarithm(probability: str) -> str:
    """Give the expression of a probability's logarithm."""
    return f"LN(LEAST(GREATEST({probability}, {EPSILON}), 1 - {EPSILON}))"
