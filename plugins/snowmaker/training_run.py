"""The one training job of a task: found or created, waited for, stopped.

It does what ``training_outcome`` decides, through the hook; the operator owns the task's life.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from snowmaker import training_outcome, training_source
from snowmaker.exceptions import ServiceBusyError, ServiceUnreachableError, TrainingError, TrainingSetupError
from snowmaker.hooks.sagemaker import find_image
from snowmaker.task_states import UNKNOWN
from snowmaker.training_job import job_name
from snowmaker.training_outcome import Action
from snowmaker.training_request import build_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snowmaker.hooks.sagemaker import SageMakerTrainingHook
    from snowmaker.hooks.training_log import TrainingLog
    from snowmaker.training_job import TaskIdentity, TrainingSpec
    from snowmaker.training_outcome import OnExisting

# SageMaker gives a stopped job 120 s for its checkpoint; then it uploads what there is.
STOP_SECONDS = 180.0
_STOP_POLL_LIMIT = 5.0
# Created, but not yet to be seen: AWS promises only that it will be.
_UNSEEN_LOOKS = 6
_MEMORY_KEY = "training_job"

log = logging.getLogger(__name__)


class TrainingRun:
    """A task's training job.

    :param store: Airflow's task-state store, where the name of the newest job is kept over tries; None if there is
        none, as in ``dag.test()``: then an older job of another specification is not known
    :param try_id: of this try of the task
    :param on_name: called with the job's name as soon as it is settled, before the job is created
    """

    def __init__(
        self,
        hook: SageMakerTrainingHook,
        identity: TaskIdentity,
        *,
        store: Any = None,
        try_id: str = "",
        on_name: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._hook = hook
        self._identity = identity
        self._store = store
        self._try_id = try_id
        self._on_name = on_name
        self.name: str | None = None
        self._is_abandoned = False
        self.stopped: list[dict[str, Any]] = []

    def find_or_create(self, spec: TrainingSpec, files: Mapping[str, bytes], on_existing: OnExisting) -> dict[str, Any]:
        """Return the description of the task's job; ``stopped`` has those that had to be stopped for it.

        A crash at any point is mended by the next try: the code's address tells its content, and the name is settled,
        and remembered, before the job is created under it.

        :raises TrainingError: if a job is there that must not be, or SageMaker refuses
        """
        attempt, unseen = self._first_attempt(job_name(self._identity, spec.fingerprint)), 0
        while True:
            name = job_name(self._identity, spec.fingerprint, attempt)
            description = self._hook.describe(name)
            action = training_outcome.decide(description, on_existing, is_own=self._is_own(name))
            if action is Action.REFUSE:
                raise TrainingSetupError(
                    f"training job {name} exists and on_existing is 'fail'; delete it, or let the task reattach"
                )
            if description is None:
                self._stop_older()
                if self._create(spec, files, name):
                    return {"TrainingJobName": name, "TrainingJobStatus": "InProgress"}
                # Another try has created it at the same moment: look again what it is.
                unseen += 1
                if unseen > _UNSEEN_LOOKS:
                    raise TrainingError(f"the name of training job {name} is taken, but there is no such job; retry")
                time.sleep(training_outcome.FIRST_POLL_SECONDS * unseen)
            elif action is Action.NEXT_ATTEMPT:
                self._ensure_ended(description)
                attempt += 1
            else:
                log.info("Training job %s: %s", name, action.value)
                self._settle(name)
                self._refuse_if_abandoned(name)
                return description

    def find_again(self, specify: Callable[[], TrainingSpec]) -> str | None:
        """Return the name of the newest job, in a process that has not begun it: from the memory, or by the names.

        :param specify: makes the specification, if it comes to that
        """
        self.name = str(self._memory().get("name") or "") or self._newest(specify())
        if self.name:
            self._on_name(self.name)
        return self.name

    def wait(
        self, description: dict[str, Any], *, seconds: float, poll_interval: float, job_log: TrainingLog
    ) -> dict[str, Any]:
        """Look until the job has ended or the time is over; its log's new lines go to the task's."""
        name = description["TrainingJobName"]
        deadline = time.monotonic() + seconds
        delay, failures, throttled = None, 0, False
        while not training_outcome.is_ended(description) and time.monotonic() < deadline:
            delay = training_outcome.next_poll_delay(delay, poll_interval, throttled=throttled)
            time.sleep(delay)
            try:
                description = self._hook.look(name)
                failures, throttled = 0, False
            except ServiceBusyError as error:
                throttled = True
                log.info("AWS asks for fewer looks at training job %s: %s", name, error)
            except (TrainingError, ServiceUnreachableError) as error:
                failures += 1
                log.warning("Look %d at training job %s failed: %s", failures, name, error)
                if failures >= training_outcome.FAILED_LOOKS_BORNE:
                    raise
            for line in job_log.new_lines():
                log.info("%s", line)
        return description

    def abandon(self) -> None:
        """Create no job any more; one that is being created at this moment is stopped as soon as it is there."""
        self._is_abandoned = True

    def stop_and_wait(self, name: str) -> dict[str, Any] | None:
        """Stop a job and wait until it has; return its last description, which tells if it has not in time."""
        deadline = time.monotonic() + STOP_SECONDS
        delay, description, asked = None, None, False
        while time.monotonic() < deadline:
            try:
                if not asked:
                    self._hook.stop(name)
                    asked = True
                description = self._hook.describe(name)
                if description is None or training_outcome.is_ended(description):
                    break
            except (TrainingError, ServiceBusyError, ServiceUnreachableError) as error:
                log.warning("Training job %s is being stopped, but: %s", name, error)
            delay = training_outcome.next_poll_delay(delay, _STOP_POLL_LIMIT)
            time.sleep(delay)
        log.info("Training job %s is %s", name, (description or {}).get("TrainingJobStatus", UNKNOWN))
        return description

    def _newest(self, spec: TrainingSpec) -> str | None:
        newest, attempt = None, 1
        while True:
            name = job_name(self._identity, spec.fingerprint, attempt)
            if self._hook.describe(name) is None:
                return newest
            newest, attempt = name, attempt + 1

    def _create(self, spec: TrainingSpec, files: Mapping[str, bytes], name: str) -> bool:
        packed = {**files, training_source.JOB_DOCUMENT: spec.document}
        folder = f"{spec.artefacts_uri.rstrip('/')}/code/{training_source.digest(packed)}"
        source_uri = f"{folder}/sourcedir.tar.gz"
        image = spec.image_uri or find_image(spec.framework_version, self._hook.conn_region_name)
        first_name = job_name(self._identity, spec.fingerprint)
        request = build_request(spec, name=name, first_name=first_name, image_uri=image, source_uri=source_uri)
        self._hook.check(request)
        self._hook.upload_once(source_uri, training_source.pack(packed))
        # Before it is created: a crash in between leaves a name without a job, and never a job without its name.
        self._remember(name)
        self._settle(name)
        self._refuse_if_abandoned(name)
        created = self._hook.create(request)
        if created:
            log.info("Training job %s created from %s", name, source_uri)
        self._refuse_if_abandoned(name)
        return created

    def _refuse_if_abandoned(self, name: str) -> None:
        if self._is_abandoned:
            self._hook.insist_on_stop(name)
            raise TrainingError(f"training job {name} is not wanted any more: its task was ended")

    def _stop_older(self) -> None:
        """Stop the task's job of before: of another specification, or of another try where each has its own."""
        older = self._memory().get("name")
        description = self._hook.describe(str(older)) if older else None
        if description is not None and not training_outcome.is_ended(description):
            log.info("Training job %s of this task is not what is asked for any more: stopping it", older)
            self._ensure_ended(description)

    def _ensure_ended(self, description: Mapping[str, Any]) -> None:
        if training_outcome.is_ended(description):
            return
        name = description["TrainingJobName"]
        after = self.stop_and_wait(name)
        if after is None or not training_outcome.is_ended(after):
            raise TrainingError(
                f"training job {name} of this task has not stopped within {STOP_SECONDS:.0f} s, and no other one is "
                f"started beside it; retry"
            )
        self.stopped.append(after)

    def _settle(self, name: str) -> None:
        self.name = name
        self._on_name(name)
        if self._memory().get("name") != name:
            self._remember(name)

    def _first_attempt(self, first_name: str) -> int:
        """Return the newest attempt that is remembered: the ones before it may have been deleted from SageMaker."""
        attempt = str(self._memory().get("name")).removeprefix(f"{first_name}-a")
        return int(attempt) if attempt.isdigit() else 1

    def _remember(self, name: str) -> None:
        if self._store is not None:
            self._store.set(_MEMORY_KEY, {"name": name, "try_id": self._try_id})

    def _is_own(self, name: str) -> bool:
        memory = self._memory()
        return memory.get("name") == name and memory.get("try_id") == self._try_id

    def _memory(self) -> dict[str, Any]:
        kept = self._store.get(_MEMORY_KEY) if self._store is not None else None
        return kept if isinstance(kept, dict) else {}
