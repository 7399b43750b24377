"""What people decide of a model's versions: a pipeline and DAGs beside the repository's, and their model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from running_demo import until

from demo.deployment import ENDED, Deployment, PersonsApi
from include.demo.local_airflow import REPOSITORY
from snowmaker.gate import GateVerdict, Rule
from snowmaker.hooks.model_life import promote
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

PIPELINE, REARRANGED, ROLLBACK = "decided", "rearranged", "rollback_model"
ASK, ASK_IN_VAIN = "ask", "ask_in_vain"
# A schema of its own: the demo's events are read by others.
SCHEMA = "DECISIONS"
MODEL = f'"ML"."{SCHEMA}"."DECIDED"'
# The pipeline of the repository whose challengers a person approves here.
APPROVED_PIPELINE = "house_values"
# Approval and promotion as the retraining has them, without the minute of training before.
DAGS = """
from datetime import timedelta
from airflow.sdk import DAG, Param
from snowmaker.operators.approval import ApproveChallengerOperator
from snowmaker.operators.promotion import PromoteModelOperator


def make(dag_id, **asked):
    with DAG(
        dag_id,
        schedule=None,
        params={"verdict": Param(type="object")},
        is_paused_upon_creation=False,
        render_template_as_native_obj=True,
        default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    ):
        verdict = "{{ params.verdict }}"
        approve = ApproveChallengerOperator(task_id="approve", verdict=verdict, approvers=["ada"], **asked)
        PromoteModelOperator(
            task_id="promote", model_name=MODEL, verdict=verdict, week="2026-03-02", approval=approve.output
        )


make("ask")
make("ask_in_vain", timeout=timedelta(seconds=8))
"""


def write_bundle(folder: Path) -> Path:
    """Write a bundle of the repository's files and those of these tests; return the folder."""
    for name in ("dags", "include/pipelines"):
        (folder / name).mkdir(parents=True)
    for path in (REPOSITORY / ".airflowignore", REPOSITORY / "plugins", *(REPOSITORY / "dags").glob("*.py")):
        (folder / path.relative_to(REPOSITORY)).symlink_to(path)
    for path in (REPOSITORY / "include").iterdir():
        if path.name != "pipelines":
            (folder / "include" / path.name).symlink_to(path)
    (folder / "dags" / "decisions.py").write_text(f"MODEL = {MODEL!r}\n{DAGS}")
    pipelines = {
        path.stem: yaml.safe_load(path.read_text()) for path in (REPOSITORY / "include/pipelines").glob("*.yaml")
    }
    pipelines[APPROVED_PIPELINE]["promotion"] |= {"approval": "manual", "approvers": ["ada"]}
    where = {"database": "ML", "schema": SCHEMA}
    pipelines[PIPELINE] = {**pipelines["mortgage"], "name": PIPELINE, "model": {"name": "DECIDED"}, "snowflake": where}
    # The same model after its features were listed in another order, and without one: as people do before they retrain.
    source, monitoring = pipelines["mortgage"]["source"], pipelines["mortgage"]["monitoring"]
    features = {kind: names[:0:-1] or names[::-1] for kind, names in source["features"].items()}
    pipelines[REARRANGED] = {
        **pipelines[PIPELINE],
        "name": REARRANGED,
        "source": {**source, "table": "ML.MORTGAGE.MORTGAGE_APPLICATIONS", "features": features},
        "monitoring": {**monitoring, "drift": {**monitoring["drift"], "baseline_weeks": 4}},
    }
    for name, content in pipelines.items():
        (folder / "include" / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return folder


@dataclass
class Decisions:
    """A model with the versions V1 to V6, of which V1 and then V2 were promoted, and what people do with them."""

    deployment: Deployment

    @classmethod
    def begin(cls, deployment: Deployment) -> Decisions:
        made = cls(deployment)
        oldest = deployment.versions()[0]
        deployment.query(f"CREATE SCHEMA ML.{SCHEMA}")
        deployment.query(f'CREATE MODEL {MODEL} WITH VERSION V1 FROM MODEL MORTGAGE_RESPONSE VERSION "{oldest}"')
        for number in range(2, 7):
            deployment.query(f"ALTER MODEL {MODEL} ADD VERSION V{number} FROM MODEL {MODEL} VERSION V1")
        with WarehouseHook(snowflake_conn_id="snowflake_default").session() as session:
            model, week = QualifiedName.parse(MODEL), Week.parse("2026-02-02", "monday")
            for version, before in (("V1", None), ("V2", "V1")):
                promote(session, model, version, expected=before, week=week, run="tests", decided_by="gate")
        deployment.api.wait_for_dags({ASK, ASK_IN_VAIN, ROLLBACK}, 60)
        return made

    @property
    def champion(self) -> str:
        """The version that is default and holds PRODUCTION, as the registry shows it."""
        versions = self.deployment.query(f"SHOW VERSIONS IN MODEL {MODEL}")
        (found,) = [row[1] for row in versions if {"DEFAULT", "PRODUCTION"} <= set(json.loads(row[2]))]
        return str(found)

    def events(self, run: str = "") -> list[tuple[Any, ...]]:
        """Return of all events, or a run's: event, version, the one before, who decided, their words, the reason."""
        return self.deployment.query(
            f"SELECT EVENT, MODEL_VERSION, PREVIOUS_VERSION, DECIDED_BY, DECISION, REASON "
            f"FROM ML.{SCHEMA}.SNOWMAKER_MODEL_EVENTS WHERE RUN_ID LIKE %s ORDER BY SEQUENCE",
            f"%{run}",
        )

    def ask(self, challenger: str, dag_id: str = ASK) -> str:
        """Ask whether a challenger may become champion; return the run's id."""
        rules = (
            Rule("f1", 0.78, 0.7, passed=True, metric="f1"),
            Rule(
                "f1 not worse", 0.01, -0.02, passed=True, segment="COUNTY_NAME=<img src=x> | Polk", low=-0.01, high=0.1
            ),
        )
        champion = self.champion
        metrics: dict[str, dict[str, float | None]] = {challenger: {"f1": 0.78}, champion: {"f1": 0.77}}
        verdict = GateVerdict(challenger, champion, 1000, rules, metrics, confidence=0.95)
        return self.deployment.api.trigger(dag_id, {"verdict": verdict.to_dict()})

    def roll_back(self, **params: str) -> str:
        """Roll back by the form's API, and return how the run ended."""
        run_id = self.deployment.api.trigger(ROLLBACK, {"pipeline": PIPELINE, **params})
        return self.deployment.api.wait(ROLLBACK, run_id)


def answer_when_asked(api: PersonsApi, dag_id: str, run_id: str, chosen: str, note: str | None) -> str:
    """Answer an approval until the run has ended, and return its state.

    More than once, for who answers in the seconds after the question is asked again: Airflow takes the end of the
    process that asked for that of the one that goes on.
    """

    def ended() -> str | None:
        state = str(api.run(dag_id, run_id)["state"])
        if state in ENDED:
            return state
        tasks = {task["task_id"]: task["state"] for task in api.tasks(dag_id, run_id)}
        if tasks.get("approve") == "awaiting_input":
            api.answer(dag_id, run_id, "approve", chosen, note)
        return None

    return str(until(ended, 300, f"the end of {dag_id}/{run_id}"))
