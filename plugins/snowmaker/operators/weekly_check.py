"""What the weekly checks share: verdicts of the last weeks, and the event of a degraded model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from snowmaker.operators.base import WarehouseOperator
from snowmaker.snowflake import drift as drift_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.drift import Degradation, Verdict
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.week import Week

_RANKS: tuple[Verdict, ...] = ("ok", "warn", "breach")


class WeeklyCheckOperator(WarehouseOperator):
    """A weekly check that marks the model degraded by an asset event.

    The event goes out only when the model is degraded, so a DAG scheduled on the asset runs only then.
    """

    cause: str

    def __init__(self, *, degraded_when: Degradation, degraded_asset: Asset | None = None, **kwargs: Any) -> None:
        # An alias lets the task decide at run time whether there is an event.
        alias = [AssetAlias(f"{degraded_asset.name}_{self.cause}")] if degraded_asset else []
        super().__init__(outlets=[*kwargs.pop("outlets", []), *alias], **kwargs)
        self.degraded_when = degraded_when
        self.degraded_asset = degraded_asset

    def _recent_verdicts(
        self, session: WarehouseSession, table: QualifiedName, model: QualifiedName, version: str, week: Week
    ) -> list[Verdict]:
        recent = drift_sql.recent_verdicts(table, model.quoted, version, week, self.degraded_when.of_weeks)
        return [_RANKS[int(row["WORST"])] for row in session.rows(recent)]

    def _mark_degraded(self, context: Mapping[str, Any], week: Week, version: str, detail: str) -> None:
        self.log.warning("Model version %s is degraded as of week %s: %s", version, week, detail)
        if self.degraded_asset is None:
            return
        extra = {"week": str(week), "model_version": version, "cause": self.cause, "detail": detail}
        alias = AssetAlias(f"{self.degraded_asset.name}_{self.cause}")
        context["outlet_events"][alias].add(self.degraded_asset, extra=extra)
