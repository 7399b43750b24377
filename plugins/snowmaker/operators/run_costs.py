"""Keeping what training jobs have cost: a row each in Snowflake, written at their end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker import settings
from snowmaker.exceptions import SnowmakerError, TrainingSetupError
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.operators.base import replace_rows
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.training_costs import PRICES, Cost, cost_of, cost_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.training_job import TaskIdentity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunCosts:
    """What one task's jobs are priced at, and where that is kept.

    :param table: full name of the table SNOWMAKER_RUN_COSTS; None: nothing is kept
    :param model: whose model is trained
    :param week: ISO date of the week it is trained as of
    """

    prices: Mapping[str, float]
    table: QualifiedName | None
    snowflake_conn_id: str
    model: str | None
    week: str | None

    @classmethod
    def of(
        cls,
        *,
        prices: Mapping[str, float] | None,
        table: str | None,
        snowflake_conn_id: str,
        model: str | None,
        week: str | None,
    ) -> RunCosts:
        """Read the task's arguments; the built-in prices and the settings' fill in what it does not say.

        :raises TrainingSetupError: if the table is another one, or the setting is malformed
        """
        name = QualifiedName.parse(table) if table else None
        if name and name.object.name != tables.RUN_COSTS:
            raise TrainingSetupError(f"costs_table is {name.quoted}; its last part must be {tables.RUN_COSTS}")
        return cls(
            prices={**PRICES, **settings.instance_prices(), **(prices or {})},
            table=name,
            snowflake_conn_id=snowflake_conn_id,
            model=model or None,
            week=week or None,
        )

    def keep(self, description: Mapping[str, Any], identity: TaskIdentity) -> Cost:
        """Estimate an ended job's cost and write its row, in place of one that is there."""
        cost = cost_of(description, self.prices)
        if cost.unpriced:
            log.warning(
                "The price of %s is not known, and so the cost of training job %s; set [snowmaker] instance_prices",
                ", ".join(cost.unpriced),
                description["TrainingJobName"],
            )
        if self.table:
            self._write(self.table, cost_row(description, cost, identity, model=self.model, week=self.week))
        return cost

    def keep_if_possible(self, description: Mapping[str, Any], identity: TaskIdentity) -> None:
        """Keep the cost of a job that gave no model: why it gave none is the error to tell, not this."""
        try:
            self.keep(description, identity)
        except SnowmakerError as error:
            log.warning("The cost of training job %s cannot be kept: %s", description["TrainingJobName"], error)

    def _write(self, table: QualifiedName, row: Mapping[str, Any]) -> None:
        with WarehouseHook(snowflake_conn_id=self.snowflake_conn_id).session() as session:
            ensure_table(session, table)
            replace_rows(
                session,
                table,
                lock=table.quoted,
                holder=row["RUN_ID"],
                statements=[
                    tables.delete_rows(table, JOB_NAME=row["JOB_NAME"]),
                    tables.insert_rows(table, tuple(row), [tuple(row.values())]),
                ],
                expected=1,
            )
