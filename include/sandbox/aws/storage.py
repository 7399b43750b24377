"""Keep S3 objects and secrets in files, so that they survive the server.

Written before a request is answered, each file replaced atomically. Kept are bodies, user metadata and
the current secret versions; not ACLs, object tags, versioned buckets' history or multipart uploads half-way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

_SECRET_FIELDS = (
    "name",
    "arn",
    "description",
    "tags",
    "kms_key_id",
    "versions",
    "default_version_id",
    "created_date",
    "last_changed_date",
    "deleted_date",
)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` as a whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{threading.get_ident()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    draft.replace(path)


class ObjectStorage:
    """Buckets as directories, an object as one file: a line of JSON with its name, then its body."""

    def __init__(self, root: Path) -> None:
        """Keep everything under ``root``."""
        self._root = root
        self._backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._saved: dict[tuple[str, str], FakeKey] = {}
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Bring the objects of an earlier process back."""
        for about in sorted(self._root.glob("*/.bucket")):
            bucket = about.parent.name
            self._backend.create_bucket(bucket, json.loads(about.read_text())["region"])
            for path in about.parent.iterdir():
                if path.name.startswith("."):
                    continue
                head, _, body = path.read_bytes().partition(b"\n")
                record = json.loads(head)
                key = self._backend.put_object(bucket, record["key"], body, etag=record["etag"])
                key.set_metadata(record["metadata"])
                self._saved[bucket, record["key"]] = key

    def save(self) -> None:
        """Write what changed since the last call. A replaced object is another Python object, hence ``is``."""
        with self._lock:
            current: dict[tuple[str, str], FakeKey] = {}
            buckets = dict(self._backend.buckets)
            for name, bucket in buckets.items():
                self._save_bucket(name, bucket)
                current.update(
                    {(name, key): value for key, value in list(bucket.keys.items()) if type(value) is FakeKey}
                )
            for address in self._saved.keys() - current.keys():
                self._path(*address).unlink(missing_ok=True)
            for address, key in current.items():
                if self._saved.get(address) is not key:
                    head = {"key": address[1], "etag": key.etag.strip('"'), "metadata": dict(key.metadata)}
                    write_atomically(self._path(*address), json.dumps(head).encode() + b"\n" + key.value)
            for about in self._root.glob("*/.bucket"):
                if about.parent.name not in buckets:
                    shutil.rmtree(about.parent)
            self._saved = current

    def _save_bucket(self, name: str, bucket: FakeBucket) -> None:
        about = self._root / name / ".bucket"
        if not about.exists():
            write_atomically(about, json.dumps({"region": bucket.region_name}).encode())

    def _path(self, bucket: str, key: str) -> Path:
        # Keys hold slashes and may be longer than a file name may be.
        return self._root / bucket / hashlib.sha256(key.encode()).hexdigest()


class SecretStorage:
    """All secrets of all regions in one JSON file."""

    def __init__(self, path: Path) -> None:
        """Keep the secrets in ``path``."""
        self._path = path
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Bring the secrets of an earlier process back, ARNs included."""
        if not self._path.exists():
            return
        for region, records in json.loads(self._path.read_text(), object_hook=_bytes_from_json).items():
            backend = secretsmanager_backends[DEFAULT_ACCOUNT_ID][region]
            for record in records:
                secret = FakeSecret(DEFAULT_ACCOUNT_ID, region, record["name"], {}, "")
                vars(secret).update(record)
                backend.secrets[secret.name] = secret

    def save(self) -> None:
        """Write the secrets as they are now."""
        with self._lock:
            regions = {
                region: [
                    {field: getattr(secret, field) for field in _SECRET_FIELDS}
                    for secret in dict.values(backend.secrets)
                    if isinstance(secret, FakeSecret)
                ]
                for region, backend in secretsmanager_backends[DEFAULT_ACCOUNT_ID].items()
            }
            write_atomically(self._path, json.dumps(regions, default=_bytes_to_json).encode())


def _bytes_to_json(value: Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"cannot keep a {type(value).__name__} in JSON")


def _bytes_from_json(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value
