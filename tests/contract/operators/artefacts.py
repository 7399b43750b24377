"""Training artefacts without a training job: the files that one writes, packed as SageMaker packs them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost as xgb
from sklearn.metrics import f1_score, roc_auc_score

from include.training.trainer import artefact, linear, reading
from include.training.trainer.cluster import Cluster
from include.training.trainer.dataset import build_dataset
from include.training.trainer.hyperparameters import parse_hyperparameters
from include.training.trainer.job import Feature, Job
from snowmaker.artefact import build_model, unpack

from .weekly_data import FEATURES, HOLDOUT, TEXT, UNSEEN, WEEKS, model_input

_KINDS = ["c" if name in TEXT else "q" for name in FEATURES]


@dataclass(frozen=True)
class MadeArtefact:
    """A packed artefact, and the model that it holds, in memory."""

    archive: bytes
    metrics: dict[str, float]
    model: Any

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """The probability of class 1 of each row."""
        return np.asarray(self.model.predict_proba(model_input(frame))[:, 1])


def make_artefact(folder: Path, frame: pd.DataFrame, **parameters: Any) -> MadeArtefact:
    """Train on the weeks before the holdout and write the artefact."""
    train = frame[frame["week"] < str(HOLDOUT)]
    holdout = frame[frame["week"] == str(HOLDOUT)]
    categories = {name: sorted(train[name].dropna().unique()) for name in TEXT}
    rounds = parameters.pop("rounds", 30)
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 3, "seed": 1, "nthread": 1, **parameters},
        xgb.DMatrix(
            _encode(train, categories),
            label=train["APPROVED"].astype(int),
            feature_types=_KINDS,
            enable_categorical=True,
        ),
        num_boost_round=rounds,
    )
    scores = _predict(booster, holdout, categories)
    label = holdout["APPROVED"].astype(int)
    metrics = {"f1": float(f1_score(label, scores >= 0.5)), "roc_auc": float(roc_auc_score(label, scores))}
    archive = _pack(_files(booster, categories, metrics))
    folder.mkdir(parents=True)
    (folder / "model.tar.gz").write_bytes(archive)
    (folder / "unpacked").mkdir()
    return MadeArtefact(archive, metrics, build_model(unpack(folder / "model.tar.gz", folder / "unpacked")))


def make_linear_artefact(folder: Path, frame: pd.DataFrame, names: Sequence[str] = FEATURES) -> MadeArtefact:
    """Train the linear estimator on some features as a training job does, and pack what it writes."""
    frame = frame[frame["week"] <= str(HOLDOUT)]
    week = pa.array(pd.to_datetime(frame["week"]).dt.date, pa.date32())
    columns = [
        pa.array(frame[name], pa.string()).dictionary_encode()
        if name in TEXT
        else pa.array(frame[name].astype(float), from_pandas=True)
        for name in names
    ]
    label = pa.array(frame["APPROVED"].astype(int))
    table = pa.table([*columns, label, week], names=[*names, "APPROVED", reading.WEEK])
    features = tuple(Feature(name, "categorical" if name in TEXT else "numeric") for name in names)
    job = Job(
        secret_id="login", table='"T"', week_column="WEEK", features=features, label="APPROVED",
        task="binary_classification", holdout_from=HOLDOUT.start, seed=1, estimator="linear",
    )  # fmt: skip
    return fit_linear(folder, table, job)


def fit_linear(folder: Path, table: pa.Table, job: Job) -> MadeArtefact:
    """Train the linear estimator on rows as the job reads them, and pack what it writes."""
    hyperparameters = parse_hyperparameters([], "linear")
    dataset = build_dataset(table, job, Cluster())
    model = linear.fit(dataset, job, hyperparameters)
    holdout = (dataset.targets("holdout"), model.scores)
    snapshot = reading.Snapshot("2026-02-09T00:00:00+00:00", table.num_rows, by_key=False)
    card = artefact.build_card(model, dataset, holdout, job, hyperparameters, snapshot, Cluster())
    artefact.write_artefact(model, dataset.columns, card, folder)
    archive = _pack({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    (folder / "model.tar.gz").write_bytes(archive)
    (folder / "unpacked").mkdir()
    return MadeArtefact(archive, card["metrics"], build_model(unpack(folder / "model.tar.gz", folder / "unpacked")))


def _files(booster: xgb.Booster, categories: dict[str, list[str]], metrics: dict[str, float]) -> dict[str, bytes]:
    rows = [
        [categories["COUNTY"][0], categories["loan % type"][1], 35.5, 0.25, 1.0],
        [UNSEEN, UNSEEN, 80.0, 0.75, 0.0],
        [None] * len(FEATURES),
    ]
    scores = _predict(booster, pd.DataFrame(rows, columns=FEATURES), categories).tolist()
    columns = [
        {"name": name, "kind": "categorical", "categories": categories[name]}
        if name in TEXT
        else {"name": name, "kind": "numeric"}
        for name in FEATURES
    ]
    card = {
        "format": 1,
        "task": "binary_classification",
        "classes": [0, 1],
        "features": [{"name": column["name"], "kind": column["kind"]} for column in columns],
        "metrics": metrics,
        "window": {"train": [str(WEEKS[0]), str(WEEKS[3])], "holdout": [str(HOLDOUT), str(HOLDOUT)]},
        "code_commit": "c0ffee",
        "libraries": {"xgboost": xgb.__version__},
        "verification": {"columns": FEATURES, "rows": rows, "scores": scores},
    }
    return {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "preprocessing.json": json.dumps({"format": 1, "columns": columns}).encode(),
        "model_card.json": json.dumps(card).encode(),
    }


def _encode(frame: pd.DataFrame, categories: dict[str, list[str]]) -> np.ndarray:
    columns = []
    for name in FEATURES:
        if name in TEXT:
            codes = frame[name].map({text: float(code) for code, text in enumerate(categories[name])})
            columns.append(codes.astype(float))
        else:
            columns.append(frame[name].astype(float))
    return np.column_stack(columns)


def _predict(booster: xgb.Booster, frame: pd.DataFrame, categories: dict[str, list[str]]) -> np.ndarray:
    data = xgb.DMatrix(_encode(frame, categories), feature_types=_KINDS, enable_categorical=True)
    return np.asarray(booster.predict(data))


def _pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
