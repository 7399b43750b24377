"""The model as it is logged: scikit-learn's pipeline, and the method EXPLAIN, which tells what each feature adds.

The registry keeps what is here by value, for there is no Snowmaker where a model runs: nothing else of ours may be
used. Its own EXPLAIN does not do: SHAP refuses trees split by categories, and takes each indicator for a feature.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BASE_VALUE = "BASE_VALUE"
_SUFFIX = "_EXPLANATION"
_LONGEST = 255


def explanation_of(feature: str) -> str:
    """Return the name of the column that tells of a feature; Snowflake takes none of more letters.

    >>> explanation_of("INCOME")
    'INCOME_EXPLANATION'
    """
    return f"{feature[: _LONGEST - len(_SUFFIX)]}{_SUFFIX}"


def make_explainable(
    pipeline: Any, methods: Sequence[str], explanations: Sequence[str], classes: Sequence[str] = ()
) -> Any:
    """Wrap a pipeline of ``artefact.build_model`` as the registry's custom model.

    It has the pipeline's methods as they are, and ``explain``: a column a feature with what it adds to the margin of
    a row, and BASE_VALUE, the margin without any of them; all of a row's columns add up to its margin. That is the log
    odds of class 1, of several classes the score of each before the softmax, and of a regression the number itself.

    :param pipeline: the encoding, then the estimator
    :param methods: what is called of the pipeline, e.g. ``predict_proba``
    :param explanations: the columns' names, in the order of the features
    :param classes: the names of the classes if there are several: a column is then JSON text, a number a class
    """
    import pandas as pd
    from snowflake.ml.model.custom_model import CustomModel, ModelContext, inference_api

    def as_method(function: Callable[[Any, Any], Any]) -> Any:
        # The registry's client compares the annotations themselves, which are mere text here.
        function.__annotations__ = {"rows": pd.DataFrame, "return": pd.DataFrame}
        return inference_api(function)

    def calling(name: str) -> Any:
        def call(model: Any, rows: Any) -> Any:
            found = pd.DataFrame(getattr(model.context.model_ref("pipeline").model, name)(rows))
            return found.set_axis([f"output_feature_{place}" for place in range(found.shape[1])], axis=1)

        call.__name__ = name
        return as_method(call)

    def explain(model: Any, rows: Any) -> Any:
        found = contributions(model.context.model_ref("pipeline").model, rows)
        columns = [texts(column, classes) if classes else column[:, 0] for column in found]
        return pd.DataFrame(dict(zip((*explanations, BASE_VALUE), columns, strict=True)))

    members = {"explain": as_method(explain), **{name: calling(name) for name in methods}}
    made = type("ExplainableModel", (CustomModel,), {"__module__": __name__, **members})
    return made(ModelContext(models={"pipeline": pipeline}))


def contributions(pipeline: Any, rows: Any) -> list[Any]:
    """Return what each feature adds to the margins of some rows, a matrix (rows by margins) each, and the base's last.

    Trees: the Shapley values of TreeSHAP, exact over the trees and the training rows that went down each of their
    branches (Lundberg et al., 2020, "From local explanations to global understanding with explainable AI for trees",
    algorithm 2). The base is the mean margin of the training rows.

    Linear models: coefficient times the distance from a row of which nothing is known: of a number from its mean, of a
    category from none, which are the Shapley values of independent features. The base is the margin of that row.
    """
    encode, estimator = pipeline[0], pipeline[-1]
    if hasattr(estimator, "get_booster"):
        return of_trees(estimator.get_booster(), encode.transform(rows))
    return of_coefficients(encode, estimator, rows)


def of_trees(booster: Any, codes: Any) -> list[Any]:
    """Return the contributions of encoded rows by XGBoost's own TreeSHAP."""
    import numpy as np
    import xgboost

    data = xgboost.DMatrix(np.asarray(codes, dtype=float), feature_types=booster.feature_types, enable_categorical=True)
    # As the estimator predicts: with the rounds up to the best one, where training stopped early.
    rounds = booster.attr("best_iteration")
    found = booster.predict(data, pred_contribs=True, iteration_range=(0, int(rounds) + 1) if rounds else (0, 0))
    # One margin has no dimension of its own.
    found = found.reshape(len(codes), -1, found.shape[-1]).astype(float)
    return [found[:, :, place] for place in range(found.shape[-1])]


def of_coefficients(encode: Any, estimator: Any, rows: Any) -> list[Any]:
    """Return the contributions of rows by a linear model's coefficients."""
    import numpy as np

    codes = np.asarray(encode.transform(rows), dtype=float)
    # A row that is not there has no values, of whatever types the columns are.
    nothing = np.asarray(encode.transform(rows.iloc[:0].reindex([0])), dtype=float)
    coefficients = np.atleast_2d(estimator.coef_)
    places = [encode.output_indices_[name] for name, _, _ in encode.transformers]
    parts = [(codes - nothing)[:, place] @ coefficients[:, place].T for place in places]
    base = nothing @ coefficients.T + estimator.intercept_
    return [*parts, np.repeat(base, len(codes), axis=0)]


def texts(column: Any, classes: Sequence[str]) -> list[str]:
    """Write a row's numbers by class as JSON, as the registry's own EXPLAIN does."""
    return [json.dumps(dict(zip(classes, row, strict=True)), ensure_ascii=False) for row in column.tolist()]
