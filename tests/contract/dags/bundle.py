"""A bundle with pipeline files of the test's own, whose DAGs `dag.test` runs in a process of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from include.demo.local_airflow import REPOSITORY, LocalAirflow

# In a process of its own, for Airflow reads its settings when it is imported.
_RUN = """
import json, sys
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

bundle, runs = sys.argv[1], json.loads(sys.argv[2])
bag = BundleDagBag(bundle, bundle_path=bundle, bundle_name="snowmaker")
assert not bag.import_errors, bag.import_errors
told = []
for dag_id, conf in runs:
    run = bag.dags[dag_id].test(run_conf=conf)
    with create_session() as session:
        tasks = session.scalars(select(TaskInstance).filter_by(dag_id=dag_id, run_id=run.run_id)).all()
        returned = select(XComModel).filter_by(dag_id=dag_id, run_id=run.run_id, key="return_value")
        results = session.scalars(returned).all()
        name = lambda one: one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]"
        told.append({
            "states": {name(one): str(one.state) for one in tasks},
            "labels": {name(one): one.rendered_map_index for one in tasks},
            "tries": {name(one): one.try_number for one in tasks},
            "results": {name(one): one.value for one in results},
        })
print("\\nTOLD" + json.dumps(told))
"""


@dataclass(frozen=True)
class Run:
    """What a run left: states, UI labels, tries and results of its task instances; a mapped one is ``task[0]``."""

    states: dict[str, str]
    labels: dict[str, str | None]
    tries: dict[str, int]
    results: dict[str, Any]


@dataclass(frozen=True)
class Bundle:
    """The repository's DAGs beside pipeline files of one's own, and an Airflow home to run them in."""

    airflow: LocalAirflow

    @classmethod
    def make(cls, folder: Path, environment: dict[str, str], *pipelines: dict[str, Any]) -> Bundle:
        """Write the bundle and make the home's database."""
        bundle = folder / "bundle"
        for name in ("dags", "plugins", "include/training"):
            shutil.copytree(REPOSITORY / name, bundle / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / ".airflowignore", bundle)
        (bundle / "include" / "pipelines").mkdir()
        for pipeline in pipelines:
            (bundle / "include" / "pipelines" / f"{pipeline['name']}.yaml").write_text(yaml.safe_dump(pipeline))
        airflow = LocalAirflow(folder / "airflow", 1, environment, bundle)
        airflow.cli("db", "migrate")
        return cls(airflow)

    def run(self, *runs: tuple[str, dict[str, Any]]) -> tuple[list[Run], str]:
        """Run DAGs with their conf, one after another; return what they left, and all they printed."""
        command = [sys.executable, "-c", _RUN, str(self.airflow.bundle), json.dumps(runs)]
        done = subprocess.run(command, env=self.airflow.env(), capture_output=True, text=True, timeout=500, check=False)
        # For whoever looks after a failure: pytest keeps the folder.
        (self.airflow.home / "dag_test.log").write_text(done.stdout + done.stderr)
        assert "\nTOLD" in done.stdout, done.stdout[-4000:] + done.stderr[-4000:]
        printed, _, told = done.stdout.rpartition("\nTOLD")
        return [Run(**one) for one in json.loads(told)], printed + done.stderr
