"""Whatever breaks inside, a client gets an answer: an HTTP 500 would make the connector run its statement again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from starlette.testclient import TestClient

from include.sandbox.snowflake import execution, query_history, results
from include.sandbox.snowflake.protocol import clients, query_results, requests
from include.sandbox.snowflake.protocol.clients import Lifetimes
from include.sandbox.snowflake.protocol.server import Server
from include.sandbox.snowflake.session import Account

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """An account of the test's own, in this process."""
    opened = Account.open(tmp_path, name="sandbox", user="ME", role="SYSADMIN", warehouse="W")
    opened.engine.create_database("SANDBOX", if_not_exists=True)
    opened.users.ensure_first("ME", "mine", "")
    yield opened
    opened.engine.close()


def door(account: Account, lifetimes: Lifetimes | None = None, server: Server | None = None) -> Ask:
    """What sends requests to the account's server, as a client that has logged in."""
    http = TestClient((server or Server(account, lifetimes=lifetimes)).app, raise_server_exceptions=False)
    log_in = {"data": {"LOGIN_NAME": "me", "PASSWORD": "mine", "ACCOUNT_NAME": "sandbox"}}
    where = {"databaseName": "SANDBOX", "schemaName": "PUBLIC"}
    tokens = http.post("/session/v1/login-request", json=log_in, params=where).json()["data"]

    def ask(path: str = "/queries/v1/query-request", *, master: bool = False, **body: Any) -> dict[str, Any]:
        token = tokens["masterToken" if master else "token"]
        answer = http.post(path, json=body, headers={"Authorization": f'Snowflake Token="{token}"'})
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        if told.get("success") and "token-request" in path:
            tokens.update(token=told["data"]["sessionToken"], masterToken=told["data"]["masterToken"])
        return told

    return ask


def broken(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("something gave way")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (execution, "run"),
        (requests, "statements_of"),
        (requests, "answer"),
        (results.Result, "payload"),
    ],
)
def test_a_fault_is_an_answer_and_the_session_goes_on(
    account: Account, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    ask = door(account)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, broken)
        answer = ask(sqlText="SELECT 1")
    assert answer["success"] is False
    assert answer["code"] == "300002"
    assert "something gave way" in answer["message"]
    assert ask(sqlText="SELECT 1")["success"] is True


@pytest.mark.parametrize(("place", "name"), [(query_history.QueryHistory, "write"), (query_results.ResultStore, "put")])
def test_what_cannot_be_kept_does_not_make_a_done_statement_fail(
    account: Account, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    ask = door(account)
    ask(sqlText="CREATE TABLE t (a INT)")
    with monkeypatch.context() as patch:
        patch.setattr(place, name, broken)
        assert ask(sqlText="INSERT INTO t VALUES (1)")["success"] is True
    assert ask(sqlText="SELECT * FROM t")["data"]["total"] == 1


def test_a_change_whose_commit_fails_is_not_there(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = door(account)
    ask(sqlText="CREATE TABLE t (a INT)")
    with monkeypatch.context() as patch:
        patch.setattr("include.sandbox.snowflake.transactions.Transaction.commit", broken)
        assert ask(sqlText="INSERT INTO t VALUES (1)")["code"] == "300002"
    ask(sqlText="INSERT INTO t VALUES (2)")
    assert ask(sqlText="SELECT a FROM t")["data"]["total"] == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b'{"sqlText": 1}', b'{"sqlText": "SELECT 1", "bindings": [1]}']
)
def test_a_bad_request_is_an_answer(account: Account, body: bytes) -> None:
    http = TestClient(Server(account).app, raise_server_exceptions=False)
    log_in = {"data": {"LOGIN_NAME": "me", "PASSWORD": "mine"}}
    token = http.post("/session/v1/login-request", json=log_in).json()["data"]["token"]
    header = {"Authorization": f'Snowflake Token="{token}"'}
    answer = http.post("/queries/v1/query-request", content=body, headers=header)
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert http.post("/session/v1/login-request", content=body).json()["success"] is False


def test_a_request_that_comes_twice_runs_once(account: Account) -> None:
    ask = door(account)
    ask(sqlText="CREATE TABLE t (a INT)")
    path = "/queries/v1/query-request?requestId=one-and-the-same"
    first, second = (ask(path, sqlText="INSERT INTO t VALUES (1)") for _ in range(2))
    assert first == second
    assert ask(sqlText="SELECT * FROM t")["data"]["total"] == 1


def test_a_token_runs_out_and_is_renewed(account: Account) -> None:
    ask = door(account, Lifetimes(token=0, master=60))
    assert ask(sqlText="SELECT 1")["code"] == "390112"
    assert ask("/session/token-request", master=True, requestType="RENEW")["success"] is True
    gone = door(account, Lifetimes(token=0, master=0))
    assert gone("/session/token-request", master=True, requestType="RENEW")["code"] == "390114"


def test_a_token_that_nobody_has_opens_nothing(account: Account) -> None:
    http = TestClient(Server(account).app)
    for header, code in (({}, "390104"), ({"Authorization": 'Snowflake Token="guess"'}, "390111")):
        for path in (
            "/queries/v1/query-request",
            "/session/heartbeat",
            "/session/token-request",
            "/session?delete=true",
        ):
            assert http.post(path, json={"sqlText": "SELECT 1"}, headers=header).json()["code"] == code


ADDRESS = ("testclient", 50000)  # of the test client's only connection


def test_a_vanished_client_holds_up_nobody(account: Account) -> None:
    server = Server(account, lifetimes=Lifetimes(alone=0.0))
    ask, other = door(account, server=server), door(account)
    other(sqlText="CREATE TABLE t (a INT)")
    ask(sqlText="CREATE TEMPORARY TABLE mine (a INT)")
    ask(sqlText="BEGIN")
    ask(sqlText="INSERT INTO t VALUES (1)")
    number = next(session for session in account.sessions if session.transaction.open).id
    server.connection_lost(ADDRESS)
    server.look_after(grace=0.0)
    while any(session.id == number and not session.is_closed for session in account.sessions):
        time.sleep(0.01)
    assert other(sqlText="UPDATE t SET a = 2")["success"] is True
    assert other(sqlText="SELECT * FROM t")["data"]["total"] == 0
    assert ask(sqlText="SELECT 1")["code"] == "390111"


def test_a_client_without_a_connection_may_come_back(account: Account) -> None:
    server = Server(account)
    ask = door(account, server=server)
    ask(sqlText="CREATE TEMPORARY TABLE mine (a INT)")
    server.connection_lost(ADDRESS)
    server.look_after(grace=0.0)
    assert ask(sqlText="SELECT * FROM mine")["success"] is True


def test_sessions_are_so_many_at_most(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_MOST_SESSIONS", 2)
    server = Server(account)
    first, _ = door(account, server=server), door(account, server=server)
    http = TestClient(server.app, raise_server_exceptions=False)
    log_in = {"data": {"LOGIN_NAME": "me", "PASSWORD": "mine"}}
    refused = http.post("/session/v1/login-request", json=log_in).json()
    assert (refused["success"], refused["code"]) == (False, "000002")
    server.connection_lost(ADDRESS)  # the first two have gone: the one that has been gone longest makes room
    assert http.post("/session/v1/login-request", json=log_in).json()["success"] is True
    assert first(sqlText="SELECT 1")["code"] == "390111"
