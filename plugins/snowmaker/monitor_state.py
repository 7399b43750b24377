"""What Snowflake tells of a model monitor, and what is to be done so that it is as asked for. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from snowmaker.monitor_options import seconds_of
from snowmaker.snowflake.identifiers import Identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.monitor_options import MonitorOptions

_MARK = "snowmaker "
Step = Literal["create", "set_options", "resume"]


@dataclass(frozen=True)
class MonitorState:
    """A monitor as SHOW and DESCRIBE tell of it.

    :param state: ``ACTIVE``, ``SUSPENDED``, ``PARTIALLY_SUSPENDED`` or ``UNKNOWN``
    :param digest: what ModelMonitorOperator made it of; empty if somebody else made it
    :param errors: by aggregate why its refreshes failed; of SHOW none
    """

    name: str
    model: str
    version: str
    warehouse: str
    refresh_interval: str
    aggregation_window: str
    state: str
    digest: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> MonitorState:
        """Read a row of SHOW or DESCRIBE MODEL MONITOR."""
        model = json.loads(row["model"] or "{}")
        comment = str(row["comment"] or "")
        statuses = json.loads(row.get("aggregation_status") or "{}")
        errors = json.loads(row.get("aggregation_last_error") or "{}")
        state = str(row["monitor_state"])
        if state == "ACTIVE" and any(status != "ACTIVE" for status in statuses.values()):
            state = "PARTIALLY_SUSPENDED"
        return cls(
            name=str(row["name"]),
            model=str(model.get("model_name", "")),
            version=str(model.get("version_name", "")),
            warehouse=str(row["warehouse_name"]),
            refresh_interval=str(row["refresh_interval"]),
            aggregation_window=str(row["aggregation_window"]),
            state=state,
            digest=comment.removeprefix(_MARK) if comment.startswith(_MARK) else "",
            errors={name: " ".join(str(error).split()) for name, error in errors.items() if error},
        )

    @property
    def told_errors(self) -> str:
        """Why refreshes failed, for a message."""
        return "; ".join(f"{name}: {error}" for name, error in self.errors.items()) or "no error is told"


def comment(digest: str) -> str:
    """Give the comment by which a monitor is known again."""
    return _MARK + digest


def steps_to(state: MonitorState | None, options: MonitorOptions, digest: str) -> tuple[Step, ...]:
    """Return what is to be done; nothing if the monitor is as asked for.

    Of a monitor only warehouse and refresh interval can be changed; for all else it is made anew.

    :param state: the monitor, None if there is none
    :param digest: of what it is to be made of
    """
    if state is None or state.digest != digest:
        return ("create",)
    if seconds_of(state.aggregation_window) != seconds_of(options.aggregation_window):
        return ("create",)
    steps: list[Step] = []
    warehouse = Identifier.parse(options.warehouse).name
    if state.warehouse != warehouse or seconds_of(state.refresh_interval) != seconds_of(options.refresh_interval):
        steps.append("set_options")
    if state.state != "ACTIVE":
        steps.append("resume")
    return tuple(steps)
