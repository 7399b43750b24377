"""A training job on several hosts: each a process on a loopback address, sharing the rows of a table in memory."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather

from .conftest import make_job, make_table
from .host import Host
from .host import run as run_host

# Their parent has imported what takes long, and uses no thread yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["include.training.trainer.artefact", "include.training.trainer.main"])
ROUNDS = ["--num_boost_round", "12", "--max_depth", "3", "--early_stopping_rounds", "3", "--nthread", "1"]
Hosts = list[tuple[int, str]]
# Each job has a network of its own, and so has each process that runs tests.
_networks = itertools.count(os.getpid())


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Hosts]:
    """Train on two or more hosts; return each one's exit code and reason of failure."""

    def run(
        table: dict[str, Any],
        *,
        count: int = 2,
        name: str = "job",
        assignment: str = "in turn",
        faults: dict[int, str] | None = None,
        arguments: list[str] | None = None,
        **changes: Any,
    ) -> Hosts:
        root = tmp_path / name
        root.mkdir()
        (root / "job.json").write_text(json.dumps(make_job(**changes)))
        feather.write_feather(pa.table(table), root / "rows")
        high, low = divmod(next(_networks) % (100 * 250), 250)
        addresses = [f"127.{high + 20}.{low + 1}.{number}" for number in range(1, count + 1)]
        started = []
        for rank, address in enumerate(addresses):
            folder = root / str(rank)
            environment = {
                "SM_HOSTS": json.dumps(addresses),
                "SM_CURRENT_HOST": address,
                "SM_MODEL_DIR": str(folder / "model"),
                "SM_OUTPUT_DIR": str(folder / "output"),
                "SM_OUTPUT_DATA_DIR": str(folder / "output" / "data"),
            }
            fault = (faults or {}).get(rank)
            host = Host(root, root / "rows", root / f"{rank}.log", environment, arguments or ROUNDS, assignment, fault)
            started.append(PROCESSES.Process(target=run_host, args=(host,)))
            started[-1].start()
        for process in started:
            process.join(timeout=120)
        codes = [process.exitcode for process in started]
        for rank in range(count):
            print((root / f"{rank}.log").read_text())
        failures = [root / str(rank) / "output" / "failure" for rank in range(count)]
        return [
            (code, _name(failure.read_text(), addresses) if failure.exists() else "")
            for code, failure in zip(codes, failures, strict=True)
        ]

    return run


def _name(text: str, addresses: list[str]) -> str:
    for number, address in enumerate(addresses, 1):
        text = text.replace(address, f"algo-{number}")
    return text


def read_card(tmp_path: Path, name: str = "job") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / name / "0" / "model" / "model_card.json").read_text())
    return content


def test_two_hosts_train_one_model_on_all_rows_and_the_first_writes_it(
    train: Callable[..., Hosts], tmp_path: Path
) -> None:
    assert train(make_table()) == [(0, ""), (0, "")]
    card = read_card(tmp_path)
    assert card["rows"] == {"train": 500, "holdout": 100}
    assert (card["instances"], card["snapshot"]["rows"]) == (2, 600)
    assert sum(map(sum, card["confusion_matrix"])) == 100
    assert card["metrics"]["f1"] > 0.85
    assert not (tmp_path / "job" / "1" / "model").exists()
    assert train(make_table(), name="again") == [(0, ""), (0, "")]
    for file in ("model.ubj", "model_card.json", "preprocessing.json"):
        models = [tmp_path / name / "0" / "model" / file for name in ("job", "again")]
        assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.parametrize("assignment", ["none for the first", "holdout for the second", "by class"])
def test_a_host_may_lack_rows_or_classes(train: Callable[..., Hosts], tmp_path: Path, assignment: str) -> None:
    table = make_table()
    table["ACCEPTED"] = pa.array([f"class {i % 2 + 2 * (i % 7 == 0)}" for i in range(600)])
    changes: dict[str, Any] = {"task": "multiclass_classification", "class_weight": "balanced"}
    assert train(table, assignment=assignment, **changes) == [(0, ""), (0, "")]
    card = read_card(tmp_path)
    assert card["classes"] == ["class 0", "class 1", "class 2", "class 3"]
    assert card["rows"] == {"train": 500, "holdout": 100}
    assert len(card["verification"]["scores"][0]) == 4


def test_a_regression_on_three_hosts(train: Callable[..., Hosts], tmp_path: Path) -> None:
    table = make_table()
    table["ACCEPTED"] = pa.array([3.0 * (i % 3) for i in range(600)])
    assert train(table, count=3, task="regression") == [(0, "")] * 3
    assert read_card(tmp_path)["metrics"]["rmse"] < 2.0


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({1: "login"}, ["algo-2: Snowflake refused the login", "Snowflake refused the login"]),
        ({0: "login"}, ["Snowflake refused the login", "algo-1: Snowflake refused the login"]),
        ({0: "login", 1: "login"}, ["Snowflake refused the login"] * 2),
        ({0: "rows"}, ["the hosts read 599 rows", "the hosts read 599 rows"]),
        ({1: "memory"}, ["algo-2: out of memory: choose", "out of memory: choose"]),
        ({1: "killed before"}, ["algo-2 was lost: its process ended without a word", ""]),
        ({1: "killed in training"}, ["algo-2 was lost: its process ended without a word", ""]),
        ({0: "killed in training"}, ["", "algo-1 was lost: its process ended without a word"]),
    ],
    ids=lambda value: (
        "".join(f"algo-{rank + 1} {fault} " for rank, fault in value.items()).strip() if isinstance(value, dict) else ""
    ),
)
def test_if_one_host_fails_all_do_and_tell_why(
    train: Callable[..., Hosts], faults: dict[int, str], told: list[str]
) -> None:
    for (code, reason), expected in zip(train(make_table(), faults=faults), told, strict=True):
        assert code == (1 if expected else -9)
        assert reason.startswith(expected)


def test_the_host_that_was_lost_is_told_to_all_others(train: Callable[..., Hosts]) -> None:
    hosts = train(make_table(), count=3, faults={2: "killed in training"})
    assert [code for code, _ in hosts] == [1, 1, -9]
    assert hosts[0][1] == hosts[1][1]
    assert hosts[0][1].startswith("algo-3 was lost")


def test_hosts_that_hang_are_told_of_the_one_that_was_lost(train: Callable[..., Hosts]) -> None:
    hangs = "hangs in training"
    hosts = train(make_table(), count=3, faults={0: hangs, 1: hangs, 2: "killed in training"})
    assert [code for code, _ in hosts] == [1, 1, -9]
    assert hosts[0][1] == hosts[1][1]
    assert hosts[0][1].startswith("algo-3 was lost")


def test_what_xgboost_refuses_is_told_by_all(train: Callable[..., Hosts]) -> None:
    hosts = train(make_table(), arguments=["--subsample", "7"])
    assert [code for code, _ in hosts] == [1, 1]
    assert all("XGBoost refused to train: " in reason and "subsample" in reason for _, reason in hosts)
