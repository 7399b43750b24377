"""The DAG that rolls back the model of any pipeline."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

REPOSITORY = Path(__file__).parents[2]
MORTGAGE = yaml.safe_load((REPOSITORY / "include" / "pipelines" / "mortgage.yaml").read_text())
OTHER = {
    **MORTGAGE,
    "name": "other",
    "week_starts_on": "sunday",
    "snowflake": {"conn_id": "elsewhere", "database": "ML", "schema": '"Loans %"'},
    "model": {"name": '"a ""quoted"" name"'},
}


def dag_of(folder: Path, *pipelines: dict[str, Any], broken: str | None = None) -> DAG | None:
    """Run the DAG file beside pipeline files of one's own."""
    (folder / "dags").mkdir()
    (folder / "include" / "pipelines").mkdir(parents=True)
    for pipeline in pipelines:
        (folder / "include" / "pipelines" / f"{pipeline['name']}.yaml").write_text(yaml.safe_dump(pipeline))
    if broken:
        (folder / "include" / "pipelines" / "broken.yaml").write_text(broken)
    shutil.copy(REPOSITORY / "dags" / "rollback_model.py", folder / "dags")
    with DAG("around", schedule=None):
        pass
    found = runpy.run_path(str(folder / "dags" / "rollback_model.py"))
    return found["rollback_model"](found["found"]) if found["found"] else None


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    found = dag_of(tmp_path, MORTGAGE, OTHER)
    assert found
    return found


def test_each_pipeline_s_model_is_found_by_its_name(dag: DAG) -> None:
    task = dag.get_task("roll_back")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  no HTML

    def rendered(field: str, **params: Any) -> str:
        template = environment.from_string(getattr(task, field))
        return template.render(params={"target": "previous", "week": None, **params}, **dag.user_defined_macros)

    assert set(task.template_fields) >= {"model_name", "snowflake_conn_id", "starts_on", "target", "reason", "week"}
    assert rendered("model_name", pipeline="mortgage") == '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"'
    assert rendered("model_name", pipeline="other") == '"ML"."Loans %"."a ""quoted"" name"'
    assert rendered("snowflake_conn_id", pipeline="other") == "elsewhere"
    assert [rendered("starts_on", pipeline=name) for name in ("mortgage", "other")] == ["monday", "sunday"]
    assert rendered("week", pipeline="other") == ""
    assert rendered("reason", reason="{{ conn.x }}") == "{{ conn.x }}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pipeline", "nobody"),
        ("target", ""),
        ("reason", "no"),
        ("reason", "    "),
        ("week", "last"),
    ],
)
def test_the_form_takes_nothing_else(dag: DAG, name: str, value: str) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


def test_the_form_asks_for_pipeline_and_reason(dag: DAG) -> None:
    given = {"pipeline": "mortgage", "reason": "wrong"}
    assert [name for name in dag.params if not dag.params.get_param(name).has_value] == ["pipeline", "reason", "week"]
    for name, value in given.items():
        with pytest.raises(ParamValidationError):
            dag.params.get_param(name).resolve()
        assert dag.params.get_param(name).resolve(value) == value
    assert dag.params["target"] == "previous"
    assert dag.params["week"] is None


def test_a_rollback_waits_for_nothing(dag: DAG) -> None:
    assert dag.is_paused_upon_creation is False
    assert not dag.timetable.can_be_scheduled


def test_without_a_pipeline_there_is_none_and_no_error(tmp_path: Path) -> None:
    assert dag_of(tmp_path) is None


def test_a_broken_pipeline_file_does_not_keep_the_others_from_going_back(tmp_path: Path) -> None:
    found = dag_of(tmp_path, MORTGAGE, broken="name: [")
    assert found
    assert found.params.get_param("pipeline").schema["enum"] == ["mortgage"]
