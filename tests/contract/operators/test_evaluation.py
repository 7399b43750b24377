"""A challenger's evaluation: on which rows, by which rules, and what is kept of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score, root_mean_squared_error

from snowmaker.champion import ModelVersion
from snowmaker.exceptions import InputDataError
from snowmaker.gate import GateVerdict
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import StatementError, WarehouseHook, WarehouseSession
from snowmaker.links.verdict import VERDICT_KEY, VerdictLink
from snowmaker.operators.evaluation import EvaluateChallengerOperator
from snowmaker.operators.evaluation_checks import check_training_cost
from snowmaker.operators.evaluation_rows import JudgedRows
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.snowflake.statement import Statement

from .dying import refusing
from .lab import Lab, Model, task_context
from .weekly_data import HOLDOUT, ROWS, WEEKS

NEXT = WEEKS[5]
"""The week after the holdout: the very rows of it."""
LATER = WEEKS[6]


@pytest.fixture
def model(lab: Lab) -> Model:
    """A model with a weak champion and a good challenger."""
    model = lab.model("weak", "good")
    model.make_champion("WEAK", HOLDOUT)
    return model


def rules_of(verdict: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(rule["rule"], rule.get("segment", "")): rule for rule in verdict["rules"]}


def test_metrics_and_gains_have_the_intervals_of_a_bootstrap_of_the_rows(lab: Lab, model: Model) -> None:
    verdict = model.evaluate("GOOD", last_week=str(LATER), min_gain={"roc_auc": 0.01}, confidence=0.9)
    weeks = [str(week) for week in (HOLDOUT, NEXT, LATER)]
    rows = lab.frame[lab.frame["week"].isin(weeks)]
    assert (verdict["rows"], verdict["weeks"]) == (3 * ROWS, weeks)
    label = rows["APPROVED"].astype(int).to_numpy()
    good, weak = (lab.artefacts[kind].scores(rows) for kind in ("good", "weak"))

    def area(scores: np.ndarray, at: np.ndarray) -> float:
        truth, ranks = label[at], stats.rankdata(scores[at])
        positives = truth.sum()
        return float((ranks[truth == 1].mean() - (positives + 1) / 2) / (len(at) - positives))

    def gained(at: np.ndarray) -> float:
        return area(good, at) - area(weak, at)

    expected = stats.bootstrap(
        (np.arange(len(rows)),), gained, n_resamples=800, vectorized=False, method="percentile",
        confidence_level=0.9, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    value, low, high = verdict["gains"]["roc_auc"]
    assert value == pytest.approx(roc_auc_score(label, good) - roc_auc_score(label, weak))
    width = expected.high - expected.low
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.2 * width)
    low, high = verdict["intervals"]["GOOD"]["f1"]
    assert low < f1_score(label, good >= 0.5) < high
    (rule,) = (rule for rule in verdict["rules"] if rule["rule"] == "roc_auc gain")
    assert [rule["low"], rule["high"]] == verdict["gains"]["roc_auc"][1:]


def test_a_version_against_itself_gains_exactly_nothing(lab: Lab) -> None:
    model = lab.model("good")
    model.add("good", "TWIN")
    model.make_champion("TWIN", HOLDOUT)
    verdict = model.evaluate("GOOD", not_worse={"COUNTY": 0})
    assert set(map(tuple, verdict["gains"].values())) == {(0.0, 0.0, 0.0)}
    assert verdict["passed"]
    assert verdict["metrics"]["GOOD"] == verdict["metrics"]["TWIN"]


def test_a_row_is_scored_once_by_each_version_and_no_row_is_sent(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int]] = []
    run = WarehouseSession.rows

    def counted(session: WarehouseSession, statement: Statement) -> list[dict[str, Any]]:
        found = run(session, statement)
        sent.append((statement.text, len(found)))
        return found

    executed: list[str] = []
    execute = WarehouseSession.execute
    monkeypatch.setattr(WarehouseSession, "rows", counted)
    monkeypatch.setattr(WarehouseSession, "execute", lambda self, one: executed.append(one.text) or execute(self, one))
    model.evaluate("GOOD")
    assert sum("!PREDICT_PROBA" in text for text in executed) == 2
    # Besides those, only the rows of the source as it is now are scored, to see whether they can be.
    assert sum("!PREDICT_PROBA" in text for text, _ in sent) == 1
    most = max(rows for text, rows in sent if "ROW_GROUP" in text)
    assert most <= 2 * 200


def test_the_verdict_is_kept_once_a_run_and_the_task_tells_where_it_is(lab: Lab, model: Model) -> None:
    pushed: dict[str, Any] = {}
    context = task_context("run 1", dag_id="retrain_loans")
    context["ti"].xcom_push = lambda key, value: pushed.update({key: value})
    operator = EvaluateChallengerOperator(
        task_id="judge",
        source=model.source,
        model_name=model.name,
        challenger="GOOD",
        training_table=model.source.table.quoted,
        first_week=str(HOLDOUT),
        last_week=str(HOLDOUT),
        week=str(LATER),
        floors={"f1": 0.6},
        not_worse={"COUNTY": 0.1},
    )
    key = SimpleNamespace(dag_id="retrain_loans", run_id="run 1")
    assert VerdictLink().get_link(operator, ti_key=key) == ""
    verdict = operator.execute(context)
    assert operator.execute(context) == verdict
    assert pushed == {VERDICT_KEY: "judge"}
    assert VerdictLink().get_link(operator, ti_key=key) == "/snowmaker/verdicts/retrain_loans/run%201"
    events = lab.rows(
        f"SELECT EVENT, MODEL_VERSION, WEEK_START::VARCHAR FROM {lab.name('SNOWMAKER_MODEL_EVENTS')} "
        f"WHERE MODEL_NAME = %s ORDER BY SEQUENCE",
        model.name,
    )
    assert events[-2:] == [("PROMOTED", "WEAK", str(HOLDOUT)), ("NOMINATED", "GOOD", str(LATER))]
    kept = lab.frame_of(
        f"SELECT * FROM {lab.name('SNOWMAKER_VERDICTS')} WHERE MODEL_NAME = '{model.name}' ORDER BY RULE, SEGMENT"
    )
    expected = sorted(GateVerdict.from_dict(verdict).rules, key=lambda rule: (rule.rule, rule.segment))
    assert list(zip(kept["RULE"], kept["SEGMENT"], strict=True)) == [(rule.rule, rule.segment) for rule in expected]
    for column in ("value", "low", "high", "bound"):
        found = [None if pd.isna(value) else value for value in kept[column.upper()]]
        assert found == pytest.approx([getattr(rule, column) for rule in expected])
    assert set(kept["PASSED"]) == {True}
    assert set(kept["RUN_ID"]) == {"retrain_loans/run 1"}
    same = {"MODEL_VERSION": "GOOD", "CHAMPION": "WEAK", "ROW_COUNT": ROWS}
    assert {column: kept[column].unique().tolist() for column in same} == {k: [v] for k, v in same.items()}
    assert set(kept["FIRST_WEEK"]) == set(kept["LAST_WEEK"]) == {HOLDOUT.start}


# ---- which rows ----------------------------------------------------------------------------------


def test_weeks_that_the_champion_has_seen_are_left_out_and_named(lab: Lab) -> None:
    model = lab.model("weak", "good", weak={"trained_up_to": str(HOLDOUT)})
    model.make_champion("WEAK", HOLDOUT)
    verdict = model.evaluate("GOOD", last_week=str(LATER))
    assert verdict["weeks"] == [str(NEXT), str(LATER)]
    assert verdict["rows"] == 2 * ROWS
    assert verdict["notes"] == [f"{HOLDOUT} left out: champion WEAK was trained on weeks up to {HOLDOUT}"]
    with pytest.raises(InputDataError, match=rf"champion WEAK was trained on weeks up to {HOLDOUT}.* retrain as of"):
        model.evaluate("GOOD")


def test_a_challenger_that_saw_its_holdout_is_not_judged_on_it(lab: Lab) -> None:
    model = lab.model("weak", "good", good={"trained_up_to": str(NEXT)})
    model.make_champion("WEAK", HOLDOUT)
    with pytest.raises(InputDataError, match=rf"challenger GOOD was trained on weeks up to {NEXT}"):
        model.evaluate("GOOD")


# ---- segments, schema, time and cost -------------------------------------------------------------


def test_each_segment_is_held_against_the_champion_and_small_ones_are_put_together(lab: Lab) -> None:
    frame = lab.frame.copy()
    frame.loc[frame["COUNTY"] == "Ü-\\Land %s", "COUNTY"] = "None"
    # A value of the name that the others have is one of them.
    frame.loc[frame["COUNTY"] == 'the "Old" Town', "COUNTY"] = "(other)"
    model = lab.model("good", "weak")
    model.source = model.own_source(frame)
    model.make_champion("GOOD", HOLDOUT)
    verdict = model.evaluate("WEAK", floors={}, min_gain={}, not_worse={"COUNTY": 0.02}, not_worse_metric="roc_auc")
    rows = frame[frame["week"] == str(HOLDOUT)]
    counts = rows["COUNTY"].value_counts()
    own = [name for name, count in counts.items() if count >= 30 and name != "(other)"]
    assert len(own) >= 3
    found = {segment: rule for (rule_, segment), rule in rules_of(verdict).items() if rule_ == "roc_auc not worse"}
    assert set(found) == {f"COUNTY={name}" for name in own} | {"COUNTY=(other)"}
    for name in [*own, "(other)"]:
        of_it = rows[rows["COUNTY"] == name] if name in own else rows[~rows["COUNTY"].isin(own)]
        label = of_it["APPROVED"].astype(int)
        weak, good = (roc_auc_score(label, lab.artefacts[kind].scores(of_it)) for kind in ("weak", "good"))
        rule = found[f"COUNTY={name}"]
        assert rule["value"] == pytest.approx(weak - good)
        assert rule["low"] <= rule["value"] <= rule["high"]
        assert rule["passed"] == (rule["high"] >= -0.02)
    assert not verdict["passed"]


def test_predicted_numbers_are_judged_by_their_errors(lab: Lab, model: Model) -> None:
    verdict = model.evaluate(
        "GOOD",
        task="regression",
        method=ScoreMethod("PREDICT_PROBA", "output_feature_1"),
        floors={"r2": -1},
        ceilings={"rmse": 0.9},
        min_gain={"rmse": 0.01},
        not_worse={"MEMBER": 0.1},
    )
    rows = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    label = rows["APPROVED"].astype(float)
    good, weak = (root_mean_squared_error(label, lab.artefacts[kind].scores(rows)) for kind in ("good", "weak"))
    value, low, high = verdict["gains"]["rmse"]
    assert value == pytest.approx((weak - good) / weak)
    assert low < value < high
    assert {rule["metric"] for rule in verdict["rules"] if rule.get("segment")} == {"rmse"}
    assert verdict["passed"]


def test_a_segment_with_too_few_rows_is_told_and_not_judged(lab: Lab) -> None:
    frame = lab.frame.copy()
    frame["COUNTY"] = np.where(np.arange(len(frame)) % 50 == 0, "rare", "usual")
    model = lab.model("good", "weak")
    model.source = model.own_source(frame)
    model.make_champion("GOOD", HOLDOUT)
    verdict = model.evaluate("WEAK", floors={}, min_gain={}, not_worse={"COUNTY": 0.9})
    rule = rules_of(verdict)["f1 not worse", "COUNTY=(other)"]
    assert (rule["passed"], rule["is_judged"]) == (True, False)
    assert rule["note"] == "4 rows, and fewer than 30 say nothing"
    assert "1 segment with too few rows: not judged" in GateVerdict.from_dict(verdict).summary


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (['DROP COLUMN "debt ratio"'], "has no column debt ratio; there are"),
        (["RENAME COLUMN INCOME TO OLD", "ADD COLUMN INCOME VARCHAR"], "column INCOME of"),
    ],
)
def test_a_challenger_that_cannot_take_the_current_table_fails_with_what_is_wrong(
    lab: Lab, model: Model, change: list[str], told: str
) -> None:
    training_table = model.source.table.quoted
    model.source = model.own_source()
    for part in change:
        lab.rows(f"ALTER TABLE {model.source.table.quoted} {part}")
    verdict = model.evaluate("GOOD", training_table=training_table)
    rule = rules_of(verdict)["schema", ""]
    assert not verdict["passed"]
    assert (rule["value"], rule["bound"], rule["passed"]) == (None, 1, False)
    assert told in rule["note"]
    assert "Traceback" not in rule["note"]
    assert [name for (name, _), rule in rules_of(verdict).items() if not rule["passed"]] == ["schema"]


def test_a_warehouse_that_fails_is_no_fault_of_the_challenger(model: Model) -> None:
    with refusing("LIMIT 1000"), pytest.raises(StatementError, match="it is in use"):
        model.evaluate("GOOD")
    assert model.evaluate("GOOD")["passed"]


def test_time_and_cost_are_held_against_what_they_may_be(lab: Lab) -> None:
    costs, model = (
        QualifiedName.parse(lab.name("SNOWMAKER_RUN_COSTS")),
        lab.model("good", good={"training_job": "job-1"}),
    )
    row = {
        "TASK_ID": "train", "MAP_INDEX": -1, "STATUS": "Completed", "INSTANCE_TYPE": "ml.m5.xlarge",
        "INSTANCE_COUNT": 1, "BILLABLE_SECONDS": 60, "RUN_ID": "retrain_loans/run-1",
    }  # fmt: skip
    rows = [("job-1", 0.42, *row.values()), ("another", 99.0, *row.values()), ("unpriced", None, *row.values())]
    with WarehouseHook().session() as session:
        ensure_table(session, costs)
        session.execute(tables.insert_rows(costs, ("JOB_NAME", "ESTIMATED_COST", *row), rows))

        def cost(job: str | None, most: float) -> tuple[float | None, bool, str]:
            version = ModelVersion("GOOD", comment=json.dumps({"training_job": job}))
            rule = check_training_cost(session, version, costs, most)
            return rule.value, rule.passed, rule.note

        assert cost("job-1", 0.42) == (0.42, True, "")
        for job in ("unpriced", "never heard of"):
            assert cost(job, 99) == (None, False, f"{costs.quoted} does not know the cost of training job {job}")
        assert cost(None, 99) == (None, False, "the comment of GOOD names no training job")
    training_table = model.own_source().table.quoted
    lab.rows(
        f"INSERT INTO {training_table} SELECT T.* FROM {training_table} T, TABLE(GENERATOR(ROWCOUNT => 60)) "
        f"WHERE \"Applied on\" >= '{HOLDOUT.start}' AND \"Applied on\" < '{HOLDOUT.end}'"
    )
    verdict = model.evaluate(
        "GOOD",
        training_table=training_table,
        max_scoring_seconds_per_million=1e-3,
        max_training_cost=0.41,
        costs_table=costs.quoted,
    )
    assert verdict["rows"] == 61 * ROWS
    rules = rules_of(verdict)
    assert (rules["training cost", ""]["value"], rules["training cost", ""]["passed"]) == (0.42, False)
    time = rules["scoring seconds per million rows", ""]
    # The sandbox takes some tenths of a second: a time that is not the statement's would be far off.
    assert 0 < time["value"] / 1e6 * verdict["rows"] < 60
    assert (time["passed"], time["at_most"], time.get("is_judged", True)) == (False, True, True)


def test_what_contradicts_itself_is_refused_before_it_runs(model: Model) -> None:
    for changes, told in (
        ({"floors": {"f2": 1}}, "'f2' is no metric of this task; choose of accuracy"),
        ({"not_worse_metric": "rmse"}, "'rmse' is no metric"),
        ({"confidence": 95}, "confidence is 95; give a share between 0 and 1"),
        ({"not_worse": {"TOWN": 0.1}}, "not_worse: TOWN is no column of the source; choose of"),
        ({"not_worse": {"COUNTY": -0.1}}, "not_worse: COUNTY has margin -0.1"),
    ):
        with pytest.raises(ValueError, match=told):
            model.evaluate("GOOD", **changes)


def test_rows_that_are_alike_are_spread_over_the_groups(lab: Lab) -> None:
    """Of rows without a key that differ in little, groups by their content would be a handful."""
    frame = (
        lab.frame[lab.frame["week"] == str(HOLDOUT)]
        .reset_index(drop=True)
        .assign(
            COUNTY="one", **{"loan % type": "it's", "INCOME": 1.0, "debt ratio": 0.5, "LOAN_ID": "x", "MEMBER": True}
        )
    )
    model = lab.model("good")
    model.source = model.own_source(frame)
    with WarehouseHook().session() as session:
        rows = JudgedRows(
            session, QualifiedName.parse(model.name), model.source, model.source.table, (HOLDOUT,),
            {"GOOD": SimpleNamespace(classes=())}, {"GOOD": model.source}, None, None, "STAGED",  # type: ignore[arg-type, dict-item]
        )  # fmt: skip
        rows.copy()
        counts = session.rows(
            Statement(f"SELECT SNOWMAKER_GROUP AS G, COUNT(*) AS N FROM {lab.name('STAGED_ROWS')} GROUP BY 1")
        )
    assert sum(int(row["N"]) for row in counts) == ROWS
    assert len(counts) > 100
    assert all(0 <= int(row["G"]) < 200 for row in counts)
    assert max(int(row["N"]) for row in counts) < 10
