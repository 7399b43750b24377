"""Which past weeks are to be measured again: those whose labels or predictions are not what they were. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.week import Week


@dataclass(frozen=True)
class LabelledWeek:
    """What a week's predictions and labels are.

    :param labelled: how many of its rows have a label
    :param fingerprint: of all that its metrics depend on
    """

    labelled: int
    fingerprint: str

    @classmethod
    def of(cls, row: Mapping[str, Any], settings: str) -> LabelledWeek:
        """Read a row of ``snowflake.labelled_rows.fingerprints``.

        :param settings: how the week is measured and judged
        """
        told_by = json.dumps([int(row["N"]), row["PREDICTED"], int(row["LABELLED"]), row["TRUTH"], settings])
        return cls(int(row["LABELLED"]), hashlib.sha256(told_by.encode()).hexdigest())


def changed_weeks(now: Mapping[Week, LabelledWeek], before: Mapping[Week, LabelledWeek]) -> list[Week]:
    """Return the weeks that are not as they were when last checked, in the order of time; also those that are gone.

    >>> changed_weeks({1: LabelledWeek(5, "a"), 2: LabelledWeek(5, "b")}, {1: LabelledWeek(5, "a")})
    [2]
    """
    return sorted(week for week in now.keys() | before.keys() if now.get(week) != before.get(week))
