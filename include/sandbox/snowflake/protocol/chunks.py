"""Large results, which clients fetch in parts by address, several at a time, as they do from Snowflake's storage."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from include.sandbox.snowflake.results import Result
    from include.sandbox.snowflake.session import Account, Session

log = logging.getLogger(__name__)
_SECRET = secrets.token_bytes(32)
_LARGE = 4 << 20  # bytes that an answer may have in itself
_PART = 12 << 20


def payload(session: Session, result: Result) -> dict[str, Any]:
    """The part of a response that carries the rows, or says where they are."""
    table = result.table
    if not session.endpoint or table.nbytes <= _LARGE or result.counts_changes:
        return result.payload()
    rows = max(1, table.num_rows * _PART // table.nbytes)
    starts = range(0, table.num_rows, rows)
    counts = [min(rows, table.num_rows - start) for start in starts]
    size = table.nbytes // len(counts)
    parts = [
        {
            "url": f"https://{session.endpoint}{_path(result.query_id, start, count)}",
            "rowCount": count,
            "uncompressedSize": size,
            "compressedSize": size,
        }
        for start, count in zip(starts, counts, strict=True)
    ]
    return {
        "queryResultFormat": "arrow",
        "rowsetBase64": "",
        "total": table.num_rows,
        "chunks": parts,
        "chunkHeaders": {},
    }


def _path(query_id: str, start: int, count: int) -> str:
    name = f"{query_id}/{start}/{count}"
    return f"/results/{name}/{hmac.new(_SECRET, name.encode(), 'sha256').hexdigest()}"


def routes(account: Account) -> list[Route]:
    """The paths of the parts."""

    async def part(request: Request) -> Response:
        query_id, start, count = (request.path_params[name] for name in ("query_id", "start", "count"))
        if not hmac.compare_digest(_path(query_id, start, count), request.url.path):
            return Response(status_code=403)
        try:
            body = await asyncio.to_thread(_read, account, query_id, start, count)
        except Exception:
            log.exception("part of the result %s", query_id)
            return Response(status_code=500)
        return Response(body, media_type="application/octet-stream") if body else Response(status_code=404)

    return [Route("/results/{query_id}/{start:int}/{count:int}/{signature}", part, methods=["GET"])]


def _read(account: Account, query_id: str, start: int, count: int) -> bytes | None:
    result = account.results.get(query_id)
    return result.to_ipc(start, count) if result else None
