"""The provider's settings, from the section ``[snowmaker]`` of Airflow's configuration.

They say where a deployment's AWS objects are; what a pipeline file says of the model holds everywhere.
"""

from __future__ import annotations

from airflow.configuration import conf

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
