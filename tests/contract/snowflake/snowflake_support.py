"""What the contract tests share: a name of a test's own, and a small model worth packaging."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from snowflake.connector.errors import Error
from xgboost import XGBClassifier

FEATURES = ["CITY", "PLAN", "AGE", "INCOME"]


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}_{uuid.uuid4().hex[:8]}".upper()


def moment(*parts: int, **more: int) -> datetime:
    """A moment without a time zone, as TIMESTAMP_NTZ has it."""
    return datetime(*parts, **more)  # type: ignore[arg-type]  # noqa: DTZ001


@contextmanager
def refused(code: int, text: str = "") -> Iterator[None]:
    """Expect Snowflake's error of this number."""
    with pytest.raises(Error, match=text) as caught:
        yield
    assert caught.value.errno == code, caught.value


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Rows of two text columns and two numbers, some of them missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "CITY": rng.choice(["Bern", "Oslo", "Rome"], rows),
            "PLAN": rng.choice(["basic", "extra"], rows),
            "AGE": rng.normal(40, 10, rows),
            "INCOME": rng.normal(50, 20, rows),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "INCOME"] = np.nan
    return frame


def classifier(frame: pd.DataFrame, seed: int = 0) -> Pipeline:
    """A pipeline from raw columns to a class."""
    target = (frame["AGE"] > 40) ^ (frame["CITY"] == "Oslo")
    encode = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["CITY", "PLAN"])],
        remainder="passthrough",
    ).set_output(transform="pandas")  # the warehouse hands over pandas' nullable types
    model = XGBClassifier(n_estimators=10, max_depth=3, random_state=seed, subsample=0.8, n_jobs=1)
    return Pipeline([("encode", encode), ("model", model)]).fit(frame[FEATURES], target.astype(int))
