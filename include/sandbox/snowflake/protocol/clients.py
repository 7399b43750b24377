"""The clients that are logged in: their tokens, what each has asked for, and whether it is still there."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from collections import OrderedDict, deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.errors import SqlError, session_gone, unsupported
from include.sandbox.snowflake.protocol import requests
from include.sandbox.snowflake.protocol.requests import Body
from include.sandbox.snowflake.queries import Query
from include.sandbox.snowflake.session import Session

log = logging.getLogger(__name__)

_KEPT_REQUESTS = 16
_LARGE_ANSWER = 256 * 1024
_MOST_SESSIONS = 500


@dataclass(frozen=True)
class Lifetimes:
    """Seconds that tokens are valid; using the master token prolongs it."""

    token: int = 3600
    master: int = 4 * 3600
    alone: float = 900.0  # without any connection; a client may close its connections and come back


@dataclass(eq=False)
class Client:
    """A session with the requests it has under way."""

    session: Session
    token: str = ""
    master_token: str = ""
    token_until: float = 0.0
    master_until: float = 0.0
    # The connector sends a request again after a fault of the network: it must not run twice.
    requests: OrderedDict[str, str] = field(default_factory=OrderedDict)
    answers: OrderedDict[str, Future[bytes]] = field(default_factory=OrderedDict)
    connections: set[tuple[str, int]] = field(default_factory=set)
    gone_since: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[tuple[Query, Body, Future[bytes]]] = field(default_factory=deque)
    is_running: bool = False


class Clients:
    """All of them, by token. The server's event loop calls these methods; the statements run in `workers`."""

    def __init__(self, workers: Executor, lifetimes: Lifetimes) -> None:
        self._workers = workers
        self.lifetimes = lifetimes
        self._lock = threading.Lock()
        self._by_token: dict[str, Client] = {}
        self._by_master: dict[str, Client] = {}

    # ---- coming and going ----

    def add(self, session: Session) -> Client:
        """Let a session in."""
        client = Client(session)
        with self._lock:
            is_full = len(self._by_master) >= _MOST_SESSIONS
        if is_full and not self._end_longest_gone():
            session.close()
            raise unsupported(f"more than {_MOST_SESSIONS} sessions at once")
        self._give_tokens(client)
        return client

    def _give_tokens(self, client: Client) -> None:
        now = time.monotonic()
        with self._lock:
            self._by_token.pop(client.token, None)
            self._by_master.pop(client.master_token, None)
            client.token, client.master_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
            client.token_until, client.master_until = now + self.lifetimes.token, now + self.lifetimes.master
            self._by_token[client.token] = self._by_master[client.master_token] = client

    def of(self, request: Request) -> Client:
        """The client that sends a request, or Snowflake's error for its token."""
        client = self._seen(request, self._by_token)
        if time.monotonic() > client.token_until:
            raise SqlError(390112, "08001", "Your session has expired. Please login again.")
        return client

    def renew(self, request: Request, body: dict[str, Any]) -> Client:
        """The client that sends a master token, with new tokens."""
        client = self._seen(request, self._by_master)
        if time.monotonic() > client.master_until:
            raise SqlError(390114, "08001", "Authentication token has expired. The user must authenticate again.")
        if body.get("requestType") not in {"RENEW", None}:
            raise unsupported(f"token request {body.get('requestType')}")
        self._give_tokens(client)
        return client

    def prolong(self, client: Client) -> None:
        """Note a sign of life."""
        client.master_until = time.monotonic() + self.lifetimes.master

    def _seen(self, request: Request, known: dict[str, Client]) -> Client:
        header = request.headers.get("Authorization", "")
        token = header.removeprefix('Snowflake Token="').rstrip('"')
        if not token:
            raise SqlError(390104, "08001", "User must login again to access the service.")
        client = known.get(token)
        if client is None or client.session.is_closed:
            if client:
                self.end(client)
            raise session_gone()
        if request.client:
            client.connections.add((request.client.host, request.client.port))
            client.gone_since = None
        return client

    def end(self, client: Client) -> None:
        """Log a client out."""
        with self._lock:
            self._by_master.pop(client.master_token, None)
            was_known = self._by_token.pop(client.token, None)
        if was_known:
            client.session.close()

    def close(self) -> None:
        """Log all out."""
        for client in list(self._by_token.values()):
            self.end(client)

    # ---- what they ask for ----

    def submit(self, client: Client, request_id: str | None, body: Body) -> str:
        """Put a request in line behind the client's others, unless it is one that came before."""
        request_id = request_id or str(uuid.uuid4())
        if request_id in client.requests:
            return client.requests[request_id]
        query = requests.query_of(client.session, body)
        answer: Future[bytes] = Future()
        self._forget_old(client)
        client.requests[request_id], client.answers[query.id] = query.id, answer
        if execution.is_out_of_turn(query.sql):
            self._workers.submit(_answer, query, body, answer)
            return query.id
        client.session.account.queries.arrive(query)
        with client.lock:
            client.waiting.append((query, body, answer))
            if client.is_running:
                return query.id
            client.is_running = True
        self._workers.submit(self._run_waiting, client)
        return query.id

    @staticmethod
    def _run_waiting(client: Client) -> None:
        while True:
            with client.lock:
                if not client.waiting:
                    client.is_running = False
                    return
                query, body, answer = client.waiting.popleft()
            _answer(query, body, answer)

    @staticmethod
    def _forget_old(client: Client) -> None:
        """Forget answers of the past; what is asked for again is made anew from the result."""
        for query_id, answer in list(client.answers.items()):
            if answer.done() and (len(client.answers) >= _KEPT_REQUESTS or _is_large(answer)):
                del client.answers[query_id]
        while len(client.requests) >= 4 * _KEPT_REQUESTS:
            client.requests.popitem(last=False)

    # ---- clients that vanish ----

    def connection_lost(self, address: tuple[str, int]) -> None:
        """Note that a connection is closed; a client without any may have died."""
        for client in list(self._by_token.values()):
            client.connections.discard(address)
            if not client.connections and client.gone_since is None:
                client.gone_since = time.monotonic()

    def end_vanished(self, grace: float) -> None:
        """End the sessions that nobody can come back to, and those that hold up others and have lost their client."""
        now = time.monotonic()
        for client in list(self._by_token.values()):
            if client.session.is_busy:
                continue
            # What holds up others is ended soon.
            patience = grace if client.session.transaction.open else self.lifetimes.alone
            is_gone = client.gone_since is not None and now - client.gone_since > patience
            if is_gone or now > client.master_until:
                log.info("session %s: its client is gone, rolling back", client.session.id)
                self._workers.submit(self.end, client)

    def _end_longest_gone(self) -> bool:
        gone = [client for client in list(self._by_token.values()) if client.gone_since is not None]
        if not gone:
            return False
        self.end(min(gone, key=lambda client: client.gone_since or 0.0))
        return True


def _answer(query: Query, body: Body, answer: Future[bytes]) -> None:
    """Run a request; whatever happens, somebody waits for the answer."""
    try:
        answer.set_result(requests.carry_out(query, body))
    except BaseException as error:
        answer.set_exception(error)


def _is_large(answer: Future[bytes]) -> bool:
    return answer.exception() is None and len(answer.result()) > _LARGE_ANSWER
