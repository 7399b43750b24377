"""The demo ended half-way, by Ctrl-C or by force: nothing of it stays behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_demo import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STARTING, LOADING = "starting the sandbox", "weeks loaded: 1"
TRAINING, SCORING = "retrain_mortgage: train$", "1 of 20 weeks scored"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path)
    yield demo
    demo.kill_all()


@pytest.mark.parametrize("moment", [STARTING, LOADING, SCORING])
def test_ctrl_c_ends_everything(demo: RunningDemo, moment: str) -> None:
    demo.start("--rows", "500").wait_for(moment, 150)
    demo.interrupt()
    assert demo.wait(30) == 130, demo.output
    assert demo.output.endswith("stopped\n")
    assert "Traceback" not in demo.output
    assert demo.left_behind() == []


def test_a_killed_demo_takes_all_with_it(demo: RunningDemo) -> None:
    demo.start("--rows", "500").wait_for(TRAINING, 150)
    assert len(demo.left_behind()) > 8
    demo.process.send_signal(signal.SIGKILL)
    until(lambda: not demo.left_behind(), 30, "the end of its processes")
