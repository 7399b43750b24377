"""What parsing the DAG files costs beyond importing Airflow and the operators' own base classes."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

REPOSITORY = Path(__file__).parents[2]
_RUNS = 5
_MANY = 100
_BARE = """
import airflow.sdk
from airflow.dag_processing.dagbag import BundleDagBag
import airflow.providers.snowflake.hooks.snowflake, airflow.providers.amazon.aws.hooks.s3
import airflow.providers.amazon.aws.operators.sagemaker
"""
_CODE = f"""
import json, resource, sys, time
{_BARE}
resource_of = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = resource_of(), time.perf_counter()
bag = BundleDagBag(sys.argv[1] + "/dags", bundle_path=sys.argv[1], bundle_name="bench")
assert len(bag.dags) >= int(sys.argv[2]) and not bag.import_errors, bag.import_errors
print("@" + json.dumps([time.perf_counter() - started, resource_of() - before]))
"""


def measure() -> Iterator[Figure]:
    """Parse in fresh processes and take the median: the repository, and then many pipelines."""
    seconds, megabytes = _median(REPOSITORY, 1)
    yield Figure("DAG parse beyond imports", seconds, "s", bound=2)
    yield Figure("DAG parse beyond imports", megabytes, "MB", bound=50)
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_median(_make_bundle(Path(folder) / str(count), count), count) for count in (1, _MANY))
    yield Figure(f"{_MANY - 1} more pipelines to parse", many[0] - few[0], "s", bound=2)
    yield Figure(f"{_MANY - 1} more pipelines to parse", many[1] - few[1], "MB")


def _make_bundle(bundle: Path, count: int) -> Path:
    """Write a bundle of the repository's DAG files and of so many copies of one pipeline file."""
    shutil.copytree(REPOSITORY / "dags", bundle / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    pipelines = bundle / "include" / "pipelines"
    pipelines.mkdir(parents=True)
    example = (REPOSITORY / "include" / "pipelines" / "mortgage.yaml").read_text()
    for number in range(count):
        (pipelines / f"model_{number}.yaml").write_text(example.replace("name: mortgage\n", f"name: model_{number}\n"))
    return bundle


def _median(bundle: Path, pipelines: int) -> tuple[float, float]:
    seconds, megabytes = zip(*(_parse(bundle, 2 * pipelines) for _ in range(_RUNS)), strict=True)
    return statistics.median(seconds), statistics.median(megabytes)


def _parse(bundle: Path, dags: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        env = {
            "PATH": str(Path(sys.executable).parent),
            "HOME": home,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "PYTHONPATH": str(REPOSITORY / "plugins"),
        }
        command = [sys.executable, "-c", _CODE, str(bundle), str(dags)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        seconds, megabytes = json.loads(done.stdout.split("@")[-1])
        return seconds, megabytes
