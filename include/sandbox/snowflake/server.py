"""Snowflake's HTTP protocol, as its Python connector speaks it: log in, run statements, log out."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import logging
import secrets
import threading
import time
import uuid
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from fakesnow.converter import from_binding
from fakesnow.transforms import SERVER_VERSION
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from include.sandbox.snowflake import execution, grammar, statements
from include.sandbox.snowflake.errors import SqlError, translate
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.session import Account, Session
from include.sandbox.snowflake.statements.sessions import set_parameter

log = logging.getLogger(__name__)

# Snowflake answers a statement that takes longer with "in progress", and the client asks again.
IN_PROGRESS_AFTER = 40.0
_SUCCESS = {"data": None, "code": None, "message": None, "success": True}
_KEPT_REQUESTS = 16
_FORGOTTEN_AFTER = 4 * 3600.0


@dataclass
class Client:
    """A session with the requests it has under way."""

    session: Session
    token: str
    # The connector sends a request again after a fault of the network: it must not run twice.
    requests: OrderedDict[str, str] = field(default_factory=OrderedDict)
    queries: OrderedDict[str, Future[dict[str, Any]]] = field(default_factory=OrderedDict)
    connections: set[tuple[str, int]] = field(default_factory=set)
    gone_since: float | None = None


class Server:
    """The account's door: who is logged in, and what they asked for."""

    def __init__(self, account: Account, password: str, *, in_progress_after: float = IN_PROGRESS_AFTER) -> None:
        self._account = account
        self._password = password
        self._in_progress_after = in_progress_after
        self._clients: dict[str, Client] = {}
        statements.load()
        self._workers = ThreadPoolExecutor(max_workers=64, thread_name_prefix="statement")
        self.app = Starlette(
            routes=[
                Route("/session/v1/login-request", self.login, methods=["POST"]),
                Route("/session", self.end_session, methods=["POST"]),
                Route("/session/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/session/token-request", self.renew, methods=["POST"]),
                Route("/queries/v1/query-request", self.query, methods=["POST"]),
                Route("/queries/v1/abort-request", self.abort, methods=["POST"]),
                Route("/queries/{query_id}/result", self.result, methods=["GET"]),
                Route("/queries/{query_id}/abort-request", self.abort, methods=["POST"]),
                Route("/monitoring/queries/{query_id}", self.monitor, methods=["GET"]),
                Route("/telemetry/send", self.telemetry, methods=["POST"]),
            ],
            exception_handlers={Exception: _fault},
        )

    # ---- sessions ----

    async def login(self, request: Request) -> JSONResponse:
        """Check user and password and open a session."""
        data = (await _body(request))["data"]
        user, password = str(data.get("LOGIN_NAME") or ""), str(data.get("PASSWORD") or "")
        known = user.upper() == self._account.user.upper()
        if not (known and hmac.compare_digest(password.encode(), self._password.encode())):
            return _failure(SqlError(390100, "08001", "Incorrect username or password was specified."))
        session = Session(self._account)
        self._place(session, request.query_params)
        for name, value in (data.get("SESSION_PARAMETERS") or {}).items():
            if name.upper() in {"AUTOCOMMIT", "QUERY_TAG", "LOCK_TIMEOUT"}:
                set_parameter(session, name, str(value))
        client = Client(session, secrets.token_urlsafe(32))
        self._clients[client.token] = client
        return JSONResponse({"data": self._login_data(client), "success": True, "code": None, "message": None})

    def _place(self, session: Session, wanted: Any) -> None:
        """Use the database and schema that the client names, where they exist: connecting creates nothing."""
        names = [wanted.get(key) for key in ("databaseName", "schemaName")]
        database, schema = (grammar.resolve_identifier(name) if name else None for name in names)
        engine = self._account.engine
        if database in engine.databases():
            if schema is None and engine.has_schema(database, "PUBLIC"):
                schema = "PUBLIC"
            session.use(database, schema if engine.has_schema(database, schema) else None)

    def _login_data(self, client: Client) -> dict[str, Any]:
        session = client.session
        return {
            "token": client.token,
            "masterToken": client.token,
            "validityInSeconds": 86400,
            "masterValidityInSeconds": 86400,
            "serverVersion": SERVER_VERSION,
            "sessionId": session.id,
            "parameters": [
                {"name": "AUTOCOMMIT", "value": session.autocommit},
                {"name": "TIMEZONE", "value": "Etc/UTC"},
                {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
                {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 0},
                {"name": "CLIENT_TELEMETRY_ENABLED", "value": False},
            ],
            "sessionInfo": {
                "databaseName": session.database,
                "schemaName": session.schema,
                "warehouseName": session.warehouse,
                "roleName": session.role,
            },
        }

    async def end_session(self, request: Request) -> JSONResponse:
        """Log out."""
        client = self._client(request)
        if client and request.query_params.get("delete"):
            await asyncio.get_running_loop().run_in_executor(None, self._end, client)
        return JSONResponse(_SUCCESS)

    def _end(self, client: Client) -> None:
        if self._clients.pop(client.token, None):
            client.session.close()

    async def heartbeat(self, request: Request) -> JSONResponse:
        """Keep a session alive."""
        return JSONResponse(_SUCCESS) if self._client(request) else _logged_out()

    async def renew(self, request: Request) -> JSONResponse:
        """Renew a session's token, which does not expire here."""
        client = self._client(request)
        return JSONResponse({"data": self._login_data(client), "success": True}) if client else _logged_out()

    # ---- statements ----

    async def query(self, request: Request) -> JSONResponse:
        """Run one statement."""
        client = self._client(request)
        if not client:
            return _logged_out()
        body = await _body(request)
        request_id = request.query_params.get("requestId") or str(uuid.uuid4())
        if request_id not in client.requests:
            query_id = client.requests[request_id] = str(uuid.uuid4())
            client.queries[query_id] = self._workers.submit(_run, client.session, body, query_id)
            for kept in (client.requests, client.queries):
                while len(kept) > _KEPT_REQUESTS:
                    kept.popitem(last=False)
        wait = 0.0 if body.get("asyncExec") else self._in_progress_after
        return await self._answer(client, client.requests[request_id], wait)

    async def _answer(self, client: Client, query_id: str, wait: float) -> JSONResponse:
        """The response of a statement, or after `wait` seconds that it is in progress."""
        if query_id not in client.queries:
            return _failure(SqlError(709, "02000", f"Statement {query_id} not found"))
        running = client.queries[query_id]
        if wait:
            await asyncio.wait([asyncio.wrap_future(running)], timeout=wait)
            if running.done():
                return JSONResponse(running.result())
        data = {"queryId": query_id, "getResultUrl": f"/queries/{query_id}/result"}
        code = "333333" if wait else "333334"
        return JSONResponse({"data": data, "code": code, "message": "Query execution in progress.", "success": True})

    async def result(self, request: Request) -> JSONResponse:
        """Wait for a statement that was in progress."""
        client = self._client(request)
        if not client:
            return _logged_out()
        return await self._answer(client, request.path_params["query_id"], self._in_progress_after)

    async def monitor(self, request: Request) -> JSONResponse:
        """Say whether a statement runs still."""
        client = self._client(request)
        query_id = request.path_params["query_id"]
        running = client.queries.get(query_id) if client else None
        queries = [{"id": query_id, "status": _state(running)}] if running else []
        return JSONResponse({"data": {"queries": queries}, "success": True})

    async def abort(self, request: Request) -> JSONResponse:
        """Stop the session's running statement."""
        if client := self._client(request):
            client.session.cancel()
        return JSONResponse(_SUCCESS)

    async def telemetry(self, request: Request) -> JSONResponse:  # noqa: ARG002
        """Accept and forget what clients report of themselves."""
        return JSONResponse(_SUCCESS)

    # ---- clients that vanish ----

    def _client(self, request: Request) -> Client | None:
        header = request.headers.get("Authorization", "")
        client = self._clients.get(header.removeprefix('Snowflake Token="').rstrip('"'))
        if client and request.client:
            client.connections.add(tuple(request.client))
            client.gone_since = None
        return client

    def connection_lost(self, address: tuple[str, int]) -> None:
        """Note that a connection is closed; a client without any may have died."""
        for client in self._clients.values():
            client.connections.discard(address)
            if not client.connections and client.gone_since is None:
                client.gone_since = time.monotonic()

    def end_vanished(self, grace: float) -> None:
        """End the sessions whose client has had no connection for `grace` seconds and runs nothing."""
        for client in list(self._clients.values()):
            if client.gone_since is None or client.session.is_busy:
                continue
            # Only what may hold up others is ended soon: a client may close its connections and come back.
            patience = grace if client.session.transaction.open else _FORGOTTEN_AFTER
            if time.monotonic() - client.gone_since > patience:
                log.info("session %s: its client is gone, rolling back", client.session.id)
                client.gone_since = None
                threading.Thread(target=self._end, args=[client], daemon=True).start()

    def close(self) -> None:
        """End all sessions."""
        for client in list(self._clients.values()):
            self._end(client)


def _state(running: Future[dict[str, Any]]) -> str:
    if not running.done():
        return "RUNNING"
    return "SUCCESS" if running.result()["success"] else "FAILED_WITH_ERROR"


def _run(session: Session, body: dict[str, Any], query_id: str) -> dict[str, Any]:
    """Run a statement to its response; there is no other way out than a response."""
    log.debug("session %s: %s", session.id, body.get("sqlText"))
    try:
        params, batch = _bindings(body.get("bindings") or {})
        describe_only = bool(body.get("describeOnly"))
        result = execution.execute(
            session, body["sqlText"], params, batch, query_id=query_id, describe_only=describe_only
        )
        return {"data": _response_data(session, result), "success": True, "code": None, "message": None}
    except Exception as error:
        known = translate(error)
        log.info("%s [%s]", known, " ".join(str(body.get("sqlText")).split())[:300], exc_info=known.sqlstate == "XX000")
        return _failure_body(known)


def _response_data(session: Session, result: Result) -> dict[str, Any]:
    data = {
        "queryId": result.query_id,
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
        "statementTypeId": result.type_id,
    }
    if result.transfer is not None:
        return {**data, **result.transfer}
    return {
        **data,
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": result.rowtype,
        **result.payload(),
    }


def _bindings(bindings: dict[str, Any]) -> tuple[Any, list[tuple[Any, ...]] | None]:
    """Bound values as Python's: by position, by name, or rows of them for a batch."""
    if not bindings:
        return None, None
    if not all(key.isdigit() for key in bindings):
        return {name: _bound(b, b["value"]) for name, b in bindings.items()}, None
    ordered = [bindings[key] for key in sorted(bindings, key=int)]
    if any(isinstance(b["value"], list) for b in ordered):
        columns = [[_bound(b, v) for v in b["value"]] for b in ordered]
        return None, list(zip(*columns, strict=True))
    return tuple(_bound(b, b["value"]) for b in ordered), None


def _bound(binding: dict[str, Any], value: Any) -> Any:
    if value is None:
        return None
    if binding["type"] == "REAL":
        return float(value)
    if binding["type"] == "FIXED":
        return Decimal(value) if "." in str(value) else int(value)
    if binding["type"].startswith("TIMESTAMP_NTZ"):
        return datetime(1970, 1, 1) + timedelta(microseconds=int(value) // 1000)  # noqa: DTZ001
    return from_binding({**binding, "value": value})


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    loaded: dict[str, Any] = json.loads(body)
    return loaded


def _failure_body(error: SqlError) -> dict[str, Any]:
    code = f"{error.code:06d}"
    data = {"errorCode": code, "sqlState": error.sqlstate}
    return {"data": data, "code": code, "message": error.message, "success": False, "headers": None}


def _failure(error: SqlError) -> JSONResponse:
    return JSONResponse(_failure_body(error))


def _logged_out() -> JSONResponse:
    return _failure(SqlError(390104, "08001", "User must login again to access the service."))


async def _fault(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    return _failure(translate(error))
