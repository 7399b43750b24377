"""Read and write the sandbox's own S3 objects from inside the server, by s3:// address."""

from __future__ import annotations

from urllib.parse import urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; ValueError where it is none."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"{uri!r} is not an s3:// address")
    return parts.netloc, parts.path.lstrip("/")


def read(uri: str) -> bytes:
    """Return an object's body; FileNotFoundError where bucket or object is missing."""
    bucket, name = split(uri)
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    key = found.keys.get(name) if found else None
    if key is None:
        raise FileNotFoundError(f"no S3 object at {uri}")
    return bytes(key.value)


def write(uri: str, body: bytes) -> None:
    """Store an object; FileNotFoundError where the bucket is missing."""
    bucket, name = split(uri)
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    if bucket not in backend.buckets:
        raise FileNotFoundError(f"no S3 bucket {bucket!r} for {uri}")
    backend.put_object(bucket, name, body)


def list_under(uri: str) -> list[tuple[str, str]]:
    """Return name below the prefix and address of each object under ``uri``, sorted."""
    bucket, prefix = split(uri)
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    names = sorted(key for key in (found.keys if found else {}) if key.startswith(prefix))
    base = prefix[: prefix.rfind("/") + 1]
    return [(name.removeprefix(base), f"s3://{bucket}/{name}") for name in names if not name.endswith("/")]
