"""The operator that logs a training artefact in Snowflake's Model Registry."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from snowmaker.artefact import Artefact, build_model, explanation_name, input_name, unpack
from snowmaker.champion import ModelVersion
from snowmaker.exceptions import ArtefactError, ModelVersionError
from snowmaker.explainable_model import BASE_VALUE, make_explainable
from snowmaker.hooks.model_registry import read_state
from snowmaker.operators.base import WarehouseOperator, code_commit
from snowmaker.snowflake.identifiers import Identifier, QualifiedName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession

_PINNED = {
    "xgboost": ("scikit-learn", "xgboost", "pandas", "numpy"),
    "linear": ("scikit-learn", "pandas", "numpy"),
}
_TASKS = {
    "binary_classification": "TABULAR_BINARY_CLASSIFICATION",
    "multiclass_classification": "TABULAR_MULTI_CLASSIFICATION",
    "regression": "TABULAR_REGRESSION",
}


class LogModelOperator(WarehouseOperator):
    """Log a training artefact as a version of a model in Snowflake's Model Registry.

    The artefact is fetched from S3; its files run no code on load. The logged model takes the raw columns, so
    every version is called the same way. Its metrics, and in its comment the training job, training set, code
    commit and the artefact's digest, go with it. Several classes stand there by name, in the order of the outputs of
    PREDICT_PROBA; PREDICT gives the number of the likeliest, from 0 on. EXPLAIN, a table function, gives for each
    feature what it adds to a row's margin, as ``<feature>_EXPLANATION`` (see ``explainable_model``).

    Without ``version_name`` the name ends in the artefact's digest, so logging the same artefact twice yields
    the same version, also after a crash half-way.

    :param model_name: the model, written database.schema.name (templated)
    :param artefact_uri: ``s3://…/model.tar.gz`` as SageMakerTrainOperator returns it (templated)
    :param version_name: a version name of one's own; another artefact under it is an error (templated)
    :param version_prefix: what a name made here begins with (default ``V``) (templated)
    :param training_job: the training job's name, for the comment (templated)
    :param training_table: the training set, for the comment (templated)
    :param conda_dependencies: requirements instead of the pinned versions of the libraries here that the model needs
    :param pip_requirements: the same for a registry that installs with pip
    :param target_platforms: where the model is to run (default the warehouse)
    :param aws_conn_id: Airflow connection of type AWS (default ``aws_default``)
    :return: ``{"model_name", "model_version", "digest", "metrics"}``
    """

    template_fields: Sequence[str] = (
        "model_name",
        "artefact_uri",
        "version_name",
        "version_prefix",
        "training_job",
        "training_table",
    )

    def __init__(
        self,
        *,
        model_name: str,
        artefact_uri: str,
        version_name: str | None = None,
        version_prefix: str = "V",
        training_job: str | None = None,
        training_table: str | None = None,
        conda_dependencies: Sequence[str] | None = None,
        pip_requirements: Sequence[str] | None = None,
        target_platforms: Sequence[str] = ("WAREHOUSE",),
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if conda_dependencies and pip_requirements:
            raise ValueError("conda_dependencies and pip_requirements contradict each other; give one of them")
        self.model_name = model_name
        self.artefact_uri = artefact_uri
        self.version_name = version_name
        self.version_prefix = version_prefix
        self.training_job = training_job
        self.training_table = training_table
        self.conda_dependencies = conda_dependencies
        self.pip_requirements = pip_requirements
        self.target_platforms = target_platforms
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Fetch, look whether it is logged, log."""
        with tempfile.TemporaryDirectory(prefix="snowmaker-") as folder, self.hook.session() as session:
            artefact = self._fetch(Path(folder))
            version = Identifier.parse(self.version_name or f"{self.version_prefix}_{artefact.digest[:8]}").name
            model = QualifiedName.parse(self.model_name)
            if self._find(session, model, version) is None:
                self._log(session, model, version, artefact, context)
            self._complete(session, model, version, artefact, context)
        return {
            "model_name": model.quoted,
            "model_version": version,
            "digest": artefact.digest,
            "metrics": artefact.metrics,
        }

    def _find(self, session: WarehouseSession, model: QualifiedName, version: str) -> ModelVersion | None:
        return next((v for v in read_state(session, model).versions if v.name == version), None)

    def _fetch(self, folder: Path) -> Artefact:
        hook = S3Hook(aws_conn_id=self.aws_conn_id)
        bucket, key = hook.parse_s3_url(self.artefact_uri)
        if not hook.check_for_key(key, bucket):
            raise ArtefactError(f"there is no artefact at {self.artefact_uri}; train again")
        archive = folder / "model.tar.gz"
        hook.get_key(key, bucket).download_file(str(archive))
        unpacked = folder / "artefact"
        unpacked.mkdir()
        return unpack(archive, unpacked)

    def _log(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        version: str,
        artefact: Artefact,
        context: Mapping[str, Any],
    ) -> None:
        from snowflake.ml.model import task

        try:
            signatures = _signatures(artefact)
            _registry(session, model).log_model(
                _explainable(artefact, [name for name in signatures if name != "explain"]),
                model_name=model.object.quoted,
                version_name=Identifier(version).quoted,
                comment=self._comment(artefact, context),
                metrics=artefact.metrics,
                signatures=signatures,
                conda_dependencies=self._conda_dependencies(artefact),
                pip_requirements=list(self.pip_requirements) if self.pip_requirements else None,
                target_platforms=list(self.target_platforms),
                task=getattr(task.Task, _TASKS[artefact.card["task"]]),
                # Relaxed versions could score otherwise than the ones the model was checked with here.
                options={"relax_version": False},
            )
        except Exception:
            # Of two that log it at once one comes too late; what is there is looked at next.
            if self._find(session, model, version) is None:
                raise
            self.log.info("Version %s of %s was logged meanwhile", version, model.quoted)
        else:
            self.log.info("Logged %s version %s", model.quoted, version)

    def _complete(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        version: str,
        artefact: Artefact,
        context: Mapping[str, Any],
    ) -> None:
        there = read_state(session, model).version(version)
        digest = there.provenance.get("artefact_digest")
        # A name made here holds the digest: without a comment it is our version, from a try that died before.
        is_ours = digest == artefact.digest or not (there.comment or self.version_name)
        if not is_ours:
            raise ModelVersionError(self._describe_stranger(model, there, artefact))
        if digest and dict(there.metrics) == artefact.metrics:
            return
        logged = _registry(session, model).get_model(model.object.quoted).version(Identifier(version).quoted)
        for name, value in artefact.metrics.items():
            logged.set_metric(name, value)
        logged.comment = self._comment(artefact, context)
        self.log.info("Completed metrics and comment of %s version %s", model.quoted, version)

    def _describe_stranger(self, model: QualifiedName, there: ModelVersion, artefact: Artefact) -> str:
        if not there.comment:
            return (
                f"version {there.name} of model {model.quoted} has no comment that tells its artefact; if a try died "
                f"while it logged this one, drop the version (or the model, if it has no other), else choose another "
                f"version_name"
            )
        digest = there.provenance.get("artefact_digest")
        return (
            f"version {there.name} of model {model.quoted} is of another artefact ({digest or there.comment!r}) "
            f"than {self.artefact_uri} ({artefact.digest}); choose another version_name"
        )

    def _comment(self, artefact: Artefact, context: Mapping[str, Any]) -> str:
        return json.dumps(
            {
                "artefact_digest": artefact.digest,
                "artefact_uri": self.artefact_uri,
                "training_job": self.training_job,
                "training_table": self.training_table,
                "trained_from": artefact.card["window"]["train"][0],
                "trained_up_to": artefact.card["window"]["train"][-1],
                "holdout": artefact.card["window"]["holdout"],
                "code_commit": artefact.card.get("code_commit") or code_commit(context),
                "run": f"{context['dag_run'].dag_id}/{context['dag_run'].run_id}",
                # Without them nobody could tell what an output means.
                **({"classes": artefact.classes} if artefact.is_multiclass else {}),
            }
        )

    def _conda_dependencies(self, artefact: Artefact) -> list[str] | None:
        if self.pip_requirements:
            return None
        if self.conda_dependencies:
            return list(self.conda_dependencies)
        return [f"{name}=={importlib.metadata.version(name)}" for name in _PINNED[artefact.estimator]]


def _registry(session: WarehouseSession, model: QualifiedName) -> Any:
    from snowflake.ml.registry import Registry

    return Registry(session.snowpark, database_name=model.database.quoted, schema_name=model.schema.quoted)


def _explainable(artefact: Artefact, methods: list[str]) -> Any:
    names = [explanation_name(column) for column in artefact.preprocessing["columns"]]
    return make_explainable(build_model(artefact), methods, names, artefact.classes if artefact.is_multiclass else ())


def _signatures(artefact: Artefact) -> dict[str, Any]:
    from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature

    columns = artefact.preprocessing["columns"]
    inputs = [
        FeatureSpec(input_name(column), DataType.STRING if column["kind"] == "categorical" else DataType.DOUBLE)
        for column in columns
    ]
    explained = DataType.STRING if artefact.is_multiclass else DataType.DOUBLE
    names = [*(explanation_name(column) for column in columns), BASE_VALUE]
    explain = {"explain": ModelSignature(inputs, [FeatureSpec(name, explained) for name in names])}
    if artefact.card["task"] == "regression":
        return {"predict": ModelSignature(inputs, [FeatureSpec("output_feature_0", DataType.DOUBLE)]), **explain}
    classes = len(artefact.card["classes"])
    scores = [FeatureSpec(f"output_feature_{i}", DataType.DOUBLE) for i in range(classes)]
    return {
        "predict": ModelSignature(inputs, [FeatureSpec("output_feature_0", DataType.INT64)]),
        "predict_proba": ModelSignature(inputs, scores),
        **explain,
    }
