"""Snowflake's HTTP protocol, as its Python connector speaks it: log in, run statements, log out."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from include.sandbox.snowflake import statements
from include.sandbox.snowflake.errors import SqlError, statement_not_found, translate, unsupported
from include.sandbox.snowflake.fakesnow_seams import SERVER_VERSION
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.protocol import chunks, requests, transfers
from include.sandbox.snowflake.protocol.clients import Client, Clients, Lifetimes
from include.sandbox.snowflake.protocol.login import WrongAccountError, log_in
from include.sandbox.snowflake.session import Account
from include.sandbox.snowflake.staging import stages

log = logging.getLogger(__name__)

# Snowflake answers a statement that takes longer with "in progress", and the client asks again.
IN_PROGRESS_AFTER = 40.0
_SUCCESS = {"data": None, "code": None, "message": None, "success": True}
_WORKERS = 1_000


class Server:
    """The account's door: who is logged in, and what they asked for."""

    def __init__(
        self,
        account: Account,
        *,
        in_progress_after: float = IN_PROGRESS_AFTER,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        self._account = account
        self._in_progress_after = in_progress_after
        statements.load()
        stages.clean(account)
        # A statement that waits for a lock holds a worker, and the one that lets go of the lock needs another.
        self._workers = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="statement")
        self._clients = Clients(self._workers, lifetimes or Lifetimes())
        self.app = Starlette(
            routes=[
                Route("/session/v1/login-request", self.login, methods=["POST"]),
                Route("/session/authenticator-request", self.authenticator, methods=["POST"]),
                Route("/session", self.end_session, methods=["POST"]),
                Route("/session/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/session/token-request", self.renew, methods=["POST"]),
                Route("/queries/v1/query-request", self.query, methods=["POST"]),
                Route("/queries/v1/abort-request", self.abort_request, methods=["POST"]),
                Route("/queries/{query_id}/result", self.result, methods=["GET"]),
                Route("/queries/{query_id}/abort-request", self.abort, methods=["POST"]),
                Route("/monitoring/queries/{query_id}", self.monitor, methods=["GET"]),
                Route("/telemetry/send", self.telemetry, methods=["POST"]),
                *transfers.routes(account),
                *chunks.routes(account),
            ],
            exception_handlers={SqlError: _fault, Exception: _fault},
        )

    # ---- sessions ----

    async def login(self, request: Request) -> Response:
        """Find out who it is and open a session."""
        data = (await _body(request)).get("data") or {}
        try:
            session = await self._in_thread(log_in, self._account, data, dict(request.query_params))
        except WrongAccountError as error:
            log.info("log-in to an account that is not here: %s", error)
            return JSONResponse({"message": "Forbidden"}, status_code=403)
        except Exception as error:
            known = translate(error)
            log.info("log-in refused: %s", known, exc_info=known.sqlstate == "XX000")
            raise known from error
        session.endpoint = request.headers.get("host", "")
        client = self._clients.add(session)
        return JSONResponse({"data": self._login_data(client), "success": True, "code": None, "message": None})

    async def authenticator(self, request: Request) -> Response:
        """The first step of logging in through another service, which there is none of."""
        data = (await _body(request)).get("data") or {}
        raise unsupported(f"authenticator {data.get('AUTHENTICATOR')}")

    def _login_data(self, client: Client) -> dict[str, Any]:
        session, lifetimes = client.session, self._clients.lifetimes
        return {
            "token": client.token,
            "masterToken": client.master_token,
            "validityInSeconds": lifetimes.token,
            "masterValidityInSeconds": lifetimes.master,
            "serverVersion": SERVER_VERSION,
            "sessionId": session.id,
            "displayUserName": session.user,
            "parameters": parameters.for_clients(session.parameters),
            "sessionInfo": {
                "databaseName": session.database,
                "schemaName": session.schema,
                "warehouseName": session.warehouse,
                "roleName": session.role,
            },
        }

    async def end_session(self, request: Request) -> Response:
        """Log out."""
        client = self._clients.of(request)
        if request.query_params.get("delete"):
            await self._in_thread(self._clients.end, client)
        return JSONResponse(_SUCCESS)

    async def heartbeat(self, request: Request) -> Response:
        """Keep a session alive."""
        self._clients.prolong(self._clients.of(request))
        return JSONResponse(_SUCCESS)

    async def renew(self, request: Request) -> Response:
        """Give a session a new token for its master token."""
        client = self._clients.renew(request, await _body(request))
        lifetimes = self._clients.lifetimes
        data = {
            "sessionToken": client.token,
            "masterToken": client.master_token,
            "validityInSecondsST": lifetimes.token,
            "masterValidityInSeconds": lifetimes.master,
            "sessionId": client.session.id,
        }
        return JSONResponse({"data": data, "success": True, "code": None, "message": None})

    # ---- statements ----

    async def query(self, request: Request) -> Response:
        """Run what a request asks for; asked again with the same id, it does not run again."""
        client = self._clients.of(request)
        body = await _body(request)
        query_id = self._clients.submit(client, request.query_params.get("requestId"), body)
        return await self._answer(client, query_id, 0.0 if body.get("asyncExec") else self._in_progress_after)

    async def _answer(self, client: Client, query_id: str, wait: float) -> Response:
        """The response of a statement, or after `wait` seconds that it is in progress."""
        if running := client.answers.get(query_id):
            if wait:
                await asyncio.wait([asyncio.wrap_future(running)], timeout=wait)
                if running.done():
                    return _json(running.result())
        elif self._account.queries.find(query_id):
            deadline = time.monotonic() + wait
            while self._account.queries.find(query_id) and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
        else:
            return _json(await self._in_thread(requests.earlier, client.session, query_id))
        data = {"queryId": query_id, "getResultUrl": f"/queries/{query_id}/result"}
        code = "333333" if wait else "333334"
        return JSONResponse({"data": data, "code": code, "message": "Query execution in progress.", "success": True})

    async def result(self, request: Request) -> Response:
        """Wait for a statement that was in progress, or fetch the answer of one that has ended."""
        client = self._clients.of(request)
        return await self._answer(client, request.path_params["query_id"], self._in_progress_after)

    async def monitor(self, request: Request) -> Response:
        """Say what has become of a statement."""
        session = self._clients.of(request).session
        states = await self._in_thread(requests.state, session, request.path_params["query_id"])
        return JSONResponse({"data": {"queries": states}, "success": True, "code": None, "message": None})

    async def abort_request(self, request: Request) -> Response:
        """Stop the statement of an earlier request."""
        client = self._clients.of(request)
        query_id = client.requests.get(str((await _body(request)).get("requestId")))
        if query_id and (query := self._account.queries.find(query_id)):
            self._account.queries.stop(query)
        return JSONResponse(_SUCCESS)

    async def abort(self, request: Request) -> Response:
        """Stop a statement of the user's."""
        session = self._clients.of(request).session
        query_id = request.path_params["query_id"]
        query = self._account.queries.find(query_id)
        if query is None or query.session.user != session.user:
            raise statement_not_found(query_id)
        self._account.queries.stop(query)
        return JSONResponse(_SUCCESS)

    async def telemetry(self, request: Request) -> Response:  # noqa: ARG002
        """Accept and forget what clients report of themselves."""
        return JSONResponse(_SUCCESS)

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)

    # ---- what happens by itself ----

    def connection_lost(self, address: tuple[str, int]) -> None:
        """Note that a connection is closed; a client without any may have died."""
        self._clients.connection_lost(address)

    def look_after(self, grace: float) -> None:
        """Stop statements that run too long, and end the sessions of clients that have vanished."""
        self._account.queries.enforce()
        self._clients.end_vanished(grace)

    def close(self) -> None:
        """End all sessions."""
        self._clients.close()


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        loaded = json.loads(body or b"{}")
    except (OSError, EOFError, ValueError):
        loaded = None
    if not isinstance(loaded, dict):
        raise SqlError(390400, "08001", "Bad request; the body is not a JSON object.")
    return loaded


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _fault(request: Request, error: Exception) -> Response:  # noqa: ARG001
    known = translate(error)
    if known.sqlstate == "XX000":
        log.error("%s", known, exc_info=error)
    return _json(requests.failure(known))
