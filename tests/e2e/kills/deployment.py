"""An Airflow and an AWS sandbox whose processes can be killed one by one, and start again as under a supervisor."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
from demo.deployment import ENDED, PersonsApi
from running_demo import until

from include.demo.local_airflow import LocalAirflow
from include.demo.processes import ProcessGroup
from include.sandbox import process
from include.sandbox.settings import free_port

from . import bundle

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
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
}
ALIVE = ("InProgress", "Stopping")
_WORKER = "airflow worker -- LocalExecutor: "


class Deployment:
    """A whole Airflow with the training DAGs, and the AWS that their jobs run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = process.start(folder / "sandbox", only="aws")
        self.airflow = LocalAirflow(
            folder / "airflow",
            free_port(),
            {**self.sandbox.env, **SHORT_INTERVALS},
            bundle.write(folder / "bundle"),
        )
        self.processes = ProcessGroup()
        self.api = PersonsApi(self.airflow.url)
        self._orphans: list[int] = []
        settings = self.sandbox.settings
        self._session = boto3.Session(
            settings.aws_access_key_id, settings.aws_secret_access_key, region_name="us-east-1"
        )

    @classmethod
    def running(cls, folder: Path) -> Iterator[Deployment]:
        """Start all of it, and end all of it afterwards."""
        deployment = cls(folder)
        with ExitStack() as stack:
            stack.callback(lambda: deployment.sandbox.stop())
            stack.callback(deployment.processes.stop)
            deployment.airflow.cli("db", "migrate")
            deployment.airflow.start(deployment.processes)
            deployment.wait_until_healthy(120)
            dag_ids = {bundle.WAITING, bundle.DEFERRING, bundle.LIMITED, bundle.IMPATIENT}
            deployment.api.wait_for_dags(dag_ids, 60)
            for dag_id in sorted(dag_ids):
                deployment.api.pause(dag_id, paused=False)
            yield deployment

    def wait_until_healthy(self, seconds: float = 90) -> None:
        self.api.wait_until_healthy(self.processes, seconds)

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.sandbox.env["AWS_ENDPOINT_URL"])

    # What Airflow is asked, while parts of it may be dead

    def ask(self, question: Callable[[], Any]) -> Any:
        """Answer a question by the API; nothing while it cannot be answered."""
        with suppress(httpx.HTTPError):
            return question()
        return None

    def wait(self, dag_id: str, run_id: str, seconds: float = 120) -> str:
        """Wait until a run has ended, and return its state."""

        def ended() -> str | None:
            run = self.ask(lambda: self.api.run(dag_id, run_id))
            return run["state"] if run and run["state"] in ENDED else None

        return until(ended, seconds, f"the end of {dag_id}/{run_id}")

    def state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run's only task."""
        tasks = self.ask(lambda: self.api.tasks(dag_id, run_id))
        return tasks[0]["state"] if tasks else None

    def wait_for_job(self, dag_id: str, run_id: str, state: str, before: set[str]) -> str:
        """Wait until a run's task waits for its job in a state; return the job's name."""
        until(lambda: self.state(dag_id, run_id) == state, 60, f"{dag_id}/{run_id} to be {state}")
        (name,) = until(lambda: self.new_jobs(before), 30, f"the job of {dag_id}/{run_id}")
        until(lambda: self.scripts(), 30, f"the script of {name}")
        return name

    # What AWS is asked

    def jobs(self) -> dict[str, dict[str, Any]]:
        """List the training jobs by name."""
        listed = self.client("sagemaker").get_paginator("list_training_jobs").paginate().build_full_result()
        return {job["TrainingJobName"]: job for job in listed["TrainingJobSummaries"]}

    def new_jobs(self, before: set[str]) -> list[str]:
        """Name the jobs that were not there before, the first attempts first."""
        return sorted(set(self.jobs()) - before, key=lambda name: (base_of(name), attempt_of(name)))

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.client("sagemaker").describe_training_job(TrainingJobName=name))

    def wait_for_end(self, name: str, seconds: float = 30) -> str:
        """Wait until a job has ended, and return its status."""
        until(lambda: self.describe(name)["TrainingJobStatus"] not in ALIVE, seconds, f"the end of job {name}")
        return str(self.describe(name)["TrainingJobStatus"])

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

    def _kill_task(self) -> bool:
        return _kill([child for worker in self.workers() for child in _children(worker)])

    def _kill_supervisor(self) -> bool:
        return _kill(self.workers())

    def _kill_worker(self) -> bool:
        workers = self.workers()
        return _kill([*workers, *(child for worker in workers for child in _children(worker))])

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
        leader = self.processes.children[component].pid
        killed = _kill([found for found in psutil.process_iter() if _session_of(found) == leader])
        self._start_again(component)
        return killed

    def _start_again(self, component: str) -> None:
        self.processes.children[component].wait(10)
        self.airflow.start_component(component, self.processes)

    def _kill_sandbox(self) -> bool:
        self.sandbox.kill()
        self.sandbox = process.start(self.folder / "sandbox", aws_port=None, only="aws")
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
}
VICTIMS = tuple(_KILLS)


def base_of(name: str) -> str:
    """Return the name of a job's first attempt."""
    return re.sub(r"-a\d+$", "", name)


def attempt_of(name: str) -> int:
    """Return which attempt a job is, by its name."""
    found = re.search(r"-a(\d+)$", name)
    return int(found.group(1)) if found else 1


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
