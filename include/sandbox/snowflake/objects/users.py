"""The account's users: how each can prove who it is, and what its sessions start with."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from include.sandbox.snowflake.errors import SqlError, not_found
from include.sandbox.snowflake.objects.catalog import Catalog, Entry, Key

KIND = "USER"
KEYS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")


@dataclass(frozen=True)
class User:
    """A user, with the properties that its CREATE and ALTERs gave it, by upper-case name."""

    name: str
    properties: dict[str, Any] = field(default_factory=dict)
    created_on: Any = None

    def get(self, name: str, default: Any = None) -> Any:
        """A property's value."""
        return self.properties.get(name, default)

    @property
    def login_name(self) -> str:
        """The name to log in by."""
        return str(self.get("LOGIN_NAME") or self.name)

    @property
    def public_keys(self) -> list[RSAPublicKey]:
        """The keys that tokens may be signed with."""
        return [public_key(self.properties[name]) for name in KEYS if self.properties.get(name)]

    def has_password(self, password: str) -> bool:
        """True if this is the user's password."""
        kept = self.get("PASSWORD")
        return bool(kept) and bool(password) and _is_hash_of(kept, password)


def public_key(text: str) -> RSAPublicKey:
    """The key in a property: the base 64 of its DER form, with or without the lines around a PEM's."""
    try:
        key = load_der_public_key(base64.b64decode(_inner(text), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise SqlError(2140, "22023", "New public key rejected by current policy. Reason: 'Invalid public key'")
    return key


def _inner(text: str) -> str:
    return re.sub(r"-----[A-Z ]+-----|\s", "", text)


def fingerprint(key: RSAPublicKey) -> str:
    """What a token says of the key that signed it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def hashed(password: str) -> str:
    """A password as it is kept."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


@functools.lru_cache(maxsize=64)
def _is_hash_of(kept: str, password: str) -> bool:
    salt, digest = (bytes.fromhex(part) for part in kept.split(":"))
    return hmac.compare_digest(digest, _scrypt(password, salt))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Users:
    """The users of an account, in its catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def ensure_first(self, name: str, password: str, key: str) -> None:
        """Make the user of the first start; later its password and keys are as it has set them."""
        if self.find(name) is None:
            key = _inner(key)
            self._catalog.create(KIND, _key(name), {"PASSWORD": hashed(password), "RSA_PUBLIC_KEY": key})

    def all(self) -> list[User]:
        """All users by name."""
        return [_user(entry) for entry in self._catalog.entries(KIND)]

    def find(self, name: str) -> User | None:
        """A user by name."""
        entry = self._catalog.find(KIND, _key(name))
        return _user(entry) if entry else None

    def get(self, name: str) -> User:
        """A user by name, or Snowflake's error."""
        if user := self.find(name):
            return user
        raise not_found("User", name)

    def by_login(self, login_name: str) -> User | None:
        """A user by the name it logs in with, in any case."""
        wanted = login_name.upper()
        return next((user for user in self.all() if user.login_name.upper() == wanted), None)

    def create(self, user: User, *, replace_: bool, if_not_exists: bool) -> bool:
        """Add a user; False if it was there and may stay."""
        properties = dict(user.properties)
        return self._catalog.create(KIND, _key(user.name), properties, replace=replace_, if_not_exists=if_not_exists)

    def update(self, name: str, **changed: Any) -> User:
        """Change properties of a user."""
        return _user(self._catalog.update(KIND, _key(name), **changed))

    def drop(self, name: str, *, if_exists: bool) -> bool:
        """Remove a user."""
        if not if_exists:
            self.get(name)
        return self._catalog.drop(KIND, _key(name), if_exists=if_exists)


def _key(name: str) -> Key:
    return ("", "", name)


def _user(entry: Entry) -> User:
    return replace(User(entry.key[2]), properties=entry.definition, created_on=entry.created_on)
