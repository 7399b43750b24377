"""Secrets that can be told from anything else, the forms they could leak in, and a search for them."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


def make_key() -> str:
    """Make a private key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def encrypt_key(pem: str, passphrase: str) -> str:
    """Return a key as PEM that takes a passphrase to read."""
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())).decode()


def needles(secrets: Mapping[str, str]) -> dict[bytes, str]:
    """Return all that may not be found, each with the name of its secret."""
    return {needle: name for name, secret in secrets.items() for needle in _forms(secret)}


def found_in(texts: Mapping[str, bytes], wanted: Mapping[bytes, str]) -> list[str]:
    """Tell which secrets are in which texts; never the secrets."""
    return sorted(
        {f"{name} in {place}" for place, text in texts.items() for needle, name in wanted.items() if needle in text}
    )


def read_files(folder: Path, *, without: tuple[Path, ...] = ()) -> dict[str, bytes]:
    """Read all files under a folder, looking into archives."""
    texts: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(one) for one in without):
            texts |= dict(members(str(path), path.read_bytes()))
    return texts


def members(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file, and the files in it if it is a tar.gz."""
    yield name, content
    if content.startswith(b"\x1f\x8b"):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    yield f"{name}/{member.name}", file.read()


def _forms(secret: str) -> Iterator[bytes]:
    if secret.startswith("-----BEGIN"):
        body = secret.strip().splitlines()[1:-1]
        # The last line may be short enough to stand anywhere.
        for line in body[:-1]:
            yield from _encodings(line)
        der = base64.b64decode("".join(body))
        yield der[:48].hex().encode()
        yield der[64:112].hex().encode()
    else:
        yield from _encodings(secret)


def _encodings(text: str) -> Iterator[bytes]:
    plain = text.encode()
    yield plain
    yield quote(text, safe="").encode()
    yield json.dumps(text)[1:-1].encode()
    yield plain.hex().encode()
    # As part of a longer text that was encoded as a whole: at each of three offsets, without the shared edges.
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + plain)
        core = encoded[4 if offset else 0 : len(encoded) - 4]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
