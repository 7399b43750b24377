"""The SageMaker calls of the sandbox: training jobs that run, and a refusal of everything moto pretends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException
from moto.sagemaker.responses import SageMakerResponse

from include.sandbox.aws import objects
from include.sandbox.aws.container import Program, program_of
from include.sandbox.aws.runner import JobRunner
from include.sandbox.aws.training_job import TrainingJob

# Moto answers these from the jobs that run here.
FROM_MOTO = frozenset({"list_training_jobs", "search", "add_tags", "list_tags", "delete_tags"})
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/(?:.*/)?([\w+=,.@-]+)")


def install(runner: JobRunner) -> None:
    """Replace moto's SageMaker calls in this process by the ones below."""
    calls: dict[str, Callable[[SageMakerResponse], ActionResult]] = {
        "create_training_job": lambda api: _create(api, runner),
        "describe_training_job": lambda api: ActionResult(_find(api).describe()),
        "stop_training_job": lambda api: _stop(api, runner),
        "delete_training_job": lambda api: _delete(api, runner),
    }
    for name in list(vars(SageMakerResponse)):
        is_call = not name.startswith("_") and callable(getattr(SageMakerResponse, name))
        if is_call and name not in FROM_MOTO:
            setattr(SageMakerResponse, name, _refuse)
    for name, call in calls.items():
        setattr(SageMakerResponse, name, call)


def _refuse(api: SageMakerResponse) -> ActionResult:
    raise NotImplementedError(api._get_action())


def _jobs(api: SageMakerResponse) -> dict[str, TrainingJob]:
    return cast(dict[str, TrainingJob], api.sagemaker_backend.training_jobs)


def _find(api: SageMakerResponse) -> TrainingJob:
    name = json.loads(api.body)["TrainingJobName"]
    job = _jobs(api).get(name)
    if job is None:
        raise AWSValidationException(f"Requested resource not found: training job {name}")
    return job


def _create(api: SageMakerResponse, runner: JobRunner) -> ActionResult:
    request = json.loads(api.body)
    script = _check(request)
    job = TrainingJob(request, account_id=DEFAULT_ACCOUNT_ID, region=api.region)
    # setdefault is atomic: of two requests for one name a single one sees its own job.
    if _jobs(api).setdefault(job.training_job_name, job) is not job:
        raise ResourceInUseException(f"Training job names must be unique within an AWS account: {job.arn}")
    runner.start(job, script)
    return ActionResult({"TrainingJobArn": job.arn})


def _check(request: dict[str, Any]) -> Program:
    """Refuse what the service refuses, and what this sandbox cannot do."""
    name = request["TrainingJobName"]
    if len(name) > 63 or not _NAME.fullmatch(name):
        raise AWSValidationException(
            f"Value '{name}' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular "
            f"expression pattern: {_NAME.pattern}"
        )
    role = _ROLE.fullmatch(request["RoleArn"])
    if not role or role[1] not in {r.name for r in iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()}:
        raise AWSValidationException(
            f"Could not assume role {request['RoleArn']}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role."
        )
    try:
        objects.split(request["OutputDataConfig"]["S3OutputPath"])
    except ValueError as error:
        raise AWSValidationException(f"OutputDataConfig.S3OutputPath: {error}") from error
    script = program_of(request)
    if script is None:
        raise AWSValidationException(
            "This sandbox runs script-mode jobs only: hyperparameters sagemaker_program and "
            "sagemaker_submit_directory are missing."
        )
    return script


def _stop(api: SageMakerResponse, runner: JobRunner) -> ActionResult:
    job = _find(api)
    if job.is_terminal:
        raise AWSValidationException(
            f"The request was rejected because the training job is in status {job.training_job_status}."
        )
    runner.stop(job)
    return EmptyResult()


def _delete(api: SageMakerResponse, runner: JobRunner) -> ActionResult:
    job = _find(api)
    if not job.is_terminal:
        raise AWSValidationException(
            f"The training job is in status {job.training_job_status}; stop it before deleting it."
        )
    del _jobs(api)[job.training_job_name]
    runner.forget(job)
    return EmptyResult()
