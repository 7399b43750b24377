"""What a training job leaves behind, made into the pipeline that is logged: it scores raw rows as the job does."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from snowmaker.artefact import build_model, unpack
from snowmaker.exceptions import ArtefactError

from .conftest import make_table
from .test_training_linear import TASKS, table_for

Train = Callable[..., Path]


def pack(model: Path) -> Path:
    """Put the files into an archive, as SageMaker does."""
    path = model.parent / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file in sorted(model.iterdir()):
            tar.add(file, file.name)
    (model.parent / "unpacked").mkdir()
    return path


def rebuild(model: Path) -> Any:
    return build_model(unpack(pack(model), model.parent / "unpacked"))


@pytest.mark.parametrize("estimator", ["xgboost", "linear"])
@pytest.mark.parametrize("task", TASKS)
def test_the_pipeline_scores_raw_rows_of_any_type_as_the_card_says(train: Train, estimator: str, task: str) -> None:
    folder = train(table_for(task), estimator=estimator, task=task)
    model = rebuild(folder)
    check = json.loads((folder / "model_card.json").read_text())["verification"]
    frame = pd.DataFrame(check["rows"], columns=check["columns"])
    scores = model.predict if task == "regression" else model.predict_proba
    found = scores(frame)
    assert np.allclose(
        found if found.ndim == 1 or task.startswith("multi") else found[:, 1], check["scores"], atol=1e-6
    )
    # The warehouse hands over nullable types, in which whole numbers are integers.
    assert np.array_equal(scores(frame.convert_dtypes()), found)
    whole = frame.assign(INCOME=[40, 50, 60, 50, 50])
    assert np.array_equal(scores(whole), scores(whole.astype({"INCOME": "float64"})))
    if task != "regression":
        assert list(model.predict(frame)) == list(np.argmax(model.predict_proba(frame), axis=1))


def test_names_of_any_kind_stay_apart(train: Train) -> None:
    table: dict[str, Any] = {**make_table(), "remainder": make_table()["INCOME"], "A__B": make_table()["COUNTY"]}
    features = [{"name": "remainder", "kind": "numeric"}, {"name": "A__B", "kind": "categorical"}]
    model = rebuild(train(table, features=features))
    assert list(model.feature_names_in_) == ["A__B", '"remainder"']


def test_coefficients_that_are_too_few_are_refused(train: Train) -> None:
    folder = train(make_table(), estimator="linear")
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content | {"coefficients": [[1.0]]}))
    with pytest.raises(ArtefactError, match=r"coefficients of shape \(1, 1\) and 2 means, but .* asks for 5"):
        rebuild(folder)


def test_a_model_that_was_changed_is_refused(train: Train) -> None:
    folder = train(make_table(), estimator="linear")
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content | {"intercepts": [3.0]}))
    with pytest.raises(ArtefactError, match=r"differs by .* from the scores in its model card"):
        rebuild(folder)


def test_a_label_of_two_values_is_enough_for_a_multiclass_task(train: Train) -> None:
    table = make_table()
    table["ACCEPTED"] = pa.array(["no" if i % 2 else "yes" for i in range(600)])
    for estimator in ("xgboost", "linear"):
        model = rebuild(train(table, estimator=estimator, task="multiclass_classification", name=estimator))
        assert model.predict_proba(pd.DataFrame({"COUNTY": ["a/b"], "INCOME": [1.0], "MEMBER": [1.0]})).shape == (1, 2)
