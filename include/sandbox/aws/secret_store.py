"""Secrets on disk: what a secret is, and all of them in one JSON file, replaced before a write is answered."""

from __future__ import annotations

import json
import secrets
import string
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from include.sandbox.aws.json_service import ServiceError
from include.sandbox.aws.storage import write_atomically

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
_VALUES = {"SecretString": "secret_string", "SecretBinary": "secret_binary"}


@dataclass
class Secret:
    """A secret of one region. A version has its stages and, by ``secret_string`` or ``secret_binary``, its value."""

    name: str
    arn: str
    created_date: float
    last_changed_date: float
    description: str | None = None
    tags: list[dict[str, str]] | None = None
    kms_key_id: str | None = None
    deleted_date: float | None = None
    policy: str | None = None
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def staged(self, stage: str) -> str | None:
        """Return the version that a stage is attached to."""
        return next((name for name, version in self.versions.items() if stage in version["version_stages"]), None)

    def move(self, stage: str, target: str) -> None:
        """Attach a stage to one version; the one that loses AWSCURRENT becomes AWSPREVIOUS."""
        source = self.staged(stage)
        if source == target:
            return
        if source:
            self.versions[source]["version_stages"].remove(stage)
        self.versions[target]["version_stages"].append(stage)
        if stage == CURRENT and source:
            self.move(PREVIOUS, source)
            stages = self.versions[target]["version_stages"]
            stages[:] = [item for item in stages if item != PREVIOUS]

    def add(self, token: str, value: dict[str, str], stages: list[str]) -> None:
        """Add a version, or accept the same one again."""
        present = self.versions.get(token)
        if present:
            if value_of(present) == value:
                return
            text = f"You can't use ClientRequestToken {token} because that value is already in use for a version of "
            raise ServiceError("ResourceExistsException", text + f"secret {self.arn}.")
        version = {"createdate": time.time(), "version_id": token, "version_stages": [], **value}
        self.versions[token] = version
        for stage in stages if self.staged(CURRENT) else {*stages, CURRENT}:
            self.move(stage, token)
        self.last_changed_date = time.time()


class SecretStore:
    """All secrets of all regions. Whoever uses it holds ``lock``."""

    def __init__(self, path: Path) -> None:
        """Keep the secrets in ``path``, and bring back those of an earlier process."""
        self._path = path
        self.lock = threading.RLock()
        self._regions: dict[str, dict[str, Secret]] = {}
        known = set(Secret.__dataclass_fields__)
        for region, records in json.loads(path.read_text()).items() if path.exists() else []:
            kept = [Secret(**{k: v for k, v in record.items() if k in known}) for record in records]
            self._regions[region] = {secret.name: secret for secret in kept}

    def in_region(self, region: str) -> dict[str, Secret]:
        """Return a region's secrets by name, without those whose time to be restored is over."""
        present = self._regions.setdefault(region, {})
        for name in [n for n, s in present.items() if s.deleted_date and s.deleted_date < time.time()]:
            del present[name]
        return present

    def find(self, region: str, identifier: str) -> Secret | None:
        """Return a secret by name, by ARN, or by ARN without its random end."""
        present = self.in_region(region)
        if not identifier.startswith("arn:"):
            return present.get(identifier)
        by_arn = {secret.arn: secret for secret in present.values()}
        short = {secret.arn[:-7]: secret for secret in present.values()}
        return by_arn.get(identifier) or short.get(identifier)

    def save(self) -> None:
        """Write all of them down."""
        regions = {region: [asdict(s) for s in present.values()] for region, present in self._regions.items()}
        write_atomically(self._path, json.dumps(regions).encode())


def value_of(version: dict[str, Any]) -> dict[str, str]:
    """Return the part of a version that is its value."""
    return {name: version[name] for name in _VALUES.values() if name in version}


def shown_value(version: dict[str, Any]) -> dict[str, str]:
    """Return a version's value as GetSecretValue gives it."""
    return {shown: version[name] for shown, name in _VALUES.items() if name in version}


def given_value(given: dict[str, Any]) -> dict[str, str]:
    """Return the value in a request; nothing where it has none."""
    value = {name: given[shown] for shown, name in _VALUES.items() if given.get(shown) is not None}
    if len(value) > 1:
        text = "You can't specify both a binary secret value and a string secret value in the same secret."
        raise ServiceError("InvalidParameterException", text)
    return value


def new_arn(region: str, name: str) -> str:
    """Return an ARN that ends, as the service's do, in six random letters."""
    end = "".join(secrets.choice(string.ascii_letters) for _ in range(6))
    return f"arn:aws:secretsmanager:{region}:{DEFAULT_ACCOUNT_ID}:secret:{name}-{end}"
