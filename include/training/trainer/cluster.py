"""The hosts of a training job, and what they tell each other: sums, values, rows, and reasons to end.

One host needs no network. Several speak through XGBoost's communicator, which its training uses too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import roll_call
from .failure import TrainingFailure, reason_of
from .lookout import on_the_lookout
from .statements import Shard

if TYPE_CHECKING:
    from .roll_call import Line

Array = TypeVar("Array", bound=npt.NDArray[Any])
# One host may read for long while another waits; a host that dies is noticed at once, whatever this is.
_TIMEOUT = 3600
# A tracker that is given up while hosts still use it complains; it ends with the process.
_abandoned: list[Any] = []


@dataclass(frozen=True)
class Cluster:
    """The hosts in the order of their ranks, and which of them this is. Every host calls the same methods in turn."""

    hosts: tuple[str, ...] = ("algo-1",)
    rank: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Cluster:
        """Read it from SageMaker's variables; without them there is one host."""
        own = environment.get("SM_CURRENT_HOST", "algo-1")
        hosts = tuple(sorted(json.loads(environment.get("SM_HOSTS") or json.dumps([own]))))
        if own not in hosts:
            raise TrainingFailure(f"SM_CURRENT_HOST is {own!r}, which is not among SM_HOSTS: {', '.join(hosts)}")
        return cls(hosts, hosts.index(own))

    @property
    def size(self) -> int:
        """How many hosts there are."""
        return len(self.hosts)

    @property
    def is_first(self) -> bool:
        """Whether this host is the one that writes."""
        return self.rank == 0

    @property
    def shard(self) -> Shard:
        """The part of the rows that this host reads."""
        return Shard(self.rank, self.size)

    def sums(self, values: Array) -> Array:
        """Add up an array's elements over the hosts; the shape is the same on all."""
        if self.size == 1:
            return values
        from xgboost import collective

        return collective.allreduce(values, collective.Op.SUM).reshape(values.shape)

    def rows(self, values: Array) -> Array:
        """Put the rows of all hosts one after another, in the order of ranks."""
        if self.size == 1:
            return values
        counts = np.zeros(self.size, np.int64)
        counts[self.rank] = len(values)
        ends = np.cumsum(self.sums(counts))
        everything = np.zeros((ends[-1], *values.shape[1:]), values.dtype)
        everything[ends[self.rank] - len(values) : ends[self.rank]] = values
        return self.sums(everything)

    def gather(self, value: Any) -> list[Any]:
        """Return each host's JSON-ready value, in the order of ranks."""
        if self.size == 1:
            return [value]
        text = np.frombuffer(json.dumps(value).encode() + b"\n", np.uint8)
        return [json.loads(line) for line in self.rows(text).tobytes().splitlines()]

    def first(self, value: Any) -> Any:
        """Return the first host's JSON-ready value."""
        return self.gather(value if self.is_first else None)[0]

    def first_bytes(self, content: bytes) -> bytes:
        """Return the first host's bytes."""
        return self.rows(np.frombuffer(content if self.is_first else b"", np.uint8)).tobytes()


@contextmanager
def joined(
    cluster: Cluster, give_up: Callable[[TrainingFailure], None], patience: float = roll_call.PATIENCE
) -> Iterator[None]:
    """Connect the hosts for the time of a ``with`` block; if one fails in it, all do, for the same reason.

    After a failure the process must leave by ``os._exit``: the communicator crashes an ordinary exit.

    :param give_up: ends the process for a reason, from another thread, where the block itself hangs
    :raises TrainingFailure: the reason, which may be another host's
    """
    if cluster.size == 1:
        yield
        return
    with _talking(cluster, give_up, patience):
        yield


@contextmanager
def _talking(cluster: Cluster, give_up: Callable[[TrainingFailure], None], patience: float) -> Iterator[None]:
    from xgboost import collective
    from xgboost.tracker import RabitTracker

    lines: dict[str, Line]
    if cluster.is_first:
        lines = roll_call.gather_hosts(cluster.hosts, patience)
        tracker = RabitTracker(n_workers=cluster.size, host_ip=_own_address(cluster), sortby="task")
        tracker.start()
        arguments = tracker.worker_args()
        for line in lines.values():
            line.send(arguments)
    else:
        line = roll_call.call_first(cluster.hosts, cluster.hosts[cluster.rank], patience)
        lines = {cluster.hosts[0]: line}
        # The first host calls the roll to its end before it answers.
        arguments = line.receive(patience)
        if not isinstance(arguments, dict):
            raise TrainingFailure(str(arguments or roll_call.tell_lost(cluster.hosts[0])))
    try:
        collective.init(**arguments, dmlc_task_id=f"{cluster.rank:06d}", dmlc_timeout=_TIMEOUT)
        with on_the_lookout(list(lines.values()), lambda: give_up(TrainingFailure(_hear(cluster, lines)))):
            yield
            # Nobody leaves before all are through.
            cluster.sums(np.zeros(1))
    except BaseException as error:
        if cluster.is_first:
            _abandoned.append(tracker)
        reason = _agree(cluster, lines, error)
        raise (error if reason is None else TrainingFailure(reason)) from None
    collective.finalize()
    if cluster.is_first:
        tracker.wait_for()


def _agree(cluster: Cluster, lines: dict[str, Line], error: BaseException) -> str | None:
    """Tell the others this host's reason, or learn theirs; None if the error at hand is the reason."""
    own = None if _is_broken_connection(error) else f"{cluster.hosts[cluster.rank]}: {reason_of(error)}"
    if cluster.is_first:
        heard = None if own else roll_call.hear_reason(lines)
        for line in lines.values():
            line.send(own or heard or reason_of(error))
        return heard
    if own:
        (first,) = lines.values()
        first.send(own)
        return None
    return _hear(cluster, lines)


def _hear(cluster: Cluster, lines: dict[str, Line]) -> str:
    """Learn why another host has ended, and pass it on."""
    if cluster.is_first:
        reason = roll_call.hear_reason(lines) or "another host ended without a reason; see its log"
        for line in lines.values():
            line.send(reason)
        return reason
    (first,) = lines.values()
    heard = first.receive(_TIMEOUT)
    return str(heard) if heard else roll_call.tell_lost(cluster.hosts[0])


def _is_broken_connection(error: BaseException) -> bool:
    return type(error).__name__ == "XGBoostError" and "/collective/" in str(error)


def _own_address(cluster: Cluster) -> str:
    import socket

    return socket.gethostbyname(cluster.hosts[cluster.rank])


def leave(cluster: Cluster, code: int) -> int:
    """Return an exit code, or leave with it where an ordinary exit would crash."""
    if cluster.size > 1 and code:
        os._exit(code)
    return code
