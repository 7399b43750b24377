"""Interruptions of managed spot training, which the sandbox makes on demand: a tag of the job says when.

The tag `sandbox:spot` is made of words like `interruptions=2 after=1.5 pause=3`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TAG = "sandbox:spot"
CHECKPOINT = "checkpoint"
# Spot capacity costs about so much of the full price; SageMaker tells the saving as billable time.
PRICE = 0.3


@dataclass(frozen=True)
class Interruptions:
    """How often a job loses its hosts, and when.

    :param count: how many times
    :param after: seconds of training before each one; None: as soon as a new checkpoint lies in S3
    :param pause: seconds without capacity after each one
    """

    count: int = 0
    after: float | None = 0.0
    pause: float = 0.0

    @classmethod
    def of(cls, tags: Iterable[dict[str, str]]) -> Interruptions:
        """Read the tag of a job.

        :raises ValueError: saying what the tag may hold
        """
        text = next((tag["Value"] for tag in tags if tag["Key"] == TAG), "")
        words = dict(word.partition("=")[::2] for word in text.split())
        try:
            count, after = int(words.pop("interruptions", "0")), words.pop("after", "0")
            found = cls(count, None if after == CHECKPOINT else float(after), float(words.pop("pause", "0")))
        except ValueError:
            words["?"] = text
        if words:
            raise ValueError(
                f"tag {TAG} is {text!r}; expected words like 'interruptions=2 after=1.5 pause=3' (after: seconds, "
                f"or {CHECKPOINT!r})"
            )
        return found

    def is_due(self, done: int, seconds: float, new_checkpoints: int) -> bool:
        """Tell whether to interrupt a start of a job after so many earlier interruptions, seconds and checkpoints."""
        reached = new_checkpoints > 0 if self.after is None else seconds >= self.after
        return done < self.count and reached
