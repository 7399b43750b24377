"""Refusals in the protocol of the request: always a 400 that names the call, because botocore repeats a 500."""

from __future__ import annotations

import json
import logging
import traceback
from xml.sax.saxutils import escape

from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug import Response
from werkzeug.exceptions import NotFound

log = logging.getLogger(__name__)


def refuse(request: Request, code: str, message: str) -> Response:
    """Build an error answer: JSON for the JSON services, XML for the others."""
    if request.headers.get("X-Amz-Target"):
        body = json.dumps({"__type": code, "message": message})
        return Response(body, 400, {"x-amzn-errortype": code}, content_type="application/x-amz-json-1.1")
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    is_query = "form-urlencoded" in (request.content_type or "")
    body = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>" if is_query else f"<Error>{inner}</Error>"
    return Response(body, 400, {"x-amzn-errortype": code}, content_type="application/xml")


def not_implemented(request: Request, what: str) -> Response:
    """Refuse a call that is not there."""
    return refuse(request, "NotImplementedBySandbox", f"This sandbox does not implement {what}; the real AWS may.")


def fault(request: Request, call: str, error: Exception) -> Response:
    """Refuse a call that failed by the sandbox's own fault; where, is logged, but no text that may hold a secret."""
    kind = type(error).__name__
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s failed inside the sandbox: %s at\n%s", call, kind, where)
    return refuse(request, "SandboxFault", f"{call} failed inside the sandbox: {kind}")


def s3_call_name(request: Request) -> str:
    """Return the name of an S3 call as the SDKs know it, or its method and path."""
    try:
        operation, _ = get_service_router("s3").match(request)
    except (NotFound, NotImplementedError):
        return f"{request.method} {request.path}"
    return f"{operation.name} ({request.method} {request.path})"
