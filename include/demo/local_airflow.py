"""A whole Airflow on this machine: scheduler, dag-processor, triggerer and API server, on loopback.

For a laptop: SQLite, LocalExecutor, and everybody who can reach the loopback port is an admin.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.fernet import Fernet

from include.demo import preloaded_airflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.demo.processes import ProcessGroup

REPOSITORY = Path(__file__).parents[2]
# The API server reads the logs from the disk; log servers would listen on every interface, on fixed ports.
COMPONENTS = {
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
    "api-server": [],
}
_TRIES = 6
_SQLITE_TRIES = 8
# Those that fork a process for each task or file.
_FORKING = ("scheduler", "dag-processor")


@dataclass
class LocalAirflow:
    """An Airflow with its home in a folder.

    :param home: AIRFLOW_HOME; database, keys and logs survive in it
    :param port: of the API server and the UI
    :param environment: what connections and settings the tasks need; a setting given here wins
    :param bundle: folder with the DAGs, and the plugins in ``plugins``
    """

    home: Path
    port: int
    environment: Mapping[str, str]
    bundle: Path = REPOSITORY

    @property
    def url(self) -> str:
        """The UI's address."""
        return f"http://127.0.0.1:{self.port}"

    def env(self) -> dict[str, str]:
        """Return the environment of Airflow's processes."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, **self.variables(), "PATH": path}

    def write_env(self) -> Path:
        """Write a file to ``source``, so that an ``airflow`` command of one's own finds this Airflow."""
        file = self.home / "env"
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.variables().items()]
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.writelines(lines)
        return file

    def variables(self) -> dict[str, str]:
        """Return the variables that make a process part of this Airflow."""
        keys, home = self._keys(), self.home.resolve()
        bundle = [
            {
                "name": "snowmaker",
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(self.bundle)},
            }
        ]
        return {
            "AIRFLOW_HOME": str(home),
            # Said here, for airflow.cfg keeps the paths of the folder's first start, wherever it is moved or copied.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(home / "logs" / "dag_processor"),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": keys["secret_key"],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.bundle / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundle),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            # How long a task that may begin waits for a scheduler that has nothing else to do.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
            # After a kill -9, tasks that nobody runs any more are found within a minute, not within five.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            **self.environment,
        }

    def start(self, processes: ProcessGroup) -> None:
        """Start all components; they become ready in the background.

        :raises RuntimeError: if the port is taken
        """
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise RuntimeError(
                    f"port {self.port} is taken ({error}); stop what listens there, or choose another: make demo PORT=…"
                ) from None
        for component in COMPONENTS:
            self.start_component(component, processes)

    def start_component(self, component: str, processes: ProcessGroup) -> None:
        """Start one of the components, which must not be running; it becomes ready in the background."""
        # -P keeps the script's own folder out of its imports.
        preloaded = ["-P", str(Path(preloaded_airflow.__file__)), str(self.bundle)]
        airflow = preloaded if component in _FORKING else ["-m", "airflow"]
        processes.start(
            component,
            [sys.executable, *airflow, component, *COMPONENTS[component]],
            env=self.env(),
            log=self.home / "logs" / f"{component}.log",
        )

    def cli(self, *arguments: str) -> str:
        """Run an ``airflow`` command and return what it prints.

        :raises RuntimeError: if it fails
        """
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self.env(), capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def _keys(self) -> dict[str, str]:
        path = self.home / "keys.json"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            keys = {
                "jwt_secret": secrets.token_hex(64),
                "secret_key": secrets.token_hex(32),
                "fernet_key": Fernet.generate_key().decode(),
            }
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(keys, file)
        return dict(json.loads(path.read_text()))


class AirflowApi:
    """The few calls of Airflow's REST API that we need."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def wait_until_healthy(self, processes: ProcessGroup, seconds: float) -> None:
        """Wait for all components.

        :raises RuntimeError: if one ends by itself, or is not healthy in time
        """
        deadline = time.monotonic() + seconds
        health: dict[str, Any] = {}
        while time.monotonic() < deadline:
            processes.check()
            try:
                health = self._client.get("/api/v2/monitor/health").json()
                parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
                if all(health.get(part, {}).get("status") == "healthy" for part in parts):
                    token = self._client.get("/auth/token").raise_for_status().json()["access_token"]
                    self._client.headers["Authorization"] = f"Bearer {token}"
                    return
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(0.5)
        raise RuntimeError(f"Airflow is not healthy after {seconds:.0f} s: {health}; see the logs in its home")

    def wait_for_dags(self, dag_ids: set[str], seconds: float) -> None:
        """Wait until DAGs are parsed.

        :raises RuntimeError: with Airflow's import errors, if they are not there in time
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            there = {dag["dag_id"] for dag in self._get("/api/v2/dags", limit=100)["dags"]}
            if dag_ids <= there:
                return
            time.sleep(0.5)
        errors = [error["stack_trace"] for error in self._get("/api/v2/importErrors")["import_errors"]]
        raise RuntimeError(f"DAGs {sorted(dag_ids - there)} are not there after {seconds:.0f} s: {errors}")

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._send("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": paused})

    def trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Trigger a run by hand, as the UI's form does; return its id."""
        run_id = run_id or f"manual__{uuid.uuid4()}"
        body = {"logical_date": None, "conf": dict(conf), "dag_run_id": run_id}
        try:
            self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        except httpx.HTTPStatusError as error:
            raise RuntimeError(f"Airflow refused to trigger {dag_id}: {error.response.text}") from None
        return run_id

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """List a DAG's runs."""
        return list(self._get(f"/api/v2/dags/{dag_id}/dagRuns", limit=200, order_by="run_after")["dag_runs"])

    def active_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """List a DAG's backfills that are not complete."""
        backfills = self._get("/api/v2/backfills", dag_id=dag_id)["backfills"]
        return [backfill for backfill in backfills if not backfill["completed_at"]]

    def cancel_backfill(self, backfill_id: int) -> None:
        """End a backfill; its runs that have not started count as failed."""
        self._send("PUT", f"/api/v2/backfills/{backfill_id}/cancel")

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List a run's task instances."""
        return list(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return a task's result."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._get(path, deserialize=True)["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """Return a task's log as text."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return json.dumps(self._get(path)["content"])

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return dict(self._send("GET", path, params=query).json())

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        # SQLite refuses a transaction that read before somebody else wrote, and Airflow answers with a 500 then.
        for attempt in range(1, _TRIES + 1):
            answer = self._client.request(method, path, **content)
            if answer.status_code == httpx.codes.CONFLICT and attempt > 1:
                return answer  # an earlier try did it after all
            if not answer.is_server_error or attempt == _TRIES:
                break
            time.sleep(0.2 * attempt)
        return answer.raise_for_status()


def create_backfill(
    airflow: LocalAirflow, api: AirflowApi, dag_id: str, *options: str, say: Callable[[str], None] = print
) -> None:
    """Create a backfill by the ``airflow`` command.

    :param options: of ``airflow backfill create``, besides the DAG's
    :param say: is told of each further try
    :raises RuntimeError: if it fails
    """
    for _ in range(_SQLITE_TRIES):
        try:
            airflow.cli("backfill", "create", "--dag-id", dag_id, *options)
            return
        except RuntimeError as error:
            if "database is locked" not in str(error):
                raise
        # SQLite refuses a transaction that read before somebody else wrote; half a backfill may be left.
        say("SQLite was busy: creating the backfill anew")
        for backfill in api.active_backfills(dag_id):
            api.cancel_backfill(backfill["id"])
    raise RuntimeError(f"SQLite refused to create the backfill {_SQLITE_TRIES} times; try again")
