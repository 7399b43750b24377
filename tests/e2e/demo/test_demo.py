"""The demo from nothing to its end, and once more."""

from __future__ import annotations

import re

import pytest
from running_demo import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]


def test_every_expectation_is_met(first_run: RunningDemo) -> None:
    assert first_run.process.returncode == 0, first_run.output
    assert "every expectation was met" in first_run.output
    assert "NOT MET" not in first_run.output
    assert len(re.findall(r"^met  ", first_run.output, flags=re.MULTILINE)) >= 8


def test_the_table_tells_all_weeks(first_run: RunningDemo) -> None:
    header = next(line for line in first_run.lines if line.startswith("week "))
    assert header.split("  ")[0] == "week"
    assert {"rows", "version", "worst feature", "PSI", "F1", "verdict"} <= set(re.split(r"\s{2,}", header.strip()))
    weeks = [re.split(r"\s{2,}", line.strip()) for line in first_run.lines if re.match(r"\d{4}-\d\d-\d\d \(", line)]
    assert len(weeks) == 20
    assert {week[1] for week in weeks} == {"1000"}
    assert {"ok", "breach"} <= {week[-1] for week in weeks}
    assert weeks[0][2] != weeks[-1][2], "the last week is scored by another version than the first"


def test_no_process_is_left(first_run: RunningDemo, second_run: RunningDemo) -> None:
    assert first_run.left_behind() == []
    assert second_run.left_behind() == []


def test_a_second_run_changes_nothing(first_run: RunningDemo, second_run: RunningDemo) -> None:
    assert second_run.process.returncode == 0, second_run.output
    assert "there is a champion already" in second_run.output
    assert "all weeks are scored already" in second_run.output
    assert told(second_run) == told(first_run)


def told(demo: RunningDemo) -> str:
    """Return the table, the model events and the verdicts."""
    start = next(number for number, line in enumerate(demo.lines) if line.startswith("week "))
    return "".join(line for line in demo.lines[start:] if not line.startswith("["))
