"""Who may import whom, and what parsing a DAG file must not import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HEAVY = (
    "snowflake.ml",
    "snowflake.snowpark",
    "snowflake.connector",
    "sagemaker",
    "xgboost",
    "sklearn",
    "pandas",
)
FORBIDDEN = {
    "dags": ("include", "snowflake", "boto3"),
    "plugins/snowmaker": ("include",),
    "include/training": ("airflow", "snowmaker", "include"),
    "include/sandbox": ("airflow", "snowmaker", "include.training", "include.demo", "include.datasets"),
    "tests/contract/snowflake": ("include", "snowmaker"),
    "include/datasets": ("airflow", "snowmaker", "include.training", "include.sandbox"),
}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_walls_between_the_rooms_stand(folder: str) -> None:
    files = list((REPOSITORY / folder).rglob("*.py"))
    assert files
    faults = [
        f"{file.relative_to(REPOSITORY)} imports {name}"
        for file in files
        for name in _imports(file)
        if any(name == wall or name.startswith(f"{wall}.") for wall in FORBIDDEN[folder])
    ]
    assert faults == []


def _imports(file: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return names


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a fresh process has imported after parsing all DAG files, and which DAGs and errors it found."""
    code = (
        "import json, sys\n"
        "from airflow.dag_processing.dagbag import BundleDagBag\n"
        f"bag = BundleDagBag({str(REPOSITORY / 'dags')!r}, bundle_path={str(REPOSITORY)!r}, bundle_name='b')\n"
        "print('@' + json.dumps([sorted(sys.modules), sorted(bag.dags), [str(e) for e in bag.import_errors.items()]]))"
    )
    home = tmp_path_factory.mktemp("airflow")
    env = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(REPOSITORY / "plugins"),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    modules, dags, errors = json.loads(done.stdout.split("@")[-1])
    return {"modules": modules, "dags": dags, "errors": errors}


def test_dag_files_parse_without_error(parsed: dict[str, list[str]]) -> None:
    assert parsed["errors"] == []
    assert {"score_mortgage", "retrain_mortgage"} <= set(parsed["dags"])


@pytest.mark.parametrize("package", HEAVY)
def test_parsing_dag_files_imports_nothing_heavy(parsed: dict[str, list[str]], package: str) -> None:
    found = [name for name in parsed["modules"] if name == package or name.startswith(f"{package}.")]
    assert found == []
