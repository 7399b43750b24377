"""The AWS sandbox's server: which service a request is for, on loopback only, with its state on disk.

S3 is served from files, the rest by moto. What is not implemented, or what moto merely pretends to do, is answered
with a 400 that names the call: botocore repeats a 500, and a pretended success would be worse.
"""

from __future__ import annotations

import fcntl
import functools
import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from flask import Flask, Response, request
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.request import Request
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from include.sandbox.aws import answers, iam_api, logs, objects, sagemaker_api
from include.sandbox.aws.log_store import LogStore
from include.sandbox.aws.logs_api import LogsApi
from include.sandbox.aws.runner import JobRunner
from include.sandbox.aws.s3.api import S3Api
from include.sandbox.aws.s3.store import ObjectStore
from include.sandbox.aws.secret_store import SecretStore
from include.sandbox.aws.secrets_api import SecretsApi

LOOPBACK = "127.0.0.1"
# Other names could be a web page's, made to point here.
_HOSTS = re.compile(r"(127\.0\.0\.1|\[::1\]|localhost|[a-z0-9.-]+\.localhost)(:\d+)?", re.IGNORECASE)
_SERVICES = frozenset({"s3", "secretsmanager", "sagemaker", "logs", "iam", "sts"})
_LARGEST_REQUEST = 16 << 20
_SECONDS_TO_NOTICE_THE_END = 0.05
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
_ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


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
        self._objects = ObjectStore(state / "s3")
        objects.use(self._objects)
        self._logs = LogStore(state / "logs.sqlite")
        logs.use(self._logs)
        self._apps: dict[str, Any] = {
            "s3": S3Api(self._objects),
            "logs": LogsApi(self._logs).service(),
            "secretsmanager": SecretsApi(SecretStore(state / "secrets.json")).service(),
        }
        self._apps_lock = threading.Lock()
        self._server: BaseWSGIServer = make_server(
            LOOPBACK, port, self._dispatch, threaded=True, request_handler=QuietRequestHandler
        )
        self.port = int(self._server.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}"
        runner = JobRunner(state, endpoint_url=self.url, stop_grace=stop_grace)
        runner.restore()
        sagemaker_api.install(runner)
        iam_api.install()
        serve = functools.partial(self._server.serve_forever, poll_interval=_SECONDS_TO_NOTICE_THE_END)
        self._thread = threading.Thread(target=serve, name="aws-sandbox", daemon=True)

    def provision(self, *, region: str, bucket: str, role: str) -> str:
        """Create the bucket and the training role where they are missing; return the role's ARN."""
        self._objects.create_bucket(bucket, region)
        created = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].create_role(
            role_name=role,
            assume_role_policy_document=_TRUST_SAGEMAKER,
            path="/",
            permissions_boundary=None,
            description="Execution role of training jobs",
            tags=[],
            max_session_duration="3600",
        )
        created.put_policy("everything", _ALLOW_ALL)
        return str(created.arn)

    def start(self) -> None:
        """Answer requests from a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; running jobs end with the process and are Failed at the next start."""
        self._server.shutdown()
        self._server.server_close()
        self._lock_file.close()

    def _dispatch(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass a request to the application of its service."""
        incoming = Request(environ)
        service = _service(incoming)
        if not _is_local(incoming):
            answer = answers.refuse(incoming, "AccessDenied", "This sandbox answers on loopback names only.")
            answer.status_code = 403
        elif incoming.path.startswith("/moto-api"):
            # Moto's own API could reset what is kept; the question for liveness is all that is left of it.
            answer = Response("ok\n") if incoming.path == "/moto-api/" else Response("no\n", 404)
        elif service != "s3" and (incoming.content_length or 0) > _LARGEST_REQUEST:
            answer = answers.refuse(incoming, "RequestEntityTooLarge", f"The request exceeds {_LARGEST_REQUEST} bytes.")
        elif service == "s3" or (service in _SERVICES and incoming.path == "/"):
            return self._app(service)(environ, start_response)
        elif service in _SERVICES:
            answer = answers.not_implemented(incoming, f"{incoming.method} {incoming.path} of {service}")
        else:
            text = f"This sandbox does not offer the service {service!r}."
            answer = answers.refuse(incoming, "NotOfferedBySandbox", text)
        return answer(environ, start_response)

    def _app(self, service: str) -> Any:
        with self._apps_lock:
            if service not in self._apps:
                self._apps[service] = self._moto_app(service)
            return self._apps[service]

    def _moto_app(self, service: str) -> Flask:
        app = create_backend_app(service)
        app.register_error_handler(NotImplementedError, _not_implemented)
        app.register_error_handler(Exception, _internal_error)
        app.after_request(_without_server_errors)
        return app


def _is_local(incoming: Request) -> bool:
    """Say whether a request is for a loopback name, and from no web page of another place."""
    origin = incoming.headers.get("Origin", "").rpartition("//")[2]
    return bool(_HOSTS.fullmatch(incoming.headers.get("Host", ""))) and bool(not origin or _HOSTS.fullmatch(origin))


def _service(incoming: Request) -> str:
    """Return the service of the credential scope; what is unsigned is S3's, as its presigned addresses are."""
    scope = re.search(r"Credential=[^/]*/\d{8}/[^/]*/([^/]*)/", incoming.headers.get("Authorization", ""))
    return scope[1].lower() if scope else "s3"


def _hold(path: Path) -> TextIO:
    """Lock ``path`` for the life of this process: two servers on one state would overwrite each other."""
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise OSError(f"{path.parent} is in use by another AWS sandbox; stop it or choose another --state") from None
    return handle


def _without_server_errors(response: Response) -> Response:
    """Turn what moto itself answers with a 500 into a refusal, or botocore would try again."""
    if response.status_code < 500:
        return response
    return answers.refuse(request, "SandboxFault", f"{_requested_call()} failed inside the sandbox")


def _not_implemented(_: Exception) -> Response:
    return answers.not_implemented(request, _requested_call())


def _internal_error(error: Exception) -> Response:
    return answers.fault(request, _requested_call(), error)


def _requested_call() -> str:
    target = request.headers.get("X-Amz-Target") or request.values.get("Action")
    return target or f"{request.method} {request.full_path}"
