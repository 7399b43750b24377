"""The calls of a multipart upload."""

from __future__ import annotations

import hashlib
import time
import xml.etree.ElementTree as ET

from werkzeug import Response

from include.sandbox.aws.s3.body import PIECE, Digests, combine, receive
from include.sandbox.aws.s3.call import Call, empty, iso, xml
from include.sandbox.aws.s3.objects import (
    byte_range,
    check_key,
    checksum_answer,
    copy_range,
    encryption_answer,
    may_replace,
    open_source,
    wanted_checksum,
)
from include.sandbox.aws.s3.store import About, Body, ObjectError, Part, Upload

SMALLEST_PART = 5 << 20
MOST_PARTS = 10_000


def start(call: Call) -> Response:
    """CreateMultipartUpload."""
    check_key(call.key)
    about = call.about()
    algorithm = wanted_checksum(call)
    checksums = {}
    if algorithm:
        Digests({algorithm})
        checksums = {"algorithm": algorithm, "type": call.header("x-amz-checksum-type") or "COMPOSITE"}
    about = About(about.headers, about.metadata, about.tags, checksums)
    identifier = call.store.start_upload(call.bucket, call.key, about)
    answer = {"Bucket": call.bucket, "Key": call.key, "UploadId": identifier}
    headers = encryption_answer(about)
    if algorithm:
        headers |= {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": checksums["type"]}
    return xml("InitiateMultipartUploadResult", answer, headers)


def put_part(call: Call) -> Response:
    """UploadPart."""
    upload, number = _upload(call), _part_number(call)
    wanted = upload.about.checksums.get("algorithm") or wanted_checksum(call)
    body = receive(call.store, call.request.stream, call.request.headers, wanted)
    call.store.put_part(upload, number, body)
    return empty({"ETag": f'"{body.etag}"'} | checksum_answer(body.checksums))


def copy_part(call: Call) -> Response:
    """UploadPartCopy."""
    upload, number = _upload(call), _part_number(call)
    found, handle = open_source(call)
    with handle:
        first, length = byte_range(call.header("x-amz-copy-source-range"), found.size)
        handle.seek(found.start + first)
        algorithm = upload.about.checksums.get("algorithm")
        body = copy_range(call.store, handle, length, {algorithm} if algorithm else set())
    call.store.put_part(upload, number, body)
    return xml("CopyPartResult", {"ETag": f'"{body.etag}"', "LastModified": iso(time.time())})


def complete(call: Call) -> Response:
    """CompleteMultipartUpload: the parts named, in their order, become the object."""
    upload = _upload(call)
    parts = _chosen(call, call.store.parts(upload))
    algorithm = upload.about.checksums.get("algorithm")
    body, whole = _join(call, parts, algorithm)
    kind = upload.about.checksums.get("type")
    checksums = {}
    if algorithm and kind == "FULL_OBJECT":
        checksums = {algorithm: whole[algorithm], "type": kind}
    elif algorithm:
        checksums = {algorithm: combine(algorithm, [part.checksums[algorithm] for part in parts]), "type": "COMPOSITE"}
    about = About(upload.about.headers, upload.about.metadata, upload.about.tags, checksums)
    call.store.complete(upload, body, about, may_replace(call))
    answer = {"Location": call.request.base_url, "Bucket": call.bucket, "Key": call.key, "ETag": f'"{body.etag}"'}
    answer |= {f"Checksum{name.upper()}": value for name, value in checksums.items() if name != "type"}
    return xml("CompleteMultipartUploadResult", answer, encryption_answer(about))


def abort(call: Call) -> Response:
    """AbortMultipartUpload."""
    call.store.end_upload(_upload(call))
    return empty(status=204)


def list_parts(call: Call) -> Response:
    """ListParts."""
    marker, most = call.number("part-number-marker", 0, MOST_PARTS), call.number("max-parts", 1000, 1000)
    parts = [part for part in call.store.parts(_upload(call)) if part.number > marker]
    page = parts[:most]
    answer = {
        "Bucket": call.bucket,
        "Key": call.key,
        "UploadId": call.word("uploadId"),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": most,
        "IsTruncated": str(len(parts) > most).lower(),
        "Part": [
            {"PartNumber": p.number, "LastModified": iso(p.modified), "ETag": f'"{p.etag}"', "Size": p.size}
            for p in page
        ],
    }
    return xml("ListPartsResult", answer)


def _upload(call: Call) -> Upload:
    return call.store.upload(call.word("uploadId"), call.bucket, call.key)


def _part_number(call: Call) -> int:
    text = call.word("partNumber")
    if not text.isdigit() or not 1 <= int(text) <= MOST_PARTS:
        raise ObjectError("InvalidArgument", f"Part number must be between 1 and {MOST_PARTS}, not {text!r}.")
    return int(text)


def _chosen(call: Call, present: list[Part]) -> list[Part]:
    """Return the parts that the request names, if they are there, in order and large enough."""
    named = list(call.document().iter("Part"))
    if not named:
        raise ObjectError("MalformedXML", "You must specify at least one part")
    by_number = {str(part.number): part for part in present}
    parts = [_matching(element, by_number) for element in named]
    numbers = [part.number for part in parts]
    if numbers != sorted(set(numbers)):
        raise ObjectError("InvalidPartOrder", "The list of parts was not in ascending order.")
    if any(part.size < SMALLEST_PART for part in parts[:-1]):
        raise ObjectError("EntityTooSmall", f"A part other than the last is smaller than {SMALLEST_PART} bytes.")
    return parts


def _matching(element: ET.Element, by_number: dict[str, Part]) -> Part:
    part = by_number.get(element.findtext("PartNumber", ""))
    if part is None or element.findtext("ETag", "").strip('"') != part.etag:
        number = element.findtext("PartNumber")
        raise ObjectError("InvalidPart", f"Part {number} was not found, or its entity tag is another one.")
    return part


def _join(call: Call, parts: list[Part], algorithm: str | None) -> tuple[Body, dict[str, str]]:
    digests = Digests({algorithm} if algorithm else set())
    with call.store.draft() as (name, target):
        for part in parts:
            with call.store.open_part(part) as source:
                while piece := source.read(PIECE):
                    digests.update(piece)
                    target.write(piece)
    of_parts = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    body = Body(name, sum(part.size for part in parts), f"{of_parts.hexdigest()}-{len(parts)}")
    return body, digests.checksums()
