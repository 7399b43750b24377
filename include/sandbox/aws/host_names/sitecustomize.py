"""Make algo-1, algo-2 … known to the Python programs of a training host.

Python imports this at its start, because the folder is on the host's PYTHONPATH. Names are looked up in
SANDBOX_HOSTS; programs not written in Python do not know them.
"""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Callable
from typing import Any

ADDRESSES: dict[str, str] = json.loads(os.environ.get("SANDBOX_HOSTS", "{}"))


def address_of(host: Any) -> Any:
    """Return the address of a training host; whatever else is asked for stays as it is."""
    return ADDRESSES.get(host, host) if isinstance(host, str) else host


def _first_translated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(host: Any, *arguments: Any, **named: Any) -> Any:
        return function(address_of(host), *arguments, **named)

    return call


def _endpoint_translated(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: socket.socket, *arguments: Any) -> Any:
        *others, endpoint = arguments
        if isinstance(endpoint, tuple) and endpoint:
            endpoint = (address_of(endpoint[0]), *endpoint[1:])
        return method(self, *others, endpoint)

    return call


if ADDRESSES:
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, name, _first_translated(getattr(socket, name)))
    # These resolve inside C, past the functions above.
    for name in ("connect", "connect_ex", "bind", "sendto"):
        setattr(socket.socket, name, _endpoint_translated(getattr(socket.socket, name)))
    socket.gethostname = lambda: os.environ["HOSTNAME"]
