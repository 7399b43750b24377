"""The hook to SageMaker training jobs, with the S3 calls that go with them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import BotoCoreError, ClientError
from botocore.validate import ParamValidator

from snowmaker.exceptions import ServiceBusyError, ServiceUnreachableError, TrainingError, TrainingSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.config import Config

CARD = "model_card.json"
_CARD_LIMIT = 16 * 2**20
_CHUNK = 2**20
_STOP_TRIES, _STOP_PAUSE = 30, 1.0
_METRICS_REFUSED = "override the metric definitions"
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
# A second CreateTrainingJob with the same arguments would be refused as the first one was.
_REFUSED_FOR_GOOD = frozenset({"ValidationException", "AccessDeniedException", "AccessDenied", "ResourceNotFound"})


class SageMakerTrainingHook(AwsBaseHook):
    """Training jobs through one AWS connection; region, verify and botocore config hold for every call."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "client_type": "sagemaker"})
        self._siblings: dict[str, Any] = {}

    @property
    def _jobs(self) -> Any:
        return self.conn

    def describe(self, name: str) -> dict[str, Any] | None:
        """Return a job's description, or None if there is none.

        :raises TrainingError: if the connection may not look at it
        :raises ServiceBusyError: if SageMaker asks for fewer calls
        :raises ServiceUnreachableError: if nobody answers
        """
        with _told(f"DescribeTrainingJob of training job {name}"):
            try:
                return dict(self._jobs.describe_training_job(TrainingJobName=name))
            except ClientError as error:
                if _code(error) == "ValidationException" and "not found" in str(error):
                    return None
                raise

    def look(self, name: str) -> dict[str, Any]:
        """Return the description of a job that is known to be there.

        :raises TrainingError: if it is not: deleted, or not yet seen everywhere in AWS
        """
        description = self.describe(name)
        if description is None:
            raise TrainingError(f"training job {name} is not there, or was deleted; clear the task to train anew")
        return description

    def check(self, request: Mapping[str, Any]) -> None:
        """Check a request against the API's own model, before anything is sent.

        :raises TrainingSetupError: what is unknown, missing, or of a wrong type
        """
        shape = self._jobs.meta.service_model.operation_model("CreateTrainingJob").input_shape
        report = ParamValidator().validate(dict(request), shape)
        if report.has_errors():
            told = " ".join(report.generate_report().split())
            raise TrainingSetupError(
                f"training job {request['TrainingJobName']} cannot be asked for: {told}; mend the argument, or its "
                f"place in create_training_job"
            )

    def create(self, request: Mapping[str, Any]) -> bool:
        """Create a job; False if the name is taken, by another attempt at the same moment.

        :raises TrainingSetupError: if SageMaker refuses the request, and would again
        :raises TrainingError: if it cannot carry it out now, e.g. for a limit
        """
        name = request["TrainingJobName"]
        with _told(f"CreateTrainingJob of training job {name}"):
            try:
                self._jobs.create_training_job(**request)
            except ClientError as error:
                if _code(error) == "ResourceInUse":
                    return False
                if _METRICS_REFUSED in str(error):
                    # Amazon's own algorithm images bring theirs; ours are for the console only.
                    return self.create(_without_metrics(request))
                if _code(error) in _REFUSED_FOR_GOOD:
                    raise TrainingSetupError(_refusal(f"CreateTrainingJob of training job {name}", error)) from None
                raise
        return True

    def stop(self, name: str) -> None:
        """Ask a job to stop; nothing if it has ended or does not exist.

        :raises TrainingError: if SageMaker does not take it
        """
        with _told(f"StopTrainingJob of training job {name}"):
            try:
                self._jobs.stop_training_job(TrainingJobName=name)
            except ClientError as error:
                if _code(error) != "ValidationException":
                    raise

    def insist_on_stop(self, name: str) -> None:
        """Ask a job to stop until SageMaker has heard it, for half a minute: nobody asks again after a kill.

        :raises SnowmakerError: if it has not
        """
        for tries_left in reversed(range(_STOP_TRIES)):
            try:
                return self.stop(name)
            except (TrainingError, ServiceBusyError, ServiceUnreachableError) as error:
                self.log.warning("Training job %s is to stop, but: %s", name, error)
                if not tries_left:
                    raise
                time.sleep(_STOP_PAUSE)
        return None

    def upload_once(self, uri: str, content: bytes) -> None:
        """Store an object whose address tells its content, unless it is there.

        :raises TrainingError: if the bucket refuses it
        """
        bucket, key = split_uri(uri)
        s3 = self.client("s3")
        with _told(f"to store the training code at {uri}, check the bucket and the connection's rights:"):
            if not s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
                s3.put_object(Bucket=bucket, Key=key, Body=content)

    def read_card(self, uri: str) -> dict[str, Any]:
        """Read the model card from a completed job's output archive.

        :raises TrainingSetupError: if it is missing or malformed
        """
        bucket, key = split_uri(uri)
        try:
            with _told(f"to give {uri}"):
                body = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read(_CARD_LIMIT)
            with tarfile.open(fileobj=io.BytesIO(body)) as tar:
                member = tar.extractfile(CARD)
                content = json.loads(member.read()) if member else None
        except (tarfile.TarError, KeyError, ValueError):
            content = None
        if not isinstance(content, dict) or not {"metrics", "rows"} <= content.keys():
            raise TrainingSetupError(
                f"{uri} holds no {CARD} with metrics and rows; the entry point must write it to SM_OUTPUT_DATA_DIR"
            )
        return content

    def digest(self, uri: str) -> str:
        """Return the SHA-256 of an object's bytes, in hexadecimal; it is read piece by piece."""
        bucket, key = split_uri(uri)
        told = hashlib.sha256()
        with _told(f"to give {uri}"):
            for chunk in self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_CHUNK):
                told.update(chunk)
        return told.hexdigest()

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client of another service, with all settings of this hook.

        :param config: what it is to have besides the connection's own botocore configuration
        """
        if service not in self._siblings:
            sibling = AwsBaseHook(
                aws_conn_id=self.aws_conn_id,
                verify=self._verify,
                region_name=self._region_name,
                config=self.config.merge(config) if config else self._config,
                client_type=service,
            )
            self._siblings[service] = sibling.conn
        return self._siblings[service]


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an S3 address.

    :raises TrainingSetupError: if it is none

    >>> split_uri("s3://bucket/a/b")
    ('bucket', 'a/b')
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TrainingSetupError(f"{uri!r} is no S3 address; write s3://bucket/folder")
    return parts.netloc, parts.path.strip("/")


def find_image(framework_version: str, region_name: str) -> str:
    """Return the address of SageMaker's XGBoost image. The SDK that knows it is imported only here.

    :raises TrainingSetupError: if there is none of that version in the region
    """
    from sagemaker.core import image_uris

    try:
        return str(image_uris.retrieve("xgboost", region_name, version=framework_version))
    except ValueError as error:
        told = " ".join(str(error).split())
        raise TrainingSetupError(
            f"there is no XGBoost image of version {framework_version!r} in {region_name}: {told} Mend "
            f"framework_version, or give image_uri"
        ) from None


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _THROTTLED:
            raise ServiceBusyError(_refusal(what, error)) from None
        raise TrainingError(_refusal(what, error)) from None
    except BotoCoreError as error:
        raise ServiceUnreachableError(
            f"AWS cannot be reached: {error}; check the connection's login, endpoint and the network"
        ) from None


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _without_metrics(request: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = {key: value for key, value in request["AlgorithmSpecification"].items() if key != "MetricDefinitions"}
    return {**request, "AlgorithmSpecification": algorithm}


def _refusal(what: str, error: ClientError) -> str:
    return f"AWS refused {what} ({_code(error)}): {error.response['Error']['Message']}"
