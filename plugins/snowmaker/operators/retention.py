"""The operator that retires versions which nobody needs any more."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from snowmaker.hooks.model_life import retire
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.monitors import drop_monitor, monitors_of
from snowmaker.operators.base import WarehouseOperator, run_label
from snowmaker.retention import RetentionRule, plan_retention
from snowmaker.snowflake import retention as retention_sql
from snowmaker.snowflake import tables, training_set
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snowmaker.champion import ModelState, ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.retention import Retention
    from snowmaker.week import Week, Weekday

# Of each kind of names in the result; the log has all.
_MOST_CHARACTERS = 2_000


class RetireVersionsOperator(WarehouseOperator):
    """Take versions that nobody needs any more out of the registry, with what belongs to them alone.

    Of a model stay the newest versions, whoever was champion within some weeks, and all that are in use: champion, the
    champion before it, challenger, default version, the holder of any alias, and pinned ones. A dry run, which is the
    default, tells in its log which others would go, and why each of the rest stays.

    A version is retired in the model events first, while nobody can promote, nominate or roll back. Then its training
    set and its monitor go, and the version itself. What a run that died has left, the next one drops. Its predictions,
    baseline, drift and performance stay, so the weeks that it scored can still be looked at.

    :param model_name: the model, written database.schema.name (templated)
    :param keep_versions: how many of the newest versions stay (default 10)
    :param keep_champion_weeks: former champions stay for so many weeks after their end (default 52)
    :param pinned: names of versions that stay in any case, as a pipeline that scores with one needs (templated)
    :param dry_run: only tell (default)
    :param week: as of which week, or empty: the week the run is for (templated)
    :param starts_on: the day on which weeks start (default monday)
    :return: ``{"dry_run", "retired", "retired_count", "kept_count", "dropped"}``: the versions that go, and the
        training sets and monitors that went with them; of many names only the first
    :raises ValueError: if a number is too small
    """

    template_fields: Sequence[str] = ("model_name", "pinned", "week")

    def __init__(
        self,
        *,
        model_name: str,
        keep_versions: int = 10,
        keep_champion_weeks: int = 52,
        pinned: Sequence[str] = (),
        dry_run: bool = True,
        week: str | None = None,
        starts_on: Weekday = "monday",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rule = RetentionRule(keep_versions, keep_champion_weeks)
        self.model_name = model_name
        self.pinned = pinned
        # BaseOperator has a method of the argument's name.
        self.is_dry_run = dry_run
        self.week = week
        self.starts_on = starts_on

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Tell, or retire."""
        week = week_of_run(context, self.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        retired: Sequence[str]
        dropped: list[str] = []
        with self.hook.session() as session:
            if self.is_dry_run:
                plan = self._plan(read_state(session, model), week)
                retired = plan.retired
            else:
                plan, retired = self._retire(session, model, week, run_label(context), dropped)
        return {
            "dry_run": self.is_dry_run,
            "retired": _first(retired),
            "retired_count": len(retired),
            "kept_count": len(plan.kept),
            "dropped": _first(dropped),
        }

    def _plan(self, state: ModelState, week: Week) -> Retention:
        rule = replace(self.rule, pinned=frozenset(self.pinned) | {name.upper() for name in self.pinned})
        plan = plan_retention(state, rule, week)
        for name, reasons in plan.kept.items():
            self.log.info("Version %s of %s stays: %s", name, state.model, ", ".join(reasons))
        for name in plan.retired:
            self.log.info("Version %s of %s %s", name, state.model, "would go" if self.is_dry_run else "goes")
        return plan

    def _retire(
        self, session: WarehouseSession, model: QualifiedName, week: Week, run: str, dropped: list[str]
    ) -> tuple[Retention, Sequence[str]]:
        plans: list[Retention] = []

        def choose(state: ModelState) -> dict[str, str]:
            plans.append(self._plan(state, week))
            return {name: self._led_to_by(model, state.version(name)) for name in plans[-1].retired}

        retired = retire(
            session,
            model,
            choose,
            lambda state: dropped.extend(self._release(session, model, state)),
            week=week,
            run=run,
        )
        return plans[-1], retired

    def _led_to_by(self, model: QualifiedName, version: ModelVersion) -> str:
        # When the version is gone, nothing else tells which training set was its own.
        table = training_set.parse_training_set(model, str(version.provenance.get("training_table")))
        return json.dumps(
            {
                "keep_versions": self.rule.keep_versions,
                "keep_champion_weeks": self.rule.keep_champion_weeks,
                "training_table": table.quoted if table else None,
            }
        )

    def _release(self, session: WarehouseSession, model: QualifiedName, state: ModelState) -> Iterator[str]:
        """Drop what belongs to retired versions alone; gives the names of what is dropped."""
        for monitor in monitors_of(session, model):
            if monitor.version in state.retired and monitor.digest:
                drop_monitor(session, model, monitor)
                self.log.info("Monitor %s of retired version %s: dropped", monitor.name, monitor.version)
                yield monitor.name
        for table in self._training_sets(session, model, state):
            session.execute(training_set.drop_training_set(table))
            self.log.info("Training set %s of a retired version: dropped", table.quoted)
            yield table.object.name

    def _training_sets(self, session: WarehouseSession, model: QualifiedName, state: ModelState) -> list[QualifiedName]:
        told = session.rows(retention_sql.retirements(model.sibling(tables.MODEL_EVENTS), model.quoted))
        named = [
            json.loads(row["GATE"] or "{}").get("training_table")
            for row in told
            if row["MODEL_VERSION"] in state.retired
        ]
        kept = {state.version(name).provenance.get("training_table") for name in state.names}
        found = {str(row["name"]) for row in session.rows(training_set.show_training_sets(model))}
        wanted = (training_set.parse_training_set(model, name) for name in named if name and name not in kept)
        return [table for table in dict.fromkeys(wanted) if table and table.object.name in found]


def _first(names: Sequence[str]) -> list[str]:
    lengths = accumulate(len(name) for name in names)
    return [name for name, length in zip(names, lengths, strict=True) if length <= _MOST_CHARACTERS]
