"""What runs inside the training container: read from Snowflake, train XGBoost, write an artefact.

Self-contained: it knows neither Airflow nor the repository it was shipped from. The artefact is UBJSON and
JSON only, so that whoever loads it runs no code of ours.
"""
