"""A training artefact: JSON and UBJSON files that run no code on load, and the scikit-learn pipeline made of them.

The training job writes ``model.ubj`` (XGBoost), ``preprocessing.json`` and ``model_card.json``. Heavy libraries
are imported inside the functions.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import ArtefactError
from snowmaker.snowflake.identifiers import Identifier

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("model.ubj", "preprocessing.json", "model_card.json")
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
    def metrics(self) -> dict[str, float]:
        """The metrics measured on the holdout."""
        return {name: float(value) for name, value in self.card["metrics"].items() if value is not None}


def unpack(archive: Path, folder: Path) -> Artefact:
    """Unpack ``model.tar.gz`` and read what it holds; nothing in it is run.

    :param archive: the file that SageMaker wrote
    :param folder: an empty folder
    :raises ArtefactError: if a file is missing, too large, or of another format
    """
    try:
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isreg()}
            missing = [name for name in FILES if name not in members]
            if missing:
                raise ArtefactError(f"artefact {archive.name} has no {', '.join(missing)}; it has {', '.join(members)}")
            wanted = [members[name] for name in FILES]
            if sum(member.size for member in wanted) > _MAX_BYTES:
                raise ArtefactError(f"artefact {archive.name} unpacks to more than {_MAX_BYTES} bytes; refused")
            tar.extractall(folder, members=wanted, filter="data")
    except tarfile.TarError as error:
        raise ArtefactError(f"artefact {archive.name} is no readable tar.gz: {error}") from None
    digest = hashlib.sha256()
    for name in FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name}:{len(content)}:".encode() + content)
    preprocessing, card = (_read_json(folder / name) for name in FILES[1:])
    return Artefact(folder, digest.hexdigest(), preprocessing, card)


def build_model(artefact: Artefact) -> Any:
    """Build a scikit-learn pipeline that takes the raw columns: text categories as they are, missing values too.

    A category the training did not see counts as missing. The pipeline is held against the scores the training
    job wrote down for made-up rows.

    :raises ArtefactError: if it does not give the same scores
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    columns = artefact.preprocessing["columns"]
    steps = [(column["name"], _encoder(column), [input_name(column)]) for column in columns]
    encode = ColumnTransformer(steps, remainder="drop", verbose_feature_names_out=False, n_jobs=None)
    # Fitting only tells the transformer its columns: the categories are given, not learned.
    encode.fit(_frame(columns, [[_example(column) for column in columns]]))
    model = Pipeline([("encode", encode), ("model", _estimator(artefact))])
    _verify(artefact, model)
    return model


def input_name(column: dict[str, Any]) -> str:
    """Return a column's name as the model takes it: in double quotes unless it is upper case, as the registry does."""
    name = str(column["name"])
    return name if _BARE.fullmatch(name) else Identifier(name).quoted


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


def _estimator(artefact: Artefact) -> Any:
    import xgboost

    classifier = artefact.card["task"] != "regression"
    estimator = xgboost.XGBClassifier() if classifier else xgboost.XGBRegressor()
    estimator.load_model(artefact.folder / "model.ubj")
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
