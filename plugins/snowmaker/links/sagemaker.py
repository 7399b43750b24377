"""Links from a training task to the AWS console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class _KnowsItsJob(Protocol):
    job_address: tuple[str, str] | None


class TrainingJobLink(BaseOperatorLink):
    """The training job's page in the SageMaker console; its log is a click further."""

    name = "SageMaker training job"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002 (Airflow's signature)
        """Return the address, or nothing before there is a job."""
        address = cast("_KnowsItsJob", operator).job_address
        if address is None:
            return ""
        region, name = address
        return f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/jobs/{name}"
