"""Upload and download of staged files over HTTP, as the connector does with an account on Google Cloud.

An upload is written beside the stage and moved there when it is complete, so a client that dies half-way leaves
nothing. What a client may read or write is in the token that PUT or GET gave it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import time
import uuid
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from include.sandbox.snowflake import durable

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Account

log = logging.getLogger(__name__)
BUCKET = "stages"
_SECRET = secrets.token_bytes(32)
_LASTS = 6 * 3600
_DIGEST = "x-goog-meta-sfc-digest"


def stage_info(root: Path, path: str, address: str, *, write: bool) -> dict[str, Any]:
    """Where a client transfers the files of a folder, and the token that lets it."""
    location = f"{BUCKET}/{path.strip('/')}".rstrip("/") + "/"
    grant = {"root": str(root), "path": path, "write": write, "until": time.time() + _LASTS}
    return {
        "locationType": "GCS",
        "location": location,
        "path": path,
        "region": "us-central1",
        "endPoint": address,
        "isClientSideEncrypted": False,
        "creds": {"GCS_ACCESS_TOKEN": _sign(grant)},
    }


def presigned_url(root: Path, file: str, address: str, seconds: int) -> str:
    """An address by which one file, quoted for an address, can be read without a log-in."""
    grant = {"root": str(root), "path": "", "only": file, "write": False, "until": time.time() + seconds}
    return f"https://{address}/{BUCKET}/{file}?token={_sign(grant)}"


def routes(account: Account) -> list[Route]:
    """The paths that files are transferred by."""
    incoming = account.engine.stages / "incoming"

    async def handle(request: Request) -> Response:
        try:
            granted = _granted(request)
            if granted is None:
                return Response(status_code=401)
            root, file = granted
            if request.method == "PUT":
                return await _receive(request, incoming, root, file)
            return await asyncio.to_thread(_describe, file) if request.method == "HEAD" else _send(file)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("transfer of %s", request.url.path)
            return Response(status_code=500)

    endpoint: Callable[[Request], Awaitable[Response]] = handle
    return [Route(f"/{BUCKET}/{{path:path}}", endpoint, methods=["PUT", "GET", "HEAD"])]


async def _receive(request: Request, incoming: Path, root: Path, file: Path) -> Response:
    incoming.mkdir(parents=True, exist_ok=True)
    partial = incoming / uuid.uuid4().hex
    try:
        with partial.open("wb") as out:
            async for chunk in request.stream():
                out.write(chunk)
            await asyncio.to_thread(os.fsync, out.fileno())
        if not root.is_dir():  # the stage was dropped meanwhile
            return Response(status_code=404)
        await asyncio.to_thread(publish, partial, file)
    finally:
        partial.unlink(missing_ok=True)
    return Response(status_code=200)


def copy(source: Path, target: Path, incoming: Path) -> None:
    """Copy a file to a place where it is complete or not at all."""
    incoming.mkdir(parents=True, exist_ok=True)
    partial = incoming / uuid.uuid4().hex
    shutil.copyfile(source, partial)
    durable.sync(partial)
    publish(partial, target)


def publish(partial: Path, file: Path) -> None:
    """Let a finished file be seen under its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(file)
    durable.sync(file.parent)


def _describe(file: Path) -> Response:
    if not file.is_file():
        return Response(status_code=404)
    with file.open("rb") as opened:
        digest = b64encode(hashlib.file_digest(opened, "sha256").digest()).decode()
    return Response(headers={_DIGEST: digest, "content-length": str(file.stat().st_size)})


def _send(file: Path) -> Response:
    return FileResponse(file, media_type="application/octet-stream") if file.is_file() else Response(status_code=404)


# ---- tokens ----


def _sign(grant: dict[str, Any]) -> str:
    body = urlsafe_b64encode(json.dumps(grant).encode())
    return f"{body.decode()}.{hmac.new(_SECRET, body, 'sha256').hexdigest()}"


def _granted(request: Request) -> tuple[Path, Path] | None:
    """The root folder and the file that a request is for, if its token allows it."""
    header = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = header or request.query_params.get("token", "")
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(hmac.new(_SECRET, body.encode(), "sha256").hexdigest(), signature):
        return None
    grant = json.loads(urlsafe_b64decode(body))
    root = Path(grant["root"])
    raw = request.scope.get("raw_path") or request.url.path.encode()
    name = unquote(raw.split(b"?")[0].decode().removeprefix(f"/{BUCKET}/"))
    file = root / name
    inside = file.resolve().is_relative_to((root / grant["path"]).resolve() if grant["write"] else root.resolve())
    inside = inside and grant.get("only", quote(name)) == quote(name)
    allowed = inside and time.time() < grant["until"] and (grant["write"] or request.method in {"GET", "HEAD"})
    return (root, file) if allowed else None
