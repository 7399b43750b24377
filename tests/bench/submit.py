"""How long a training task takes from its start until its job is submitted, the clients' imports apart."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from include.sandbox import process

REPOSITORY = Path(__file__).parents[2]
_RUNS = 3
_IMAGES = {"image given": "image", "image looked up": None}
# A task's process imports the operator with its DAG, and the clients when it makes them; then there is only work.
_CODE = """
import json, sys, time
from types import SimpleNamespace
started = time.perf_counter()
from airflow.sdk.exceptions import TaskDeferred
from snowmaker.operators.sagemaker import SageMakerTrainOperator
import airflow.sdk.execution_time.task_runner, boto3, botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
image = json.loads(sys.argv[2])
if image is None:
    from sagemaker.core import image_uris
imported = time.perf_counter() - started
task = SageMakerTrainOperator(
    task_id="train", source_dir=SOURCE, table='"D"."S"."T"', features=[{"name": "A", "kind": "numeric"}], label="Y",
    week_column="W", holdout_from="2024-02-05", secret_id="s", image_uri=image, artefacts_uri="s3://ml-sandbox/bench",
    role_arn="arn:aws:iam::123456789012:role/ml-sandbox-execution",
)
ti = SimpleNamespace(
    dag_id="bench", run_id=sys.argv[1], task_id="train", map_index=-1, xcom_push=lambda key, value: None
)
started = time.perf_counter()
try:
    task.execute({"ti": ti})
except TaskDeferred as deferred:
    seconds = time.perf_counter() - started
    name = deferred.trigger.job_name
task.hook.stop(name)
print("@" + json.dumps([imported, seconds]))
"""


def measure() -> Iterator[Figure]:
    """Submit from fresh processes and take the median; the training code that is packed is the real one."""
    with tempfile.TemporaryDirectory() as folder:
        running = process.start(Path(folder) / "sandbox", only="aws")
        env = {
            **os.environ,
            **running.env,
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "PYTHONPATH": f"{REPOSITORY / 'plugins'}:{REPOSITORY}",
        }
        try:
            for what, image in _IMAGES.items():
                found = [_submit(env, f"{what} {number}", image) for number in range(_RUNS)]
                imported, seconds = (statistics.median(values) for values in zip(*found, strict=True))
                yield Figure(f"client imports ({what})", imported, "s")
                yield Figure(f"start to submitted ({what})", seconds, "s", bound=2)
        finally:
            running.stop()


def _submit(env: dict[str, str], run_id: str, image: str | None) -> tuple[float, float]:
    code = _CODE.replace("SOURCE", repr(str(REPOSITORY / "include" / "training")))
    command = [sys.executable, "-c", code, run_id, json.dumps(image)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    imported, seconds = json.loads(done.stdout.split("@")[-1])
    return imported, seconds
