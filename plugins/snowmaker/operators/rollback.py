"""The operator that makes an earlier champion the champion again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.decisions import PREVIOUS_CHAMPION
from snowmaker.hooks.model_life import roll_back
from snowmaker.operators.base import WarehouseOperator, run_label
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.week import Weekday


class RollbackModelOperator(WarehouseOperator):
    """Make an earlier champion the champion again, and write the model event.

    The event is the decision; the registry's default version and aliases follow it within seconds. Weeks that are
    scored from then on are scored by that version, and what was scored stays. Rolling back twice goes two back; another
    try of the same task does not.

    :param model_name: the model, written database.schema.name (templated)
    :param target: ``previous`` (default), or a version that was champion (templated)
    :param reason: why, for the event (templated)
    :param week: the week as of which: the champion of later ones changes; empty: the last complete week (templated)
    :param starts_on: the day on which the model's weeks start (templated)
    :return: ``{"champion", "previous"}``
    """

    template_fields: Sequence[str] = ("model_name", "target", "reason", "week", "starts_on", "snowflake_conn_id")

    def __init__(
        self,
        *,
        model_name: str,
        target: str = PREVIOUS_CHAMPION,
        reason: str | None = None,
        week: str | None = None,
        starts_on: Weekday = "monday",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_name = model_name
        self.target = target
        self.reason = reason
        self.week = week
        self.starts_on = starts_on

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Roll back."""
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            outcome = roll_back(
                session,
                model,
                self.target,
                week=week_of_run(context, self.starts_on, asked=self.week),
                run=run_label(context),
                task=self.task_id,
                reason=self.reason,
                decided_by=getattr(context["dag_run"], "triggering_user_name", None),
            )
        champion, previous, now = outcome.event.version, outcome.event.previous, outcome.state.champion_name
        if now != champion:
            self.log.warning("This run went back to %s, but %s is champion by now", champion, now)
        self.log.info("Champion of %s: %s (before: %s)", model.quoted, champion, previous)
        return {"champion": champion, "previous": previous}
