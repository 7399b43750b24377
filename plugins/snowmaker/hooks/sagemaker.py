"""The hook to SageMaker training jobs, with the S3 and CloudWatch calls that go with them."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from snowmaker.exceptions import ServiceUnreachableError, TrainingError
from snowmaker.training_job import LOG_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

CARD = "model_card.json"
_CARD_LIMIT = 16 * 2**20
_METRICS_REFUSED = "override the metric definitions"


class SageMakerTrainingHook(AwsBaseHook):
    """Training jobs through one AWS connection; region, verify and botocore config hold for every call."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "client_type": "sagemaker"})

    @property
    def _jobs(self) -> Any:
        return self.conn

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return a job's description, or None if there is none.

        :raises TrainingError: if the connection may not look at it
        :raises ServiceUnreachableError: if nobody answers
        """
        try:
            return dict(self._jobs.describe_training_job(TrainingJobName=name))
        except ClientError as error:
            if _code(error) == "ValidationException" and "not found" in str(error):
                return None
            raise _refused("DescribeTrainingJob", name, error) from None
        except (ConnectionError, HTTPClientError) as error:
            raise _unreachable(error) from None

    def create(self, request: Mapping[str, Any]) -> bool:
        """Create a job; False if the name is taken, by another attempt at the same moment.

        :raises TrainingError: if SageMaker refuses the request
        """
        try:
            self._jobs.create_training_job(**request)
        except ClientError as error:
            if _code(error) == "ResourceInUse":
                return False
            if _METRICS_REFUSED in str(error):
                # Amazon's own algorithm images bring theirs; ours are for the console only.
                return self.create(_without_metrics(request))
            raise _refused("CreateTrainingJob", request["TrainingJobName"], error) from None
        except (ConnectionError, HTTPClientError) as error:
            raise _unreachable(error) from None
        return True

    def stop(self, name: str) -> None:
        """Ask a job to stop; nothing if it has ended or does not exist."""
        try:
            self._jobs.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            if _code(error) != "ValidationException":
                raise

    def upload_once(self, uri: str, content: bytes) -> None:
        """Store an object whose address tells its content, unless it is there.

        :raises TrainingError: if the bucket refuses it
        """
        bucket, key = split_uri(uri)
        s3 = self._service("s3")
        try:
            if s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
                return
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        except ClientError as error:
            raise TrainingError(
                f"the training code cannot be stored at {uri}: {error.response['Error']['Message']}; "
                f"check the bucket and the connection's rights to it"
            ) from None
        except (ConnectionError, HTTPClientError) as error:
            raise _unreachable(error) from None

    def read_card(self, uri: str) -> dict[str, Any]:
        """Read the model card from a completed job's output archive.

        :raises TrainingError: if it is missing or malformed
        """
        bucket, key = split_uri(uri)
        try:
            body = self._service("s3").get_object(Bucket=bucket, Key=key)["Body"].read(_CARD_LIMIT)
            with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                member = tar.extractfile(CARD)
                content = json.loads(member.read()) if member else None
        except ClientError as error:
            raise TrainingError(f"{uri} cannot be read: {error.response['Error']['Message']}") from None
        except (tarfile.TarError, KeyError, ValueError):
            content = None
        if not isinstance(content, dict) or not {"metrics", "rows"} <= content.keys():
            raise TrainingError(
                f"{uri} holds no {CARD} with metrics and rows; the entry point must write it to SM_OUTPUT_DATA_DIR"
            )
        return content

    def last_log_lines(self, name: str, count: int = 20) -> list[str]:
        """Return the newest log lines of a job's first host; none if they cannot be read."""
        logs = self._service("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")
            if not streams["logStreams"]:
                return []
            stream = streams["logStreams"][0]["logStreamName"]
            answer = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, limit=count, startFromHead=False)
        except (ClientError, ConnectionError, HTTPClientError) as error:
            self.log.warning("The log of training job %s cannot be read: %s", name, error)
            return []
        return [event["message"] for event in answer["events"]]

    def _service(self, service: str) -> Any:
        sibling = AwsBaseHook(
            aws_conn_id=self.aws_conn_id,
            verify=self._verify,
            region_name=self._region_name,
            config=self._config,
            client_type=service,
        )
        return sibling.conn


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 address.

    :raises TrainingError: if it is none

    >>> split_uri("s3://bucket/a/b")
    ('bucket', 'a/b')
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TrainingError(f"{uri!r} is no S3 address; write s3://bucket/folder")
    return parts.netloc, parts.path.strip("/")


def find_image(framework_version: str, region_name: str) -> str:
    """Return the address of SageMaker's XGBoost image. The SDK that knows it is imported only here."""
    from sagemaker.core import image_uris

    return str(image_uris.retrieve("xgboost", region_name, version=framework_version))


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _without_metrics(request: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = {key: value for key, value in request["AlgorithmSpecification"].items() if key != "MetricDefinitions"}
    return {**request, "AlgorithmSpecification": algorithm}


def _refused(call: str, name: str, error: ClientError) -> TrainingError:
    message = error.response["Error"]["Message"]
    return TrainingError(f"SageMaker refused {call} of training job {name} ({_code(error)}): {message}")


def _unreachable(error: Exception) -> ServiceUnreachableError:
    return ServiceUnreachableError(f"AWS cannot be reached: {error}; check the connection's endpoint and the network")
