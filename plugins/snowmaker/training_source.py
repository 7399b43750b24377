"""Pack the training code for SageMaker's script mode: the same files give the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from snowmaker.exceptions import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JOB_DOCUMENT = "job.json"


def read_source(source_dir: Path, entry_point: str) -> dict[str, bytes]:
    """Read the files of a source directory by their relative path, without caches and hidden files.

    :raises TrainingError: if there is no such directory, or no entry point in it
    """
    if not (source_dir / entry_point).is_file():
        raise TrainingError(f"source_dir {source_dir} holds no {entry_point}; mend source_dir or entry_point")
    files = {}
    for path in sorted(source_dir.rglob("*")):
        relative = path.relative_to(source_dir)
        is_hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
        if path.is_file() and not is_hidden and path.suffix != ".pyc":
            files[relative.as_posix()] = path.read_bytes()
    if JOB_DOCUMENT in files:
        raise TrainingError(
            f"source_dir {source_dir} holds a {JOB_DOCUMENT}, which is written anew for each job; remove it"
        )
    return files


def digest(files: Mapping[str, bytes]) -> str:
    """Digest of names and contents."""
    told = hashlib.sha256()
    for name, content in sorted(files.items()):
        told.update(f"{name}:{len(content)}:".encode() + content)
    return told.hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Pack files as a tar.gz without times and owners."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
