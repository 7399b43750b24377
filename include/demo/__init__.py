"""Runs Airflow and the sandbox on one machine, and shows the weekly loop on them."""
