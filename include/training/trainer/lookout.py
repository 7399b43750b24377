"""Ends a host that waits for one that is gone.

XGBoost's communicator tells most hosts of a broken connection at once; two that wait for each other at that moment
may never hear of it. The roll call's lines break as well, and nobody waits in them.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .roll_call import Line

GRACE = 5.0
"""Seconds in which a host that is told otherwise may end by itself, which is the rule."""


@contextmanager
def on_the_lookout(lines: Sequence[Line], end: Callable[[], None], grace: float = GRACE) -> Iterator[None]:
    """Call ``end`` from a thread if another host hangs up, or says something, and the block does not end then.

    What is said is left for ``end`` to read.
    """
    over = threading.Event()
    threading.Thread(target=_look, args=(lines, over, end, grace), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(lines: Sequence[Line], over: threading.Event, end: Callable[[], None], grace: float) -> None:
    while not over.is_set():
        if select.select(lines, [], [], 1.0)[0]:
            if not over.wait(grace):
                end()
            return
