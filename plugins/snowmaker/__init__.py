"""Airflow provider for models that train on SageMaker and score in Snowflake."""

__version__ = "0.1.0"
