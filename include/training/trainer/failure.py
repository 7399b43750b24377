"""Failures that a person can act on, and where SageMaker looks for them."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

# SageMaker shows the first 1,024 characters of the file, and adds some of its own.
_LIMIT = 900


class TrainingFailure(Exception):
    """The job cannot go on; the message says what was found, what was expected and what to do."""


def report(error: BaseException, output_dir: Path) -> None:
    """Write the reason into ``output/failure`` and as the last line of the log.

    The training toolkit of some images overwrites the file with the end of the log.
    """
    if not isinstance(error, TrainingFailure | MemoryError):
        traceback.print_exception(error)
    reason = reason_of(error)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "failure").write_text(reason[:_LIMIT])
    print(f"training failed: {reason}", file=sys.stderr, flush=True)


def reason_of(error: BaseException) -> str:
    """Say in a line what ended the job."""
    if isinstance(error, TrainingFailure):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory: choose an instance type with more memory, or a shorter training window"
    return f"unexpected {type(error).__name__}: {error}; see the job's log"
