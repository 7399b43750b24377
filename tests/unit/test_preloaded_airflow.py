"""What the demo's Airflow has imported before it forks a process for a task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# What a task's process does before it executes: parse the DAG files, look for listeners.
TASK = """
import json, sys
from pathlib import Path
from include.demo.preloaded_airflow import preload
from snowmaker import pipeline
repository = Path(sys.argv[1])
preload(repository)
known, read = set(sys.modules), pipeline._parse.cache_info().misses
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.listener import get_listener_manager
bag = BundleDagBag(str(repository / "dags"), bundle_path=str(repository), bundle_name="b")
get_listener_manager()
new = [name for name in sys.modules if name not in known and not name.startswith("unusual_prefix_")]
print("@" + json.dumps([new, sorted(bag.dags), pipeline._parse.cache_info().misses - read, read]))
"""


def test_a_task_finds_imported_and_read_what_its_dag_file_needs(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "plugins"), str(REPOSITORY)]),
    }
    command = [sys.executable, "-c", TASK, str(REPOSITORY)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    new, dags, read_anew, read = json.loads(done.stdout.split("@")[-1])
    assert {"score_mortgage", "retrain_mortgage"} <= set(dags)
    assert new == []
    assert (read_anew, bool(read)) == (0, True)
