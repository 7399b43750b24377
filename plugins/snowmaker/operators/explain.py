"""The operator that tells what a version looks at."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.exceptions import InputDataError
from snowmaker.explanation import read_attributions, shares_of, top_features
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.model_inputs import own_source
from snowmaker.operators.base import WarehouseOperator, ensure_columns, rewrite_rows, run_label
from snowmaker.snowflake import attributions, registry, tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelState, ModelVersion
    from snowmaker.explanation import Attribution
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.source import Source


class ExplainModelOperator(WarehouseOperator):
    """Tell how much each feature makes of a version's score, and how that differs from the champion's.

    The version's EXPLAIN is called in the warehouse for a sample of the holdout rows, the same one however often it
    runs; what a feature adds to a row's margin is averaged there by its size. Shares and ranks go to
    SNOWMAKER_ATTRIBUTIONS, with the champion's share on the same rows beside them, replacing those of the version. Of
    several classes there is also a row a class; all classes together are their mean.

    A version that has no EXPLAIN, as those logged by an older release, is skipped; a champion without one, or one that
    takes a column that the training set does not have, is not compared with.

    :param source: the table of weekly rows that the training set was made from
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version to explain (templated)
    :param training_table: the training set, written database.schema.name (templated)
    :param first_week: first holdout week (templated)
    :param last_week: last holdout week (templated)
    :param sample_rows: how many rows to explain; all there are if there are fewer
    :return: ``{"model_version", "champion", "rows", "top"}``; ``top`` has five features at most, the most important
        first, each with ``share`` (from 0 to 1) and ``change`` against the champion's (None without one)
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
        sample_rows: int = 500,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sample_rows < 1:
            raise ValueError(f"sample_rows is {sample_rows}; explain at least one row")
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.training_table = training_table
        self.first_week = first_week
        self.last_week = last_week
        self.sample_rows = sample_rows

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Explain both on the same rows, compare, write down."""
        model, run = QualifiedName.parse(self.model_name), run_label(context)
        with self.hook.session() as session:
            state = read_state(session, model)
            version = state.version(self.model_version)
            if not self._has_explain(session, model, version):
                raise AirflowSkipException(
                    f"version {version.name} of model {model.quoted} has no method EXPLAIN: LogModelOperator did not "
                    f"log it, or an older release of it did; the next retraining's version has one"
                )
            own = own_source(self.source, model, version, attributions.EXPLAIN.method)
            champion = self._compared(session, model, version, state)
            other = self._champions_source(session, model, champion) if champion else None
            sample = self._sample(session, model, (own, other) if other else (own,), run)
            rows, found = self._explain(session, model, version, own, sample)
            before = self._explain(session, model, champion, other, sample)[1] if champion and other else ()
            compared = champion.name if champion and before else None
            self._write(session, model, rows, found, compared, before, run)
        top = top_features(found, before)
        self.log.info("Version %s on %d rows, against champion %s: %s", version.name, rows, compared, top)
        return {"model_version": version.name, "champion": compared, "rows": rows, "top": top}

    def _has_explain(self, session: WarehouseSession, model: QualifiedName, version: ModelVersion) -> bool:
        functions = session.rows(registry.show_functions(model, version.name))
        return attributions.EXPLAIN.method in {str(row["name"]).upper() for row in functions}

    def _compared(
        self, session: WarehouseSession, model: QualifiedName, version: ModelVersion, state: ModelState
    ) -> ModelVersion | None:
        # Cleared after its promotion, the task still tells what changed by it.
        is_champion = state.champion is not None and state.champion.name == version.name
        champion = state.previous if is_champion else state.champion
        if champion and not self._has_explain(session, model, champion):
            self.log.info("Champion %s has no method EXPLAIN, so no change against it is told", champion.name)
            return None
        return champion

    def _champions_source(
        self, session: WarehouseSession, model: QualifiedName, champion: ModelVersion
    ) -> Source | None:
        source = own_source(self.source, model, champion, attributions.EXPLAIN.method)
        try:
            ensure_columns(session, replace(source, table=QualifiedName.parse(self.training_table)))
        except InputDataError as error:
            self.log.warning("No change against champion %s is told: %s", champion.name, error)
            return None
        return source

    def _sample(
        self, session: WarehouseSession, model: QualifiedName, sources: Sequence[Source], run: str
    ) -> QualifiedName:
        first, last = (Week.parse(week, self.source.starts_on) for week in (self.first_week, self.last_week))
        table = QualifiedName.parse(self.training_table)
        sample = model.sibling(f"SNOWMAKER_EXPLAINED_{hashlib.sha256(run.encode()).hexdigest()[:12].upper()}")
        session.execute(
            attributions.sample(sample, sources, first, last, table=table, rows=self.sample_rows),
        )
        return sample

    def _explain(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        version: ModelVersion,
        source: Source,
        sample: QualifiedName,
    ) -> tuple[int, tuple[Attribution, ...]]:
        features = source.features
        rows = session.rows(
            attributions.mean_attributions(
                sample, features, model=model, version=version.name, by_class=bool(version.classes)
            )
        )
        if not rows:
            raise InputDataError(
                f"training set {self.training_table} has no row from {self.first_week} to {self.last_week} to explain "
                f"{version.name} on; give the weeks of its holdout"
            )
        return int(rows[0]["ROW_COUNT"]), read_attributions(rows, [feature.column.name for feature in features])

    def _write(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        rows: int,
        found: Sequence[Attribution],
        champion: str | None,
        before: Sequence[Attribution],
        run: str,
    ) -> None:
        table = model.sibling(tables.ATTRIBUTIONS)
        ensure_table(session, table)
        champion_shares = shares_of(before)
        written = [
            {
                "CLASS": one.class_name,
                "FEATURE": one.feature,
                "PLACE": one.place,
                "MEAN_ABSOLUTE": one.mean_absolute,
                "SHARE": one.share,
                "CHAMPION": champion,
                "CHAMPION_SHARE": champion_shares.get((one.class_name, one.feature)),
                "ROW_COUNT": rows,
            }
            for one in found
        ]
        where = {"MODEL_NAME": model.quoted, "MODEL_VERSION": self.model_version}
        rewrite_rows(session, table, where, written, run)
