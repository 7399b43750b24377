"""Moto's server with the walls this sandbox needs: loopback only, an allow-list of services, state on disk.

What moto does not implement, or merely pretends to do, is answered with a 400 that names the call: botocore
repeats a 500, and a pretended success would be worse.
"""

from __future__ import annotations

import fcntl
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape

from flask import Flask, Response, request
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import BaseWSGIServer, make_server

from include.sandbox.aws import sagemaker_api
from include.sandbox.aws.runner import JobRunner
from include.sandbox.aws.storage import ObjectStorage, SecretStorage

LOOPBACK = "127.0.0.1"
SERVICES = frozenset({"s3", "secretsmanager", "sagemaker", "logs", "iam", "sts", "moto_api"})
# Query words of the S3 calls that work. Moto takes an unknown sub-resource for a plain read or listing.
S3_WORDS = frozenset(
    [
        "continuation-token",
        "delete",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "list-type",
        "location",
        "marker",
        "max-keys",
        "max-parts",
        "max-uploads",
        "partNumber",
        "part-number-marker",
        "prefix",
        "start-after",
        "uploadId",
        "uploads",
        "versionId",
        "x-id",
    ]
)
_S3_WORD_FAMILIES = re.compile(r"(x-amz-|response-)|(AWSAccessKeyId|Signature|Expires)$", re.IGNORECASE)
_READS = re.compile(r"\.(Get|List|Describe|BatchGet)\w*$")
_TRUST_SAGEMAKER = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
log = logging.getLogger(__name__)


class QuietRequestHandler(MotoRequestHandler):
    """Writes no access log: a start prints one line, and failures speak through the answers."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class AwsSandbox:
    """The server and its state directory, which one process at a time may hold."""

    def __init__(self, state: Path, *, port: int, stop_grace: float = 120.0) -> None:
        """Restore what an earlier process left in ``state`` and bind ``port`` (0: any free one)."""
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = _hold(state / "lock")
        self._objects = ObjectStorage(state / "s3")
        self._secrets = SecretStorage(state / "secrets.json")
        self._server: BaseWSGIServer = make_server(
            LOOPBACK,
            port,
            DomainDispatcherApplication(self._create_app),
            threaded=True,
            request_handler=QuietRequestHandler,
        )
        self.port = int(self._server.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._objects.restore()
        self._secrets.restore()
        runner = JobRunner(state, endpoint_url=self.url, stop_grace=stop_grace, objects_changed=self._objects.save)
        runner.restore()
        sagemaker_api.install(runner)
        self._thread = threading.Thread(target=self._server.serve_forever, name="aws-sandbox", daemon=True)

    def provision(self, *, region: str, bucket: str, role: str) -> str:
        """Create the bucket and the training role where they are missing; return the role's ARN."""
        s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        if bucket not in s3.buckets:
            s3.create_bucket(bucket, region)
            self._objects.save()
        created = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].create_role(
            role_name=role,
            assume_role_policy_document=_TRUST_SAGEMAKER,
            path="/",
            permissions_boundary=None,
            description="Execution role of training jobs",
            tags=[],
            max_session_duration="3600",
        )
        return str(created.arn)

    def start(self) -> None:
        """Answer requests from a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; running jobs end with the process and are Failed at the next start."""
        self._server.shutdown()
        self._server.server_close()
        self._lock_file.close()

    def _create_app(self, service: str) -> Flask:
        if service not in SERVICES:
            return _refusing_app(f"This sandbox does not offer the service {service!r}.")
        if service == "moto_api":
            # Moto's own API could reset the state behind the storage's back; only liveness is needed.
            return _liveness_app()
        app = create_backend_app(service)
        app.register_error_handler(NotImplementedError, _not_implemented)
        app.register_error_handler(Exception, _internal_error)
        saves: dict[str, Callable[[], None]] = {"s3": self._objects.save, "secretsmanager": self._secrets.save}
        if service == "s3":
            app.before_request(_refuse_unknown_s3_words)
        if service in saves:
            app.after_request(lambda response: _save_after_write(response, saves[service]))
        return app


def _refuse_unknown_s3_words() -> None:
    unknown = {word for word in request.args if word not in S3_WORDS and not _S3_WORD_FAMILIES.match(word)}
    if unknown:
        raise NotImplementedError(f"S3 sub-resources {sorted(unknown)}")


def _hold(path: Path) -> TextIO:
    """Lock ``path`` for the life of this process: two servers on one state would overwrite each other."""
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise OSError(f"{path.parent} is in use by another AWS sandbox; stop it or choose another --state") from None
    return handle


def _save_after_write(response: Response, save: Callable[[], None]) -> Response:
    target = request.headers.get("X-Amz-Target", "")
    is_read = bool(_READS.search(target)) if target else request.method in {"GET", "HEAD"}
    if response.status_code < 300 and not is_read:
        save()
    return response


def _liveness_app() -> Flask:
    app = Flask("liveness")
    app.add_url_rule("/moto-api/", "alive", lambda: "ok\n", methods=["GET"])
    return app


def _refusing_app(message: str) -> Flask:
    app = Flask("refusing")
    app.before_request(lambda: _error("NotOfferedBySandbox", message))
    return app


def _not_implemented(_: Exception) -> Response:
    return _error("NotImplementedBySandbox", f"This sandbox does not implement {_requested_call()}; the real AWS may.")


def _internal_error(error: Exception) -> Response:
    log.exception("%s failed inside the sandbox", _requested_call())
    return _error("SandboxFault", f"{_requested_call()} failed inside the sandbox: {error!r}")


def _requested_call() -> str:
    target = request.headers.get("X-Amz-Target") or request.values.get("Action")
    return target or f"{request.method} {request.full_path}"


def _error(code: str, message: str) -> Response:
    """Build an error answer in the protocol of the request: JSON for the JSON services, XML for the others."""
    if request.headers.get("X-Amz-Target"):
        body: Any = json.dumps({"__type": code, "message": message})
        return Response(body, 400, {"x-amzn-errortype": code}, content_type="application/x-amz-json-1.1")
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    is_query = "form-urlencoded" in (request.content_type or "")
    body = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>" if is_query else f"<Error>{inner}</Error>"
    return Response(body, 400, content_type="application/xml")
