"""The repository as a bundle: one bad pipeline file beside good ones, and the provider as Airflow lists it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from include.demo.local_airflow import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
SHIPPED = ("customer_churn", "house_values", "maintenance", "mortgage", "support_tickets")

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(sys.argv[1], bundle_path=sys.argv[1], bundle_name="b")
print("FOUND" + json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors}))
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the repository that holds what a bundle needs."""
    for name in ("dags", "plugins", "include"):
        shutil.copytree(REPOSITORY / name, tmp_path / "b" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / ".airflowignore", tmp_path / "b")
    return tmp_path / "b"


def test_a_bad_pipeline_file_takes_no_other_down(bundle: Path) -> None:
    pipelines = bundle / "include" / "pipelines"
    good = (pipelines / "mortgage.yaml").read_text()
    (pipelines / "loans.yaml").write_text(good.replace("name: mortgage\n", "name: loans\n"))
    (pipelines / "broken.yaml").write_text(
        good.replace("name: mortgage\n", "name: broken\n").replace("warn: 0.1\n", "warn: 0.3\n")
    )
    found = parse(bundle)
    assert found["dags"] == dags_of(*SHIPPED, "loans")
    (error,) = found["errors"].values()
    message = error.strip().splitlines()[-1]
    for part in ("broken.yaml", "monitoring.drift", "0.25", "0.3", "raise breach or lower warn"):
        assert part in message
    assert "loans.yaml" not in message


def test_the_repository_itself_has_no_import_error(bundle: Path) -> None:
    assert parse(bundle) == {"dags": dags_of(*SHIPPED), "errors": {}}


def test_airflow_lists_the_provider(tmp_path: Path) -> None:
    listed = json.loads(airflow_python(tmp_path, "-m", "airflow", "providers", "list", "--output", "json"))
    assert [one["version"] for one in listed if one["package_name"] == "airflow-provider-snowmaker"] == [
        version("airflow-provider-snowmaker")
    ]


def dags_of(*pipelines: str) -> list[str]:
    return sorted(
        ["rollback_model", *(f"{kind}_{name}" for kind in ("score", "retrain", "shadow") for name in pipelines)]
    )


def parse(bundle: Path) -> dict[str, object]:
    """Parse a bundle as Airflow does, in a process of its own."""
    printed = airflow_python(bundle.parent, "-c", PARSE, str(bundle), plugins=bundle / "plugins")
    return json.loads(printed.split("FOUND")[1].splitlines()[0])


def airflow_python(home: Path, *arguments: str, plugins: Path | None = None) -> str:
    env = {"PATH": str(Path(sys.executable).parent), "HOME": str(home), "AIRFLOW_HOME": str(home / "airflow")}
    env |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)} if plugins else {}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=home, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
