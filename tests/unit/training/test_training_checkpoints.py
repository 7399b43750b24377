"""A training job that is interrupted and started again gives the model of one that was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.training.trainer import boosting
from include.training.trainer.checkpoints import Checkpoints

from . import conftest
from .conftest import make_table

Train = Callable[..., Path]
ROUNDS = ("--num_boost_round", "45", "--max_depth", "3", "--early_stopping_rounds", "20", "--eta", "0.2")
SAMPLING = ("--subsample", "0.7", "--colsample_bytree", "0.7")


class Interruption(Exception):
    """The instance is taken away."""


@pytest.fixture
def interrupt(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train until a round and be interrupted; return the folder of checkpoints."""

    def run(*arguments: str, name: str, after: int, **changes: Any) -> Path:
        folder = tmp_path / name / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        is_over = boosting.Stopping.is_over

        def stop(stopping: boosting.Stopping, history: list[float]) -> bool:
            if len(history) == after:
                raise Interruption
            return is_over(stopping, history)

        with monkeypatch.context() as patch:
            patch.setattr(boosting.Stopping, "is_over", stop)
            with pytest.raises(AssertionError, match="unexpected Interruption"):
                train(make_table(), *arguments, name=name, **changes)
        (tmp_path / name / "output" / "failure").unlink()
        return folder

    return run


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (ROUNDS, {}),
        ((*ROUNDS, *SAMPLING), {}),
        ((*ROUNDS, *SAMPLING), {"task": "multiclass_classification"}),
        ((*ROUNDS, "--num_parallel_tree", "2"), {"task": "regression"}),
    ],
    ids=["plain", "sampling", "multiclass", "regression"],
)
def test_an_interrupted_job_gives_the_model_of_an_uninterrupted_one(
    train: Train,
    interrupt: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    changes: dict[str, Any],
) -> None:
    (tmp_path / "whole" / "checkpoints").mkdir(parents=True)
    whole = train(make_table(), *arguments, name="whole", **changes)
    folder = interrupt(*arguments, name="cut", after=24, **changes)
    assert [path.name for path in sorted(folder.iterdir())] == ["round-000010", "round-000020"]
    # A second interruption, before there is another checkpoint.
    interrupt(*arguments, name="cut", after=28, **changes)
    cut = train(make_table(), *arguments, name="cut", **changes)
    assert "goes on after round 20, from a checkpoint" in capsys.readouterr().out
    for file in ("model.ubj", "model_card.json"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_it_goes_on_from_the_snapshot_it_began_with(
    train: Train, interrupt: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(*ROUNDS, name="cut", after=15)
    monkeypatch.setattr(conftest, "TIMESTAMP", "2030-01-01T00:00:00+00:00")
    cards = [
        json.loads((train(make_table(), *ROUNDS, name=name) / "model_card.json").read_text()) for name in ("cut", "new")
    ]
    assert [card["snapshot"]["timestamp"][:4] for card in cards] == ["2024", "2030"]


def test_a_torn_checkpoint_is_passed_over(
    train: Train, interrupt: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(make_table(), *ROUNDS, name="whole")
    folder = interrupt(*ROUNDS, name="cut", after=24)
    newest = folder / "round-000020"
    newest.write_bytes(newest.read_bytes()[:-100])
    (folder / "round-000030").write_bytes(b"")
    cut = train(make_table(), *ROUNDS, name="cut")
    told = capsys.readouterr().out
    assert "checkpoint round-000020 is passed over: it is torn" in told
    assert "goes on after round 10" in told
    assert (cut / "model.ubj").read_bytes() == (whole / "model.ubj").read_bytes()


def test_a_stranger_s_checkpoint_is_passed_over(
    train: Train, interrupt: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(*ROUNDS, name="cut", after=12)
    cut = train(make_table(), *ROUNDS, name="cut", seed=8)
    assert "checkpoint round-000010 is passed over: it is of another job" in capsys.readouterr().out
    fresh = train(make_table(), *ROUNDS, name="fresh", seed=8)
    assert (cut / "model.ubj").read_bytes() == (fresh / "model.ubj").read_bytes()


def test_a_job_without_a_checkpoint_folder_leaves_none(train: Train) -> None:
    model = train(make_table(), *ROUNDS)
    assert not (model.parent / "checkpoints").exists()
    assert Checkpoints().load() is None
