"""Write the artefact: `model.ubj`, `preprocessing.json` and `model_card.json`, none of which runs code.

The card's verification rows are synthetic, no row of the table; with their scores, whoever rebuilds the
model from the files can prove that it is the same.
"""

from __future__ import annotations

import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from . import fitting
from .dataset import Column, Dataset, Floats, encode
from .evaluation import confusion_matrix, evaluate
from .hyperparameters import Hyperparameters
from .job import Job

FORMAT = 1
UNSEEN_CATEGORY = "a category that no training row has"
_LIBRARIES = ("xgboost", "numpy", "scikit-learn", "pyarrow", "snowflake-connector-python")


def write_artefact(
    booster: xgb.Booster,
    dataset: Dataset,
    job: Job,
    hyperparameters: Hyperparameters,
    model_dir: Path,
    output_dir: Path,
) -> dict[str, Any]:
    """Write the files; the card goes to the output directory too, where it can be read without the model."""
    model_dir.mkdir(parents=True, exist_ok=True)
    output_dir.mkdir(parents=True, exist_ok=True)
    booster.save_model(model_dir / "model.ubj")
    columns = [column.as_dict() for column in dataset.columns]
    _write_json(model_dir / "preprocessing.json", {"format": FORMAT, "columns": columns})
    card = build_card(booster, dataset, job, hyperparameters)
    _write_json(model_dir / "model_card.json", card)
    shutil.copy(model_dir / "model_card.json", output_dir / "model_card.json")
    return card


def build_card(booster: xgb.Booster, dataset: Dataset, job: Job, hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Describe the model: what it was made from, how good it is, and how to tell it from another."""
    scores = _predict(booster, dataset, dataset.holdout.matrix)
    target = dataset.holdout.target
    rows = synthetic_rows(dataset)
    return {
        "format": FORMAT,
        "task": job.task,
        "features": [{"name": column.name, "kind": column.kind} for column in dataset.columns],
        "label": job.label,
        "classes": list(dataset.classes) if dataset.classes else None,
        "metrics": evaluate(job.task, target, scores, dataset.classes),
        "confusion_matrix": confusion_matrix(job.task, target, scores, dataset.classes),
        "rows": {"train": len(dataset.train), "holdout": len(dataset.holdout)},
        "window": {"train": dataset.train.window, "holdout": dataset.holdout.window},
        "table": job.table,
        "seed": job.seed,
        "recency_half_life_weeks": job.recency_half_life_weeks,
        "libraries": {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}},
        "code_commit": job.code_commit,
        "hyperparameters": hyperparameters.as_dict(),
        "trees": booster.num_boosted_rounds(),
        "verification": {
            "columns": [column.name for column in dataset.columns],
            "rows": rows,
            "scores": _predict(booster, dataset, encode(dataset.columns, rows)).tolist(),
        },
    }


def synthetic_rows(dataset: Dataset) -> list[list[Any]]:
    """Make up rows: low, typical and high values, an unseen category, and all missing."""
    matrix = dataset.train.matrix
    rows: list[list[Any]] = [
        [_value_at(column, matrix[:, place], level) for place, column in enumerate(dataset.columns)]
        for level in (0.1, 0.5, 0.9)
    ]
    typical = rows[1]
    unseen = [
        UNSEEN_CATEGORY if column.categories is not None else value
        for column, value in zip(dataset.columns, typical, strict=True)
    ]
    return [*rows, unseen, [None] * len(dataset.columns)]


def _value_at(column: Column, values: Floats, level: float) -> Any:
    """Return the category at a place in the alphabet, or a number rounded away from any single row's."""
    if column.categories is not None:
        return column.categories[int(level * len(column.categories))]
    return float(f"{np.nanquantile(values, level):.3g}")


def _predict(booster: xgb.Booster, dataset: Dataset, matrix: Floats) -> Floats:
    return np.asarray(booster.predict(fitting.matrix_of(dataset, matrix)))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
