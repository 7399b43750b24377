"""A service of the JSON protocol: finds the call, holds its input against the SDK's own model of it, answers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape
from moto.core.request import Request
from werkzeug import Response

from include.sandbox.aws import answers
from include.sandbox.aws.access import Caller, caller_with

log = logging.getLogger(__name__)
_SCOPE = re.compile(r"Credential=([^/]*)/\d{8}/([^/]*)/")


class _InvalidError(Exception):
    """An input that the service's model does not allow."""


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
            # The text of the error may hold a value of the request, which may be a secret.
            log.exception("%s failed inside the sandbox", target)
            return answers.refuse(
                request, "SandboxFault", f"{target} failed inside the sandbox: {type(error).__name__}"
            )
        return Response(json.dumps(result), content_type="application/x-amz-json-1.1")

    def _input(self, name: str, request: Request) -> dict[str, Any]:
        try:
            given = json.loads(request.get_data() or b"{}")
        except ValueError:
            raise ServiceError("SerializationException", "The request's body is not JSON.") from None
        if not isinstance(given, dict):
            raise ServiceError("SerializationException", "The request's body is not a JSON object.")
        shape = _model(self._service).operation_model(name).input_shape
        try:
            if shape:
                _check(shape, given, name)
        except _InvalidError as error:
            raise ServiceError(self._invalid, str(error)) from None
        return given


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _context(request: Request) -> Context:
    found = _SCOPE.search(request.headers.get("Authorization", ""))
    key, region = found.groups() if found else ("", "us-east-1")
    return Context(region, caller_with(key))


def _check(shape: Shape, value: Any, name: str) -> None:
    """Refuse what the service's model does not allow; no value is repeated, it may be a secret."""
    if isinstance(shape, StructureShape):
        _check_structure(shape, value, name)
    elif shape.type_name == "list":
        _check_type(isinstance(value, list), name, "a list")
        _check_length(shape, len(value), name)
        for number, item in enumerate(value, 1):
            _check(shape.member, item, f"{name}.{number}")  # type: ignore[attr-defined]
    elif shape.type_name == "string":
        _check_type(isinstance(value, str), name, "a text")
        _check_length(shape, len(value), name)
        _check_text(shape, value, name)
    elif shape.type_name == "blob":
        _check_type(isinstance(value, str), name, "a text in base64")
        _check_length(shape, len(value) * 3 // 4 - value[-2:].count("="), name)
    elif shape.type_name in {"integer", "long"}:
        _check_type(isinstance(value, int) and not isinstance(value, bool), name, "a whole number")
        _check_length(shape, value, name)


def _check_structure(shape: StructureShape, value: Any, name: str) -> None:
    _check_type(isinstance(value, dict), name, "an object")
    missing = [member for member in shape.required_members if value.get(member) is None]
    if missing:
        raise _InvalidError(f"{name}: {missing[0]} is missing.")
    unknown = sorted(value.keys() - shape.members.keys())
    if unknown:
        raise _InvalidError(f"{name}: there is no member {unknown[0]}.")
    for member, given in value.items():
        if given is not None:
            _check(shape.members[member], given, f"{name}.{member}")


def _check_type(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise ServiceError("SerializationException", f"{name} must be {wanted}.")


def _check_length(shape: Shape, found: int, name: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and found < least) or (most is not None and found > most):
        raise _InvalidError(f"{name} is of {found}; it must be between {least} and {most}.")


def _check_text(shape: Shape, value: str, name: str) -> None:
    pattern, choices = shape.metadata.get("pattern"), shape.metadata.get("enum")
    if choices and value not in choices:
        raise _InvalidError(f"{name} must be one of {choices}.")
    if pattern and not re.fullmatch(_in_python(pattern), value):
        raise _InvalidError(f"{name} must match the pattern {pattern}.")


def _in_python(pattern: str) -> str:
    """Write Java's classes of letters, numbers and spaces as Python has them."""
    return pattern.replace("\\p{L}", "\\w").replace("\\p{N}", "\\w").replace("\\p{Z}", "\\s")
