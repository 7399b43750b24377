"""The operator that freezes what a model version's data looked like."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from snowmaker.calibration import CalibrationMap
from snowmaker.drift import ALL_ROWS
from snowmaker.exceptions import InputDataError
from snowmaker.hooks.model_registry import calling, read_state
from snowmaker.model_inputs import own_source
from snowmaker.operators.base import WarehouseOperator, ensure_columns, run_label
from snowmaker.operators.baseline_record import freeze, freeze_calibration, read_baseline
from snowmaker.operators.profiling import feature_columns, label_column, make_profiles, segment_columns
from snowmaker.profile import PREDICTION, ROWS, SCORE, Profile
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import calibration as calibration_sql
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import scoring
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.profiles import Column
from snowmaker.snowflake.source_rows import in_weeks
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.operators.profiling import Profiles
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source

SCORE_COLUMN = Identifier("SNOWMAKER_SCORE")
_PREDICTED = (
    Column(SCORE, SCORE_COLUMN, "numeric"),
    Column(PREDICTION, Identifier("SNOWMAKER_PREDICTION"), "categorical"),
)
_CALIBRATION_BINS = 50


class FreezeBaselineOperator(WarehouseOperator):
    """Freeze what a model version's data looked like, to measure drift against.

    Bins and counts of every feature, of the score (of several classes the prediction too) and of the label are computed
    once, from the holdout weeks of the version's training set: the rows its metrics were measured on. The number of
    rows a week is the source's. A baseline that is there stays as it is, so drift of different weeks is comparable.
    From the same rows the probability of class 1 at a score is frozen, which metrics are estimated from before labels
    come.

    :param source: the table of weekly rows that the training set was made from
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version (templated)
    :param training_table: the training set, written database.schema.name (templated)
    :param first_week: first holdout week (templated)
    :param last_week: last holdout week (templated)
    :param bins: quantile bins of a numeric feature
    :param categories: categories told apart in a text feature
    :param segments: columns whose commonest values get a baseline of their own; of the source's features and key
    :param calibration_only: freeze the calibration and no profiles: those are made of the first scored weeks
    :param task: what the model predicts
    :param method: which function and output of the model is the score; default: the task's
    :return: ``{"model_version", "features", "frozen"}``; ``frozen`` is false if it was there already
    """

    template_fields: Sequence[str] = ("model_name", "model_version", "training_table", "first_week", "last_week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        training_table: str,
        first_week: str,
        last_week: str,
        bins: int = 10,
        categories: int = 60,
        segments: Sequence[str] = (),
        calibration_only: bool = False,
        task: ScoredTaskType = "binary_classification",
        method: ScoreMethod | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.training_table = training_table
        self.first_week = first_week
        self.last_week = last_week
        self.bins = bins
        self.categories = categories
        self.segments = segments
        self.calibration_only = calibration_only
        self.scored_task = scored_task(task)
        self.method = method or self.scored_task.method
        self._predicted = _PREDICTED if self.scored_task.predicts_classes else _PREDICTED[:1]

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Compute the baseline unless it is there."""
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            baseline = read_baseline(session, model, self.model_version)
            if baseline:
                features = len(baseline[ALL_ROWS])
                self.log.info("The baseline of %s is frozen already: %d columns", self.model_version, features)
                return {"model_version": self.model_version, "features": features, "frozen": False}
            version = read_state(session, model).version(self.model_version)
            source = own_source(self.source, model, version, self.method.method)
            rows = self._keep_holdout(session, model, source, version, context)
            frozen = (session, model, self.model_version, self.training_table)
            # First, for a baseline that is there is not looked at again.
            if self.scored_task.is_estimated:
                freeze_calibration(*frozen, self._calibration(session, rows), run_label(context))
            if self.calibration_only:
                return {"model_version": self.model_version, "features": 0, "frozen": False}
            baseline = self._profile(session, source, rows)
            freeze(*frozen, baseline, run_label(context))
        return {"model_version": self.model_version, "features": len(baseline[ALL_ROWS]), "frozen": True}

    def _weeks(self) -> tuple[Week, Week]:
        first, last = (Week.parse(week, self.source.starts_on) for week in (self.first_week, self.last_week))
        return first, last

    def _keep_holdout(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        source: Source,
        version: ModelVersion,
        context: Mapping[str, Any],
    ) -> Statement:
        """Score the holdout into a table of the session, so that the model runs once."""
        condition = in_weeks(source.week_column, *self._weeks())
        training = QualifiedName.parse(self.training_table)
        columns = source.columns
        outputs = self.scored_task.outputs(self.method, version)
        scored = scoring.scored_rows(
            Statement(f"SELECT {listed(columns)} FROM {training} WHERE {condition.text}", condition.values),
            columns,
            model=model,
            version=self.model_version,
            method=self.method,
            features=source.features,
            outputs={str(one.column): outputs[one.name.upper()] for one in self._predicted},
        )
        told_by = hashlib.sha256(str(context["ti"].id).encode()).hexdigest()[:12].upper()
        kept = model.sibling(f"SNOWMAKER_HOLDOUT_{told_by}")
        with calling(session, model, [self.model_version], self.method.method):
            session.execute(drift_sql.keep_rows(kept, scored))
        return Statement(f"SELECT * FROM {kept}")

    def _profile(self, session: WarehouseSession, source: Source, rows: Statement) -> Profiles:
        types = ensure_columns(session, source, version=self.model_version)
        columns = [
            *feature_columns(source, types),
            *self._predicted,
            label_column(source, is_number=self.scored_task.prediction_type == "FLOAT"),
        ]
        weeks = int(session.row(drift_sql.count_weeks(source, rows))["WEEKS"])
        if not weeks:
            raise InputDataError(
                f"training set {self.training_table} has no rows in the holdout weeks {self.first_week} to "
                f"{self.last_week}; no baseline can be made of it"
            )
        segments = segment_columns(source, self.segments)
        found = make_profiles(session, rows, columns, segments, bins=self.bins, categories=self.categories, weeks=weeks)
        # The training set has labelled rows only; a week that is checked has them all.
        condition = in_weeks(source.week_column, *self._weeks())
        every_row = Statement(f"SELECT * FROM {source.table} WHERE {condition.text}", condition.values)
        counted = session.row(drift_sql.count_weeks(source, every_row))
        if int(counted["WEEKS"]):
            found[ALL_ROWS][ROWS] = Profile.of_rows(int(counted["N"]), int(counted["WEEKS"]))
        return found

    def _calibration(self, session: WarehouseSession, rows: Statement) -> CalibrationMap:
        labelled = Statement(f"SELECT {self.source.label} AS LABEL, {SCORE_COLUMN} AS SCORE FROM ({rows.text})")
        bins = session.rows(calibration_sql.score_bins(labelled, _CALIBRATION_BINS))
        return CalibrationMap.fit([(row["UPPER"], row["N"], row["POSITIVES"]) for row in bins])
