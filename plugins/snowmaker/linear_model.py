"""The linear estimator's ``model.json`` made into steps of a scikit-learn pipeline.

Heavy libraries are imported inside the functions.
"""

from __future__ import annotations

from typing import Any

from snowmaker.exceptions import ArtefactError


def make_encoders(content: dict[str, Any], columns: list[dict[str, Any]]) -> list[Any]:
    """Make a step for each column: indicators of its categories, or its number with the mean where it is missing."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    means = iter(content["means"])
    return [
        OneHotEncoder(categories=[column["categories"]], handle_unknown="ignore", sparse_output=False)
        if column["kind"] == "categorical"
        # The scaler changes no value, but makes floats of any pandas type, which the imputer wants.
        else make_pipeline(
            StandardScaler(with_mean=False, with_std=False), SimpleImputer(strategy="constant", fill_value=next(means))
        )
        for column in columns
    ]


def make_estimator(content: dict[str, Any], columns: list[dict[str, Any]], card: dict[str, Any]) -> Any:
    """Make the estimator, for numbers as they are: the scaling goes into coefficients and intercepts.

    :raises ArtefactError: if there are not as many coefficients as the columns need
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression, Ridge

    missing = [name for name in ("means", "scales", "coefficients", "intercepts") if name not in content]
    if missing:
        raise ArtefactError(f"model.json has no {', '.join(missing)}; train again")
    widths = [len(column["categories"]) if column["kind"] == "categorical" else 1 for column in columns]
    numeric = np.repeat([column["kind"] != "categorical" for column in columns], widths)
    coefficients = np.array(content["coefficients"], dtype=float)
    if coefficients.ndim != 2 or coefficients.shape[1] != len(numeric) or len(content["means"]) != numeric.sum():
        raise ArtefactError(
            f"model.json has coefficients of shape {coefficients.shape} and {len(content['means'])} means, but "
            f"preprocessing.json asks for {len(numeric)} coefficients and {numeric.sum()} means; train again"
        )
    coefficients[:, numeric] /= np.array(content["scales"])
    intercepts = np.array(content["intercepts"]) - coefficients[:, numeric] @ np.array(content["means"])
    estimator: Any
    if card["task"] == "regression":
        estimator = Ridge()
        estimator.coef_, estimator.intercept_ = coefficients[0], float(intercepts[0])
    else:
        estimator = LogisticRegression()
        estimator.coef_, estimator.intercept_ = coefficients, intercepts
        estimator.classes_ = np.arange(len(card["classes"]))
    estimator.n_features_in_ = len(numeric)
    return estimator
