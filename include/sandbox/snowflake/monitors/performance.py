"""The SQL of performance and of counts: predictions against what came to pass.

The queries of performance read a table `source (ts, prediction, actual)`; a row that lacks one of the two is not used.
Those of counts read `source (ts, value)`. What is undefined (a precision without positive predictions) is NULL.
"""

from __future__ import annotations

from include.sandbox.snowflake.monitors.windows import TimeRange

REGRESSION, BINARY, MULTI_CLASS = "TABULAR_REGRESSION", "TABULAR_BINARY_CLASSIFICATION", "TABULAR_MULTI_CLASSIFICATION"

# Of a column of numbers only, but for the two counts.
STATISTICS = {
    "COUNT": "count(value)",
    "COUNT_NULL": "count(*) - count(value)",
    "MIN": "min(value)",
    "MAX": "max(value)",
    "AVG": "avg(value)",
    "SUM": "sum(value)",
}
COUNTS = ("COUNT", "COUNT_NULL")

# p is the prediction, a the actual value. MAPE is a share (0.1 is ten percent), without the rows whose actual is 0.
_REGRESSION = {
    "RMSE": "sqrt(avg((p - a) ** 2))",
    "MSE": "avg((p - a) ** 2)",
    "MAE": "avg(abs(p - a))",
    "MAPE": "avg(abs((a - p) / a))",
}
# Class 1 is the positive one.
_HIT, _PREDICTED, _ACTUAL = "count_if(p = 1 AND a = 1)", "count_if(p = 1)", "count_if(a = 1)"
_ACCURACY = "count_if(p = a) / count(*)"
_BINARY = {
    "CLASSIFICATION_ACCURACY": _ACCURACY,
    "PRECISION": f"{_HIT} / nullif({_PREDICTED}, 0)",
    "RECALL": f"{_HIT} / nullif({_ACTUAL}, 0)",
    "F1_SCORE": f"2 * {_HIT} / nullif({_PREDICTED} + {_ACTUAL}, 0)",
}
# One class a row: over all classes together a wrong prediction is one false positive and one false negative.
_MULTI_CLASS = {
    "CLASSIFICATION_ACCURACY": _ACCURACY,
    "MICRO_AVERAGE_PRECISION": _ACCURACY,
    "MICRO_AVERAGE_RECALL": _ACCURACY,
}
# The mean over the classes that occur as prediction or as actual; as in scikit-learn a class never predicted has
# precision 0, one that never came to pass has recall 0.
_MACRO = {"MACRO_AVERAGE_PRECISION": "predicted", "MACRO_AVERAGE_RECALL": "happened"}

METRICS: dict[str, tuple[str, ...]] = {
    REGRESSION: tuple(_REGRESSION),
    BINARY: ("ROC_AUC", *_BINARY),
    MULTI_CLASS: (*_MULTI_CLASS, *_MACRO),
}


def columns_of(task: str, metric: str) -> tuple[str, str]:
    """Which kinds of columns a metric compares."""
    if task == REGRESSION:
        return "prediction_score", "actual_score"
    return ("prediction_score" if metric == "ROC_AUC" else "prediction_class"), "actual_class"


def performance_sql(task: str, metric: str, time_range: TimeRange) -> str:
    """The query of a metric that the task has: bucket, metric, used, unused."""
    type_ = "VARCHAR" if task == MULTI_CLASS else "DOUBLE"
    picked = time_range.sql(f"CAST(prediction AS {type_}) AS p, CAST(actual AS {type_}) AS a")
    used = "p IS NOT NULL AND a IS NOT NULL" + (" AND a <> 0" if metric == "MAPE" else "")
    if metric == "ROC_AUC":
        measured = _roc_auc()
    elif metric in _MACRO:
        measured = _macro(_MACRO[metric])
    else:
        formula = {REGRESSION: _REGRESSION, BINARY: _BINARY, MULTI_CLASS: _MULTI_CLASS}[task][metric]
        measured = f"measured AS (SELECT bucket, {formula} AS metric FROM pairs GROUP BY bucket)"
    return f"""
        WITH picked AS ({picked}),
        pairs AS (SELECT * FROM picked WHERE {used}),
        {measured},
        counted AS (SELECT bucket, count_if({used}) AS used, count(*) AS n FROM picked GROUP BY bucket)
        SELECT bucket, metric, used, n - used AS unused FROM counted LEFT JOIN measured USING (bucket)
        ORDER BY bucket"""


def statistic_sql(metric: str, time_range: TimeRange, *, is_number: bool) -> str:
    """The query of a count, or of MIN, MAX, AVG, SUM of a column of numbers: bucket, metric."""
    value = "CAST(value AS DOUBLE) AS value" if is_number else "value"
    return f"""
        SELECT bucket, CAST({STATISTICS[metric]} AS DOUBLE) AS metric FROM ({time_range.sql(value)})
        GROUP BY bucket ORDER BY bucket"""


def _roc_auc() -> str:
    """(R - n₁ (n₁ + 1) / 2) / (n₁ n₀), R the sum of the positives' ranks by score, ties with their middle rank.

    Hanley and McNeil, Radiology 143, 1982. A granule of one class only has none.
    """
    return """ranked AS (SELECT bucket, a, rank() OVER (PARTITION BY bucket ORDER BY p)
                + (count(*) OVER (PARTITION BY bucket, p) - 1) / 2 AS place FROM pairs),
        sums AS (SELECT bucket, sum(place) FILTER (a = 1) AS places, CAST(count_if(a = 1) AS DOUBLE) AS positive,
                CAST(count_if(a = 0) AS DOUBLE) AS negative FROM ranked GROUP BY bucket),
        measured AS (SELECT bucket, (places - positive * (positive + 1) / 2) / nullif(positive * negative, 0) AS metric
            FROM sums)"""


def _macro(of: str) -> str:
    return f"""classes AS (SELECT bucket, class, sum(hit) AS hit, sum(predicted) AS predicted,
                sum(happened) AS happened
            FROM (SELECT bucket, p AS class, (p = a)::INT AS hit, 1 AS predicted, 0 AS happened FROM pairs
                UNION ALL SELECT bucket, a, 0, 0, 1 FROM pairs) GROUP BY bucket, class),
        measured AS (SELECT bucket, avg(coalesce(hit / nullif({of}, 0), 0)) AS metric FROM classes GROUP BY bucket)"""
