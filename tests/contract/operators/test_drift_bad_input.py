"""Columns and weeks that break naive statistics: each has a defined result, or an error that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
import snowflake.connector

from include.sandbox.process import Sandbox
from snowmaker.drift import ALL_ROWS, DriftRules
from snowmaker.exceptions import InputDataError
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.operators import baseline_record, profiling
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.profile import Profile
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.profiles import Column
from snowmaker.snowflake.statement import Statement
from snowmaker.source import Source
from snowmaker.verdicts import Threshold
from snowmaker.week import Week

from .lab import task_context

FIRST = Week(date(2026, 1, 5))
HOLDOUT, SAME, MOVED, EMPTY, ONE, FIVE, ONE_SHOP = (FIRST.shift(i) for i in range(7))
ROWS = 2_000
CITIES = 100_000
SCHEMA = "ODD"
NUMBERS = ["CONSTANT", "NOTHING", "WILD", "HUGE", "FLAG", "AMOUNT"]
MODEL = QualifiedName.parse("ODD.PUBLIC.MODEL")
_COLUMNS = (
    "CONSTANT FLOAT, NOTHING FLOAT, WILD FLOAT, HUGE FLOAT, FLAG BOOLEAN, AMOUNT NUMBER(10, 2), CITY VARCHAR, "
    "BORN DATE, APPROVED NUMBER(1, 0), SHOP VARCHAR, WEEK DATE"
)
# Every column as a function of the row's number, so that two weeks of one rule have the same values.
_CALM = (
    "7.5, NULL, CASE MOD(N, 10) WHEN 0 THEN 'NaN'::FLOAT WHEN 1 THEN 'inf'::FLOAT WHEN 2 THEN '-inf'::FLOAT "
    "ELSE MOD(N, 97) END, IFF(MOD(N, 2) = 0, 1e300, -1e300), IFF(MOD(N, 5) = 0, NULL, MOD(N, 2) = 0), MOD(N, 500) / 4, "
    "'city ' || MOD(N, 40), DATEADD(day, MOD(N, 3000), '1962-05-05'::DATE), MOD(N, 2), "
    "IFF(MOD(N, 7) = 0, NULL, 'shop ' || MOD(N, 30))"
)
_MOVED = (
    "IFF(N < 500, 7.4, 7.5), N, MOD(N, 97), 1.0, FALSE, NULL, 'town ' || N, '2030-01-01'::DATE, 1, "
    "IFF(MOD(N, 7) = 0, NULL, 'shop ' || MOD(N, 30))"
)


@dataclass
class Odd:
    """The odd table, and a baseline of its first week under the name of a version."""

    rows: Any
    source: Source
    baseline: dict[str, dict[str, Profile]]

    def check(self, week: Week, rules: DriftRules | None = None, **changes: Any) -> dict[str, Any]:
        """Check a week as a task does."""
        operator = DriftCheckOperator(
            task_id="check_drift",
            **{
                "source": self.source,
                "model_name": MODEL.quoted,
                "model_version": "V1",
                "predictions_table": "ODD.PUBLIC.PREDICTIONS",
                "week": str(week),
                "rules": rules,
                **changes,
            },
        )
        return operator.execute(task_context())

    def values(self, week: Week, feature: str) -> dict[str, tuple[float | None, str | None]]:
        """Value and verdict of each metric of a feature."""
        found = self.rows(
            "SELECT METRIC, VALUE, VERDICT FROM ODD.PUBLIC.SNOWMAKER_DRIFT WHERE WEEK_START = %s AND FEATURE = %s "
            "AND SEGMENT = ''",
            week.start,
            feature,
        )
        return {metric: (value, verdict) for metric, value, verdict in found}

    def profile(self, week: Week, feature: str, segment: str = "") -> Profile:
        """The profile that is kept of a week."""
        ((text,),) = self.rows(
            "SELECT PROFILE FROM ODD.PUBLIC.SNOWMAKER_PROFILES WHERE WEEK_START = %s AND FEATURE = %s AND SEGMENT = %s",
            week.start,
            feature,
            segment,
        )
        return Profile.from_json(text)


@pytest.fixture(scope="module")
def odd(sandbox: Sandbox) -> Iterator[Odd]:
    """Weeks of odd rows with predictions; no model is needed to look at them."""
    source = Source.of(
        "ODD.PUBLIC.APPLICATIONS",
        week_column="WEEK",
        label="APPROVED",
        categorical=["CITY"],
        numeric=NUMBERS,
        key=["SHOP"],
    )
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:

        def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
            return list(cursor.execute(sql, values or None).fetchall())

        rows("CREATE DATABASE ODD")
        rows(f"CREATE TABLE ODD.PUBLIC.APPLICATIONS ({_COLUMNS})")
        one_shop = _CALM.replace("MOD(N, 500) / 4", "IFF(MOD(N, 30) = 1, NULL, MOD(N, 500) / 4)")
        calm = {HOLDOUT: (_CALM, ROWS), SAME: (_CALM, ROWS), ONE_SHOP: (one_shop, ROWS)}
        moved = {MOVED: (_MOVED, ROWS), ONE: (_MOVED, 1), FIVE: (_MOVED, 5)}
        for week, (rule, size) in {**calm, **moved}.items():
            rows(
                f"INSERT INTO ODD.PUBLIC.APPLICATIONS SELECT {rule}, '{week}'::DATE "
                f"FROM (SELECT SEQ4() AS N FROM TABLE(GENERATOR(ROWCOUNT => {size})))"
            )
        place = "ROW_NUMBER() OVER (PARTITION BY WEEK ORDER BY CITY, SHOP)"
        rows(
            f"CREATE TABLE ODD.PUBLIC.PREDICTIONS AS SELECT WEEK AS WEEK_START, '{MODEL.quoted}' AS MODEL_NAME, "
            f"'V1' AS MODEL_VERSION, IFF(WEEK = '{MOVED}', 1.5, MOD({place}, 100) / 100)::FLOAT AS SCORE, "
            f"1 AS PREDICTION, SHOP, FALSE AS IS_SHADOW FROM ODD.PUBLIC.APPLICATIONS"
        )
        yield Odd(rows, source, _freeze(source))
        rows("DROP DATABASE ODD")


def _freeze(source: Source) -> dict[str, dict[str, Profile]]:
    with WarehouseHook().session() as session:
        types = {"CITY": "VARCHAR", "FLAG": "BOOLEAN"}
        columns = profiling.feature_columns(source, {name: types.get(name, "FLOAT") for name in [*NUMBERS, "CITY"]})
        made = profiling.profile_scored_weeks(
            session,
            source,
            columns,
            [Identifier("SHOP")],
            drift_sql.scores_of_weeks(
                QualifiedName.parse("ODD.PUBLIC.PREDICTIONS"),
                MODEL.quoted,
                "V1",
                [Identifier("SCORE"), Identifier("SHOP")],
                [HOLDOUT],
            ),
            drift_sql.PREDICTED[:1],
            [HOLDOUT],
            bins=10,
            categories=60,
        )
        baseline_record.freeze(session, MODEL, "V1", "HOLDOUT", made, "test")
    return made


def test_odd_columns_that_stay_as_they_are_have_not_drifted_at_all(odd: Odd) -> None:
    result = odd.check(SAME)
    assert (result["verdict"], result["worst_value"], result["moved"]) == ("ok", 0.0, [])
    for feature in [*NUMBERS, "CITY", "score", "rows"]:
        values = {value for value, _ in odd.values(SAME, feature).values()}
        assert values <= {0.0, None}
        assert 0.0 in values


def test_a_constant_that_moves_is_seen_and_has_no_deviation_to_be_measured_by(odd: Odd) -> None:
    odd.check(MOVED)
    values = odd.values(MOVED, "CONSTANT")
    assert values["psi"][1] == "breach"
    assert values["mean_difference"] == values["wasserstein"] == (None, None)
    assert values["l_infinity"][0] == pytest.approx(0.25)


def test_a_column_without_any_value_has_a_profile_and_values_that_come_are_seen(odd: Odd) -> None:
    assert odd.baseline[ALL_ROWS]["NOTHING"].bins.edges == ()
    assert odd.baseline[ALL_ROWS]["NOTHING"].counts == (0, ROWS)
    odd.check(MOVED)
    assert odd.values(MOVED, "NOTHING")["missing_rate_change"] == (-1.0, None)
    assert odd.values(MOVED, "AMOUNT")["missing_rate_change"] == (1.0, None)
    assert odd.values(MOVED, "AMOUNT")["psi"][1] == "breach"
    assert odd.values(MOVED, "AMOUNT")["mean_difference"] == (None, None)


def test_what_is_not_finite_is_counted_apart_and_in_no_mean(odd: Odd) -> None:
    found = odd.baseline[ALL_ROWS]["WILD"]
    finite = np.array([n % 97 for n in range(ROWS) if n % 10 > 2], float)
    assert (found.not_finite, found.nulls, sum(found.values)) == (600, 0, finite.size)
    assert (found.mean, found.stddev) == pytest.approx((finite.mean(), finite.std()), rel=1e-9)
    assert max(found.bins.edges) < 97


def test_numbers_whose_squares_are_too_large_have_no_deviation(odd: Odd) -> None:
    found = odd.baseline[ALL_ROWS]["HUGE"]
    assert found.stddev is None
    assert sum(found.values) == ROWS
    odd.check(MOVED)
    assert odd.values(MOVED, "HUGE")["psi"][1] == "breach"
    assert odd.values(MOVED, "HUGE")["mean_difference"] == (None, None)


def test_scores_outside_their_range_fall_into_the_outer_bins(odd: Odd) -> None:
    odd.check(MOVED)
    assert odd.profile(MOVED, "score").values == (0,) * 9 + (ROWS,)
    assert odd.values(MOVED, "score")["psi"][1] == "breach"


@pytest.mark.parametrize(("week", "rows"), [(ONE, 1), (FIVE, 5)])
def test_a_week_of_few_rows_has_values_and_is_not_called_drifted(odd: Odd, week: Week, rows: int) -> None:
    result = odd.check(week, DriftRules(ignored=frozenset({"CITY", "AMOUNT", "NOTHING"})))
    assert result["verdict"] in ("ok", "warn", "breach")
    assert odd.profile(week, "CONSTANT").rows == rows
    value, verdict = odd.values(week, "FLAG")["psi"]
    assert value is not None
    assert verdict == "ok"


def test_a_week_without_rows_is_told(odd: Odd) -> None:
    with pytest.raises(InputDataError, match=rf"week {EMPTY} has 0 rows .* and 0 predictions by V1 .* score it before"):
        odd.check(EMPTY)


def test_a_hundred_thousand_categories_are_kept_as_sixty_at_most(odd: Odd) -> None:
    many = Statement(
        f"SELECT 'city ' || IFF(SEQ4() < 2000, MOD(SEQ4(), 10), SEQ4()) AS CITY "
        f"FROM TABLE(GENERATOR(ROWCOUNT => {CITIES}))"
    )
    city = Column("CITY", Identifier("CITY"), "categorical")
    with WarehouseHook().session() as session:
        made = profiling.make_profiles(session, many, [city], bins=10, categories=60, weeks=1)
    profile = made[ALL_ROWS]["CITY"]
    # Those that one row has are not told apart: which of them came first would be chance.
    assert profile.bins.categories == tuple(f"city {n}" for n in range(10))
    assert profile.counts == (200,) * 10 + (CITIES - 2000, 0)
    assert len(profile.to_json()) < 1000


def test_a_date_is_counted_in_days(odd: Odd) -> None:
    born = Column("BORN", Identifier("BORN"), "date")
    with WarehouseHook().session() as session:
        rows = drift_sql.week_rows(odd.source, [Identifier("BORN")], HOLDOUT)
        profile = profiling.make_profiles(session, rows, [born], bins=4, categories=60, weeks=1)[ALL_ROWS]["BORN"]
    days = np.array([(date(1962, 5, 5) + timedelta(days=n) - date(1970, 1, 1)).days for n in range(ROWS)], float)
    assert profile.bins.edges == pytest.approx(tuple(np.quantile(days, [0.25, 0.5, 0.75])))
    assert (profile.bins.kind, profile.mean) == ("date", pytest.approx(days.mean()))
    assert profile.values == (500,) * 4


def test_a_column_whose_type_changed_is_told_with_both(odd: Odd) -> None:
    odd.rows("CREATE VIEW ODD.PUBLIC.CAST AS SELECT * EXCLUDE (CONSTANT, FLAG), CONSTANT::VARCHAR AS CONSTANT, "
             "FLAG::INTEGER AS FLAG FROM ODD.PUBLIC.APPLICATIONS")  # fmt: skip
    changed = {"categorical": ["CITY"], "key": ["SHOP"], "week_column": "WEEK", "label": "APPROVED"}
    text = Source.of("ODD.PUBLIC.CAST", numeric=NUMBERS, **changed)
    with pytest.raises(InputDataError, match=r"column CONSTANT of .* is VARCHAR.*, but as numeric it must be one of"):
        odd.check(SAME, source=text)
    number = Source.of("ODD.PUBLIC.CAST", numeric=["FLAG"], **changed)
    with pytest.raises(
        InputDataError, match=r"column FLAG of .* is numeric now, but boolean in the baseline of version"
    ):
        odd.check(SAME, source=number)


def test_segments_are_the_commonest_values_and_all_others(odd: Odd) -> None:
    labels = [segment for segment in odd.baseline if segment]
    assert len(labels) == 21
    assert "SHOP=(other)" in labels
    result = odd.check(MOVED, segments=["SHOP"])
    assert result["verdict"] == "breach"
    kept = {segment: odd.profile(MOVED, "rows", segment).rows for segment in labels}
    assert sum(kept.values()) == ROWS
    shops = [None if n % 7 == 0 else f"SHOP=shop {n % 30}" for n in range(ROWS)]
    assert all(kept[label] == shops.count(label) for label in labels if "other" not in label)
    # The key's segments are the predictions', too.
    assert odd.profile(MOVED, "score", labels[0]).rows == kept[labels[0]]


def test_the_worst_segment_is_reported_though_all_rows_are_calm(odd: Odd) -> None:
    rules = DriftRules(metrics={"missing_rate_change": Threshold(0.3, 0.5)})
    result = odd.check(ONE_SHOP, rules, segments=["SHOP"])
    assert (result["verdict"], result["worst_feature"], result["worst_segment"]) == ("breach", "AMOUNT", "SHOP=shop 1")
    assert result["moved"] == ["Change of missing rate of AMOUNT where SHOP=shop 1 is 1 (breach from 0.5)"]


def test_a_segment_that_the_baseline_does_not_know_is_left_out_and_a_column_that_is_none_refused(odd: Odd) -> None:
    result = odd.check(SAME, segments=["CITY"])
    assert result["worst_segment"] == ""
    with pytest.raises(
        InputDataError, match=r"segment column BORN is neither a feature nor a key column .* source.key"
    ):
        odd.check(SAME, segments=["BORN"])


def test_what_comes_back_is_small_whatever_the_rows(odd: Odd) -> None:
    odd.check(SAME)
    sizes = odd.rows("SELECT MAX(LENGTH(PROFILE)) FROM ODD.PUBLIC.SNOWMAKER_PROFILES WHERE WEEK_START = %s", SAME.start)
    assert sizes[0][0] < 2000
    assert len(json.dumps(odd.check(SAME))) < 1000
