"""An Airflow and an AWS sandbox whose processes can be killed one by one, and start again as under a supervisor."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
from demo.deployment import ENDED
from running_demo import until

from include.demo.local_airflow import LocalAirflow
from include.demo.processes import ProcessGroup
from include.sandbox import process
from include.sandbox.settings import free_port

from . import bundle
from .person import Person

# Deaths are noticed in seconds; but a task bears it when the API server takes its time to start anew.
SHORT_INTERVALS = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "60",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "10",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "3",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
}
_WORKER = "airflow worker -- LocalExecutor: "


@dataclass(frozen=True)
class Run:
    """A run of one training task. Its job is known by its seconds, which no other run's has."""

    dag_id: str
    run_id: str
    seconds: str


class Deployment:
    """A whole Airflow with the training DAGs, and the AWS that their jobs run in."""

    def __init__(
        self, folder: Path, sandbox: process.Sandbox, dags: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.sandbox = sandbox
        variables = {**sandbox.env, **SHORT_INTERVALS, **(environment or {})}
        self.airflow = LocalAirflow(folder / "airflow", free_port(), variables, bundle.write(folder / "bundle", dags))
        self.processes = ProcessGroup()
        self.api = Person(self.airflow.url)
        self._orphans: list[int] = []
        self._started = 0
        key, secret = sandbox.settings.aws_access_key_id, sandbox.settings.aws_secret_access_key
        self._session = boto3.Session(key, secret, region_name="us-east-1")

    @contextmanager
    def up(self, dag_ids: set[str]) -> Iterator[Deployment]:
        """Start Airflow; end it and the sandbox afterwards."""
        with ExitStack() as stack:
            # Whichever it is then.
            stack.callback(lambda: self.sandbox.stop())  # noqa: PLW0108
            stack.callback(self.processes.stop)
            self.airflow.cli("db", "migrate")
            self.airflow.start(self.processes)
            self.wait_until_healthy(120)
            self.api.wait_for_dags(dag_ids, 60)
            for dag_id in sorted(dag_ids):
                self.api.pause(dag_id, paused=False)
            yield self

    def wait_until_healthy(self, seconds: float = 90) -> None:
        self.api.wait_until_healthy(self.processes, seconds)

    def start_what_ended(self) -> None:
        """Start the components again that have ended by themselves, as a supervisor would.

        On SQLite a scheduler does, now and then, where another process writes what it has read.
        """
        for component, keeper in list(self.processes.children.items()):
            if keeper.poll() is not None:
                print(f"{component} ended by itself with exit code {keeper.returncode}", flush=True)
                self.airflow.start_component(component, self.processes)

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.sandbox.env["AWS_ENDPOINT_URL"])

    # What Airflow is asked, while parts of it may be dead

    def ask(self, question: Callable[[], Any]) -> Any:
        """Answer a question by the API; nothing while it cannot be answered."""
        with suppress(httpx.HTTPError):
            return question()
        return None

    def trigger(self, dag_id: str, seconds: int = 2) -> Run:
        """Trigger a run whose job takes so long."""
        self._started += 1
        # A number that is written in one way only: SageMaker's toolkit reads and writes it anew.
        told = f"{seconds}.{self._started:03}1"
        return Run(dag_id, self.api.trigger(dag_id, {"seconds": told}), told)

    def wait(self, run: Run, seconds: float = 120) -> str:
        """Wait until a run has ended, and return its state."""

        def ended() -> str | None:
            found = self.ask(lambda: self.api.run(run.dag_id, run.run_id))
            return found["state"] if found and found["state"] in ENDED else None

        return until(ended, seconds, f"the end of {run}")

    def state(self, run: Run) -> str | None:
        """Return the state of a run's only task."""
        tasks = self.ask(lambda: self.api.tasks(run.dag_id, run.run_id))
        return tasks[0]["state"] if tasks else None

    def wait_for_job(self, run: Run, state: str) -> None:
        """Wait until a run's task waits, in a state, for a job whose script is at work."""
        until(lambda: self.state(run) == state, 60, f"{run} to be {state}")
        until(lambda: any(run.seconds in _title(script) for script in self.scripts()), 30, f"the script of {run}")

    # What AWS is asked

    def attempts(self, run: Run) -> list[dict[str, Any]]:
        """Describe a run's jobs, the first attempt first."""
        own = [job for job in self.jobs() if job["HyperParameters"].get("seconds") == run.seconds]
        return sorted(own, key=lambda job: attempt_of(job["TrainingJobName"]))

    def jobs(self) -> list[dict[str, Any]]:
        """Describe all jobs there are."""
        pages = self.client("sagemaker").get_paginator("list_training_jobs").paginate()
        return [self.describe(job["TrainingJobName"]) for job in pages.build_full_result()["TrainingJobSummaries"]]

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.client("sagemaker").describe_training_job(TrainingJobName=name))

    # Processes

    def scripts(self) -> list[psutil.Process]:
        """Find the processes of training jobs."""
        return [found for found in psutil.process_iter() if "train.py" in _title(found) and self._is_ours(found)]

    def _is_ours(self, found: psutil.Process) -> bool:
        with suppress(psutil.Error):
            told = [*found.cmdline(), found.cwd(), *found.environ().values()]
            return any(str(self.folder) in text for text in told)
        return False

    def workers(self) -> list[psutil.Process]:
        """Find the processes that supervise a running task, those of a dead scheduler included."""
        sessions = [*(child.pid for child in self.processes.children.values()), *self._orphans]
        found = [found for found in psutil.process_iter() if _session_of(found) in sessions]
        return [one for one in found if _title(one).startswith(_WORKER) and not _title(one).endswith("<idle>")]

    def kill(self, victim: str) -> bool:
        """Kill a victim at once and start it again; False if there is none at the moment."""
        return _KILLS[victim](self)

    @contextmanager
    def halted(self, component: str) -> Iterator[None]:
        """Let a component do nothing meanwhile, as if its machine were overloaded."""
        halted = self._processes_of(component)
        for one in halted:
            one.suspend()
        try:
            yield
        finally:
            for one in halted:
                one.resume()

    def _kill_task(self) -> bool:
        return _kill([task for _, task in self._tasks()])

    def _kill_supervisor(self) -> bool:
        return self._kill_workers(with_task=False)

    def _kill_worker(self) -> bool:
        return self._kill_workers(with_task=True)

    def _kill_workers(self, *, with_task: bool) -> bool:
        """Kill the workers that supervise a task now, and only those.

        The death of others is more than Airflow bears: one without a task may hold the lock of the executor's queue,
        and all others wait for it; and a task that does not count as running yet stays queued until the scheduler
        is restarted.
        """
        for worker in self.workers():
            with suppress(psutil.NoSuchProcess):
                worker.suspend()
        found = self._tasks()
        killed = _kill([worker for worker, _ in found])
        for worker in self.workers():
            with suppress(psutil.NoSuchProcess):
                worker.resume()
        if with_task:
            _kill([task for _, task in found])
        return killed

    def _tasks(self) -> list[tuple[psutil.Process, psutil.Process]]:
        """Find the processes of running tasks, each with the one that supervises it."""
        # A task has its supervisor's title until it is running.
        return [(worker, child) for worker in self.workers() for child in _children(worker) if _is_begun(child)]

    def _kill_scheduler(self) -> bool:
        """Kill the scheduler, and let its workers live on as orphans."""
        keeper = psutil.Process(self.processes.children["scheduler"].pid)
        self._orphans.append(keeper.pid)
        killed = _kill([keeper, *_children(keeper)])
        self._start_again("scheduler")
        return killed

    def _kill_machine(self) -> bool:
        return self._kill_component("scheduler")

    def _kill_component(self, component: str) -> bool:
        killed = _kill(self._processes_of(component))
        self._start_again(component)
        return killed

    def _processes_of(self, component: str) -> list[psutil.Process]:
        leader = self.processes.children[component].pid
        return [found for found in psutil.process_iter() if _session_of(found) == leader]

    def _start_again(self, component: str) -> None:
        self.processes.children[component].wait(10)
        self.airflow.start_component(component, self.processes)

    def _kill_sandbox(self) -> bool:
        self.sandbox.kill()
        return self._start_sandbox_again()

    def _kill_server(self, name: str) -> bool:
        """Kill one of the sandbox's servers; the other one ends in order then."""
        keeper = psutil.Process(self.sandbox.process.pid)
        _kill([server for server in keeper.children() if f"include.sandbox.{name}" in _words(server)])
        self.sandbox.process.wait(30)
        return self._start_sandbox_again()

    def _start_sandbox_again(self) -> bool:
        self.sandbox = process.start(self.folder / "sandbox")
        return True

    def bury_orphans(self) -> None:
        """End the workers of dead schedulers that have nothing to do; they would wait for ever."""
        for leader in self._orphans:
            _kill([found for found in psutil.process_iter() if _session_of(found) == leader])
        self._orphans.clear()


_KILLS: dict[str, Callable[[Deployment], bool]] = {
    "task": Deployment._kill_task,
    "supervisor": Deployment._kill_supervisor,
    "worker": Deployment._kill_worker,
    "scheduler": Deployment._kill_scheduler,
    "machine": Deployment._kill_machine,
    "triggerer": lambda deployment: deployment._kill_component("triggerer"),
    "api-server": lambda deployment: deployment._kill_component("api-server"),
    "sandbox": Deployment._kill_sandbox,
    "snowflake": lambda deployment: deployment._kill_server("snowflake"),
    "aws": lambda deployment: deployment._kill_server("aws"),
}
SERVERS = ("snowflake", "aws")
VICTIMS = tuple(victim for victim in _KILLS if victim not in SERVERS)
# These die within a task's process, and only while there is one.
IN_TASK = ("task", "supervisor", "worker")


def attempt_of(name: str) -> int:
    """Return which attempt a job is, by its name."""
    found = re.search(r"-a(\d+)$", name)
    return int(found.group(1)) if found else 1


def assert_one_after_the_other(attempts: list[dict[str, Any]], story: str) -> None:
    """Check that a run's jobs are attempts, each begun after the end of the one before, and the last one good."""
    names = [attempt["TrainingJobName"] for attempt in attempts]
    statuses = [attempt["TrainingJobStatus"] for attempt in attempts]
    assert names, story
    assert names == names[:1] + [f"{names[0]}-a{number}" for number in range(2, len(names) + 1)], story
    assert statuses[-1] == "Completed", story
    assert set(statuses[:-1]) <= {"Failed", "Stopped"}, story
    for earlier, later in pairwise(attempts):
        assert earlier["TrainingEndTime"] <= later["CreationTime"], story


def _kill(victims: list[psutil.Process]) -> bool:
    killed = False
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
            killed = True
    return killed


def _children(parent: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return parent.children()
    return []


def _is_begun(task: psutil.Process) -> bool:
    return bool(_title(task)) and not _title(task).startswith(_WORKER)


def _words(found: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return [] if found.status() == psutil.STATUS_ZOMBIE else found.cmdline()
    return []


def _title(found: psutil.Process) -> str:
    return " ".join(_words(found)).strip()


def _session_of(found: psutil.Process) -> int | None:
    with suppress(OSError):
        return os.getsid(found.pid)
    return None
