"""The calls about single objects: put, get, head, copy, delete, tags."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import unquote

from werkzeug import Response
from werkzeug.wsgi import wrap_file

from include.sandbox.aws.s3.body import CHECKSUMS, PIECE, Digests, receive
from include.sandbox.aws.s3.call import Call, empty, http_date, iso, read_tags, tag_set, xml
from include.sandbox.aws.s3.store import About, Body, ObjectError, ObjectStore, StoredObject

_OVERRIDES = ("type", "language", "expires", "cache-control", "disposition", "encoding")


def put_object(call: Call) -> Response:
    """PutObject."""
    call.store.region(call.bucket)
    check_key(call.key)
    body = receive(call.store, call.request.stream, call.request.headers, wanted_checksum(call))
    about = call.about()
    about = About(about.headers, about.metadata, about.tags, body.checksums)
    call.store.put(call.bucket, call.key, body, about, may_replace(call))
    return empty({"ETag": f'"{body.etag}"'} | checksum_answer(body.checksums) | encryption_answer(about))


def copy_object(call: Call) -> Response:
    """CopyObject."""
    check_key(call.key)
    found, handle = open_source(call)
    with handle:
        replaces = call.header("x-amz-metadata-directive") == "REPLACE"
        if (found.bucket, found.key) == (call.bucket, call.key) and not replaces:
            text = "This copy request is illegal because it copies an object to itself without changing anything."
            raise ObjectError("InvalidRequest", text)
        body = copy_range(call.store, handle, found.size, set(found.about.checksums) & CHECKSUMS.keys())
    given = call.about()
    source = given if replaces else About(found.about.headers, found.about.metadata)
    tags = given.tags if call.header("x-amz-tagging-directive") == "REPLACE" else found.about.tags
    about = About(source.headers, source.metadata, tags, body.checksums)
    call.store.put(call.bucket, call.key, body, about, may_replace(call))
    return xml("CopyObjectResult", {"ETag": f'"{body.etag}"', "LastModified": iso(time.time())})


def get_object(call: Call) -> Response:
    """GetObject, whole or a range."""
    found, handle = call.store.open(call.bucket, call.key)
    try:
        refusal = _unmet_condition(call, found)
        if refusal is not None:
            handle.close()
            return refusal
        first, length = byte_range(call.header("range"), found.size)
    except BaseException:
        handle.close()
        raise
    handle.seek(found.start + first)
    headers = _headers(call, found, whole=length == found.size) | {"Content-Length": str(length)}
    status = 200
    if call.header("range") and length < found.size:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{found.size}"
        status = 206
    content = wrap_file(call.request.environ, _Limited(handle, length), PIECE)
    return Response(content, status, headers, direct_passthrough=True)


def head_object(call: Call) -> Response:
    """HeadObject."""
    found = call.store.get(call.bucket, call.key)
    refusal = _unmet_condition(call, found)
    if refusal is not None:
        return refusal
    return empty(_headers(call, found, whole=True) | {"Content-Length": str(found.size)})


def delete_object(call: Call) -> Response:
    """DeleteObject."""
    call.store.delete(call.bucket, call.key)
    return empty(status=204)


def delete_objects(call: Call) -> Response:
    """DeleteObjects."""
    document = call.document()
    keys = [element.findtext("Key", "") for element in document.iter("Object")]
    if len(keys) > 1000:
        raise ObjectError("MalformedXML", "At most 1000 keys can be deleted at once.")
    for key in keys:
        call.store.delete(call.bucket, key)
    is_quiet = document.findtext("Quiet", "false").lower() == "true"
    return xml("DeleteResult", {"Deleted": [] if is_quiet else [{"Key": key} for key in keys]})


def get_tagging(call: Call) -> Response:
    """GetObjectTagging."""
    return tag_set(call.store.get(call.bucket, call.key).about.tags)


def put_tagging(call: Call) -> Response:
    """PutObjectTagging."""
    call.store.set_tags(call.bucket, call.key, read_tags(call, 10))
    return empty()


def delete_tagging(call: Call) -> Response:
    """DeleteObjectTagging."""
    call.store.set_tags(call.bucket, call.key, {})
    return empty(status=204)


def check_key(key: str) -> None:
    """Refuse a key that S3 would not take."""
    if len(key.encode()) > 1024:
        raise ObjectError("KeyTooLongError", "Your key is too long: at most 1024 bytes are allowed.")


def wanted_checksum(call: Call) -> str | None:
    """Return the checksum the request asks to be kept."""
    name = call.header("x-amz-sdk-checksum-algorithm") or call.header("x-amz-checksum-algorithm")
    return name.lower() if name else None


def checksum_answer(checksums: dict[str, str]) -> dict[str, str]:
    """Return checksums as headers."""
    return {f"x-amz-checksum-{name}": value for name, value in checksums.items() if name != "type"}


def encryption_answer(about: About) -> dict[str, str]:
    """Return the headers that tell of encryption."""
    return {name: value for name, value in about.headers.items() if "server-side-encryption" in name}


def may_replace(call: Call) -> Callable[[StoredObject | None], None]:
    """Return the check that If-Match and If-None-Match ask for."""
    none_match, match = call.header("if-none-match"), call.header("if-match")

    def check(old: StoredObject | None) -> None:
        if none_match and none_match != "*":
            raise ObjectError("NotImplementedBySandbox", "S3 takes If-None-Match of a write with * only.", 501)
        if match and old is None:
            raise ObjectError("NoSuchKey", "The specified key does not exist.", 404)
        if (none_match and old) or (match and old and match.strip('"') != old.etag):
            raise ObjectError(
                "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412
            )

    return check


def open_source(call: Call) -> tuple[StoredObject, BinaryIO]:
    """Open the object that x-amz-copy-source names."""
    name, _, version = (call.header("x-amz-copy-source") or "").partition("?")
    if version:
        raise NotImplementedError("versions in x-amz-copy-source")
    bucket, _, key = unquote(name).removeprefix("/").partition("/")
    found, handle = call.store.open(bucket, key)
    match = call.header("x-amz-copy-source-if-match")
    if match and match.strip('"') != found.etag:
        handle.close()
        raise ObjectError("PreconditionFailed", "x-amz-copy-source-if-match did not hold", 412)
    return found, handle


def copy_range(store: ObjectStore, handle: BinaryIO, length: int, algorithms: set[str]) -> Body:
    """Copy ``length`` bytes into a new body."""
    digests = Digests(algorithms)
    with store.draft() as (name, target):
        rest = length
        while rest and (piece := handle.read(min(rest, PIECE))):
            digests.update(piece)
            target.write(piece)
            rest -= len(piece)
    return Body(name, length, digests.md5.hexdigest(), digests.checksums())


class _Limited:
    """A file of which no more than ``length`` bytes are read."""

    def __init__(self, handle: BinaryIO, length: int) -> None:
        self._handle = handle
        self._rest = length

    def read(self, size: int) -> bytes:
        piece = self._handle.read(min(size, self._rest))
        self._rest -= len(piece)
        return piece

    def close(self) -> None:
        self._handle.close()


def _headers(call: Call, found: StoredObject, *, whole: bool) -> dict[str, str]:
    headers = {
        "ETag": f'"{found.etag}"',
        "Last-Modified": http_date(found.modified),
        "Accept-Ranges": "bytes",
        **found.about.headers,
        **{f"x-amz-meta-{name}": value for name, value in found.about.metadata.items()},
    }
    if found.about.tags:
        headers["x-amz-tagging-count"] = str(len(found.about.tags))
    if whole and call.header("x-amz-checksum-mode") == "ENABLED":
        headers |= checksum_answer(found.about.checksums)
        if found.about.checksums:
            headers["x-amz-checksum-type"] = found.about.checksums.get("type", "FULL_OBJECT")
    for name in _OVERRIDES:
        if value := call.word(f"response-content-{name}") or call.word(f"response-{name}"):
            headers[name if name in {"expires", "cache-control"} else f"content-{name}"] = value
    return headers


def _unmet_condition(call: Call, found: StoredObject) -> Response | None:
    """Answer 304 or 412 where a condition of a read does not hold."""
    match, none_match = call.header("if-match"), call.header("if-none-match")
    if match and found.etag not in _tags(match) and match != "*":
        raise ObjectError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    if not match and (moment := _time(call.header("if-unmodified-since"))) and int(found.modified) > moment:
        raise ObjectError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    if none_match:
        is_same = found.etag in _tags(none_match) or none_match == "*"
    else:
        since = _time(call.header("if-modified-since"))
        is_same = since is not None and int(found.modified) <= since
    return empty({"ETag": f'"{found.etag}"'}, 304) if is_same else None


def _tags(header: str) -> list[str]:
    return [item.strip().strip('"') for item in header.split(",")]


def _time(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def byte_range(header: str | None, size: int) -> tuple[int, int]:
    """Return first byte and length of what a Range header asks for; the whole where it says nothing S3 knows."""
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.partition("-")
    if unit != "bytes" or not dash or not (first + last).isdigit():
        return 0, size
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    else:
        start, end = max(size - int(last), 0), size - 1
    if start >= size or (last and first and int(last) < start):
        raise ObjectError("InvalidRange", f"The requested range is not satisfiable: {header} of {size} bytes", 416)
    return start, end - start + 1
