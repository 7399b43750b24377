"""A model that is quick to log, for the tests of what the registry keeps of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from snowflake.ml.model import ModelVersion
from snowflake.ml.registry import Registry

FRAME = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.0], "B": [0.0, 1.0, 0.0, 1.0]})
MODEL = LogisticRegression().fit(FRAME, [0, 1, 0, 1])
# By pip, so that no conda channel is asked; the model's own libraries are added by the client.
PACKAGES = ["scikit-learn"]


def log(registry: Registry, name: str, version: str | None = "V1", **options: Any) -> ModelVersion:
    """Log the model, or `model=` another one."""
    defaults = {"model": MODEL, "sample_input_data": FRAME, "target_platforms": ["WAREHOUSE"]}
    given = {**defaults, "pip_requirements": PACKAGES, **options}
    return registry.log_model(model_name=name, version_name=version, **given)


def classes(version: ModelVersion) -> list[int]:
    """What a version predicts for the frame, in the warehouse."""
    return [int(value) for value in np.asarray(version.run(FRAME, function_name="predict")).ravel()]


EXPECTED = [int(value) for value in MODEL.predict(FRAME)]
