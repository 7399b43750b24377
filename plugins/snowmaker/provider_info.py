"""What Airflow's provider manager asks: who we are, and the settings we have."""

from __future__ import annotations

from typing import Any

from snowmaker import __version__


def get_provider_info() -> dict[str, Any]:
    """Describe the provider."""
    return {
        "package-name": "airflow-provider-snowmaker",
        "name": "Snowmaker",
        "description": "Train on SageMaker, score in Snowflake, and let Airflow run the loop every week.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Snowmaker",
                "external-doc-url": "https://docs.snowflake.com/en/developer-guide/snowflake-ml/overview",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": "Snowmaker",
                "python-modules": [
                    f"snowmaker.operators.{module}"
                    for module in (
                        "alert",
                        "approval",
                        "baseline",
                        "choice",
                        "drift",
                        "evaluation",
                        "explain",
                        "log_model",
                        "monitor",
                        "monitor_comparison",
                        "monitor_drift",
                        "monitor_performance",
                        "performance",
                        "promotion",
                        "report",
                        "retention",
                        "rollback",
                        "sagemaker",
                        "scoring",
                        "shadow",
                        "training_set",
                    )
                ],
            }
        ],
        "config": {
            "snowmaker": {
                "description": "Where this deployment's AWS objects are, and what its instances cost.",
                "options": {
                    "sagemaker_role_arn": _option(
                        "IAM role that training jobs run as.", "arn:aws:iam::123456789012:role/snowmaker"
                    ),
                    "artefacts_uri": _option("S3 folder for training code and artefacts.", "s3://my-bucket/snowmaker"),
                    "snowflake_secret_id": _option(
                        "Secrets Manager secret by which training jobs log in to Snowflake.", "snowmaker/snowflake"
                    ),
                    "instance_prices": _option(
                        "US dollars an hour by SageMaker instance type (JSON); goes before the built-in list of "
                        "us-east-1's on-demand prices.",
                        '{"ml.m5.xlarge": 0.23}',
                    ),
                },
            }
        },
    }


def _option(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "version_added": "0.1.0", "type": "string", "example": example, "default": ""}
