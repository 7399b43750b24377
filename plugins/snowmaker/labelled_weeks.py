"""Which past weeks are to be measured again: those whose labels or predictions are not what they were. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.week import Week

_BY_LABELS, _ESTIMATED = "labels", "estimate"


@dataclass(frozen=True)
class LabelledWeek:
    """What a week's predictions and labels are.

    :param labelled: how many of its rows have a label
    :param fingerprint: of all that its metrics depend on; it begins with how they are made
    """

    labelled: int
    fingerprint: str

    @property
    def by_labels(self) -> bool:
        """Whether the week is measured by its labels; else it is estimated."""
        return self.fingerprint.startswith(_BY_LABELS)

    @classmethod
    def of(cls, row: Mapping[str, Any], settings: str, *, are_due: bool, before: LabelledWeek | None) -> LabelledWeek:
        """Read a row of ``snowflake.labelled_rows.fingerprints``.

        A week that was measured by its labels is not estimated again because an older run is repeated.

        :param settings: how the week is measured and judged
        :param are_due: whether its labels are due
        :param before: what the week was when it was last checked
        """
        labelled = int(row["LABELLED"])
        by_labels = labelled and (are_due or (before is not None and before.by_labels))
        told_by = json.dumps([int(row["N"]), row["PREDICTED"], labelled, row["TRUTH"], settings])
        digest = hashlib.sha256(told_by.encode()).hexdigest()
        return cls(labelled, f"{_BY_LABELS if by_labels else _ESTIMATED} {digest}")


def changed_weeks(now: Mapping[Week, LabelledWeek], before: Mapping[Week, LabelledWeek]) -> list[Week]:
    """Return the weeks that are not as they were when last checked, in the order of time; also those that are gone.

    >>> changed_weeks({1: LabelledWeek(5, "a"), 2: LabelledWeek(5, "b")}, {1: LabelledWeek(5, "a")})
    [2]
    """
    return sorted(week for week in now.keys() | before.keys() if now.get(week) != before.get(week))
