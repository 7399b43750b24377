"""A version that somebody logged by hand, whose functions do not take the same columns."""

# The registry's client looks at the annotations of a custom model's methods, so they cannot be texts.
import pandas as pd
from snowflake.ml.model.custom_model import CustomModel, inference_api


class Foreign(CustomModel):
    """Scores by one column, and tells another."""

    @inference_api
    def predict_proba(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The debt ratio, as if it were a probability."""
        score = rows.iloc[:, 0].astype(float)
        return pd.DataFrame({"output_feature_0": 1 - score, "output_feature_1": score})

    @inference_api
    def rank(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The income."""
        return pd.DataFrame({"output_feature_0": rows["INCOME"].astype(float)})
