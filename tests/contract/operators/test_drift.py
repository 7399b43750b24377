from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance
from scipy.stats.contingency import association

from snowmaker.degradation import Degraded
from snowmaker.drift import DriftRules
from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.profile import Profile
from snowmaker.snowflake.statement import Statement
from snowmaker.verdicts import Degradation, Threshold

from .lab import Lab, Model, degraded_events, fresh, task_context
from .weekly_data import FEATURES, HOLDOUT, ROWS, SHIFTED, TWIN, UNSEEN, WEEKS

RUN = ["RUN_ID", "WRITTEN_AT"]
"""What two runs write differently."""


def rules(warn: float, breach: float, **changes: object) -> DriftRules:
    return DriftRules(metrics={"psi": Threshold(warn, breach)}, **changes)


@pytest.fixture
def model(lab: Lab) -> Model:
    """A model with a frozen baseline."""
    model = lab.model("good")
    model.freeze("GOOD")
    return model


def baseline(model: Model) -> pd.DataFrame:
    table = model.lab.name("SNOWMAKER_BASELINES")
    return model.lab.frame_of(
        f"SELECT * FROM {table} WHERE MODEL_NAME = '{model.name}' AND FEATURE <> 'calibration' "
        f"ORDER BY FEATURE, SEGMENT"
    )


def profiles(model: Model, segment: str = "") -> dict[str, Profile]:
    frozen = baseline(model)
    frozen = frozen[frozen["SEGMENT"] == segment]
    return {
        feature: Profile.from_json(text) for feature, text in zip(frozen["FEATURE"], frozen["PROFILE"], strict=True)
    }


def drift(model: Model) -> pd.DataFrame:
    table = model.lab.name("SNOWMAKER_DRIFT")
    return model.lab.frame_of(
        f"SELECT * FROM {table} WHERE MODEL_NAME = '{model.name}' ORDER BY WEEK_START, FEATURE, METRIC"
    )


def score_and_check(model: Model, week: object, context: object = None, **changes: object) -> dict[str, object]:
    model.score(str(week), model_version="GOOD")
    return model.check_drift(str(week), "GOOD", context, **changes)


def test_a_baseline_counts_every_row_of_the_holdout_once(lab: Lab, model: Model) -> None:
    frozen = profiles(model)
    assert sorted(frozen) == sorted([*FEATURES, "score", "label", "rows"])
    assert {profile.rows for profile in frozen.values()} == {ROWS}
    rows = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    for feature in FEATURES:
        assert frozen[feature].nulls == rows[feature].isna().sum()
    categories = frozen["COUNTY"].bins.categories
    assert categories == tuple(sorted(rows["COUNTY"].dropna().unique()))
    assert frozen["COUNTY"].counts[:-2] == tuple(int((rows["COUNTY"] == category).sum()) for category in categories)
    assert frozen["MEMBER"].bins.kind == "boolean"
    assert frozen["MEMBER"].counts[:2] == tuple((rows["MEMBER"] == value).sum() for value in (False, True))
    assert frozen["label"].counts == (*np.bincount(rows["APPROVED"].astype(int)), 0, 0)


def test_a_numbers_profile_is_numpys(lab: Lab, model: Model) -> None:
    values = lab.frame[lab.frame["week"] == str(HOLDOUT)]["INCOME"].dropna().to_numpy(float)
    profile = profiles(model)["INCOME"]
    edges = np.quantile(values, np.arange(1, 10) / 10)
    assert profile.bins.edges == pytest.approx(tuple(edges), rel=1e-12)
    places = np.searchsorted(edges, values)
    assert profile.counts[:-1] == tuple(np.bincount(places, minlength=10))
    assert (profile.mean, profile.stddev) == pytest.approx((values.mean(), values.std()), rel=1e-11)
    assert profile.bin_means == pytest.approx([values[places == place].mean() for place in range(10)], rel=1e-11)


def test_a_baseline_is_frozen_once_whatever_becomes_of_the_rows(lab: Lab) -> None:
    model = lab.model("good")
    model.source = model.own_source()
    assert model.freeze("GOOD") == {"model_version": "GOOD", "features": 8, "frozen": True}
    before = baseline(model)
    lab.rows(f"DELETE FROM {model.source.table.quoted} WHERE INCOME > 40")
    assert model.freeze("GOOD", bins=5) == {"model_version": "GOOD", "features": 8, "frozen": False}
    pd.testing.assert_frame_equal(baseline(model), before)


def test_a_baseline_made_again_of_the_same_rows_is_the_same_to_the_last_digit(lab: Lab, model: Model) -> None:
    before = baseline(model)
    lab.rows(f"DELETE FROM {lab.name('SNOWMAKER_BASELINES')} WHERE MODEL_NAME = %s", model.name)
    assert model.freeze("GOOD")["frozen"]
    pd.testing.assert_frame_equal(baseline(model).drop(columns=RUN), before.drop(columns=RUN))


def test_only_the_commonest_categories_are_told_apart(lab: Lab) -> None:
    model = lab.model("good")
    model.freeze("GOOD", categories=2)
    counties = lab.frame[lab.frame["week"] == str(HOLDOUT)]["COUNTY"]
    assert profiles(model)["COUNTY"].bins.categories == tuple(sorted(counties.value_counts().index[:2]))


def test_the_baselines_own_rows_a_week_later_have_no_drift_at_all(model: Model) -> None:
    context = task_context()
    result = score_and_check(model, TWIN, context)
    assert (result["verdict"], result["worst_value"], result["degraded"]) == ("ok", 0.0, False)
    written = drift(model)
    assert set(written["FEATURE"]) == {*FEATURES, "score", "rows"}
    assert (written["VALUE"] == 0.0).all()
    assert written[written["METRIC"] == "psi"]["VERDICT"].tolist() == ["ok"] * 6
    assert (written["ROW_COUNT"] == ROWS).all()
    assert degraded_events(context, "drift") == []


def test_a_shifted_week_breaches_and_names_the_feature_with_its_psi(lab: Lab, model: Model) -> None:
    result = score_and_check(model, SHIFTED[0])
    assert (result["verdict"], result["worst_feature"]) == ("breach", "INCOME")
    base, week = (lab.frame[lab.frame["week"] == str(w)]["INCOME"] for w in (HOLDOUT, SHIFTED[0]))
    edges = np.quantile(base.dropna(), np.arange(1, 10) / 10)
    shares = [
        np.maximum(
            [*np.bincount(np.searchsorted(edges, values.dropna()), minlength=10), values.isna().sum()], ROWS * 1e-4
        )
        / ROWS
        for values in (base, week)
    ]
    assert result["worst_value"] == pytest.approx(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    written = drift(model)
    written = written[written["METRIC"] == "psi"].set_index("FEATURE")
    assert (result["worst_metric"], result["worst_segment"]) == ("psi", "")
    assert result["moved"][0] == f"PSI of INCOME is {result['worst_value']:.3g} (breach from 0.25)"
    assert (written["WARN"]["INCOME"], written["BREACH"]["INCOME"], written["P_VALUE"]["INCOME"] < 1e-9) == (
        0.1,
        0.25,
        True,
    )
    assert written["VERDICT"]["INCOME"] == "breach"
    assert written["VERDICT"]["debt ratio"] != "breach"
    assert (week.index.size, written["VALUE"]["INCOME"]) == (ROWS, result["worst_value"])
    # The unseen county falls into the bin of all others, which the baseline has empty.
    assert (lab.frame[lab.frame["week"] == str(SHIFTED[0])]["COUNTY"] == UNSEEN).any()
    assert written["VALUE"]["COUNTY"] > 0.1


def test_one_odd_week_does_not_degrade_a_model_but_enough_of_them_do(model: Model) -> None:
    rule = Degradation(breaches=2, of_weeks=3)
    told = {}
    for week in (TWIN, *SHIFTED[:2]):
        context = task_context()
        told[week] = (
            score_and_check(model, week, context, degraded_when=rule)["degraded"],
            degraded_events(context, "drift"),
        )
    assert told[TWIN] == (False, [])
    assert told[SHIFTED[0]] == (False, [])
    degraded, (event,) = told[SHIFTED[1]]
    assert degraded
    assert event["detail"].startswith("PSI of INCOME is ")
    assert event["detail"].endswith(f"2 of the last 3 weeks breached, since {SHIFTED[0]}")
    found = Degraded.from_extra(event)
    assert (found.week, found.model_version, found.cause, found.what) == (str(SHIFTED[1]), "GOOD", "drift", "INCOME")
    assert (found.metric, found.bound, found.since, found.breaches) == ("psi", 0.25, str(SHIFTED[0]), 2)
    # Checked again, an earlier week does not see the later ones.
    assert not model.check_drift(SHIFTED[0], "GOOD", degraded_when=rule)["degraded"]


def test_thresholds_are_the_pipelines(model: Model) -> None:
    assert score_and_check(model, SHIFTED[0], rules=rules(90.0, 99.0))["verdict"] == "ok"
    assert model.check_drift(SHIFTED[0], "GOOD", rules=rules(0.5, 99.0))["verdict"] == "warn"


def test_checked_again_a_week_replaces_its_own_rows_only(model: Model) -> None:
    score_and_check(model, TWIN, task_context("twin"))
    score_and_check(model, SHIFTED[0], task_context("first"))
    before = drift(model)
    model.check_drift(SHIFTED[0], "GOOD", task_context("second"))
    after = drift(model)
    pd.testing.assert_frame_equal(after.drop(columns=RUN), before.drop(columns=RUN))
    assert set(after["RUN_ID"]) == {"score_loans/twin", "score_loans/second"}


def test_the_whole_measurement_is_one_statement_that_reads_the_week_once(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.score(TWIN, model_version="GOOD")
    sent: list[str] = []
    run = WarehouseSession._run

    def listen(session: WarehouseSession, statement: Statement) -> object:
        sent.append(statement.text)
        return run(session, statement)

    monkeypatch.setattr(WarehouseSession, "_run", listen)
    model.check_drift(TWIN, "GOOD")
    source, predictions = str(model.source.table), model.predictions
    readers = [text for text in sent if f"FROM {source}" in text or f"FROM {predictions}" in text]
    assert len(readers) == 1
    assert readers[0].count(source) == readers[0].count(predictions) == 1
    assert "MODEL(" not in readers[0]


def test_a_version_without_baseline_is_told_with_what_makes_one(lab: Lab) -> None:
    model = lab.model("good")
    model.score(TWIN, model_version="GOOD")
    with pytest.raises(ModelVersionError, match=r"version GOOD of model .* has no frozen baseline .* run FreezeBasel"):
        model.check_drift(TWIN, "GOOD")


def test_a_feature_that_the_baseline_does_not_know_is_named(lab: Lab, model: Model) -> None:
    lab.rows(
        f"DELETE FROM {lab.name('SNOWMAKER_BASELINES')} WHERE MODEL_NAME = %s AND FEATURE = %s", model.name, "INCOME"
    )
    model.score(TWIN, model_version="GOOD")
    with pytest.raises(ModelVersionError, match="has no INCOME, which the version takes"):
        model.check_drift(TWIN, "GOOD")


def test_a_week_must_be_scored_before_its_drift_is_checked(model: Model) -> None:
    model.score(TWIN, model_version="GOOD")
    with pytest.raises(InputDataError, match=rf"week {SHIFTED[0]} has {ROWS} rows .* and 0 predictions by GOOD"):
        model.check_drift(SHIFTED[0], "GOOD")


def test_a_feature_with_the_scores_name_is_refused(lab: Lab, model: Model) -> None:
    view = lab.name(fresh("View"))
    lab.rows(f'CREATE VIEW {view} AS SELECT *, INCOME AS "score" FROM {model.source.table.quoted}')
    source = type(model.source).of(view, week_column='"Applied on"', label="APPROVED", numeric=['"score"'])
    with pytest.raises(InputDataError, match=r"feature score .* rename it in a view"):
        model.training_set(TWIN, source=source)


def test_what_the_warehouse_counts_gives_scipys_metrics_on_the_same_rows(lab: Lab, model: Model) -> None:
    score_and_check(model, SHIFTED[0])
    found = drift(model).set_index(["FEATURE", "METRIC"])["VALUE"]
    base, week = (lab.frame[lab.frame["week"] == str(w)] for w in (HOLDOUT, SHIFTED[0]))
    frozen = profiles(model)
    edges = frozen["INCOME"].bins.edges
    x, y = (rows["INCOME"].dropna().to_numpy(float) for rows in (base, week))
    places = [np.searchsorted(edges, values) for values in (x, y)]
    bins = [[*np.bincount(place, minlength=10), ROWS - place.size] for place in places]
    assert found["INCOME", "jensen_shannon"] == pytest.approx(jensenshannon(*bins, base=2), rel=1e-9)
    assert found["INCOME", "kolmogorov_smirnov"] == pytest.approx(ks_2samp(*places).statistic, rel=1e-9)
    means = np.array([x[places[0] == place].mean() for place in range(10)])
    moved = wasserstein_distance(means[places[0]], means[places[1]]) / x.std()
    assert found["INCOME", "wasserstein"] == pytest.approx(moved, rel=1e-9)
    assert found["INCOME", "mean_difference"] == pytest.approx((y.mean() - x.mean()) / x.std(), rel=1e-9)
    names = frozen["COUNTY"].bins.categories
    counts = [
        [*(int((rows["COUNTY"] == name).sum()) for name in names), 0, int(rows["COUNTY"].isna().sum())]
        for rows in (base, week)
    ]
    counts[1][-2] = ROWS - sum(counts[1])
    assert found["COUNTY", "chi_squared"] == pytest.approx(association(np.array(counts), correction=False), rel=1e-9)
    assert found["COUNTY", "new_category_share"] == pytest.approx(counts[1][-2] / (ROWS - counts[1][-1]), rel=1e-9)


def test_a_baseline_can_be_made_of_the_first_weeks_that_a_version_scores(lab: Lab) -> None:
    model = lab.model("good")
    model.score(WEEKS[3], model_version="GOOD")
    early = model.check_drift(WEEKS[3], "GOOD", baseline_weeks=2)
    assert (early["verdict"], early["worst_feature"], early["degraded"], early["since"]) == (None, None, False, None)
    assert score_and_check(model, HOLDOUT, baseline_weeks=2)["verdict"] == "ok"
    frozen = profiles(model)
    assert (frozen["INCOME"].rows, frozen["INCOME"].weeks, frozen["score"].rows) == (2 * ROWS, 2, 2 * ROWS)
    # Later weeks are held against those two, and the baseline stays as it is.
    assert score_and_check(model, SHIFTED[0], baseline_weeks=2)["worst_feature"] == "INCOME"
    assert profiles(model) == frozen
    rows = drift(model)
    assert rows[rows["METRIC"] == "row_count_change"]["VALUE"].tolist() == [0.0, 0.0]


def test_a_calibration_can_be_frozen_before_such_a_baseline_and_outlives_it(lab: Lab) -> None:
    model = lab.model("good")
    assert not model.freeze("GOOD", calibration_only=True)["frozen"]
    assert score_and_check(model, HOLDOUT, baseline_weeks=1)["verdict"] == "ok"
    table = lab.name("SNOWMAKER_BASELINES")
    features = lab.rows(f"SELECT FEATURE FROM {table} WHERE MODEL_NAME = %s", model.name)
    assert sorted(feature for (feature,) in features) == sorted([*FEATURES, "score", "rows", "calibration"])


def test_while_its_last_retraining_is_fresh_a_degraded_model_is_told_of_without_an_event(model: Model) -> None:
    rule = {"degraded_when": Degradation(breaches=1, of_weeks=1)}
    model.make_champion("GOOD", week=TWIN)
    for weeks, asked in ((2, False), (1, True)):
        context = task_context()
        result = score_and_check(model, SHIFTED[0], context, cool_down_weeks=weeks, **rule)
        assert (result["degraded"], result["since"]) == (True, str(SHIFTED[0]))
        assert bool(degraded_events(context, "drift")) is asked


def test_a_feature_can_have_thresholds_of_its_own_or_be_shown_only(model: Model) -> None:
    shown = score_and_check(model, SHIFTED[0], rules=DriftRules(ignored=frozenset({"INCOME", "COUNTY", "score"})))
    assert shown["verdict"] == "ok"
    own = DriftRules(metrics={}, features={"INCOME": {"missing_rate_change": Threshold(0.5, 0.9)}})
    result = model.check_drift(SHIFTED[0], "GOOD", rules=own)
    assert (result["verdict"], result["worst_feature"], result["worst_metric"]) == (
        "ok",
        "INCOME",
        "missing_rate_change",
    )


def test_checked_again_a_week_keeps_what_is_known_of_its_labels(model: Model) -> None:
    score_and_check(model, TWIN)
    model.check_performance(TWIN.shift(2), "GOOD")
    labels = drift(model)
    labels = labels[labels["FEATURE"] == "label"].reset_index(drop=True)
    assert set(labels["VALUE"]) == {0.0}
    model.check_drift(TWIN, "GOOD")
    after = drift(model)
    pd.testing.assert_frame_equal(after[after["FEATURE"] == "label"].reset_index(drop=True), labels)
