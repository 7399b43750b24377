"""The operator that freezes what a model version's data looked like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from snowmaker.drift import SCORE, Bins, Histogram
from snowmaker.exceptions import InputDataError
from snowmaker.hooks.model_registry import calling
from snowmaker.operators.base import WarehouseOperator, rewrite_rows, run_label
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import scoring, tables
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.source_rows import in_weeks
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source

SCORE_COLUMN = Identifier("SNOWMAKER_SCORE")


class FreezeBaselineOperator(WarehouseOperator):
    """Freeze what a model version's data looked like, to measure drift against.

    Bins and counts of every feature and of the score are computed once, from the holdout weeks of the
    version's training set: the rows its metrics were measured on. A baseline that is there stays as it is, so
    scores of different weeks are comparable.

    :param source: the table of weekly rows that the training set was made from
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version (templated)
    :param training_table: the training set, written database.schema.name (templated)
    :param first_week: first holdout week (templated)
    :param last_week: last holdout week (templated)
    :param bins: quantile bins of a numeric feature
    :param categories: categories told apart in a text feature
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
        self.method = method or scored_task(task).method

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Compute the baseline unless it is there."""
        model = QualifiedName.parse(self.model_name)
        table = model.sibling(tables.BASELINES)
        with self.hook.session() as session:
            session.execute(tables.create_table(table))
            baseline = read_baseline(session, model, self.model_version)
            if baseline:
                self.log.info("The baseline of %s is frozen already: %d columns", self.model_version, len(baseline))
                return {"model_version": self.model_version, "features": len(baseline), "frozen": False}
            with calling(session, model, [self.model_version], self.method.method):
                baseline = self._compute(session, model)
            self._write(session, table, model, baseline, run_label(context))
        return {"model_version": self.model_version, "features": len(baseline), "frozen": True}

    def _compute(self, session: WarehouseSession, model: QualifiedName) -> dict[str, Histogram]:
        relation = self._scored_holdout(model)
        numeric = [*(f.column for f in self.source.features if f.kind == "numeric"), SCORE_COLUMN]
        text = [f.column for f in self.source.features if f.kind == "categorical"]
        found = session.row(drift_sql.quantiles(relation, numeric, self.bins))
        bins = {
            column: Bins.numeric([found[f"Q{i}_{q}"] for q in range(1, self.bins)]) for i, column in enumerate(numeric)
        }
        if text:
            listing = session.rows(drift_sql.commonest(relation, text, self.categories))
            for i, column in enumerate(text):
                bins[column] = Bins.categorical([row["CATEGORY"] for row in listing if int(row["FEATURE"]) == i])
        counts = drift_sql.read_histograms(session.row(drift_sql.histograms(relation, bins)), bins)
        if not next(iter(counts.values())).rows:
            raise InputDataError(
                f"training set {self.training_table} has no rows in the holdout weeks {self.first_week} to "
                f"{self.last_week}; no baseline can be made of it"
            )
        counts[SCORE] = counts.pop(SCORE_COLUMN.name)
        return counts

    def _scored_holdout(self, model: QualifiedName) -> Statement:
        first, last = (Week.parse(week, self.source.starts_on) for week in (self.first_week, self.last_week))
        condition = in_weeks(self.source.week_column, first, last)
        score = scoring.score(model, self.model_version, self.method, self.source.features)
        return Statement(
            f"SELECT {listed(feature.column for feature in self.source.features)}, {score} AS {SCORE_COLUMN} "
            f"FROM {QualifiedName.parse(self.training_table)} WHERE {condition.text}",
            condition.values,
        )

    def _write(
        self,
        session: WarehouseSession,
        table: QualifiedName,
        model: QualifiedName,
        baseline: Mapping[str, Histogram],
        run: str,
    ) -> None:
        rows = [
            {
                "SEGMENT": "",
                "FEATURE": feature,
                "PROFILE": json.dumps({"bins": histogram.bins.to_json(), "counts": histogram.counts}),
                "SOURCE_TABLE": self.training_table,
            }
            for feature, histogram in baseline.items()
        ]
        # Of two that freeze at once the second overwrites equal rows: same training set, same bins.
        where = {"MODEL_NAME": model.quoted, "MODEL_VERSION": self.model_version}
        rewrite_rows(session, table, where, rows, run)


def read_baseline(session: WarehouseSession, model: QualifiedName, version: str) -> dict[str, Histogram]:
    """Read a version's frozen baseline; empty if there is none."""
    table = model.sibling(tables.BASELINES)
    rows = session.rows_if_any(
        Statement(
            f"SELECT FEATURE, PROFILE FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s ORDER BY FEATURE",
            (model.quoted, version),
        )
    )
    profiles = {row["FEATURE"]: json.loads(row["PROFILE"]) for row in rows}
    return {f: Histogram(Bins.from_json(found["bins"]), tuple(found["counts"])) for f, found in profiles.items()}
