"""The README's examples, run word for word: "Your own model" through a real Airflow, the operators' DAG parsed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from include.demo.environment import Environment
from include.demo.local_airflow import REPOSITORY, AirflowApi, LocalAirflow
from include.demo.processes import ProcessGroup
from include.sandbox.settings import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

README = (REPOSITORY / "README.md").read_text()
VERSIONS = (REPOSITORY / "include" / "pipelines" / "VERSIONS.md").read_text()
ENDED = ("success", "failed")


def blocks(section: str) -> list[tuple[str, str]]:
    """Return language and text of a section's fenced blocks."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, whose .venv is ours."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("dags", "plugins", "include"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / ".airflowignore", folder)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


@pytest.fixture(scope="module")
def api(checkout: Path) -> Iterator[AirflowApi]:
    """What ``make demo`` keeps up, in that checkout."""
    processes = ProcessGroup()
    with ExitStack() as stack:
        environment = Environment.start(checkout / ".sandbox", any_port=True)
        stack.callback(environment.stop)
        airflow = LocalAirflow(checkout / ".airflow", free_port(), environment.airflow_variables(), checkout)
        airflow.cli("db", "migrate")
        airflow.write_env()
        stack.callback(processes.stop)
        airflow.start(processes)
        found = AirflowApi(airflow.url)
        found.wait_until_healthy(processes, 120)
        yield found


def test_your_own_model_works_word_for_word(checkout: Path, api: AirflowApi) -> None:
    session = ["set -euo pipefail"]
    queries = []
    for language, text in blocks("Your own model"):
        if language == "python":
            (checkout / "churn.py").write_text(text)
            run(checkout, [*session, "python churn.py"])
        elif language == "yaml":
            (checkout / "include" / "pipelines" / "churn.yaml").write_text(text)
        elif language == "sql":
            queries.append(text)
        elif "source" in text:
            session.append(text)
        else:
            run(checkout, [*session, text])
            for dag_id in re.findall(r"dags trigger (\w+)", text):
                wait_for_success(api, dag_id)
    predictions, costs = (
        run(checkout, [*session, f"python - <<'EOF'\n{ASK.format(query=query)}\nEOF"]) for query in queries
    )
    assert predictions.count("datetime.date(2026, 3, 23)") == 5
    explained, champion = (
        run(checkout, [*session, f"python - <<'EOF'\n{ASK.format(query=query)}\nEOF"])
        for query in re.findall(r"^```sql\n(.*?)^```$", VERSIONS, flags=re.MULTILINE | re.DOTALL)
    )
    # A row a customer and week, each with its features' part and the rest.
    assert explained.count("), (") == 5999
    assert re.fullmatch(r"\[\('V20260316_\w{8}',\)\]\n", champion)
    assert re.fullmatch(r"\[\('retrain-churn-train-\w+', 'Completed', 'ml\.m5\.xlarge', \d+, 0\.\d+\)\]\n", costs)


ASK = """
import snowflake.connector
with snowflake.connector.connect(connection_name="sandbox") as connection:
    print(connection.cursor().execute('''{query}''').fetchall())
"""


def run(folder: Path, lines: list[str]) -> str:
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{lines[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def wait_for_success(api: AirflowApi, dag_id: str) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        states = [found["state"] for found in api.runs(dag_id)]
        if states and all(state in ENDED for state in states):
            break
        time.sleep(0.5)
    failed = [task for found in api.runs(dag_id) for task in api.tasks(dag_id, found["dag_run_id"])]
    assert set(states) == {"success"}, [(task["task_id"], task["state"]) for task in failed]


def test_the_operators_example_is_a_dag(tmp_path: Path) -> None:
    ((language, text),) = blocks("The operators")
    assert language == "python"
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "my_own_loop.py").write_text(text)
    code = (
        "from airflow.dag_processing.dagbag import BundleDagBag\n"
        f"bag = BundleDagBag({str(tmp_path / 'dags')!r}, bundle_path={str(tmp_path)!r}, bundle_name='b')\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "print(sorted(bag.dags['my_own_loop'].task_ids))\n"
    )
    env = {"PATH": str(Path(sys.executable).parent), "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "['check_drift', 'evaluate', 'log_model', 'promote', 'score', 'train']" in done.stdout
