"""The bundle that the kills happen in: DAGs of one training task each, and a script of as many seconds as told."""

from __future__ import annotations

from pathlib import Path

from include.demo.local_airflow import REPOSITORY

WAITING, DEFERRING = "waiting", "deferring"
# Jobs that take longer than their task may.
LIMITED, IMPATIENT = "limited", "impatient"
DAG_IDS = {WAITING, DEFERRING, LIMITED, IMPATIENT}
TASK = "train"
ROLE_ARN = "arn:aws:iam::123456789012:role/ml-sandbox-execution"

SCRIPT = """
import argparse, json, os, pathlib, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float)
print("started", flush=True)
time.sleep(parser.parse_args().seconds)
card = {
    "metrics": {"f1": 0.75}, "rows": {"train": 10, "holdout": 2}, "label": "ACCEPTED", "estimator": "xgboost",
    "snapshot": {"timestamp": "2026-11-02T00:00:00+00:00", "rows": 12}, "instances": 1,
}
for variable in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"):
    pathlib.Path(os.environ[variable], "model_card.json").write_text(json.dumps(card))
"""

DAGS = """
from datetime import timedelta
from airflow.sdk import DAG
from snowmaker.operators.sagemaker import SageMakerTrainOperator


class ImpatientOperator(SageMakerTrainOperator):
    def defer(self, **arguments):
        super().defer(**{**arguments, "timeout": timedelta(seconds=3)})


def make(dag_id, operator=SageMakerTrainOperator, **arguments):
    with DAG(dag_id, schedule=None, params={"seconds": 2}) as dag:
        operator(**{
            "task_id": "train",
            "source_dir": SOURCE,
            "table": '"D"."S"."T"',
            "features": [{"name": "INCOME", "kind": "numeric"}],
            "label": "ACCEPTED",
            "week_column": "WEEK",
            "holdout_from": "2024-02-05",
            "hyperparameters": {"seconds": "{{ params.seconds }}"},
            "secret_id": "snowflake",
            "role_arn": ROLE_ARN,
            "artefacts_uri": "s3://ml-sandbox/kills",
            "image_uri": "image",
            "poll_interval": 1,
            "retries": 20,
            "retry_delay": timedelta(seconds=1),
            **arguments,
        })
    return dag


waiting = make("waiting", deferrable=False)
deferring = make("deferring", deferrable=True)
limited = make("limited", deferrable=False, execution_timeout=timedelta(seconds=10), retries=0)
impatient = make("impatient", ImpatientOperator, deferrable=True, retries=0)
"""


def write(folder: Path, dags: str) -> Path:
    """Write a bundle into a folder that does not exist, with the repository's plugins; return the folder."""
    source = folder / "code"
    for place in (folder / "dags", source):
        place.mkdir(parents=True)
    (folder / "plugins").symlink_to(REPOSITORY / "plugins")
    (folder / ".airflowignore").write_text("code\nplugins\n")
    (source / "train.py").write_text(SCRIPT)
    (folder / "dags" / "kills.py").write_text(f"SOURCE = {str(source)!r}\nROLE_ARN = {ROLE_ARN!r}\n{dags}")
    return folder
