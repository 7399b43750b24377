"""Write the artefact: the model's file, `preprocessing.json` and `model_card.json`, none of which runs code.

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

from .cluster import Cluster
from .dataset import Column, Dataset, encode
from .evaluation import confusion_matrix, curves, evaluate
from .fitting import Model
from .hyperparameters import Hyperparameters
from .job import Job
from .labels import Floats
from .statements import Snapshot

FORMAT = 1
UNSEEN_CATEGORY = "a category that no training row has"
_LIBRARIES = ("xgboost", "numpy", "scikit-learn", "pyarrow", "snowflake-connector-python")


def write_artefact(model: Model, columns: tuple[Column, ...], card: dict[str, Any], model_dir: Path) -> None:
    """Write the files that model.tar.gz is made of."""
    model_dir.mkdir(parents=True, exist_ok=True)
    model.save(model_dir)
    described = [column.as_dict() for column in columns]
    _write_json(model_dir / "preprocessing.json", {"format": FORMAT, "columns": described})
    _write_json(model_dir / "model_card.json", card)


def copy_card(model_dir: Path, output_dir: Path) -> None:
    """Put the card into the job's output too, where it can be read without the model."""
    output_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(model_dir / "model_card.json", output_dir / "model_card.json")


def build_card(
    model: Model,
    dataset: Dataset,
    holdout: tuple[Floats, Floats],
    job: Job,
    hyperparameters: Hyperparameters,
    snapshot: Snapshot,
    cluster: Cluster,
) -> dict[str, Any]:
    """Describe the model: what it was made from, how good it is, and how to tell it from another.

    :param holdout: targets and scores of the holdout rows of all hosts
    """
    target, scores = holdout
    rows = synthetic_rows(dataset)
    return {
        "format": FORMAT,
        "estimator": job.estimator,
        "task": job.task,
        "features": [{"name": column.name, "kind": column.kind} for column in dataset.columns],
        "label": job.label,
        "classes": list(dataset.classes) if dataset.classes else None,
        "metrics": evaluate(job.task, target, scores, dataset.classes, job.threshold),
        "confusion_matrix": confusion_matrix(job.task, target, scores, dataset.classes, job.threshold),
        "curves": curves(job.task, target, scores),
        "rows": dataset.rows,
        "window": dataset.window,
        "table": job.table,
        "snapshot": {"timestamp": snapshot.timestamp, "rows": snapshot.rows},
        "instances": cluster.size,
        "seed": job.seed,
        "recency_half_life_weeks": job.recency_half_life_weeks,
        "class_weight": job.class_weight,
        "threshold": job.threshold if job.task == "binary_classification" else None,
        "libraries": {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}},
        "code_commit": job.code_commit,
        "hyperparameters": hyperparameters.as_dict(),
        **model.as_card(),
        "verification": {
            "columns": [column.name for column in dataset.columns],
            "rows": rows,
            "scores": model.predict(encode(dataset.columns, rows)).tolist(),
        },
    }


def synthetic_rows(dataset: Dataset) -> list[list[Any]]:
    """Make up rows: low, typical and high values, an unseen category, and all missing."""
    rows: list[list[Any]] = [
        [_value_at(column, levels, i) for column, levels in zip(dataset.columns, dataset.levels, strict=True)]
        for i in range(3)
    ]
    unseen = [
        UNSEEN_CATEGORY if column.categories is not None else value
        for column, value in zip(dataset.columns, rows[1], strict=True)
    ]
    return [*rows, unseen, [None] * len(dataset.columns)]


def _value_at(column: Column, levels: tuple[float, float, float] | None, place: int) -> Any:
    """Return the category at a place in the alphabet, or a typical number."""
    if column.categories is not None:
        return column.categories[int((0.1, 0.5, 0.9)[place] * len(column.categories))]
    return levels[place] if levels else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
