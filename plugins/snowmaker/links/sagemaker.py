"""Links from a training task to the AWS console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from snowmaker.training_job import LOG_GROUP

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

_DOMAINS = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}


@dataclass(frozen=True)
class JobAddress:
    """Where a training job is."""

    partition: str
    region: str
    name: str

    @property
    def console(self) -> str:
        """Beginning of every address in this partition's and region's console.

        >>> JobAddress("aws-cn", "cn-north-1", "n").console
        'https://cn-north-1.console.amazonaws.cn'
        """
        return f"https://{self.region}.console.{_DOMAINS.get(self.partition, 'aws.amazon.com')}"

    @property
    def job_page(self) -> str:
        """The job's page in the SageMaker console."""
        return f"{self.console}/sagemaker/home?region={self.region}#/jobs/{self.name}"

    @property
    def log_page(self) -> str:
        """The job's log streams in the CloudWatch console, one a host."""
        # The console's own double encoding, with $ for %.
        group, prefix = (
            quote(quote(text, safe=""), safe="").replace("%", "$") for text in (LOG_GROUP, f"{self.name}/")
        )
        return (
            f"{self.console}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/{group}"
            f"$3FlogStreamNameFilter$3D{prefix}"
        )


class _KnowsItsJob(Protocol):
    job_address: JobAddress | None


class TrainingJobLink(BaseOperatorLink):
    """The training job's page in the SageMaker console."""

    name = "SageMaker training job"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002 (Airflow's signature)
        """Return the address, or nothing before there is a job."""
        address = cast("_KnowsItsJob", operator).job_address
        return address.job_page if address else ""


class TrainingLogLink(BaseOperatorLink):
    """The log streams of the training job's hosts in CloudWatch."""

    name = "CloudWatch log"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:  # noqa: ARG002 (Airflow's signature)
        """Return the address, or nothing before there is a job."""
        address = cast("_KnowsItsJob", operator).job_address
        return address.log_page if address else ""
