"""The pipeline file lists the features of the next version; those before it are called with their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

from snowmaker.exceptions import InputDataError
from snowmaker.operators.explain import ExplainModelOperator
from snowmaker.operators.shadow import ComparePredictionsOperator
from snowmaker.performance import PerformanceThresholds
from snowmaker.source import Source

from .artefacts import MadeArtefact, make_linear_artefact
from .foreign_model import Foreign
from .lab import DATABASE, SCHEMA, Lab, Model, fresh, task_context
from .weekly_data import HOLDOUT, ROWS, TWIN, WEEKS, model_input, source_of

# Two numbers, and not in the order in which the pipeline file lists them.
NARROW = ["debt ratio", "INCOME"]


@pytest.fixture(scope="module")
def narrow(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> MadeArtefact:
    """An artefact of a version that takes less."""
    return make_linear_artefact(tmp_path_factory.mktemp("narrow") / "model", lab.frame, NARROW)


@pytest.fixture(scope="module")
def logged(lab: Lab, narrow: MadeArtefact) -> dict[str, Any]:
    return Model(lab, lab.name("Narrow models")).log(lab.upload(narrow))


@pytest.fixture
def model(lab: Lab, logged: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model with the versions GOOD, of all features, and NARROW."""
    monkeypatch.setitem(lab.logged, "narrow", logged)
    return lab.model("good", "narrow")


def listing(source: Source, *names: str) -> Source:
    """The source as a pipeline file has it that lists these features."""
    by_name = {feature.column.name: feature for feature in source.features}
    return replace(source, features=tuple(by_name[name] for name in names))


def view_without(model: Model, column: str) -> Source:
    """The source as a view that has not a column any more."""
    name = model.lab.name(fresh("Without"))
    model.lab.rows(f'CREATE VIEW {name} AS SELECT * EXCLUDE ("{column}") FROM {model.source.table.quoted}')
    return source_of(name)


def scores(artefact: MadeArtefact, frame: pd.DataFrame) -> np.ndarray:
    taken = model_input(frame)[['"debt ratio"', "INCOME"]]
    return np.asarray(artefact.model.predict_proba(taken)[:, 1])


def of_week(lab: Lab, week: object) -> pd.DataFrame:
    return lab.frame[lab.frame["week"] == str(week)].reset_index(drop=True)


def test_each_version_scores_with_the_features_it_was_trained_on(lab: Lab, model: Model, narrow: MadeArtefact) -> None:
    model.score(TWIN, model_version="NARROW")
    expected = np.sort(scores(narrow, of_week(lab, TWIN)))
    np.testing.assert_allclose(np.sort(model.predicted()["SCORE"]), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "names",
    [
        ["COUNTY", "loan % type", "MEMBER", "debt ratio", "INCOME"],
        ["loan % type", "INCOME"],
    ],
    ids=["other order", "fewer"],
)
def test_what_the_pipeline_file_lists_by_now_changes_no_prediction(model: Model, names: list[str]) -> None:
    model.score(TWIN, model_version="GOOD")
    before = model.predicted().drop(columns=["RUN_ID", "SCORED_AT"])
    model.source = listing(model.source, *names)
    assert model.check_input(week=str(TWIN), model_version="GOOD")["rows"] == ROWS
    model.score(TWIN, model_version="GOOD")
    pd.testing.assert_frame_equal(model.predicted().drop(columns=["RUN_ID", "SCORED_AT"]), before)


def test_a_feature_that_the_table_does_not_have_yet_stops_only_the_training(model: Model) -> None:
    full, model.source = model.source, view_without(model, "MEMBER")
    assert model.check_input(week=str(TWIN), model_version="NARROW")["rows"] == ROWS
    assert model.score(TWIN, model_version="NARROW")["rows"] == ROWS
    with pytest.raises(InputDataError, match=r"has no column MEMBER.*Mend the pipeline file's source"):
        model.training_set(WEEKS[6])
    model.source = listing(full, "INCOME")
    assert model.training_set(WEEKS[6])["rows"]


@pytest.mark.parametrize("task", ["check_input", "score"])
def test_a_column_that_a_version_takes_and_the_table_has_no_more_is_told(model: Model, task: str) -> None:
    model.source = listing(view_without(model, "MEMBER"), "INCOME")
    with pytest.raises(
        InputDataError, match=r"has no column MEMBER.*Model version GOOD was trained on it: bring it back"
    ):
        getattr(model, task)(week=str(TWIN), model_version="GOOD")


def test_drift_is_that_of_the_versions_own_features(lab: Lab, model: Model) -> None:
    model.freeze("NARROW")
    model.score(TWIN, model_version="NARROW")
    model.check_drift(TWIN, "NARROW")
    rows = lab.rows(
        f"SELECT DISTINCT FEATURE FROM {lab.name('SNOWMAKER_DRIFT')} WHERE MODEL_NAME = %s ORDER BY 1", model.name
    )
    assert [name for (name,) in rows] == ["INCOME", "debt ratio", "rows", "score"]


def f1_of(lab: Lab, week: object, score: np.ndarray) -> float:
    return float(f1_score(of_week(lab, week)["APPROVED"].astype(int), score >= 0.5))


def test_weeks_are_measured_by_what_their_versions_were_given(lab: Lab, model: Model, narrow: MadeArtefact) -> None:
    first, second = WEEKS[5], WEEKS[6]
    model.score(first, model_version="GOOD")
    model.score(second, model_version="NARROW")
    expected = {
        str(first): f1_of(lab, first, lab.artefacts["good"].scores(of_week(lab, first))),
        str(second): f1_of(lab, second, scores(narrow, of_week(lab, second))),
    }
    # Twins differ in their labels, and which of them meets which label is not told by their features.
    found = model.check_performance(second.shift(2), "NARROW")["weeks"]
    assert found == pytest.approx(expected, abs=1e-12)
    lab.rows(f"DELETE FROM {lab.name('SNOWMAKER_LABELS')} WHERE MODEL_NAME = %s", model.name)
    model.source = listing(model.source, "INCOME", "COUNTY")
    assert model.check_performance(second.shift(2), "NARROW")["weeks"] == found


def test_a_week_whose_rows_are_not_found_again_stays_as_it_was_measured(model: Model) -> None:
    first, second = WEEKS[5], WEEKS[6]
    model.score(first, model_version="GOOD")
    found = model.check_performance(second.shift(2), "GOOD")["weeks"]
    model.source = listing(view_without(model, "MEMBER"), "INCOME")
    model.score(second, model_version="NARROW")
    later = model.check_performance(second.shift(2), "NARROW")["weeks"]
    assert list(later) == [str(first), str(second)]
    assert later[str(first)] == found[str(first)]


def test_challenger_and_champion_are_judged_by_their_own_features(model: Model) -> None:
    model.make_champion("GOOD")
    expected = model.evaluate("NARROW", floors={}, min_gain={"f1": -1})
    model.source = listing(model.source, *NARROW)
    made = model.training_set(WEEKS[6])
    weeks = {"first_week": str(HOLDOUT), "last_week": str(HOLDOUT)}
    verdict = model.evaluate("NARROW", training_table=made["table"], floors={}, min_gain={"f1": -1}, **weeks)
    assert verdict["metrics"] == expected["metrics"]
    assert set(verdict["metrics"]) == {"GOOD", "NARROW"}
    assert verdict["passed"]


def test_a_training_set_that_is_older_than_the_champion_is_refused(model: Model) -> None:
    model.make_champion("NARROW")
    model.source = listing(model.source, *NARROW)
    table = model.training_set(WEEKS[6])["table"]
    model.make_champion("GOOD")
    with pytest.raises(InputDataError, match=r"has no COUNTY, loan % type, MEMBER, which champion GOOD takes.*retrain"):
        model.evaluate("NARROW", training_table=table)


@pytest.mark.parametrize(("floors", "passed"), [({}, False), ({"f1": 0.1}, True)])
def test_a_champion_that_cannot_score_any_more_is_replaced_by_absolute_rules(
    model: Model, floors: dict[str, float], passed: bool
) -> None:
    model.make_champion("GOOD")
    model.source = listing(view_without(model, "MEMBER"), *NARROW)
    table = model.training_set(WEEKS[6])["table"]
    verdict = model.evaluate("NARROW", training_table=table, floors=floors, min_gain={"f1": 0.5})
    (rule,) = [rule for rule in verdict["rules"] if rule["rule"] == "absolute rules"]
    assert (verdict["passed"], rule["passed"], rule["value"]) == (passed, passed, len(floors))
    assert (
        rule["note"]
        == f"champion GOOD was not compared with: it takes MEMBER, which {model.source.table.quoted} has no more"
    )
    assert (verdict["champion"], set(verdict["metrics"])) == ("GOOD", {"NARROW"})
    if passed:
        assert model.promote(verdict, WEEKS[6]) == {"champion": "NARROW", "previous": "GOOD"}


@pytest.mark.parametrize("is_there", [True, False])
def test_attributions_are_compared_where_the_training_set_has_what_both_take(model: Model, is_there: bool) -> None:
    model.make_champion("GOOD")
    table = model.source if is_there else view_without(model, "MEMBER")
    result = ExplainModelOperator(
        task_id="explain",
        source=listing(model.source, *NARROW),
        model_name=model.name,
        model_version="NARROW",
        training_table=table.table.quoted,
        first_week=str(HOLDOUT),
        last_week=str(HOLDOUT),
        sample_rows=50,
    ).execute(task_context())
    assert result["champion"] == ("GOOD" if is_there else None)
    assert {one["feature"] for one in result["top"]} == set(NARROW)
    assert {one["change"] is None for one in result["top"]} == {not is_there}


@pytest.mark.parametrize("names", [NARROW, ["COUNTY", "INCOME"]])
def test_predictions_of_versions_with_other_features_are_compared_row_by_row(
    lab: Lab, model: Model, narrow: MadeArtefact, names: list[str]
) -> None:
    model.score(TWIN, model_version="GOOD")
    model.source = listing(model.source, *names)
    model.score(TWIN, model_version="NARROW", shadow=True)
    result = ComparePredictionsOperator(
        task_id="compare",
        source=model.source,
        model_name=model.name,
        predictions_table=model.predictions,
        version="NARROW",
        week=str(TWIN),
    ).execute(task_context())
    frame = of_week(lab, TWIN)
    own, other = scores(narrow, frame), lab.artefacts["good"].scores(frame)
    assert (result["rows"], result["only_version"], result["only_against"]) == (ROWS, 0, 0)
    assert result["mean_absolute_difference"] == pytest.approx(np.abs(own - other).mean(), rel=1e-6)
    assert result["metrics"]["f1"]["version"] == pytest.approx(f1_of(lab, TWIN, own))
    assert result["metrics"]["f1"]["against"] == pytest.approx(f1_of(lab, TWIN, other))


def test_rows_are_found_again_whichever_function_of_a_version_scored_them(lab: Lab) -> None:
    model = lab.model("good")
    outputs = {"predict_proba": ["output_feature_0", "output_feature_1"], "rank": ["output_feature_0"]}
    taken = {"predict_proba": '"debt ratio"', "rank": "INCOME"}
    with lab.connect() as connection, Session.builder.configs({"connection": connection}).create() as session:
        Registry(session, database_name=f'"{DATABASE}"', schema_name=f'"{SCHEMA}"').log_model(
            Foreign(),
            model_name=model.name.split(".")[-1],
            version_name='"FOREIGN"',
            signatures={
                name: ModelSignature(
                    [FeatureSpec(taken[name], DataType.DOUBLE)],
                    [FeatureSpec(output, DataType.DOUBLE) for output in outputs[name]],
                )
                for name in outputs
            },
            options={"relax_version": False},
        )
    model.score(TWIN, model_version="FOREIGN")
    found = model.check_performance(TWIN.shift(2), "FOREIGN", thresholds=PerformanceThresholds(1, 1, breach_below=0.1))[
        "weeks"
    ]
    assert found == pytest.approx({str(TWIN): f1_of(lab, TWIN, of_week(lab, TWIN)["debt ratio"].to_numpy())})
