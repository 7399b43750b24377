"""A service of the JSON protocol: finds the call, holds its input against the SDK's own model of it, answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.request import Request
from werkzeug import Response

from include.sandbox.aws import answers, shapes
from include.sandbox.aws.access import Caller, caller_with

_SCOPE = re.compile(r"Credential=([^/]*)/\d{8}/([^/]*)/")


class ServiceError(Exception):
    """A refusal: ``code`` as the service names it."""

    def __init__(self, code: str, message: str) -> None:
        """Refuse with ``code`` and a text for people."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Context:
    """Where a call was made, and by whom."""

    region: str
    caller: Caller


Handler = Callable[[Context, dict[str, Any]], Mapping[str, Any]]


class JsonService:
    """The WSGI application."""

    def __init__(self, service: str, handlers: Mapping[str, Handler], invalid: str = "ValidationException") -> None:
        """Answer the calls in ``handlers``, by name; refuse the service's others.

        :param invalid: what the service calls an input that its model does not allow
        """
        self._service = service
        self._invalid = invalid
        self._handlers = handlers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        target = request.headers.get("X-Amz-Target", "")
        name = target.rpartition(".")[2]
        handler = self._handlers.get(name)
        try:
            if handler is None:
                raise NotImplementedError(f"{self._service}:{name or request.method}")
            result = handler(_context(request), self._input(name, request))
        except ServiceError as error:
            return answers.refuse(request, error.code, str(error))
        except NotImplementedError as error:
            return answers.not_implemented(request, str(error))
        except Exception as error:
            return answers.fault(request, target, error)
        return Response(json.dumps(result), content_type="application/x-amz-json-1.1")

    def _input(self, name: str, request: Request) -> dict[str, Any]:
        try:
            given = json.loads(request.get_data() or b"{}")
        except ValueError:
            raise ServiceError("SerializationException", "The request's body is not JSON.") from None
        if not isinstance(given, dict):
            raise ServiceError("SerializationException", "The request's body is not a JSON object.")
        if text := shapes.faults(self._service, name, given):
            raise ServiceError(self._invalid, text)
        return given


def _context(request: Request) -> Context:
    found = _SCOPE.search(request.headers.get("Authorization", ""))
    key, region = found.groups() if found else ("", "us-east-1")
    return Context(region, caller_with(key))
