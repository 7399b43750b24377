"""Run training jobs, one thread a job, and remember them on disk."""

from __future__ import annotations

import logging
import shutil
import threading
import weakref
from pathlib import Path

from moto.core import DEFAULT_ACCOUNT_ID
from moto.sagemaker.models import sagemaker_backends

from include.sandbox.aws import channels, logs
from include.sandbox.aws.container import Program, program_of
from include.sandbox.aws.run import Run, Surroundings, environment_for
from include.sandbox.aws.storage import write_atomically
from include.sandbox.aws.training_job import TrainingJob

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_LOST = "InternalServerError: the sandbox ended while the job ran. Start a new job."
log = logging.getLogger(__name__)


class JobRunner:
    """Starts, stops, remembers and forgets training jobs."""

    def __init__(self, state: Path, *, endpoint_url: str, stop_grace: float) -> None:
        """Keep jobs under ``state``."""
        self._jobs_dir = state / "jobs"
        self._work_dir = state / "work"
        self._endpoint_url = endpoint_url
        self._stop_grace = stop_grace
        self._runs: dict[str, Run] = {}
        self._forgotten: weakref.WeakSet[TrainingJob] = weakref.WeakSet()
        self._files_lock = threading.Lock()

    def restore(self) -> None:
        """Bring the jobs of an earlier process back; the ones it left running are retried, or Failed."""
        shutil.rmtree(self._work_dir, ignore_errors=True)
        for path in sorted(self._jobs_dir.glob("*/*.json")):
            job = TrainingJob.from_json(path.read_text())
            sagemaker_backends[DEFAULT_ACCOUNT_ID][job.region].training_jobs[job.training_job_name] = job
            if job.is_terminal:
                continue
            program = program_of(job.request)
            if program and job.take_retry():
                self.start(job, program)
            else:
                job.enter("Failed", status="Failed", reason=_LOST)
                self.save(job)

    def start(self, job: TrainingJob, program: Program) -> None:
        """Write the job down and run it in the background."""
        self.save(job)
        around = Surroundings(
            environment=environment_for(job, self._endpoint_url),
            stop_grace=self._stop_grace,
            save=lambda: self.save(job),
            write_line=lambda stream, line: write_log_line(job.region, stream, line),
        )
        run = Run(job, program, self._work_dir / job.region / job.training_job_name, around)
        self._runs[job.arn] = run
        threading.Thread(target=self._run_and_finish, args=(run,), name=job.arn, daemon=True).start()

    def stop(self, job: TrainingJob) -> None:
        """Ask a running job to end; it becomes Stopped when its processes are gone."""
        if job.request_stop():
            self.save(job)
            run = self._runs.get(job.arn)
            if run:
                run.stop()

    def save(self, job: TrainingJob) -> None:
        """Write the job down as it is now, unless it has been deleted meanwhile."""
        with self._files_lock:
            if job not in self._forgotten:
                write_atomically(self._path(job), job.to_json().encode())

    def forget(self, job: TrainingJob) -> None:
        """Delete what is kept of an ended job."""
        with self._files_lock:
            self._forgotten.add(job)
            self._path(job).unlink(missing_ok=True)

    def _path(self, job: TrainingJob) -> Path:
        return self._jobs_dir / job.region / f"{job.training_job_name}.json"

    def _run_and_finish(self, run: Run) -> None:
        job = run.job
        try:
            run.execute()
        except (channels.JobSetupError, FileNotFoundError, ValueError) as error:
            job.enter("Failed", status="Failed", reason=f"ClientError: {error}")
        except Exception as error:
            log.exception("training job %s failed inside the sandbox", job.training_job_name)
            job.enter("Failed", status="Failed", reason=f"InternalServerError: {error!r}")
        finally:
            run.conclude()
            self.save(job)
            shutil.rmtree(run.root, ignore_errors=True)
            del self._runs[job.arn]


def write_log_line(region: str, stream: str, line: str) -> None:
    """Pass a line on to CloudWatch; the only place where training jobs write logs."""
    logs.write_line(region, LOG_GROUP, stream, line)
