"""Keep secrets in a file, so that they survive the server: written before a request is answered, atomically."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
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
