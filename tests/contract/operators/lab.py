"""What the tests work with: tables and models of their own, operators run as tasks, and what they left behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pandas as pd
import snowflake.connector
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors
from snowflake.connector import SnowflakeConnection

from include.sandbox.process import Sandbox
from snowmaker.operators.baseline import FreezeBaselineOperator
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.operators.evaluation import EvaluateChallengerOperator
from snowmaker.operators.log_model import LogModelOperator
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.promotion import PromoteModelOperator
from snowmaker.operators.scoring import BatchInferenceOperator, CheckInputOperator
from snowmaker.operators.training_set import CreateTrainingSetOperator
from snowmaker.source import Source
from snowmaker.verdicts import Degradation
from snowmaker.week import Week

from .artefacts import MadeArtefact
from .weekly_data import HOLDOUT, create_table, source_of

BUCKET = "ml-sandbox"
DATABASE, SCHEMA = "OPERATORS", "Loans"
DEGRADED = Asset(name="loans_degraded", uri="snowmaker://loans/degraded")


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}_{uuid.uuid4().hex[:8]}".upper()


def task_context(
    run_id: str | None = None, *, dag_id: str = "score_loans", event: Mapping[str, Any] | None = None
) -> Any:
    """An Airflow context of a task's try, with what the operators look at.

    :param run_id: the run; the same one for another try of the same task
    :param event: the extra of the asset event that triggered the run
    """
    moment = datetime(2026, 3, 16, 6, tzinfo=UTC)
    events = {DEGRADED: [SimpleNamespace(timestamp=moment, extra=dict(event))]} if event else {}
    return {
        "dag_run": SimpleNamespace(
            dag_id=dag_id,
            run_id=run_id or fresh("manual"),
            run_type="manual",
            data_interval_end=None,
            run_after=moment,
        ),
        "ti": SimpleNamespace(id=uuid.uuid4(), xcom_push=lambda **_: None),
        "outlet_events": OutletEventAccessors(),
        "triggering_asset_events": events,
    }


def degraded_events(context: Any, cause: str) -> list[dict[str, Any]]:
    """The extras of the asset events that a task sent."""
    accessor = context["outlet_events"][AssetAlias(f"{DEGRADED.name}_{cause}")]
    assert all(event.dest_asset_key.name == DEGRADED.name for event in accessor.asset_alias_events)
    return [dict(event.extra) for event in accessor.asset_alias_events]


@dataclass
class Lab:
    """A schema in the sandbox with the weekly table and the logged models, shared by all tests."""

    sandbox: Sandbox
    connection: SnowflakeConnection
    frame: pd.DataFrame
    artefacts: dict[str, MadeArtefact]
    logged: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with self.connection.cursor() as cursor:
            return list(cursor.execute(sql, values or None).fetchall())

    def frame_of(self, sql: str) -> pd.DataFrame:
        """Run a statement and return its rows as a frame."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])

    def connect(self) -> SnowflakeConnection:
        """Open another session."""
        return snowflake.connector.connect(**self.sandbox.settings.connection())

    def name(self, name: str) -> str:
        """The full name of an object in the schema."""
        return f'"{DATABASE}"."{SCHEMA}"."{name}"'

    def upload(self, artefact: MadeArtefact) -> str:
        """Put an artefact where a training job would, and return its address."""
        key = f"operators/{uuid.uuid4().hex}/output/model.tar.gz"
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=artefact.archive)
        return f"s3://{BUCKET}/{key}"

    def table(self, frame: pd.DataFrame | None = None) -> str:
        """Make a weekly table of the test's own and return its full name."""
        name = f"{fresh('Weekly rows')} %"
        create_table(self.connection, DATABASE, SCHEMA, name, self.frame if frame is None else frame)
        return self.name(name)

    def model(self, *kinds: str, **comments: Mapping[str, Any]) -> Model:
        """Make a model of the test's own, with a copy of each logged version wanted, named by its kind."""
        model = Model(self, self.name(f"100% {fresh('Loan model')}"))
        for kind in kinds:
            model.add(kind, kind.upper(), comments.get(kind))
        return model


@dataclass
class Model:
    """A model of a test's own, with its operators."""

    lab: Lab
    name: str
    predictions: str = field(init=False)
    source: Source = field(init=False)
    versions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.predictions = self.lab.name(fresh("P"))
        self.source = source_of(self.lab.name("Weekly applications"))

    def add(self, kind: str, version: str, comment: Mapping[str, Any] | None = None) -> None:
        """Add a copy of a logged version, with its metrics and provenance."""
        logged = self.lab.logged[kind]
        begin = f"ALTER MODEL {self.name} ADD VERSION" if self.versions else f"CREATE MODEL {self.name} WITH VERSION"
        self.lab.rows(f'{begin} "{version}" FROM MODEL {logged["model_name"]} VERSION "{logged["model_version"]}"')
        metadata = json.dumps({"metrics": logged["metrics"], "snowpark_ml_schema_version": "2024-01-01"})
        told = json.dumps({"artefact_digest": logged["digest"], "trained_up_to": "2026-01-26", **(comment or {})})
        modify = f'ALTER MODEL {self.name} MODIFY VERSION "{version}" SET'
        self.lab.rows(f"{modify} METADATA = '{metadata}'")
        self.lab.rows(f"{modify} COMMENT = '{told}'")
        self.versions.append(version)

    def own_source(self, frame: pd.DataFrame | None = None) -> Source:
        """A copy of the weekly table that the test may change."""
        return source_of(self.lab.table(frame))

    def make_champion(self, version: str, week: Week | str = "2026-02-02") -> None:
        """Promote a version without a gate."""
        verdict = {"challenger": version, "champion": self.champion, "rows": 1, "rules": [], "metrics": {}}
        self.promote(verdict, week)

    @property
    def champion(self) -> str | None:
        """The version with the PRODUCTION alias, as a reader with SHOW sees it."""
        by_alias = [row["name"] for row in self.shown() if "PRODUCTION" in json.loads(row["aliases"])]
        return by_alias[0] if by_alias else None

    def shown(self) -> list[dict[str, Any]]:
        """The rows of SHOW VERSIONS."""
        return self.lab.frame_of(f"SHOW VERSIONS IN MODEL {self.name}").to_dict("records")

    def events(self) -> list[tuple[Any, ...]]:
        """Event, version, champion before, week of this model's events, the oldest first; without nominations."""
        return self.lab.rows(
            f"SELECT EVENT, MODEL_VERSION, PREVIOUS_VERSION, WEEK_START::VARCHAR "
            f"FROM {self.lab.name('SNOWMAKER_MODEL_EVENTS')} WHERE MODEL_NAME = %s "
            f"AND EVENT <> 'NOMINATED' ORDER BY SEQUENCE",
            self.name,
        )

    def check_input(self, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {"source": self.source, "model_name": self.name, **changes}
        return CheckInputOperator(task_id="check_input", **arguments).execute(context or task_context())

    def score(self, week: Week | str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "predictions_table": self.predictions,
            "week": str(week),
            **changes,
        }
        return BatchInferenceOperator(task_id="score", **arguments).execute(context or task_context())

    def predicted(self, week: Week | str | None = None) -> pd.DataFrame:
        """The predictions, of one week or all, in a fixed order."""
        condition = f"WHERE WEEK_START = '{week}'" if week else ""
        return self.lab.frame_of(f"SELECT * FROM {self.predictions} {condition} ORDER BY WEEK_START, ROW_ID")

    def freeze(self, version: str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "model_version": version,
            "training_table": self.source.table.quoted,
            "first_week": str(HOLDOUT),
            "last_week": str(HOLDOUT),
            **changes,
        }
        return FreezeBaselineOperator(task_id="freeze", **arguments).execute(context or task_context())

    def check_drift(self, week: Week | str, version: str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "model_version": version,
            "predictions_table": self.predictions,
            "week": str(week),
            "degraded_asset": DEGRADED,
            "degraded_when": Degradation(breaches=2, of_weeks=3),
            **changes,
        }
        return DriftCheckOperator(task_id="check_drift", **arguments).execute(context or task_context())

    def check_performance(self, week: Week | str, version: str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "model_version": version,
            "predictions_table": self.predictions,
            "week": str(week),
            "label_delay_weeks": 2,
            "degraded_asset": DEGRADED,
            **changes,
        }
        return PerformanceCheckOperator(task_id="check_performance", **arguments).execute(context or task_context())

    def training_set(self, week: Week | str | None = None, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "week": str(week or ""),
            "window_weeks": "3",
            "label_delay_weeks": 2,
            **changes,
        }
        return CreateTrainingSetOperator(task_id="training_set", **arguments).execute(
            context or task_context(dag_id="retrain_loans")
        )

    def log(self, artefact_uri: str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {"model_name": self.name, "artefact_uri": artefact_uri, **changes}
        return LogModelOperator(task_id="log_model", **arguments).execute(context or task_context())

    def evaluate(self, challenger: str, context: Any = None, **changes: Any) -> dict[str, Any]:
        arguments = {
            "source": self.source,
            "model_name": self.name,
            "challenger": challenger,
            "training_table": self.source.table.quoted,
            "first_week": str(HOLDOUT),
            "last_week": str(HOLDOUT),
            "floors": {"f1": 0.5},
            "min_gain": {"f1": 0.0},
            **changes,
        }
        return EvaluateChallengerOperator(task_id="evaluate", **arguments).execute(
            context or task_context(dag_id="retrain_loans")
        )

    def promote(self, verdict: Mapping[str, Any], week: Week | str, context: Any = None) -> dict[str, Any]:
        operator = PromoteModelOperator(task_id="promote", model_name=self.name, verdict=verdict, week=str(week))
        return operator.execute(context or task_context(dag_id="retrain_loans"))
