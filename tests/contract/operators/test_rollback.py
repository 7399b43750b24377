"""One click back: an earlier champion is the champion again, in events, default version and aliases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snowmaker.exceptions import ModelVersionError, WeekError
from snowmaker.hooks import model_life
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.operators.rollback import RollbackModelOperator
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

from .dying import Died, dying_after
from .lab import Lab, Model, fresh, task_context
from .weekly_data import WEEKS

NAMES = ("V1", "V2", "V3")


@pytest.fixture
def model(lab: Lab) -> Model:
    """A model with three champions, one after another, and a version that never was one."""
    model = lab.model()
    for name in (*NAMES, "V4"):
        model.add("good", name)
    model.make_champion("V1", WEEKS[0])
    for sequence, week in ((2, WEEKS[1]), (3, WEEKS[2])):
        lab.rows(
            f"INSERT INTO {lab.name('SNOWMAKER_MODEL_EVENTS')} (EVENT_ID, SEQUENCE, EVENT, MODEL_NAME, MODEL_VERSION, "
            f"PREVIOUS_VERSION, WEEK_START, DECIDED_BY, RUN_ID, WRITTEN_AT) "
            f"SELECT %s, %s, 'PROMOTED', %s, %s, %s, %s, 'gate', 'run', SYSDATE()",
            *(fresh("E"), sequence, model.name, f"V{sequence}", f"V{sequence - 1}", str(week)),
        )
    with WarehouseHook().session() as session:
        model_life.settle(session, QualifiedName.parse(model.name), run="run")
    return model


def roll_back(model: Model, context: Any = None, **arguments: Any) -> dict[str, Any]:
    operator = RollbackModelOperator(task_id="roll_back", model_name=model.name, **arguments)
    return operator.execute(context or task_context(dag_id="rollback_model"))


def registry_of(model: Model) -> dict[str, set[str]]:
    """What SHOW tells of each version that is something."""
    aliases = {row["name"]: set(json.loads(row["aliases"])) - {"FIRST", "LAST"} for row in model.shown()}
    return {name: held for name, held in aliases.items() if held}


def test_rolling_back_twice_goes_two_back(lab: Lab, model: Model) -> None:
    context = task_context(dag_id="rollback_model")
    context["dag_run"].triggering_user_name = "jane"
    assert roll_back(model, context, reason="100% odd") == {"champion": "V2", "previous": "V3"}
    assert registry_of(model) == {"V2": {"DEFAULT", "PRODUCTION"}, "V1": {"PREVIOUS"}}
    assert roll_back(model) == {"champion": "V1", "previous": "V2"}
    assert registry_of(model) == {"V1": {"DEFAULT", "PRODUCTION"}}
    with pytest.raises(ModelVersionError, match=r"no champion before V1 to go back to; earlier champions: V2, V3"):
        roll_back(model)
    # The week that was complete when the runs were made.
    assert model.events()[3:] == [("ROLLED_BACK", "V2", "V3", "2026-03-09"), ("ROLLED_BACK", "V1", "V2", "2026-03-09")]
    told = lab.rows(
        f"SELECT REASON, DECIDED_BY FROM {lab.name('SNOWMAKER_MODEL_EVENTS')} "
        f"WHERE MODEL_NAME = %s AND EVENT = 'ROLLED_BACK' ORDER BY SEQUENCE",
        model.name,
    )
    assert told == [("100% odd", "jane"), (None, None)]


def test_another_try_of_a_rollback_does_not_go_two_back(model: Model) -> None:
    context = task_context("run-1")
    for _ in range(2):
        assert roll_back(model, context) == {"champion": "V2", "previous": "V3"}
    assert registry_of(model) == {"V2": {"DEFAULT", "PRODUCTION"}, "V1": {"PREVIOUS"}}
    assert len(model.events()) == 4
    # A second task of the run is another rollback.
    other = RollbackModelOperator(task_id="roll_back_again", model_name=model.name)
    assert other.execute(context) == {"champion": "V1", "previous": "V2"}


def test_a_rollback_to_a_named_version_and_forth_again(model: Model) -> None:
    assert roll_back(model, target="V1") == {"champion": "V1", "previous": "V3"}
    assert registry_of(model) == {"V1": {"DEFAULT", "PRODUCTION"}}
    assert roll_back(model, target="v3") == {"champion": "V3", "previous": "V1"}
    assert registry_of(model) == {"V3": {"DEFAULT", "PRODUCTION"}, "V1": {"PREVIOUS"}}


def test_what_was_never_champion_or_is_gone_cannot_be_gone_back_to(lab: Lab, model: Model) -> None:
    with pytest.raises(ModelVersionError, match=r"cannot go back to 'V4': it was never champion.* champions: V2, V1"):
        roll_back(model, target="V4")
    with pytest.raises(ModelVersionError, match=r"V3 is the champion of model .* already; earlier champions: V2, V1"):
        roll_back(model, target="V3")
    with WarehouseHook().session() as session:
        name, told = QualifiedName.parse(model.name), {"week": WEEKS[3], "run": "run-1"}
        assert model_life.retire(session, name, lambda _: {"V1": "{}"}, lambda _: None, **told) == ("V1",)
    with pytest.raises(ModelVersionError, match=r"cannot go back to 'V1': it was retired; earlier champions: V2"):
        roll_back(model, target="V1")
    assert "V1" not in [row["name"] for row in model.shown()]
    lab.rows(f"ALTER MODEL {model.name} DROP VERSION V2")
    with pytest.raises(ModelVersionError, match="no champion before V3 to go back to; earlier champions: none"):
        roll_back(model)
    assert registry_of(model) == {"V3": {"DEFAULT", "PRODUCTION"}}


def test_a_model_without_champions_says_so(lab: Lab) -> None:
    model = lab.model("good")
    with pytest.raises(ModelVersionError, match=r"no champion before \(none\) to go back to; earlier champions: none"):
        roll_back(model)


def test_the_champion_that_somebody_dropped_is_rolled_back_from(lab: Lab, model: Model) -> None:
    lab.rows(f"ALTER MODEL {model.name} SET DEFAULT_VERSION = V4")
    lab.rows(f"ALTER MODEL {model.name} DROP VERSION V3")
    with pytest.raises(ModelVersionError, match=r"champion V3 of model .* not in the registry .* roll back .* V2, V1"):
        model.check_input(week=str(WEEKS[6]))
    assert roll_back(model) == {"champion": "V2", "previous": "V3"}
    assert registry_of(model) == {"V2": {"DEFAULT", "PRODUCTION"}, "V1": {"PREVIOUS"}}


def test_weeks_are_scored_by_who_was_champion_then(model: Model) -> None:
    roll_back(model, target="V1", week=str(WEEKS[5]))
    with WarehouseHook().session() as session:
        state = read_state(session, QualifiedName.parse(model.name))
    by_week = [state.resolve("champion_as_of_week", week).name for week in WEEKS[1:8]]
    assert by_week == ["V1", "V2", "V3", "V3", "V3", "V1", "V1"]
    checked = model.check_input(week=str(WEEKS[5]), model_version="champion_as_of_week")
    assert checked["model_version"] == "V3"
    with pytest.raises(WeekError, match="is a Tuesday"):
        roll_back(model, week="2026-03-03")


def test_a_rollback_that_was_decided_by_one_who_died_is_in_force(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)
    context = task_context("run-1")
    with pytest.raises(Died), dying_after("COMMIT"):
        roll_back(model, context)
    # The decision is there, but neither default version nor alias follow yet.
    assert model.champion == "V3"
    assert model.check_input(week=str(WEEKS[6]))["model_version"] == "V2"
    assert roll_back(model, context)["champion"] == "V2"
    assert model.champion == "V2"
    assert len(model.events()) == 4


def test_a_model_that_is_not_there_is_told(lab: Lab) -> None:
    model = Model(lab, lab.name(fresh("Missing")))
    with pytest.raises(ModelVersionError, match="has no champion before"):
        roll_back(model, week=str(Week(WEEKS[0].start)))
