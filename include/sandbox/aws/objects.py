"""Read and write the sandbox's own S3 objects from inside the server, by s3:// address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from include.sandbox.aws.s3.body import PIECE, Digests
from include.sandbox.aws.s3.store import About, Body, ObjectError, ObjectStore

_store: ObjectStore


def use(store: ObjectStore) -> None:
    """Read from and write to ``store`` from now on."""
    global _store  # noqa: PLW0603 (one server a process, as moto's own state is)
    _store = store


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; ValueError where it is none."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"{uri!r} is not an s3:// address")
    return parts.netloc, parts.path.lstrip("/")


def read(uri: str) -> bytes:
    """Return an object's body; FileNotFoundError where bucket or object is missing."""
    try:
        found, handle = _store.open(*split(uri))
    except ObjectError:
        raise FileNotFoundError(f"no S3 object at {uri}") from None
    with handle:
        return handle.read(found.size)


def download(uri: str, path: Path) -> None:
    """Write an object's body to ``path``; FileNotFoundError where bucket or object is missing."""
    try:
        found, handle = _store.open(*split(uri))
    except ObjectError:
        raise FileNotFoundError(f"no S3 object at {uri}") from None
    with handle, path.open("wb") as target:
        rest = found.size
        while rest and (piece := handle.read(min(rest, PIECE))):
            target.write(piece)
            rest -= len(piece)


def upload(uri: str, path: Path) -> None:
    """Store the content of a file; FileNotFoundError where the bucket is missing."""
    bucket, name = split(uri)
    digests = Digests(set())
    with path.open("rb") as source, _store.draft() as (file, handle):
        while piece := source.read(PIECE):
            digests.update(piece)
            handle.write(piece)
        size = handle.tell()
    about = About(headers={"content-type": "binary/octet-stream"})
    try:
        _store.put(bucket, name, Body(file, size, digests.md5.hexdigest()), about, check=lambda _: None)
    except ObjectError:
        raise FileNotFoundError(f"no S3 bucket {bucket!r} for {uri}") from None


def list_under(uri: str) -> list[tuple[str, str]]:
    """Return name below the prefix and address of each object under ``uri``, sorted."""
    bucket, prefix = split(uri)
    try:
        names = [item.key for item in _store.list_objects(bucket, prefix)]
    except ObjectError:
        names = []
    base = prefix[: prefix.rfind("/") + 1]
    return [(name.removeprefix(base), f"s3://{bucket}/{name}") for name in names if not name.endswith("/")]
