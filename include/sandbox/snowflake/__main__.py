"""`python -m include.sandbox.snowflake --state DIR --port N`: the Snowflake server alone, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from include.sandbox import settings
from include.sandbox.snowflake.protocol.server import Server
from include.sandbox.snowflake.session import Account

VANISHED_AFTER = 3.0
# A wide statement is a tree of thousands of nodes: with Python's 700 its making is a third collecting of garbage.
_OBJECTS_BEFORE_COLLECTING = 50_000


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m include.sandbox.snowflake", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=os.environ.get("SANDBOX_LOG", "INFO"), format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it cannot parse is refused, which is logged
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    known = settings.load(arguments.state)
    account = Account.open(
        arguments.state / "snowflake",
        name=settings.ACCOUNT,
        user=known.user,
        role=settings.ROLE,
        warehouse=settings.WAREHOUSE,
    )
    account.engine.create_database(settings.DATABASE, if_not_exists=True)
    account.users.ensure_first(known.user, known.password, known.public_key.read_text())
    serve(Server(account), account, known, arguments.port)


def serve(server: Server, account: Account, known: settings.Settings, port: int) -> None:
    """Run the HTTP server over TLS on the loopback address."""

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        """Tells the server of closed connections: a client that is killed does not log out."""

        def connection_lost(self, exc: Exception | None) -> None:
            client = self.client
            super().connection_lost(exc)
            if client:
                server.connection_lost(client)

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.25)
            try:
                server.look_after(VANISHED_AFTER)
            except Exception:
                logging.exception("looking after the sessions failed")

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch())
        yield
        watching.cancel()

    server.app.router.lifespan_context = lifespan
    account.scheduler.start(account)
    uvicorn.run(
        server.app,
        host=settings.HOST,
        port=port,
        http=Protocol,
        ws="none",
        log_level="warning",
        ssl_certfile=str(known.certificate),
        ssl_keyfile=str(known.key),
        timeout_keep_alive=86_400,
        timeout_graceful_shutdown=1,
    )
    account.scheduler.stop()
    server.close()
    account.engine.close()


if __name__ == "__main__":
    main()
