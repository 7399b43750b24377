"""What the weekly checks share: the event of a degraded model, and when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from snowmaker.drift_result import degraded_by_drift, drift_result
from snowmaker.hooks.own_tables import read_table
from snowmaker.operators.base import WarehouseOperator
from snowmaker.snowflake import registry, tables
from snowmaker.verdicts import cooling
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.degradation import Degraded
    from snowmaker.drift import FeatureDrift
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.verdicts import Degradation, Verdict


class WeeklyCheckOperator(WarehouseOperator):
    """A weekly check that marks the model degraded by an asset event.

    The event goes out only when the model is degraded, so a DAG scheduled on the asset runs only then. While the
    model's last retraining is fresh, whether it gave a new champion or not, the log tells of it and no event goes
    out.

    :param degraded_when: how many breaches in how many weeks mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :param cool_down_weeks: how many weeks must have gone since the last retraining
    """

    cause: str

    def __init__(
        self,
        *,
        degraded_when: Degradation,
        degraded_asset: Asset | None = None,
        cool_down_weeks: int = 0,
        **kwargs: Any,
    ) -> None:
        # An alias lets the task decide at run time whether there is an event.
        alias = [AssetAlias(f"{degraded_asset.name}_{self.cause}")] if degraded_asset else []
        super().__init__(outlets=[*kwargs.pop("outlets", []), *alias], **kwargs)
        self.degraded_when = degraded_when
        self.degraded_asset = degraded_asset
        self.cool_down_weeks = cool_down_weeks

    def _last_retraining(self, session: WarehouseSession, model: QualifiedName) -> Week | None:
        """Return the week as of which the model was last retrained, if it was and that matters."""
        if not self.cool_down_weeks:
            return None
        events = model.sibling(tables.MODEL_EVENTS)
        rows = read_table(session, events, registry.last_retraining(events, model.quoted))
        return next((Week(row["WEEK_START"]) for row in rows if row["WEEK_START"]), None)

    def _judge_drift(
        self,
        context: Mapping[str, Any],
        week: Week,
        version: str,
        drifts: Sequence[FeatureDrift],
        recent: Mapping[str, Verdict | None],
        retrained: Week | None,
    ) -> dict[str, Any]:
        """Make the result of a drift check, whichever engine measured, and report a degraded model."""
        result = drift_result(week, version, drifts, self.degraded_when.since(recent))
        self.log.info("Week %s: %s (%s)", week, result["verdict"], "; ".join(result["moved"]) or "all below warn")
        if result["degraded"]:
            degraded = degraded_by_drift(result, drifts[0], recent, self.degraded_when)
            self._report_degraded(context, week, degraded, retrained)
        return result

    def _report_degraded(
        self, context: Mapping[str, Any], week: Week, degraded: Degraded, retrained: Week | None
    ) -> None:
        """Log that the model is degraded, and send the event unless its last retraining is too fresh."""
        self.log.warning(
            "Model version %s is degraded as of week %s: %s", degraded.model_version, week, degraded.sentence
        )
        if cooling(week, retrained, self.cool_down_weeks):
            self.log.warning(
                "No retraining is asked for: the last one was as of week %s, and %d weeks must have gone since",
                retrained,
                self.cool_down_weeks,
            )
            return
        if self.degraded_asset is not None:
            alias = AssetAlias(f"{self.degraded_asset.name}_{self.cause}")
            context["outlet_events"][alias].add(self.degraded_asset, extra=degraded.to_extra())
