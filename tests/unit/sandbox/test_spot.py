"""When a tag of a training job takes its spot hosts away."""

from __future__ import annotations

import pytest

from include.sandbox.aws.spot import Interruptions


def read(text: str) -> Interruptions:
    return Interruptions.of([{"Key": "team", "Value": "blue"}, {"Key": "sandbox:spot", "Value": text}])


def test_a_job_without_the_tag_is_never_interrupted() -> None:
    assert not Interruptions.of([]).is_due(0, 3600, 5)


def test_it_is_interrupted_as_often_as_the_tag_says() -> None:
    twice = read("interruptions=2 after=1.5 pause=3")
    assert twice == Interruptions(count=2, after=1.5, pause=3)
    assert [twice.is_due(done, 2, 0) for done in (0, 1, 2)] == [True, True, False]
    assert not twice.is_due(0, 1, 9)


def test_it_can_wait_for_a_checkpoint() -> None:
    once = read("interruptions=1 after=checkpoint")
    assert not once.is_due(0, 3600, 0)
    assert once.is_due(0, 0.1, 1)


@pytest.mark.parametrize("text", ["twice", "interruptions=x", "interruptions=1 after=soon", "interruptions=1 often=2"])
def test_what_it_does_not_understand_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=f"tag sandbox:spot is '{text}'; expected words like"):
        read(text)
