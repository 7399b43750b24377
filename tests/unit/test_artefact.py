from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from snowmaker.artefact import build_model, unpack
from snowmaker.exceptions import ArtefactError

FILES = ("model.ubj", "preprocessing.json", "model_card.json")
CATEGORIES = ["King County", "St. Louis City"]
COLUMNS = [
    {"name": "COUNTY", "kind": "categorical", "categories": CATEGORIES},
    {"name": "INCOME", "kind": "numeric"},
]
CODES = np.array([[0, 10.0], [1, 20.0], [np.nan, 30.0], [np.nan, np.nan], [1, np.nan]])
RAW = [["King County", 10.0], ["St. Louis City", 20.0], ["never seen", 30.0], [None, None], ["St. Louis City", None]]


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    rng = np.random.default_rng(3)
    features = np.column_stack([rng.integers(0, 2, 400).astype(float), rng.normal(20, 8, 400)])
    features[rng.random(400) < 0.1] = np.nan
    label = (np.nan_to_num(features[:, 1]) + 9 * np.nan_to_num(features[:, 0]) + rng.normal(0, 4, 400) > 24).astype(int)
    data = xgb.DMatrix(features, label=label, feature_types=["c", "q"], enable_categorical=True)
    return xgb.train({"objective": "binary:logistic", "max_depth": 3, "seed": 1}, data, num_boost_round=12)


def predict(booster: xgb.Booster, codes: np.ndarray) -> list[float]:
    return booster.predict(xgb.DMatrix(codes, feature_types=["c", "q"], enable_categorical=True)).tolist()


def files(booster: xgb.Booster, **card: Any) -> dict[str, bytes]:
    content = {
        "format": 1,
        "task": "binary_classification",
        "classes": [0, 1],
        "features": [{"name": column["name"], "kind": column["kind"]} for column in COLUMNS],
        "metrics": {"f1": 0.8, "roc_auc": None},
        "libraries": {"xgboost": xgb.__version__},
        "verification": {"columns": ["COUNTY", "INCOME"], "rows": RAW, "scores": predict(booster, CODES)},
    }
    return {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "preprocessing.json": json.dumps({"format": 1, "columns": COLUMNS}).encode(),
        "model_card.json": json.dumps(content | card).encode(),
    }


def archive(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def unpacked(tmp_path: Path, members: dict[str, bytes]) -> Any:
    (tmp_path / "out").mkdir(parents=True)
    return unpack(archive(tmp_path, members), tmp_path / "out")


def test_the_pipeline_takes_raw_columns_and_scores_as_the_booster_does(tmp_path: Path, booster: xgb.Booster) -> None:
    model = build_model(unpacked(tmp_path, files(booster)))
    frame = pd.DataFrame(RAW, columns=["COUNTY", "INCOME"])
    assert model.predict_proba(frame)[:, 1] == pytest.approx(predict(booster, CODES), abs=1e-7)
    assert set(model.predict(frame)) <= {0, 1}
    nullable = frame.convert_dtypes()
    assert str(nullable["INCOME"].dtype) == "Int64"
    assert (model.predict_proba(nullable) == model.predict_proba(frame)).all()
    shuffled = frame[["INCOME", "COUNTY"]]
    assert (model.predict_proba(shuffled) == model.predict_proba(frame)).all()


def test_names_that_are_not_upper_case_stand_in_double_quotes_as_the_registry_reads_them(
    tmp_path: Path, booster: xgb.Booster
) -> None:
    columns = [{**COLUMNS[0], "name": 'the "old" county %'}, {**COLUMNS[1], "name": "income"}]
    check = {"columns": ['the "old" county %', "income"], "rows": RAW, "scores": predict(booster, CODES)}
    content = files(booster, verification=check, features=[{"name": c["name"], "kind": c["kind"]} for c in columns])
    content["preprocessing.json"] = json.dumps({"format": 1, "columns": columns}).encode()
    model = build_model(unpacked(tmp_path, content))
    assert list(model.feature_names_in_) == ['"the ""old"" county %"', '"income"']


def test_a_model_that_does_not_score_as_its_card_says_is_refused(tmp_path: Path, booster: xgb.Booster) -> None:
    wrong = {"columns": ["COUNTY", "INCOME"], "rows": RAW, "scores": [0.5] * len(RAW)}
    with pytest.raises(ArtefactError, match=r"differs by .* from the scores in its model card"):
        build_model(unpacked(tmp_path, files(booster, verification=wrong)))


def test_the_digest_is_of_the_contents_not_of_the_archive(tmp_path: Path, booster: xgb.Booster) -> None:
    content = files(booster)
    first = unpacked(tmp_path / "a", content)
    second = unpacked(tmp_path / "b", dict(reversed(content.items())))
    other = unpacked(tmp_path / "c", files(booster, seed=2))
    assert first.digest == second.digest != other.digest
    assert first.metrics == {"f1": 0.8}


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, booster: xgb.Booster, name: str) -> None:
    content = files(booster)
    del content[name]
    with pytest.raises(ArtefactError, match=f"has no {name}"):
        unpacked(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features": [{"name": "COUNTY", "kind": "categorical"}]}, "has the columns .*INCOME.*, but model_card.json"),
        ({"features": [{"name": "COUNTY"}]}, "describes no columns \\('kind'\\); train again"),
        ({"features": None}, "describes no columns"),
        ({"estimator": "forest"}, "has estimator 'forest', expected one of xgboost, linear"),
        ({"estimator": "linear"}, "has no model.json; it has model.ubj, preprocessing.json, model_card.json"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, booster: xgb.Booster, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ArtefactError, match=told):
        unpacked(tmp_path, files(booster, **change))


def test_a_spoilt_model_is_refused(tmp_path: Path, booster: xgb.Booster) -> None:
    content = files(booster)
    with pytest.raises(ArtefactError, match=r"model\.ubj is no model that XGBoost .* reads"):
        build_model(unpacked(tmp_path, content | {"model.ubj": content["model.ubj"][:500]}))


def test_a_torn_archive_is_refused(tmp_path: Path, booster: xgb.Booster) -> None:
    whole = archive(tmp_path, files(booster)).read_bytes()
    (tmp_path / "torn.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtefactError, match=r"torn\.tar\.gz is no readable tar\.gz"):
        unpack(tmp_path / "torn.tar.gz", tmp_path)


def test_another_format_and_broken_files_are_refused(tmp_path: Path, booster: xgb.Booster) -> None:
    with pytest.raises(ArtefactError, match="format 2, expected 1"):
        unpacked(tmp_path / "a", files(booster, format=2))
    with pytest.raises(ArtefactError, match="is no JSON"):
        unpacked(tmp_path / "b", files(booster) | {"preprocessing.json": b"{"})
    (tmp_path / "no.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(ArtefactError, match=r"no readable tar\.gz"):
        unpack(tmp_path / "no.tar.gz", tmp_path)


def test_nothing_but_the_known_files_is_unpacked_and_no_pickle_is_loaded(tmp_path: Path, booster: xgb.Booster) -> None:
    planted = tmp_path / "planted"
    evil = pickle.dumps(_Evil(str(planted)))
    content = files(booster) | {"model.pkl": evil, "../escaped": b"x", "sub/model.ubj": evil}
    build_model(unpacked(tmp_path / "a", content))
    assert sorted(path.name for path in (tmp_path / "a" / "out").rglob("*")) == sorted(FILES)
    assert not planted.exists()
    assert not (tmp_path / "a" / "escaped").exists()


class _Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.path),))
