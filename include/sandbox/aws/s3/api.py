"""S3 over HTTP: which handler a request is for, and what is said where there is none.

Paths are /bucket/key, or bucket.localhost/key. Signatures are not checked; the age of a presigned URL is.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from moto.core.request import Request
from werkzeug import Response

from include.sandbox.aws import answers
from include.sandbox.aws.s3 import buckets, multipart, objects
from include.sandbox.aws.s3.call import Call
from include.sandbox.aws.s3.store import ObjectError, ObjectStore

ACCOUNT = "123456789012"

# By method, by what the path names (service, bucket, object), by the word of the query that names a sub-resource.
HANDLERS: dict[tuple[str, str, str], Callable[[Call], Response]] = {
    ("GET", "service", ""): buckets.list_buckets,
    ("PUT", "bucket", ""): buckets.create_bucket,
    ("HEAD", "bucket", ""): buckets.head_bucket,
    ("DELETE", "bucket", ""): buckets.delete_bucket,
    ("GET", "bucket", ""): buckets.list_objects,
    ("GET", "bucket", "location"): buckets.get_location,
    ("GET", "bucket", "versioning"): buckets.get_versioning,
    ("GET", "bucket", "tagging"): buckets.get_tagging,
    ("PUT", "bucket", "tagging"): buckets.put_tagging,
    ("DELETE", "bucket", "tagging"): buckets.delete_tagging,
    ("GET", "bucket", "uploads"): buckets.list_uploads,
    ("POST", "bucket", "delete"): objects.delete_objects,
    ("PUT", "object", ""): objects.put_object,
    ("PUT", "object", "copy"): objects.copy_object,
    ("GET", "object", ""): objects.get_object,
    ("HEAD", "object", ""): objects.head_object,
    ("DELETE", "object", ""): objects.delete_object,
    ("GET", "object", "tagging"): objects.get_tagging,
    ("PUT", "object", "tagging"): objects.put_tagging,
    ("DELETE", "object", "tagging"): objects.delete_tagging,
    ("POST", "object", "uploads"): multipart.start,
    ("PUT", "object", "uploadId"): multipart.put_part,
    ("PUT", "object", "uploadId copy"): multipart.copy_part,
    ("POST", "object", "uploadId"): multipart.complete,
    ("DELETE", "object", "uploadId"): multipart.abort,
    ("GET", "object", "uploadId"): multipart.list_parts,
}
_SUB_RESOURCES = frozenset({"location", "versioning", "tagging", "uploads", "delete", "uploadId"})
_PLAIN_WORDS = frozenset(
    {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "key-marker",
        "list-type",
        "marker",
        "max-keys",
        "max-parts",
        "max-uploads",
        "partNumber",
        "part-number-marker",
        "prefix",
        "start-after",
        "x-id",
    }
)
_PLAIN_FAMILIES = re.compile(r"(x-amz-|response-)|(AWSAccessKeyId|Signature|Expires)$", re.IGNORECASE)
# A header that changes what a write does, and is not among these, must not be passed over in silence.
_KNOWN_HEADERS = re.compile(
    r"x-amz-(date|content-sha256|security-token|meta-.*|checksum-.*|sdk-checksum-algorithm|user-agent|tagging"
    r"|decoded-content-length|trailer|storage-class|server-side-encryption(-aws-kms-key-id|-bucket-key-enabled)?"
    r"|copy-source(-range|-if-match)?|metadata-directive|tagging-directive|(source-)?expected-bucket-owner"
    r"|request-payer|object-ownership|optional-object-attributes|te)$"
)
_HARMLESS_ACLS = frozenset({None, "private", "bucket-owner-full-control", "bucket-owner-read"})


class S3Api:
    """The WSGI application."""

    def __init__(self, store: ObjectStore) -> None:
        """Serve ``store``."""
        self._store = store

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except ObjectError as error:
            response = _refusal(request, error.code, str(error), error.status)
        except NotImplementedError as error:
            response = answers.not_implemented(request, str(error))
        except Exception as error:
            response = answers.fault(request, answers.s3_call_name(request), error)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        bucket, key = _address(request)
        level = "object" if key else "bucket" if bucket else "service"
        words = _SUB_RESOURCES & set(request.args)
        resource = " ".join(sorted(words))
        if request.method == "PUT" and "x-amz-copy-source" in request.headers:
            resource = f"{resource} copy".strip()
        handler = HANDLERS.get((request.method, level, resource))
        if handler is None or _unknown_words(request) or (request.method != "PUT" and "partNumber" in request.args):
            raise NotImplementedError(answers.s3_call_name(request))
        _check_headers(request)
        _check_expiry(request)
        return handler(Call(self._store, request, _region(request), bucket, key))


def _address(request: Request) -> tuple[str, str]:
    host = request.host.partition(":")[0]
    path = request.path.removeprefix("/")
    if host.endswith(".localhost"):
        return host.removesuffix(".localhost"), path
    bucket, _, key = path.partition("/")
    return bucket, key


def _region(request: Request) -> str:
    """Return the region of the request's credential scope."""
    scope = request.args.get("X-Amz-Credential") or request.headers.get("Authorization", "")
    found = re.search(r"/\d{8}/([a-z0-9-]+)/s3/aws4_request", scope)
    return found[1] if found else "us-east-1"


def _unknown_words(request: Request) -> bool:
    words = set(request.args) - _SUB_RESOURCES - _PLAIN_WORDS
    return any(not _PLAIN_FAMILIES.match(word) for word in words)


def _check_headers(request: Request) -> None:
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if request.headers.get(name, ACCOUNT) != ACCOUNT:
            raise ObjectError("AccessDenied", f"The bucket belongs to account {ACCOUNT}", 403)
    if request.method not in {"PUT", "POST"}:
        return
    acl = request.headers.get("x-amz-acl")
    if acl not in _HARMLESS_ACLS:
        raise NotImplementedError(f"the ACL {acl!r}")
    for name in sorted(key.lower() for key in dict(request.headers)):
        if name.startswith("x-amz-") and name != "x-amz-acl" and not _KNOWN_HEADERS.fullmatch(name):
            raise NotImplementedError(f"the header {name}")


def _check_expiry(request: Request) -> None:
    """Refuse a presigned address that is too old, of signature version 2 or 4."""
    words = request.args
    if "X-Amz-Date" in words:
        made = dt.datetime.strptime(words["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        end = made.timestamp() + float(words.get("X-Amz-Expires", "0"))
    else:
        end = float(words.get("Expires", "inf"))
    if time.time() > end:
        raise ObjectError("AccessDenied", "Request has expired", 403)


def _refusal(request: Request, code: str, message: str, status: int) -> Response:
    if request.method == "HEAD":
        return Response(b"", status)
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Response(body, status, content_type="application/xml")
