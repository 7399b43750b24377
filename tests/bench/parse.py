"""What parsing the DAG files costs beyond importing Airflow and the operators' own base classes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

REPOSITORY = Path(__file__).parents[2]
_RUNS = 5
_BARE = """
import airflow.sdk
from airflow.dag_processing.dagbag import BundleDagBag
import airflow.providers.snowflake.hooks.snowflake, airflow.providers.amazon.aws.hooks.s3
import airflow.providers.amazon.aws.operators.sagemaker
"""
_CODE = f"""
import json, resource, time
{_BARE}
resource_of = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = resource_of(), time.perf_counter()
bag = BundleDagBag({str(REPOSITORY / "dags")!r}, bundle_path={str(REPOSITORY)!r}, bundle_name="bench")
assert bag.dags and not bag.import_errors, bag.import_errors
print("@" + json.dumps([time.perf_counter() - started, resource_of() - before]))
"""


def measure() -> Iterator[Figure]:
    """Parse in fresh processes and take the median."""
    found = [_parse() for _ in range(_RUNS)]
    yield Figure("DAG parse beyond imports", statistics.median(seconds for seconds, _ in found), "s", bound=2)
    yield Figure("DAG parse beyond imports", statistics.median(megabytes for _, megabytes in found), "MB", bound=50)


def _parse() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        env = {
            "PATH": str(Path(sys.executable).parent),
            "HOME": home,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "PYTHONPATH": str(REPOSITORY / "plugins"),
        }
        done = subprocess.run([sys.executable, "-c", _CODE], env=env, capture_output=True, text=True, check=True)
        seconds, megabytes = json.loads(done.stdout.split("@")[-1])
        return seconds, megabytes
