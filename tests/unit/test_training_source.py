"""The archive of the training code."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowmaker import training_source
from snowmaker.exceptions import TrainingError


def test_the_archive_is_the_same_for_the_same_files_and_leaves_out_caches(tmp_path: Path) -> None:
    for path in ("train.py", "trainer/fit.py", "trainer/__pycache__/fit.pyc", ".env"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    files = training_source.read_source(tmp_path, "train.py")
    assert sorted(files) == ["train.py", "trainer/fit.py"]
    packed = training_source.pack(files)
    (tmp_path / "train.py").touch()
    assert training_source.pack(dict(reversed(training_source.read_source(tmp_path, "train.py").items()))) == packed
    assert training_source.digest({"a": b"bc"}) != training_source.digest({"ab": b"c"})


@pytest.mark.parametrize(
    ("files", "reason"), [(["other.py"], "holds no train.py"), (["train.py", "job.json"], "holds a job.json")]
)
def test_a_wrong_source_directory_is_told(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(TrainingError, match=reason):
        training_source.read_source(tmp_path, "train.py")
