"""The calls about buckets, and the listings of their objects."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from werkzeug import Response

from include.sandbox.aws.s3.call import OWNER, Call, empty, encode, iso, read_tags, tag_set, xml
from include.sandbox.aws.s3.store import ObjectError, StoredObject

MOST_KEYS = 1000
_NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def list_buckets(call: Call) -> Response:
    """ListBuckets."""
    buckets = [{"Name": name, "CreationDate": iso(made), "BucketRegion": r} for name, r, made in call.store.buckets()]
    return xml("ListAllMyBucketsResult", {"Owner": OWNER, "Buckets": {"Bucket": buckets}})


def create_bucket(call: Call) -> Response:
    """CreateBucket."""
    if not _NAME.fullmatch(call.bucket):
        raise ObjectError("InvalidBucketName", f"The specified bucket is not valid: {call.bucket}")
    region = call.region
    if call.request.content_length:
        region = call.document().findtext("LocationConstraint") or region
    if region != call.region:
        text = f"The {region} location constraint is incompatible for the region specific endpoint of {call.region}."
        raise ObjectError("IllegalLocationConstraintException", text)
    if not call.store.create_bucket(call.bucket, region) and call.region != "us-east-1":
        raise ObjectError("BucketAlreadyOwnedByYou", "Your previous request to create the bucket succeeded.", 409)
    return empty({"Location": f"/{call.bucket}"})


def head_bucket(call: Call) -> Response:
    """HeadBucket."""
    return empty({"x-amz-bucket-region": call.store.region(call.bucket)})


def delete_bucket(call: Call) -> Response:
    """DeleteBucket."""
    call.store.delete_bucket(call.bucket)
    return empty(status=204)


def get_location(call: Call) -> Response:
    """GetBucketLocation."""
    region = call.store.region(call.bucket)
    response = xml("LocationConstraint", {})
    if region != "us-east-1":
        response.set_data(response.get_data().replace(b"></", f">{region}</".encode()))
    return response


def get_versioning(call: Call) -> Response:
    """GetBucketVersioning: no bucket here keeps versions."""
    call.store.region(call.bucket)
    return xml("VersioningConfiguration", {})


def get_tagging(call: Call) -> Response:
    """GetBucketTagging."""
    tags = call.store.bucket_tags(call.bucket)
    if not tags:
        raise ObjectError("NoSuchTagSet", "The TagSet does not exist", 404)
    return tag_set(tags)


def put_tagging(call: Call) -> Response:
    """PutBucketTagging."""
    call.store.set_bucket_tags(call.bucket, read_tags(call, 50))
    return empty(status=204)


def delete_tagging(call: Call) -> Response:
    """DeleteBucketTagging."""
    call.store.set_bucket_tags(call.bucket, {})
    return empty(status=204)


def list_objects(call: Call) -> Response:
    """ListObjects in its first and second form."""
    if call.word("list-type") not in {"", "1", "2"}:
        raise ObjectError("InvalidArgument", f"Invalid list-type {call.word('list-type')!r}")
    is_second = call.word("list-type") == "2"
    prefix, delimiter, encoding = call.word("prefix"), call.word("delimiter"), call.word("encoding-type")
    most = call.number("max-keys", MOST_KEYS, MOST_KEYS)
    after, group = _second_start(call) if is_second else _first_start(call, delimiter)
    entries = list(_first(_entries(call, prefix, delimiter, after, group), most + 1))
    truncated = len(entries) > most
    entries = entries[:most]
    objects = [item for item in entries if isinstance(item, StoredObject)]
    groups = [item for item in entries if isinstance(item, str)]
    with_owner = not is_second or call.word("fetch-owner") == "true"
    answer: dict[str, Any] = {
        "Name": call.bucket,
        "Prefix": encode(prefix, encoding),
        "Delimiter": encode(delimiter, encoding) or None,
        "MaxKeys": most,
        "EncodingType": encoding or None,
        "IsTruncated": str(truncated).lower(),
        "Contents": [_content(item, encoding, with_owner=with_owner) for item in objects],
        "CommonPrefixes": [{"Prefix": encode(item, encoding)} for item in groups],
    }
    last = entries[-1] if truncated and entries else None
    if is_second:
        answer |= {
            "KeyCount": len(entries),
            "StartAfter": encode(call.word("start-after"), encoding) or None,
            "ContinuationToken": call.word("continuation-token") or None,
            "NextContinuationToken": _token(last) if last else None,
        }
    else:
        name = last.key if isinstance(last, StoredObject) else last
        answer |= {
            "Marker": encode(call.word("marker"), encoding),
            "NextMarker": encode(name, encoding) if name else None,
        }
    return xml("ListBucketResult", answer)


def list_uploads(call: Call) -> Response:
    """ListMultipartUploads."""
    found = [u for u in call.store.uploads(call.bucket) if u.key.startswith(call.word("prefix"))]
    if len(found) > MOST_KEYS or call.word("delimiter") or call.word("key-marker"):
        raise NotImplementedError("paging and grouping in ListMultipartUploads")
    uploads = [
        {"UploadId": u.id, "Key": u.key, "Initiated": iso(u.started), "StorageClass": "STANDARD", "Owner": OWNER}
        for u in found
    ]
    return xml("ListMultipartUploadsResult", {"Bucket": call.bucket, "IsTruncated": "false", "Upload": uploads})


def _content(item: StoredObject, encoding: str, *, with_owner: bool) -> dict[str, Any]:
    return {
        "Key": encode(item.key, encoding),
        "LastModified": iso(item.modified),
        "ETag": f'"{item.etag}"',
        "ChecksumAlgorithm": [name.upper() for name in item.about.checksums] or None,
        "Size": item.size,
        "StorageClass": item.about.headers.get("x-amz-storage-class", "STANDARD"),
        "Owner": OWNER if with_owner else None,
    }


def _entries(call: Call, prefix: str, delimiter: str, after: str, group: str) -> Iterator[StoredObject | str]:
    """Give objects, and once each the groups that the delimiter makes of them."""
    for item in call.store.list_objects(call.bucket, prefix, after):
        end = item.key.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            yield item
            continue
        name = item.key[: end + len(delimiter)]
        if name != group:
            group = name
            yield name


def _first(entries: Iterator[StoredObject | str], most: int) -> Iterator[StoredObject | str]:
    for entry, _ in zip(entries, range(most), strict=False):
        yield entry


def _first_start(call: Call, delimiter: str) -> tuple[str, str]:
    marker = call.word("marker")
    return marker, marker if delimiter and marker.endswith(delimiter) else ""


def _second_start(call: Call) -> tuple[str, str]:
    token = call.word("continuation-token")
    if not token:
        return call.word("start-after"), ""
    try:
        after, group = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise ObjectError("InvalidArgument", "The continuation token provided is incorrect") from None
    return after, group


def _token(last: StoredObject | str) -> str:
    place = [last, last] if isinstance(last, str) else [last.key, ""]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
