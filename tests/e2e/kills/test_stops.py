"""Tasks that a person ends, or whose time is up: their jobs are stopped. Cleared ones wait for theirs."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from threading import Thread

import pytest
from running_demo import until

from .bundle import DEFERRING, IMPATIENT, LIMITED, TASK, WAITING
from .deployment import Deployment, Run
from .person import Person

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SEED = os.environ.get("SNOWMAKER_KILL_SEED", "1")
LONG, SHORT = 600, 15
STATES = {WAITING: "running", DEFERRING: "deferred"}
Act = Callable[[Person, Run], None]


def mark_task_failed(api: Person, run: Run) -> None:
    api.mark_task(run.dag_id, run.run_id, TASK, "failed")


def mark_run_failed(api: Person, run: Run) -> None:
    api.mark_run(run.dag_id, run.run_id, "failed")


def mark_task_successful(api: Person, run: Run) -> None:
    api.mark_task(run.dag_id, run.run_id, TASK, "success")


def mark_run_successful(api: Person, run: Run) -> None:
    api.mark_run(run.dag_id, run.run_id, "success")


def clear(api: Person, run: Run) -> None:
    api.clear(run.dag_id, run.run_id)


def nothing(api: Person, run: Run) -> None:
    """Let its time run out."""


ENDS: dict[str, tuple[str, Act]] = {
    "task marked failed while it waits": (WAITING, mark_task_failed),
    "task marked failed while deferred": (DEFERRING, mark_task_failed),
    "run marked failed while its task waits": (WAITING, mark_run_failed),
    "run marked failed while its task is deferred": (DEFERRING, mark_run_failed),
    "execution timeout": (LIMITED, nothing),
    "timeout of the deferral": (IMPATIENT, nothing),
}
RESTARTS: dict[str, tuple[str, Act]] = {
    "cleared while it waits": (WAITING, clear),
    "cleared while deferred": (DEFERRING, clear),
    "beside another run": (DEFERRING, nothing),
}


@pytest.fixture(scope="module")
def runs(deployment: Deployment) -> dict[str, Run]:
    """All runs at once, whose end or restart has been asked for."""
    cases = [(name, dag_id, act, SHORT) for name, (dag_id, act) in RESTARTS.items()]
    cases += [(name, dag_id, act, LONG) for name, (dag_id, act) in ENDS.items()]
    started = {name: deployment.trigger(dag_id, seconds) for name, dag_id, _, seconds in cases}
    for name, dag_id, act, _ in cases:
        if act is not nothing:
            deployment.wait_for_job(started[name], STATES[dag_id])
            act(deployment.api, started[name])
    return started


@pytest.mark.parametrize("end", ENDS)
def test_the_job_ends_with_its_task(deployment: Deployment, runs: dict[str, Run], end: str) -> None:
    run = runs[end]
    assert deployment.wait(run) == "failed"
    assert_stopped(deployment, run)
    assert run.seconds not in str(deployment.scripts())


def assert_stopped(deployment: Deployment, run: Run) -> None:
    until(lambda: [job["TrainingJobStatus"] for job in deployment.attempts(run)] == ["Stopped"], 30, f"{run} to stop")


@pytest.mark.parametrize("restart", RESTARTS)
def test_a_run_begun_anew_waits_for_its_job(deployment: Deployment, runs: dict[str, Run], restart: str) -> None:
    run = runs[restart]
    ended = deployment.wait(run)
    attempts = deployment.attempts(run)
    story = f"{restart}: {ended}, {[attempt['TrainingJobStatus'] for attempt in attempts]}"
    print(story)
    assert ended == "success", story
    assert len(attempts) == 1, story
    result = deployment.api.xcom(run.dag_id, run.run_id, TASK)
    assert result["job_name"] == attempts[-1]["TrainingJobName"], story


def test_a_job_is_stopped_although_no_triggerer_has_seen_its_task_yet(deployment: Deployment) -> None:
    ends = (mark_task_failed, mark_run_failed, mark_task_successful, mark_run_successful)
    with deployment.halted("triggerer"):
        ended = {deployment.trigger(DEFERRING, LONG): end for end in ends}
        cleared = deployment.trigger(DEFERRING, SHORT)
        for run, act in {**ended, cleared: clear}.items():
            deployment.wait_for_job(run, "deferred")
            act(deployment.api, run)
    for run, end in ended.items():
        assert deployment.wait(run) == ("failed" if "failed" in end.__name__ else "success")
        assert_stopped(deployment, run)
    assert deployment.wait(cleared) == "success"
    assert [job["TrainingJobStatus"] for job in deployment.attempts(cleared)] == ["Completed"]


def test_nothing_is_left_at_work(deployment: Deployment, runs: dict[str, Run]) -> None:
    for run in runs.values():
        deployment.wait(run)
    until(lambda: not deployment.workers() and not deployment.scripts(), 30, "nobody at work")


@pytest.mark.slow
@pytest.mark.parametrize("wave", range(8))
def test_no_job_is_left_whenever_its_task_is_marked_failed(deployment: Deployment, wave: int) -> None:
    moments = random.Random(f"{SEED}/{wave}")  # noqa: S311
    waits = {deployment.trigger(dag_id, LONG): moments.uniform(0, 5) for dag_id in 2 * (WAITING, DEFERRING)}
    moments_told = [f"{run.dag_id} {wait:.1f}" for run, wait in waits.items()]
    story = f"seed {SEED}, wave {wave}, marked so many seconds after the task's start: {moments_told}"
    marked = {run: Thread(target=mark_after, args=(deployment, run, wait)) for run, wait in waits.items()}
    for thread in marked.values():
        thread.start()
    for run, thread in marked.items():
        thread.join(90)
        assert deployment.wait(run) == "failed", story
    until(lambda: not deployment.workers(), 30, f"nobody at work: {story}")
    jobs = [job["TrainingJobName"] for run in waits for job in deployment.attempts(run)]
    until(lambda: {deployment.describe(name)["TrainingJobStatus"] for name in jobs} <= {"Stopped"}, 30, story)
    print(f"{story}; jobs: {len(jobs)}")


def mark_after(deployment: Deployment, run: Run, seconds: float) -> None:
    """Mark a run's task as failed so long after it has started."""
    until(lambda: deployment.state(run) in ("running", "deferred"), 60, f"the start of {run}")
    time.sleep(seconds)
    mark_task_failed(deployment.api, run)
