"""The demo ended half-way, by Ctrl-C or by force: nothing of it stays behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_demo import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path).start("--rows", "500")
    yield demo
    demo.kill_all()


@pytest.mark.parametrize("moment", ["starting the sandbox", "weeks loaded: 1"])
def test_ctrl_c_ends_everything(demo: RunningDemo, moment: str) -> None:
    demo.wait_for(moment, 120)
    demo.interrupt()
    assert_ended_in_order(demo)


def test_ctrl_c_ends_a_training_job_too(demo: RunningDemo) -> None:
    wait_for_training(demo)
    demo.interrupt()
    assert_ended_in_order(demo)


def test_a_killed_demo_takes_all_with_it(demo: RunningDemo) -> None:
    wait_for_training(demo)
    demo.process.send_signal(signal.SIGKILL)
    until(lambda: not demo.left_behind(), 30, "the end of its processes")


def wait_for_training(demo: RunningDemo) -> None:
    """Wait until Airflow's workers and the training job's own process are at work."""
    demo.wait_for("retrain_mortgage: train$", 150)
    until(lambda: "train.py" in " ".join(demo.left_behind()), 30, "the process of the training job")
    assert "LocalExecutor" in " ".join(demo.left_behind())


def assert_ended_in_order(demo: RunningDemo) -> None:
    assert demo.wait(30) == 130, demo.output
    assert demo.output.endswith("stopped\n")
    assert "Traceback" not in demo.output
    assert demo.left_behind() == []
