from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sklearn.metrics import f1_score, roc_auc_score

from snowmaker.exceptions import ConcurrentChangeError, InputDataError, ModelVersionError, SnowmakerError
from snowmaker.hooks.model_registry import carry_out, read_state
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.operators import promotion
from snowmaker.operators.promotion import PromoteModelOperator
from snowmaker.snowflake.identifiers import QualifiedName

from .lab import Lab, Model, task_context
from .weekly_data import HOLDOUT, ROWS, WEEKS

WEEK = WEEKS[6]


@pytest.fixture
def model(lab: Lab) -> Model:
    """A model with a weak champion and a good challenger."""
    model = lab.model("weak", "good")
    model.make_champion("WEAK", HOLDOUT)
    return model


def champion_of(model: Model) -> str:
    """The one champion, on which default version, alias and the provider's own reading agree."""
    shown = model.shown()
    (default,) = (row["name"] for row in shown if row["is_default_version"] == "true")
    (alias,) = (row["name"] for row in shown if "PRODUCTION" in json.loads(row["aliases"]))
    with WarehouseHook().session() as session:
        champion = read_state(session, QualifiedName.parse(model.name)).champion
    assert champion is not None
    assert default == alias == champion.name
    return default


class Died(BaseException):
    """The task was killed."""


@pytest.fixture
def dying_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Kill the task after so many registry statements of its promotion; once."""

    def arm(statements: int) -> None:
        done = []

        def carry_out_or_die(*arguments: object) -> None:
            if len(done) == statements:
                done.append("died")
                raise Died
            done.append("carried out")
            carry_out(*arguments)

        monkeypatch.setattr(promotion, "carry_out", carry_out_or_die)

    return arm


def test_the_verdict_has_the_metrics_of_both_on_the_same_rows(lab: Lab, model: Model) -> None:
    verdict = model.evaluate("GOOD", floors={"f1": 0.6}, min_gain={"f1": 0.02, "roc_auc": 0.01})
    rows = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    label = rows["APPROVED"].astype(int)
    for version in ("GOOD", "WEAK"):
        scores = lab.artefacts[version.lower()].scores(rows)
        metrics = verdict["metrics"][version]
        assert metrics["f1"] == pytest.approx(f1_score(label, scores >= 0.5))
        assert metrics["roc_auc"] == pytest.approx(roc_auc_score(label, scores))
    assert (verdict["challenger"], verdict["champion"], verdict["rows"]) == ("GOOD", "WEAK", ROWS)
    assert verdict["passed"]
    assert [rule["rule"] for rule in verdict["rules"]] == ["f1", "f1 gain", "roc_auc gain"]
    assert len(json.dumps(verdict)) < 10_000


def test_the_first_champion_needs_the_floors_only(lab: Lab) -> None:
    model = lab.model("weak", "good")
    verdict = model.evaluate("GOOD", min_gain={"f1": 0.9})
    assert verdict["champion"] is None
    assert model.promote(verdict, WEEK) == {"champion": "GOOD", "previous": None}
    assert champion_of(model) == "GOOD"
    assert model.events() == [("PROMOTED", "GOOD", None, str(WEEK))]


def test_a_better_challenger_becomes_champion_in_registry_alias_and_events(model: Model) -> None:
    assert model.promote(model.evaluate("GOOD"), WEEK) == {"champion": "GOOD", "previous": "WEAK"}
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]


def test_a_challenger_that_did_not_pass_is_written_down_and_changes_nothing(lab: Lab) -> None:
    model = lab.model("good", "weak")
    model.make_champion("GOOD", HOLDOUT)
    before = model.shown()
    verdict = model.evaluate("WEAK")
    assert not verdict["passed"]
    with pytest.raises(AirflowSkipException, match="rejected, champion unchanged: WEAK against GOOD, 200 rows"):
        model.promote(verdict, WEEK)
    assert model.shown() == before
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("REJECTED", "WEAK", "GOOD", str(WEEK))]


def test_the_same_try_twice_writes_one_event(model: Model) -> None:
    verdict, context = model.evaluate("GOOD"), task_context("run-1")
    first = model.promote(verdict, WEEK, context)
    assert model.promote(verdict, WEEK, context) == first
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]
    rejected = {**verdict, "challenger": "WEAK", "champion": "GOOD", "rules": _failed(verdict)}
    for _ in range(2):
        with pytest.raises(AirflowSkipException):
            model.promote(rejected, WEEK, context)
    assert [event[:2] for event in model.events()[2:]] == [("REJECTED", "WEAK")]


def _failed(verdict: dict[str, object]) -> list[dict[str, object]]:
    return [{**rule, "passed": False} for rule in verdict["rules"]]


@pytest.mark.parametrize("statements", [0, 1, 2])
def test_a_promotion_that_dies_between_two_statements_is_finished_by_the_next(
    model: Model, dying_after: Callable[[int], None], statements: int
) -> None:
    verdict, context = model.evaluate("GOOD"), task_context("run-1")
    dying_after(statements)
    with pytest.raises(Died):
        model.promote(verdict, WEEK, context)
    with WarehouseHook().session() as session:
        champion = read_state(session, QualifiedName.parse(model.name)).champion
    assert champion is not None
    assert champion.name == ("GOOD" if statements else "WEAK")
    model.promote(verdict, WEEK, context)
    assert champion_of(model) == "GOOD"
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]


def test_a_promotion_that_dies_before_its_event_is_finished_by_the_next(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Died

    verdict, context = model.evaluate("GOOD"), task_context("run-1")
    with monkeypatch.context() as patched:
        patched.setattr(PromoteModelOperator, "_write_event", die)
        with pytest.raises(Died):
            model.promote(verdict, WEEK, context)
    assert champion_of(model) == "GOOD"
    assert len(model.events()) == 1
    model.promote(verdict, WEEK, context)
    assert model.events()[1:] == [("PROMOTED", "GOOD", "WEAK", str(WEEK))]


def test_another_run_may_finish_what_a_killed_one_began(model: Model, dying_after: Callable[[int], None]) -> None:
    verdict = model.evaluate("GOOD")
    dying_after(1)
    with pytest.raises(Died):
        model.promote(verdict, WEEK, task_context("run-1"))
    model.add("good", "BETTER")
    later = model.evaluate("BETTER", min_gain={})
    assert later["champion"] == "GOOD"
    model.promote(later, WEEK.shift(1), task_context("run-2"))
    assert champion_of(model) == "BETTER"


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(lab: Lab, model: Model) -> None:
    model.add("good", "OTHER")
    verdicts = [model.evaluate(challenger) for challenger in ("GOOD", "OTHER")]
    start = threading.Barrier(2)

    def promote(verdict: dict[str, object]) -> str:
        context = task_context(f"run-{verdict['challenger']}")
        start.wait(10)
        try:
            return str(model.promote(verdict, WEEK, context)["champion"])
        except ConcurrentChangeError as error:
            return f"refused: {error}"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(promote, verdicts))
    (winner,) = (outcome for outcome in outcomes if not outcome.startswith("refused"))
    (loser,) = (outcome for outcome in outcomes if outcome.startswith("refused"))
    assert "is being promoted by another run" in loser or f"the champion is {winner} now" in loser
    assert champion_of(model) == winner
    assert model.events()[1:] == [("PROMOTED", winner, "WEAK", str(WEEK))]


def test_who_was_judged_against_a_former_champion_is_refused(model: Model) -> None:
    model.add("good", "OTHER")
    first, second = model.evaluate("GOOD"), model.evaluate("OTHER")
    model.promote(first, WEEK)
    with pytest.raises(
        ConcurrentChangeError, match=r"OTHER was judged against champion WEAK, but the champion is GOOD"
    ):
        model.promote(second, WEEK)
    assert champion_of(model) == "GOOD"


def test_a_lease_that_another_run_holds_is_respected_also_beside_a_second_row(lab: Lab, model: Model) -> None:
    locks, name = lab.name("SNOWMAKER_LOCKS"), f"promotion {model.name}"
    verdict = model.evaluate("GOOD")
    # What a race of two that add the lock leaves: two rows of one name, one of them taken by the faster.
    lab.rows(f"DELETE FROM {locks} WHERE NAME = %s", name)
    lab.rows(
        f"INSERT INTO {locks} SELECT %s, 'other run', DATEADD(second, 60, SYSDATE()) UNION ALL SELECT %s, NULL, NULL",
        *(name, name),
    )
    with pytest.raises(ConcurrentChangeError, match="is being promoted by another run"):
        model.promote(verdict, WEEK)
    assert champion_of(model) == "WEAK"
    # A lease of one who died ends by itself.
    lab.rows(f"UPDATE {locks} SET EXPIRES_AT = DATEADD(second, -1, SYSDATE()) WHERE HOLDER = 'other run'")
    model.promote(verdict, WEEK)
    assert champion_of(model) == "GOOD"


def test_a_reader_sees_exactly_one_champion_at_every_instant(lab: Lab, model: Model) -> None:
    name, ended, seen = QualifiedName.parse(model.name), threading.Event(), []

    def read() -> None:
        with WarehouseHook().session() as session:
            while not ended.is_set():
                champion = read_state(session, name).champion
                seen.append(champion.name if champion else None)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for version in ("GOOD", "WEAK", "GOOD", "WEAK", "GOOD"):
                model.make_champion(version, WEEK)
        finally:
            ended.set()
        reader.result()
    assert set(seen) == {"WEAK", "GOOD"}
    assert len(seen) > 10


def test_a_champion_that_saw_the_holdout_is_not_compared_on_it(lab: Lab) -> None:
    model = lab.model("weak", "good", weak={"trained_up_to": str(HOLDOUT)})
    model.make_champion("WEAK", HOLDOUT)
    with pytest.raises(InputDataError, match=rf"champion WEAK was trained on weeks up to {HOLDOUT}.* retrain as of"):
        model.evaluate("GOOD")


def test_a_challenger_that_does_not_exist_is_told_with_those_that_do(model: Model) -> None:
    with pytest.raises(ModelVersionError, match="has no version 'V9'; there are: "):
        model.evaluate("V9")
    verdict = {"challenger": "V9", "champion": "WEAK", "rows": 1, "rules": [], "metrics": {}}
    with pytest.raises(ModelVersionError, match="has no version 'V9'"):
        model.promote(verdict, WEEK)


def test_a_holdout_without_rows_or_with_other_labels_cannot_judge(model: Model) -> None:
    with pytest.raises(
        InputDataError, match=r"has no labelled row from 2027-01-04 to 2027-01-04 to judge GOOD, WEAK by"
    ):
        model.evaluate("GOOD", first_week="2027-01-04", last_week="2027-01-04")
    model.source = model.own_source()
    model.lab.rows(f"UPDATE {model.source.table.quoted} SET APPROVED = 5 WHERE LOAN_ID = '4-8'")
    with pytest.raises(SnowmakerError, match=r"label APPROVED .* neither 0 nor 1 in \d rows of the holdout"):
        model.evaluate("GOOD")
