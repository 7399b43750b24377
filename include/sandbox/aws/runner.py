"""Run training jobs: one thread a job, one supervised process group a host.

The thread moves the job through its states, follows the logs, keeps the runtime limit and uploads what the
script left behind. Host names (algo-1 …) are given to the scripts but not resolvable on this machine.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends
from moto.sagemaker.models import sagemaker_backends

from include.sandbox.aws import container, objects, supervise
from include.sandbox.aws.container import Host, ScriptMode
from include.sandbox.aws.storage import write_atomically
from include.sandbox.aws.training_job import TrainingJob

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
log = logging.getLogger(__name__)


class JobRunner:
    """Starts, stops, remembers and forgets training jobs."""

    def __init__(
        self, state: Path, *, endpoint_url: str, stop_grace: float, objects_changed: Callable[[], None]
    ) -> None:
        """Keep jobs under ``state``; call ``objects_changed`` after an upload."""
        self._jobs_dir = state / "jobs"
        self._work_dir = state / "work"
        self._endpoint_url = endpoint_url
        self._stop_grace = stop_grace
        self._objects_changed = objects_changed
        self._runs: dict[str, _Run] = {}

    def restore(self) -> None:
        """Bring the jobs of an earlier process back; the ones it left running are Failed."""
        shutil.rmtree(self._work_dir, ignore_errors=True)
        for path in sorted(self._jobs_dir.glob("*/*.json")):
            job = TrainingJob.from_json(path.read_text())
            sagemaker_backends[DEFAULT_ACCOUNT_ID][job.region].training_jobs[job.training_job_name] = job
            self.save(job)

    def start(self, job: TrainingJob, script: ScriptMode) -> None:
        """Write the job down and run it in the background."""
        self.save(job)
        aws = {
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_DEFAULT_REGION": job.region,
            "AWS_REGION": job.region,
            # The sandbox checks no signature; these stand for the role's temporary credentials.
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
        }
        run = _Run(job, script, self._work_dir / job.region / job.training_job_name, aws, self._stop_grace)
        self._runs[job.arn] = run
        threading.Thread(target=self._run_and_finish, args=(run,), name=job.arn, daemon=True).start()

    def stop(self, job: TrainingJob) -> None:
        """Ask a running job to end; it becomes Stopped when its processes are gone."""
        if job.request_stop():
            self.save(job)
            run = self._runs.get(job.arn)
            if run:
                run.stop_hosts()

    def save(self, job: TrainingJob) -> None:
        """Write the job down as it is now."""
        write_atomically(self._path(job), job.to_json().encode())

    def forget(self, job: TrainingJob) -> None:
        """Delete what is kept of an ended job."""
        self._path(job).unlink(missing_ok=True)

    def _path(self, job: TrainingJob) -> Path:
        return self._jobs_dir / job.region / f"{job.training_job_name}.json"

    def _run_and_finish(self, run: _Run) -> None:
        job = run.job
        try:
            run.execute(lambda: self.save(job))
            self._objects_changed()
        except (container.JobSetupError, FileNotFoundError, ValueError) as error:
            job.enter("Failed", status="Failed", reason=f"ClientError: {error}")
        except Exception as error:
            log.exception("training job %s failed inside the sandbox", job.training_job_name)
            job.enter("Failed", status="Failed", reason=f"InternalServerError: {error!r}")
        finally:
            run.conclude()
            self.save(job)
            shutil.rmtree(run.root, ignore_errors=True)
            del self._runs[job.arn]


class _Run:
    """One job's run: its hosts, their processes and their logs."""

    def __init__(
        self, job: TrainingJob, script: ScriptMode, root: Path, aws: dict[str, str], stop_grace: float
    ) -> None:
        self.job = job
        self.root = root
        self._script = script
        self._aws = aws
        self._stop_grace = stop_grace
        count = int(job.request["ResourceConfig"].get("InstanceCount", 1))
        names = tuple(f"algo-{number}" for number in range(1, count + 1))
        self.hosts = [Host(name, names, root / name) for name in names]
        self._supervisors: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._outcome: tuple[str, str, str | None] = ("Failed", "Failed", None)

    def execute(self, save: Callable[[], None]) -> None:
        """Prepare, train and upload. The end of the job is decided here, and entered by ``conclude``."""
        self.job.enter("Downloading")
        for host in self.hosts:
            container.prepare(host, self.job.request, self._script)
        self.job.enter("Training")
        save()
        followers = [self._start_host(host) for host in self.hosts]
        failed, timed_out = self._wait()
        for follower in followers:
            follower.join()
        self._decide(failed, timed_out)
        save()
        self._upload()

    def conclude(self) -> None:
        """Enter the final state; nothing where a setup error did so already."""
        secondary, status, reason = self._outcome
        self.job.enter(secondary, status=status, reason=reason)

    def stop_hosts(self) -> None:
        """Send SIGTERM, and SIGKILL after the grace, to all hosts."""
        with self._lock:
            for supervisor in self._supervisors:
                self._tell_stop(supervisor)

    def _tell_stop(self, supervisor: subprocess.Popen[bytes]) -> None:
        if supervisor.stdin is None:
            return
        try:
            supervisor.stdin.write(f"stop {self._stop_grace}\n".encode())
            supervisor.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # it has ended by itself

    def _start_host(self, host: Host) -> threading.Thread:
        request, script = self.job.request, self._script
        supervisor = subprocess.Popen(  # noqa: S603 (the sandbox's purpose is to run this script)
            [sys.executable, "-I", "-S", supervise.__file__, *container.command(host, script)],
            cwd=host.code,
            env=container.environment(host, request, script, self._aws, self.job.arn),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with self._lock:
            self._supervisors.append(supervisor)
            if self.job.training_job_status == "Stopping":
                self._tell_stop(supervisor)
        follower = threading.Thread(target=self._follow, args=(host, supervisor.stdout), daemon=True)
        follower.start()
        return follower

    def _follow(self, host: Host, stream: IO[bytes]) -> None:
        """Pass each line on to CloudWatch and to the metric definitions as it is written."""
        backend = logs_backends[DEFAULT_ACCOUNT_ID][self.job.region]
        name = f"{self.job.training_job_name}/{host.name}-{int(time.time())}"
        backend.ensure_log_group(LOG_GROUP)
        backend.ensure_log_stream(LOG_GROUP, name)
        for raw in stream:
            line = raw.decode(errors="replace").rstrip("\n")
            event = {"timestamp": int(time.time() * 1000), "message": line or " "}
            backend.put_log_events(LOG_GROUP, name, [event])
            if host is self.hosts[0]:
                self.job.note_metrics(line)

    def _wait(self) -> tuple[list[tuple[Host, int]], bool]:
        """Wait for all hosts; return those that failed by themselves, and whether time ran out.

        The first failing host ends its peers, whose exit codes then say nothing.
        """
        limit = self.job.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        deadline = time.monotonic() + limit
        failed: list[tuple[Host, int]] = []
        timed_out = False
        while any(supervisor.poll() is None for supervisor in self._supervisors):
            failed = failed or self._failed_hosts()
            if failed:
                self.stop_hosts()
                break
            if time.monotonic() > deadline:
                timed_out = True
                self.stop_hosts()
                break
            time.sleep(0.05)
        for supervisor in self._supervisors:
            supervisor.wait()
        return failed or self._failed_hosts(), timed_out

    def _failed_hosts(self) -> list[tuple[Host, int]]:
        codes = [supervisor.poll() for supervisor in self._supervisors]
        return [(host, code) for host, code in zip(self.hosts, codes, strict=True) if code]

    def _decide(self, failed: list[tuple[Host, int]], timed_out: bool) -> None:
        if self.job.training_job_status == "Stopping":
            self._outcome = ("Stopped", "Stopped", None)
        elif timed_out:
            self._outcome = ("MaxRuntimeExceeded", "Stopped", None)
        elif failed:
            host, code = failed[0]
            text = host.read_failure() or "the script ended without writing output/failure"
            self._outcome = ("Failed", "Failed", f"AlgorithmError: {text}, exit code: {code}")
        else:
            self.job.enter("Uploading")
            self._outcome = ("Completed", "Completed", None)

    def _upload(self) -> None:
        """Upload model and output data, of stopped and failed jobs too, as the service does."""
        packed: list[tuple[str, list[Path]]] = [
            ("model.tar.gz", [host.model for host in self.hosts]),
            ("output.tar.gz", [host.output_data for host in self.hosts]),
        ]
        for name, folders in packed:
            target = self.root / name
            has_files = container.pack(folders, target)
            if has_files or (name == "model.tar.gz" and self._outcome[1] == "Completed"):
                objects.write(self.job.output_uri(name), target.read_bytes())


def job_from(request: dict[str, Any], region: str) -> TrainingJob:
    """Return the job a request asks for, in its first state."""
    return TrainingJob(request, account_id=DEFAULT_ACCOUNT_ID, region=region)
