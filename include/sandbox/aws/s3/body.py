"""The bodies of requests as they come over the wire: decoded, measured and checked a piece at a time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from werkzeug.exceptions import ClientDisconnected

from include.sandbox.aws.s3.store import Body, ObjectError, ObjectStore

PIECE = 1 << 20
LARGEST = 5 << 30
_LONGEST_LINE = 8192


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes) -> None:
        self._value = zlib.crc32(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# CRC32C and CRC64NVME would need a compiled package; a checksum that is not checked is refused instead.
CHECKSUMS: dict[str, Callable[[], Any]] = {
    "crc32": _Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


class Digests:
    """MD5 for the ETag, and the checksums asked for."""

    def __init__(self, algorithms: set[str]) -> None:
        """Compute ``algorithms``, names in small letters."""
        if unknown := sorted(algorithms - CHECKSUMS.keys()):
            raise ObjectError("NotImplementedBySandbox", f"This sandbox cannot check the checksums {unknown}.")
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._others = {name: CHECKSUMS[name]() for name in algorithms}

    def update(self, piece: bytes) -> None:
        """Take the next piece in."""
        self.md5.update(piece)
        for digest in self._others.values():
            digest.update(piece)

    def checksums(self) -> dict[str, str]:
        """Return each checksum in base64, as S3 writes it."""
        return {name: base64.b64encode(digest.digest()).decode() for name, digest in self._others.items()}


def checksum_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums that a request or trailer gives, by algorithm."""
    prefix, notes = "x-amz-checksum-", {"mode", "type", "algorithm"}
    found = {
        name.lower().removeprefix(prefix): value for name, value in headers.items() if name.lower().startswith(prefix)
    }
    return {name: value for name, value in found.items() if name not in notes}


def receive(store: ObjectStore, stream: BinaryIO, headers: Mapping[str, str], wanted: str | None = None) -> Body:
    """Write a request's body to disk and check it against what the request says of it.

    :param wanted: a checksum to compute also where the request gives none
    :raises ObjectError: the body is too large, ends early, or is not what its checksums say
    """
    expected = checksum_headers(headers)
    announced = headers.get("x-amz-trailer", "").lower().removeprefix("x-amz-checksum-")
    digests = Digests(set(expected) | {name for name in (announced, wanted) if name})
    is_chunked = headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
    trailer: dict[str, str] = {}
    size = 0
    with store.draft() as (name, handle):
        for piece in _pieces(stream, trailer, is_chunked=is_chunked):
            size += len(piece)
            if size > LARGEST:
                raise ObjectError("EntityTooLarge", f"Your proposed upload exceeds the maximum of {LARGEST} bytes.")
            digests.update(piece)
            handle.write(piece)
        _check_length(headers, size, is_chunked=is_chunked)
        _check_digests(digests, expected | checksum_headers(trailer), headers.get("content-md5"))
    return Body(name, size, digests.md5.hexdigest(), digests.checksums())


def _pieces(stream: BinaryIO, trailer: dict[str, str], *, is_chunked: bool) -> Iterator[bytes]:
    try:
        if is_chunked:
            yield from _decode(stream, trailer)
        else:
            while piece := stream.read(PIECE):
                yield piece
    except ClientDisconnected:
        raise _ended_early() from None


def _decode(stream: BinaryIO, trailer: dict[str, str]) -> Iterator[bytes]:
    """Take the chunks of aws-chunked apart; what follows the last one goes to ``trailer``."""
    while size := _chunk_size(_line(stream)):
        while size:
            piece = stream.read(min(size, PIECE))
            if not piece:
                raise _ended_early()
            size -= len(piece)
            yield piece
        if _line(stream):
            raise ObjectError("InvalidRequest", "A chunk of the body is longer than it says.")
    while line := _line(stream):
        name, _, value = line.decode("latin-1").partition(":")
        trailer[name.strip().lower()] = value.strip()


def _line(stream: BinaryIO) -> bytes:
    return stream.readline(_LONGEST_LINE).rstrip(b"\r\n")


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise _ended_early() from None


def _ended_early() -> ObjectError:
    return ObjectError("IncompleteBody", "The body ended before the number of bytes that the request gives.")


def _check_length(headers: Mapping[str, str], size: int, *, is_chunked: bool) -> None:
    given = headers.get("x-amz-decoded-content-length" if is_chunked else "content-length")
    if given is not None and int(given) != size:
        raise _ended_early()


def _check_digests(digests: Digests, expected: dict[str, str], md5: str | None) -> None:
    if md5 is not None and md5 != base64.b64encode(digests.md5.digest()).decode():
        raise ObjectError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    computed = digests.checksums()
    for name, value in expected.items():
        if name in computed and computed[name] != value:
            raise ObjectError("BadDigest", f"The {name.upper()} you specified did not match what we received.")


def combine(algorithm: str, checksums: list[str]) -> str:
    """Return the checksum of checksums that S3 gives a multipart object of COMPOSITE type."""
    digest = CHECKSUMS[algorithm]()
    try:
        digest.update(b"".join(base64.b64decode(value, validate=True) for value in checksums))
    except binascii.Error:
        raise ObjectError("InvalidPart", "A part's checksum is not base64.") from None
    return f"{base64.b64encode(digest.digest()).decode()}-{len(checksums)}"
