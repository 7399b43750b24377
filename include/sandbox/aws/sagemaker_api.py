"""The SageMaker calls of the sandbox: training jobs that run, and a refusal of everything moto pretends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException, SagemakerClientError
from moto.sagemaker.responses import SageMakerResponse

from include.sandbox.aws import listing, shapes, warm_pool
from include.sandbox.aws.checks import check_creation
from include.sandbox.aws.runner import JobRunner
from include.sandbox.aws.training_job import TrainingJob

_MOST_TAGS = 50


class SerializationError(SagemakerClientError):
    """The body cannot be read."""

    code = "SerializationException"


def install(runner: JobRunner) -> None:
    """Replace moto's SageMaker calls in this process by the ones below."""
    for name in list(vars(SageMakerResponse)):
        if not name.startswith("_") and callable(getattr(SageMakerResponse, name)):
            setattr(SageMakerResponse, name, _refuse)
    calls: dict[str, Callable[[SageMakerResponse, dict[str, Any]], dict[str, Any] | None]] = {
        "CreateTrainingJob": lambda api, request: _create(api, request, runner),
        "DescribeTrainingJob": lambda api, request: _describe(_find(api, request)),
        "ListTrainingJobs": lambda api, request: listing.list_jobs(_jobs(api).values(), request),
        "Search": lambda api, request: listing.search_jobs(_jobs(api).values(), request),
        "StopTrainingJob": lambda api, request: _stop(_find(api, request), runner),
        "UpdateTrainingJob": lambda api, request: _update(_find(api, request), request, runner),
        "DeleteTrainingJob": lambda api, request: _delete(api, _find(api, request), runner),
        "AddTags": lambda api, request: _add_tags(_tagged(api, request), request, runner),
        "ListTags": lambda api, request: {"Tags": _tagged(api, request).tags},
        "DeleteTags": lambda api, request: _delete_tags(_tagged(api, request), request, runner),
    }
    for name, call in calls.items():
        setattr(SageMakerResponse, _snake(name), _answering(name, call))


def _answering(
    name: str, call: Callable[[SageMakerResponse, dict[str, Any]], dict[str, Any] | None]
) -> Callable[[SageMakerResponse], ActionResult]:
    def answer(api: SageMakerResponse) -> ActionResult:
        try:
            request = json.loads(api.body)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            raise SerializationError("The request's body is no JSON object.")
        if name != "CreateTrainingJob":
            shapes.check(name, request)
        result = call(api, request)
        return EmptyResult() if result is None else ActionResult(result)

    return answer


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _refuse(api: SageMakerResponse) -> ActionResult:
    raise NotImplementedError(api._get_action())


def _jobs(api: SageMakerResponse) -> dict[str, TrainingJob]:
    return cast(dict[str, TrainingJob], api.sagemaker_backend.training_jobs)


def _find(api: SageMakerResponse, request: dict[str, Any]) -> TrainingJob:
    name = request["TrainingJobName"]
    job = _jobs(api).get(name)
    if job is None:
        raise AWSValidationException(f"Requested resource not found: training job {name}")
    return job


def _create(api: SageMakerResponse, request: dict[str, Any], runner: JobRunner) -> dict[str, Any]:
    program = check_creation(request)
    job = TrainingJob(request, account_id=DEFAULT_ACCOUNT_ID, region=api.region)
    # setdefault is atomic: of two requests for one name a single one sees its own job.
    if _jobs(api).setdefault(job.training_job_name, job) is not job:
        raise ResourceInUseException(f"Training job names must be unique within an AWS account: {job.arn}")
    pool = warm_pool.reuse(job, list(_jobs(api).values()))
    if pool:
        runner.save(pool)
    runner.start(job, program)
    return {"TrainingJobArn": job.arn}


def _describe(job: TrainingJob) -> dict[str, Any]:
    pool = warm_pool.status_of(job)
    return job.describe() | ({"WarmPoolStatus": pool} if pool else {})


def _stop(job: TrainingJob, runner: JobRunner) -> None:
    if job.is_terminal:
        raise AWSValidationException(
            f"The request was rejected because the training job is in status {job.training_job_status}."
        )
    runner.stop(job)


def _update(job: TrainingJob, request: dict[str, Any], runner: JobRunner) -> dict[str, Any]:
    """Change how long a warm pool is kept; 0 gives it up."""
    others = sorted(request.keys() - {"TrainingJobName", "ResourceConfig"})
    if others:
        raise AWSValidationException(f"This sandbox does not implement {', '.join(others)} of UpdateTrainingJob.")
    pool = warm_pool.status_of(job)
    if not pool or pool["Status"] not in {"Available", "InUse"}:
        raise AWSValidationException(f"{job.arn} has no warm pool that could be kept longer.")
    seconds = (request.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
    if seconds is not None:
        job.keep_alive_for(seconds)
        runner.save(job)
    return {"TrainingJobArn": job.arn}


def _delete(api: SageMakerResponse, job: TrainingJob, runner: JobRunner) -> None:
    if not job.is_terminal:
        raise AWSValidationException(
            f"The training job is in status {job.training_job_status}; stop it before deleting it."
        )
    del _jobs(api)[job.training_job_name]
    runner.forget(job)


def _tagged(api: SageMakerResponse, request: dict[str, Any]) -> TrainingJob:
    arn = request["ResourceArn"]
    job = next((job for job in list(_jobs(api).values()) if job.arn == arn), None)
    if job is None:
        raise AWSValidationException(f"Requested resource not found: {arn}; this sandbox has training jobs only.")
    return job


def _add_tags(job: TrainingJob, request: dict[str, Any], runner: JobRunner) -> dict[str, Any]:
    tags = {tag["Key"]: tag["Value"] for tag in [*job.tags, *request["Tags"]]}
    if len(tags) > _MOST_TAGS:
        raise AWSValidationException(f"{job.arn} would have {len(tags)} tags; {_MOST_TAGS} are allowed.")
    job.tags = [{"Key": key, "Value": value} for key, value in tags.items()]
    runner.save(job)
    return {"Tags": job.tags}


def _delete_tags(job: TrainingJob, request: dict[str, Any], runner: JobRunner) -> dict[str, Any]:
    job.tags = [tag for tag in job.tags if tag["Key"] not in request["TagKeys"]]
    runner.save(job)
    return {}
