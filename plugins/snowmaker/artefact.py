"""A training artefact: JSON and UBJSON files that run no code on load, and the scikit-learn pipeline made of them.

The training job writes ``model.ubj`` (XGBoost) or ``model.json`` (linear), ``preprocessing.json`` and
``model_card.json``. Heavy libraries are imported inside the functions.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker import linear_model
from snowmaker.exceptions import ArtefactError
from snowmaker.explainable_model import explanation_of
from snowmaker.snowflake.identifiers import Identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MODEL_FILES = {"xgboost": "model.ubj", "linear": "model.json"}
DESCRIPTIONS = ("preprocessing.json", "model_card.json")
_CARD_KEYS = ("task", "features", "metrics", "libraries", "verification")
_FORMAT = 1
_MAX_BYTES = 2 * 1024**3
_TOLERANCE = 1e-6
_BARE = re.compile(r"[A-Z_][A-Z0-9_$]*")


@dataclass(frozen=True)
class Artefact:
    """An unpacked training artefact.

    :param digest: SHA-256 over names and contents of its files, in hexadecimal
    """

    folder: Path
    digest: str
    preprocessing: dict[str, Any]
    card: dict[str, Any]

    @property
    def estimator(self) -> str:
        """What kind of model it is: ``xgboost`` or ``linear``."""
        return str(self.card.get("estimator", "xgboost"))

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics measured on the holdout."""
        return {name: float(value) for name, value in self.card["metrics"].items() if value is not None}

    @property
    def classes(self) -> list[str]:
        """The classes in the order of the model's outputs, as the warehouse writes their labels as text."""
        return [class_name(value) for value in self.card["classes"] or ()]

    @property
    def is_multiclass(self) -> bool:
        """Whether it tells several classes apart."""
        return bool(self.card["task"] == "multiclass_classification")


def class_name(value: str | int | bool) -> str:
    """Return a class as the warehouse writes its label as text.

    >>> [class_name(value) for value in ("No claim", 3, True)]
    ['No claim', '3', 'true']
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def unpack(archive: Path, folder: Path) -> Artefact:
    """Unpack ``model.tar.gz`` and read what it holds; nothing in it is run.

    :param archive: the file that SageMaker wrote
    :param folder: an empty folder
    :raises ArtefactError: if a file is missing, too large, of another format, or contradicts another
    """
    try:
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isreg()}
            wanted = [members[name] for name in (*MODEL_FILES.values(), *DESCRIPTIONS) if name in members]
            _check_there(archive, DESCRIPTIONS, members)
            if sum(member.size for member in wanted) > _MAX_BYTES:
                raise ArtefactError(f"artefact {archive.name} unpacks to more than {_MAX_BYTES} bytes; refused")
            tar.extractall(folder, members=wanted, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArtefactError(f"artefact {archive.name} is no readable tar.gz: {error}") from None
    preprocessing, card = (_read_json(folder / name) for name in DESCRIPTIONS)
    _check_agreement(preprocessing, card)
    model_file = MODEL_FILES[card.get("estimator", "xgboost")]
    _check_there(archive, [model_file], members)
    return Artefact(folder, _digest(folder, (model_file, *DESCRIPTIONS)), preprocessing, card)


def _check_there(archive: Path, names: Iterable[str], members: Mapping[str, object]) -> None:
    missing = [name for name in names if name not in members]
    if missing:
        raise ArtefactError(f"artefact {archive.name} has no {', '.join(missing)}; it has {', '.join(members)}")


def _check_agreement(preprocessing: dict[str, Any], card: dict[str, Any]) -> None:
    estimator = card.get("estimator", "xgboost")
    if estimator not in MODEL_FILES:
        raise ArtefactError(f"model_card.json has estimator {estimator!r}, expected one of {', '.join(MODEL_FILES)}")
    missing = [name for name in _CARD_KEYS if name not in card]
    if missing:
        raise ArtefactError(f"model_card.json has no {', '.join(missing)}; train again")
    try:
        columns, features = (
            [(str(column["name"]), str(column["kind"])) for column in described]
            for described in (preprocessing["columns"], card["features"])
        )
    except (KeyError, TypeError) as error:
        raise ArtefactError(
            f"preprocessing.json or model_card.json describes no columns ({error}); train again"
        ) from None
    if columns != features:
        raise ArtefactError(
            f"preprocessing.json has the columns {columns}, but model_card.json the features {features}; train again"
        )


def _digest(folder: Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        content = (folder / name).read_bytes()
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def build_model(artefact: Artefact) -> Any:
    """Build a scikit-learn pipeline that takes the raw columns: text categories as they are, missing values too.

    A category the training did not see counts as missing. The pipeline is held against the scores the training
    job wrote down for made-up rows.

    :raises ArtefactError: if it does not give the same scores
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    columns = artefact.preprocessing["columns"]
    encoders, estimator = _parts(artefact, columns)
    # The steps' own names are of no use to anybody: a column may be called as no step may be.
    steps = [
        (f"column {place}", encoder, [input_name(column)])
        for place, (column, encoder) in enumerate(zip(columns, encoders, strict=True))
    ]
    encode = ColumnTransformer(steps, remainder="drop", verbose_feature_names_out=False, n_jobs=None)
    # Fitting only tells the transformer its columns: the categories are given, not learned.
    encode.fit(_frame(columns, [[_example(column) for column in columns]]))
    model = Pipeline([("encode", encode), ("model", estimator)])
    _verify(artefact, model)
    return model


def input_name(column: dict[str, Any]) -> str:
    """Return a column's name as the model takes it: in double quotes unless it is upper case, as the registry does."""
    name = str(column["name"])
    return name if _BARE.fullmatch(name) else Identifier(name).quoted


def explanation_name(column: dict[str, Any]) -> str:
    """Return the name of the column in which EXPLAIN tells of a column, written as ``input_name`` does."""
    return input_name({"name": explanation_of(str(column["name"]))})


def _parts(artefact: Artefact, columns: list[dict[str, Any]]) -> tuple[list[Any], Any]:
    if artefact.estimator == "linear":
        content = _read_json(artefact.folder / MODEL_FILES["linear"])
        return linear_model.make_encoders(content, columns), linear_model.make_estimator(
            content, columns, artefact.card
        )
    return [_encoder(column) for column in columns], _boosted_trees(artefact)


def _encoder(column: dict[str, Any]) -> Any:
    import numpy as np
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    if column["kind"] != "categorical":
        # Changes no value, but takes any pandas type: the warehouse hands over nullable ones.
        return StandardScaler(with_mean=False, with_std=False)
    return OrdinalEncoder(
        categories=[column["categories"]],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        dtype=np.float64,
    )


def _boosted_trees(artefact: Artefact) -> Any:
    import xgboost

    classifier = artefact.card["task"] != "regression"
    estimator = xgboost.XGBClassifier() if classifier else xgboost.XGBRegressor()
    try:
        estimator.load_model(artefact.folder / MODEL_FILES["xgboost"])
    except xgboost.core.XGBoostError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ArtefactError(f"model.ubj is no model that XGBoost {xgboost.__version__} reads: {reason}") from None
    return estimator


def _verify(artefact: Artefact, model: Any) -> None:
    import numpy as np

    check = artefact.card["verification"]
    columns = artefact.preprocessing["columns"]
    if check["columns"] != [column["name"] for column in columns]:
        raise ArtefactError("model_card.json verifies other columns than preprocessing.json has; train again")
    frame = _frame(columns, check["rows"])
    found = model.predict(frame) if artefact.card["task"] == "regression" else model.predict_proba(frame)
    expected = np.asarray(check["scores"], dtype=float)
    if expected.ndim == 1 and found.ndim == 2:
        found = found[:, 1]
    worst = float(np.max(np.abs(found - expected)))
    if not worst <= _TOLERANCE:
        raise ArtefactError(
            f"the model built from the artefact differs by {worst:.2e} from the scores in its model card; "
            f"train it with the library versions that log it: {artefact.card['libraries']}"
        )


def _frame(columns: list[dict[str, Any]], rows: list[list[Any]]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[input_name(column) for column in columns])
    kinds = {input_name(column): "object" if column["kind"] == "categorical" else "float64" for column in columns}
    return frame.astype(kinds)


def _example(column: dict[str, Any]) -> Any:
    if column["kind"] != "categorical":
        return 0.0
    return column["categories"][0] if column["categories"] else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtefactError(f"artefact file {path.name} is no JSON: {error}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != _FORMAT:
        raise ArtefactError(f"artefact file {path.name} has format {found!r}, expected {_FORMAT}; train again")
    return dict(content)
