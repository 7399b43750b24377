"""The SQL of drift: how far the values of a window are from those of the baseline.

Snowflake publishes neither its formulas nor its bins; these are the usual ones, so the numbers are comparable with
one another, not with an account's. All of them read two tables, `source (ts, value)` and `baseline (value)`, without
the values that are NULL, and give a row a granule: bucket, metric, and how many values were used and not used.
"""

from __future__ import annotations

from collections.abc import Callable

from include.sandbox.snowflake.monitors.windows import TimeRange

_BINS = 10
# A share of nothing has no logarithm; PSI takes every share to be at least this much.
_LEAST_SHARE = 1e-4


def drift_sql(metric: str, kind: str, time_range: TimeRange) -> str | None:
    """The query of a drift metric for a column of a kind ('numerical', 'string', 'boolean'); None if there is none."""
    if metric in _OF_SHARES:
        tables = _shares(kind, time_range) + _OF_SHARES[metric]()
    elif metric in _OF_NUMBERS and kind == "numerical":
        tables = _numbers(time_range) + _OF_NUMBERS[metric]()
    else:
        return None
    return f"""
        WITH {tables},
        counted AS (SELECT bucket, count(value) AS used, count(*) - count(value) AS unused FROM picked GROUP BY bucket)
        SELECT bucket, CASE WHEN known.n > 0 THEN metric END AS metric, used, unused,
            known.n AS baseline_used, known.missing AS baseline_unused
        FROM counted LEFT JOIN measured USING (bucket)
        CROSS JOIN (SELECT count(value) AS n, count(*) - count(value) AS missing FROM baseline) AS known
        ORDER BY bucket"""


DRIFT_METRICS = ("JENSEN_SHANNON", "DIFFERENCE_OF_MEANS", "WASSERSTEIN", "POPULATION_STABILITY_INDEX")


# ---- of two distributions over bins or categories ------------------------------------------------


def _shares(kind: str, time_range: TimeRange) -> str:
    """The shares p (baseline) and q (window) of each category that a window has.

    A number's category is the bin it falls into; the bins end at the baseline's deciles (`QUANTILE_DISC`, a bin holds
    its upper edge), the first and the last are open. A text or a truth value is its own category.
    """
    if kind == "numerical":
        edges = ", ".join(f"{i / _BINS:g}" for i in range(1, _BINS))
        bins = f"bins AS (SELECT quantile_disc(CAST(value AS DOUBLE), [{edges}]) AS edges FROM baseline)"
        category = " + ".join(f"(CAST(value AS DOUBLE) > bins.edges[{i}])::INT" for i in range(1, _BINS))
    else:
        bins, category = "bins AS (SELECT 1)", "CAST(value AS VARCHAR)"
    return f"""
        picked AS ({time_range.sql("value")}),
        {bins},
        current AS (SELECT bucket, {category} AS category, count(*) AS n FROM picked, bins
            WHERE value IS NOT NULL GROUP BY ALL),
        reference AS (SELECT {category} AS category, count(*) AS n FROM baseline, bins
            WHERE value IS NOT NULL GROUP BY ALL),
        p AS (SELECT category, n / sum(n) OVER () AS p FROM reference),
        q AS (SELECT bucket, category, n / sum(n) OVER (PARTITION BY bucket) AS q FROM current),
        shares AS (SELECT bucket, p.p AS p, q.q AS q FROM q LEFT JOIN p ON p.category = q.category)"""


def _jensen_shannon() -> str:
    """The Jensen-Shannon distance: √(½ KL(p‖m) + ½ KL(q‖m)), m = ½ (p + q), with logarithms of base 2; in [0, 1].

    Lin, Divergence measures based on the Shannon entropy, 1991; as `scipy.spatial.distance.jensenshannon(p, q, 2)`.
    A category that the window lacks adds ½ p.
    """
    return """,
        measured AS (SELECT bucket, sqrt(greatest(0, round(
                sum(CASE WHEN p IS NULL THEN 0.5 * q
                    ELSE 0.5 * p * log2(2 * p / (p + q)) + 0.5 * q * log2(2 * q / (p + q)) END)
                + 0.5 * (1 - coalesce(sum(p), 0)), 15))) AS metric
            FROM shares GROUP BY bucket)"""


def _population_stability_index() -> str:
    """Σ (q - p) ln(q / p) over the categories of both; a share below 0.0001 counts as 0.0001.

    Siddiqi, Credit Risk Scorecards, 2006. Categories that the window lacks are those of the baseline without those met.
    """
    least = _LEAST_SHARE
    missing = f"({least} - greatest(p, {least})) * ln({least} / greatest(p, {least}))"
    present = (
        f"(greatest(q, {least}) - greatest(coalesce(p, 0), {least}))"
        f" * ln(greatest(q, {least}) / greatest(coalesce(p, 0), {least}))"
    )
    return f""",
        measured AS (SELECT bucket, sum({present}) + greatest(0,
                (SELECT sum({missing}) FROM p) - coalesce(sum(CASE WHEN p IS NOT NULL THEN {missing} END), 0)) AS metric
            FROM shares GROUP BY bucket)"""


# ---- of two distributions of numbers -------------------------------------------------------------


def _numbers(time_range: TimeRange) -> str:
    return f"""
        picked AS ({time_range.sql("CAST(value AS DOUBLE) AS value")}),
        reference AS (SELECT CAST(value AS DOUBLE) AS value FROM baseline WHERE value IS NOT NULL)"""


def _difference_of_means() -> str:
    """The window's mean less the baseline's, in the column's unit."""
    return """,
        measured AS (SELECT bucket, avg(value) - (SELECT avg(value) FROM reference) AS metric
            FROM picked WHERE value IS NOT NULL GROUP BY bucket)"""


def _wasserstein() -> str:
    """The 1-Wasserstein distance ∫ |F(x) - B(x)| dx of the two empirical distributions, in the column's unit.

    As `scipy.stats.wasserstein_distance`. Between two neighbouring values x, z of the window F is a constant c, and
    B grows past c at its quantile q. With G(x) = ∫ B up to x the interval adds
    (c (q - x) - (G(q) - G(x))) + ((G(z) - G(q)) - c (z - q)), q moved into [x, z]; before the window's first value
    lies G(x), behind its last the baseline's mean excess over it. So no window is joined with the whole baseline.
    Values are taken from the baseline's mean, for the sake of large ones that differ by little.
    """
    return """,
        middle AS (SELECT avg(value) AS of_all FROM reference),
        moved AS (SELECT value - of_all AS b FROM reference CROSS JOIN middle),
        steps AS (SELECT b, sum(count(*)) OVER up AS rank, sum(sum(b)) OVER up AS total
            FROM moved GROUP BY b WINDOW up AS (ORDER BY b ROWS UNBOUNDED PRECEDING)),
        whole AS (SELECT count(*) AS n, sum(b) AS total FROM moved),
        points AS (SELECT bucket, value - of_all AS x, sum(count(*)) OVER (PARTITION BY bucket ORDER BY x
                ROWS UNBOUNDED PRECEDING) AS i, sum(count(*)) OVER (PARTITION BY bucket) AS m
            FROM picked CROSS JOIN middle WHERE value IS NOT NULL GROUP BY bucket, x),
        areas AS (SELECT points.*, coalesce((x * rank - steps.total) / n, 0) AS g, coalesce(rank, 0) AS below,
                n, whole.total - coalesce(steps.total, 0) AS above, CAST((i * n + m - 1) // m AS BIGINT) AS place
            FROM points CROSS JOIN whole ASOF LEFT JOIN steps ON points.x >= steps.b),
        intervals AS (SELECT *, lead(x) OVER along AS z, lead(g) OVER along AS gz
            FROM areas WINDOW along AS (PARTITION BY bucket ORDER BY x)),
        placed AS (SELECT intervals.*, i / m AS c, steps.b AS q, (steps.b * steps.rank - steps.total) / n AS gq
            FROM intervals ASOF LEFT JOIN steps ON intervals.place <= steps.rank),
        clipped AS (SELECT *, least(greatest(q, x), z) AS y,
                CASE WHEN q <= x THEN g WHEN q >= z THEN gz ELSE gq END AS gy FROM placed),
        measured AS (SELECT bucket, greatest(0, sum(CASE
                WHEN z IS NULL THEN (above - x * (n - below)) / n
                ELSE c * (y - x) - (gy - g) + (gz - gy) - c * (z - y) END)
                + arg_min(g, x)) AS metric
            FROM clipped GROUP BY bucket)"""


_OF_SHARES: dict[str, Callable[[], str]] = {
    "JENSEN_SHANNON": _jensen_shannon,
    "POPULATION_STABILITY_INDEX": _population_stability_index,
}
_OF_NUMBERS: dict[str, Callable[[], str]] = {
    "DIFFERENCE_OF_MEANS": _difference_of_means,
    "WASSERSTEIN": _wasserstein,
}
