"""The provider's settings, from the section ``[snowmaker]`` of Airflow's configuration.

They say where a deployment's AWS objects are and what its instances cost; what a pipeline file says of the model
holds everywhere.
"""

from __future__ import annotations

import json

from airflow.configuration import conf

from snowmaker.exceptions import TrainingSetupError

SECTION = "snowmaker"


def role_arn() -> str:
    """Return the IAM role that training jobs run as."""
    return conf.get(SECTION, "sagemaker_role_arn", fallback="")


def artefacts_uri() -> str:
    """Return the S3 folder for training code and artefacts, e.g. ``s3://bucket/snowmaker``."""
    return conf.get(SECTION, "artefacts_uri", fallback="")


def snowflake_secret_id() -> str:
    """Return the Secrets Manager secret by which training jobs log in to Snowflake."""
    return conf.get(SECTION, "snowflake_secret_id", fallback="snowmaker/snowflake")


def instance_prices() -> dict[str, float]:
    """Return the deployment's own prices: US dollars an hour by SageMaker instance type.

    :raises TrainingSetupError: if the setting is no such JSON object
    """
    text = conf.get(SECTION, "instance_prices", fallback="")
    try:
        return {str(instance_type): float(price) for instance_type, price in json.loads(text or "{}").items()}
    except (ValueError, AttributeError, TypeError):
        raise TrainingSetupError(
            f"[{SECTION}] instance_prices is {text!r}; write a JSON object of US dollars an hour by instance type, "
            f'e.g. {{"ml.m5.xlarge": 0.23}}'
        ) from None
