"""Versions that nobody needs any more leave the registry, with what was theirs alone."""

from __future__ import annotations

import json
import logging
from typing import Any
from unittest import mock

import pytest

from snowmaker.champion import ModelState, ModelVersion
from snowmaker.hooks import model_life
from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators import retention
from snowmaker.operators.monitor import ModelMonitorOperator
from snowmaker.operators.retention import RetireVersionsOperator
from snowmaker.operators.rollback import RollbackModelOperator
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.training_set import training_set_of_run

from .dying import Died, dying_after, refusing
from .lab import Lab, Model, task_context
from .weekly_data import HOLDOUT, TWIN, WEEKS

LONG_AFTER = "2027-06-07"


def history(lab: Lab, *versions: str, champions: int) -> Model:
    """A model with versions, each of a training set of its own; the first of them were champion one after another."""
    model = lab.model()
    for version in versions:
        add(model, version, training_set(model, version))
    for version, week in zip(versions[:champions], WEEKS, strict=False):
        model.make_champion(version, week)
    return model


def add(model: Model, version: str, table: str) -> None:
    """Add a version of a training set."""
    model.add("weak", version)
    comment = json.dumps({"training_table": table})
    model.lab.rows(f"ALTER MODEL {model.name} MODIFY VERSION {version} SET COMMENT = $${comment}$$")


def training_set(model: Model, version: str) -> str:
    """The training set of a version's run; made if it is not there."""
    table = training_set_of_run(QualifiedName.parse(model.name), f"run of {version}").quoted
    model.lab.rows(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT 1 AS A")
    return table


def watch(model: Model, version: str) -> None:
    """Make the version's monitor."""
    ModelMonitorOperator(
        task_id="monitor",
        source=model.source,
        model_name=model.name,
        model_version=version,
        predictions_table=model.predictions,
        training_table=model.source.table.quoted,
        first_week=str(HOLDOUT),
        last_week=str(HOLDOUT),
        options=MonitorOptions("compute_wh"),
    ).execute(task_context())


def retire(model: Model, context: Any = None, **changes: Any) -> dict[str, Any]:
    arguments = {"keep_versions": 1, "keep_champion_weeks": 0, "dry_run": False, "week": LONG_AFTER, **changes}
    operator = RetireVersionsOperator(task_id="retire", model_name=model.name, **arguments)
    return operator.execute(context or task_context(dag_id="retrain_loans"))


def versions(model: Model) -> set[str]:
    return {row["name"] for row in model.shown()}


def there(model: Model) -> set[str]:
    """The tables, views and monitors that are named after the model, without its name."""
    name, schema = QualifiedName.parse(model.name).object.name, model.name.rpartition(".")[0]
    shown = (model.lab.frame_of(f"SHOW {kind} IN SCHEMA {schema}") for kind in ("TABLES", "VIEWS", "MODEL MONITORS"))
    return {found.removeprefix(name) for frame in shown for found in frame["name"] if found.startswith(name)}


def suffix(model: Model, version: str) -> str:
    """What the name of a version's training set has behind the model's."""
    name = QualifiedName.parse(training_set_of_run(QualifiedName.parse(model.name), f"run of {version}").quoted)
    return name.object.name.removeprefix(QualifiedName.parse(model.name).object.name)


def test_a_dry_run_tells_who_would_go_and_why_the_others_stay(
    lab: Lab, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = history(lab, "OLD", "BEFORE", "NOW", "NEW", champions=3)
    before = model.shown(), there(model), model.events()
    result = RetireVersionsOperator(
        task_id="retire", model_name=model.name, keep_versions=1, keep_champion_weeks=2, week=LONG_AFTER
    ).execute(task_context())
    assert result == {"dry_run": True, "retired": ["OLD"], "retired_count": 1, "kept_count": 3, "dropped": []}
    told = capfd.readouterr().out + caplog.text
    assert f"Version OLD of {model.name} would go" in told
    assert f"Version BEFORE of {model.name} stays: previous champion, alias PREVIOUS" in told
    assert f"Version NEW of {model.name} stays: one of the newest 1" in told
    assert (model.shown(), there(model), model.events()) == before


def test_retired_versions_go_with_events_training_sets_and_monitors_and_their_history_stays(lab: Lab) -> None:
    model = history(lab, "OLD", "BEFORE", "NOW", "SPARE", "NEW", champions=3)
    model.score(TWIN, model_version="OLD")
    for version in ("OLD", "NOW"):
        watch(model, version)
    before = there(model)
    result = retire(model)
    assert (result["retired"], versions(model)) == (["OLD", "SPARE"], {"BEFORE", "NOW", "NEW"})
    assert model.events()[3:] == [("RETIRED", name, "NOW", LONG_AFTER) for name in ("OLD", "SPARE")]
    training_sets = {suffix(model, "OLD"), suffix(model, "SPARE")}
    assert before - there(model) == {"_OLD_MONITOR", "_OLD_MONITORED", "_OLD_MONITOR_BASELINE", *training_sets}
    name = QualifiedName.parse(model.name).object.name
    assert set(result["dropped"]) == {name + gone for gone in ("_OLD_MONITOR", *training_sets)}
    assert set(model.predicted()["MODEL_VERSION"]) == {"OLD"}
    assert retire(model)["retired_count"] == 0
    assert model.lab.rows(f"SHOW VERSIONS IN MODEL {model.name}")
    # One can still go back.
    rollback = RollbackModelOperator(task_id="roll_back", model_name=model.name)
    assert rollback.execute(task_context())["champion"] == "BEFORE"


def test_a_training_set_that_is_not_the_versions_alone_or_not_ours_stays(lab: Lab) -> None:
    model = history(lab, "OLD", "NOW", champions=2)
    shared, by_hand = training_set(model, "SHARED"), lab.table()
    add(model, "SPARE", shared)
    add(model, "COPIED", by_hand)
    # As if another model's run had made it.
    add(model, "FOREIGN", training_set(lab.model("weak"), "FOREIGN"))
    add(model, "NEW", shared)
    assert retire(model, keep_champion_weeks=2000)["retired"] == ["SPARE", "COPIED", "FOREIGN"]
    assert {suffix(model, version) for version in ("OLD", "NOW", "SHARED")} <= there(model)
    assert lab.rows(f"SELECT COUNT(*) FROM {by_hand}") != [(0,)]


def test_versions_that_are_pinned_or_made_anew_stay(lab: Lab) -> None:
    model = history(lab, "OLD", "SPARE", "BEFORE", "NOW", champions=0)
    model.make_champion("BEFORE")
    model.make_champion("NOW")
    assert retire(model, pinned=["old"])["retired"] == ["SPARE"]
    add(model, "SPARE", training_set(model, "SPARE"))
    watch(model, "SPARE")
    assert retire(model, pinned=["old"]) | {"kept_count": 4} == {
        "dry_run": False, "retired": [], "retired_count": 0, "kept_count": 4, "dropped": [],
    }  # fmt: skip
    assert {"_SPARE_MONITOR", suffix(model, "SPARE")} <= there(model)


def test_of_a_model_that_does_not_exist_nothing_is_retired(lab: Lab) -> None:
    assert retire(Model(lab, lab.name("NOWHERE")))["kept_count"] == 0


def test_a_result_of_very_many_versions_is_small(lab: Lab) -> None:
    model = Model(lab, lab.name("NOWHERE"))
    names = [f"V{number:04}_{'x' * 90}" for number in range(500)]
    state = ModelState(model.name, tuple(map(ModelVersion, names)))
    with mock.patch.object(retention, "read_state", return_value=state):
        result = retire(model, dry_run=True)
    assert result["retired_count"] == 499
    assert result["retired"] == names[: len(result["retired"])] != []
    assert len(json.dumps(result)) < 5_000


@pytest.fixture
def model(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model with two versions to be retired; a lease ends soon."""
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)
    return history(lab, "OLD", "BEFORE", "NOW", "SPARE", "NEW", champions=3)


def assert_all_is_gone(model: Model) -> None:
    assert versions(model) == {"BEFORE", "NOW", "NEW"}
    assert [event[:2] for event in model.events() if event[0] == "RETIRED"] == [
        ("RETIRED", "OLD"),
        ("RETIRED", "SPARE"),
    ]
    assert there(model) == {suffix(model, version) for version in ("BEFORE", "NOW", "NEW")}


def test_what_a_run_that_died_has_left_is_dropped_by_the_next_one(model: Model) -> None:
    watch(model, "OLD")
    before = there(model), model.events(), versions(model)
    with pytest.raises(Died), dying_after("(EVENT_ID, "):
        retire(model, task_context("first"))
    assert (there(model), model.events(), versions(model)) == before
    for last in ("SHOW MODEL MONITORS", "DROP VIEW", "DROP MODEL MONITOR", "DROP TABLE", "DROP VERSION"):
        with pytest.raises(Died), dying_after(last):
            retire(model, task_context("first"))
    assert retire(model, task_context("first"))["retired"] == ["OLD", "SPARE"]
    assert_all_is_gone(model)


def test_what_belonged_to_versions_that_another_dropped_goes_too(model: Model) -> None:
    with pytest.raises(Died), dying_after("COMMIT"):
        retire(model)
    # The registry is made to follow by whoever comes first.
    model.make_champion("NOW", WEEKS[9])
    assert versions(model) == {"BEFORE", "NOW", "NEW"}
    retire(model)
    assert_all_is_gone(model)


def test_a_version_that_the_registry_will_not_drop_holds_nobody_up(model: Model) -> None:
    with refusing("DROP VERSION"):
        assert retire(model)["retired"] == ["OLD", "SPARE"]
        model.make_champion("NEW", WEEKS[9])
        assert versions(model) == {"OLD", "BEFORE", "NOW", "SPARE", "NEW"}
    assert model.champion == "NEW"
    retire(model)
    assert versions(model) == {"NOW", "NEW"}


@pytest.mark.slow
@pytest.mark.parametrize("statements", range(1, 45))
def test_it_may_die_after_any_statement(model: Model, statements: int) -> None:
    watch(model, "OLD")
    try:
        with dying_after(statements):
            retire(model)
    except Died:
        retire(model)
    assert_all_is_gone(model)
