"""What must be true of the loop whoever died in it: read from Airflow, SageMaker and Snowflake, and compared."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from running_demo import until

from .deployment import assert_one_after_the_other, attempt_of
from .loop import RETRAIN, ROLL_BACK, SCORE, Loop, is_rejected

_EVENTS = "SELECT SEQUENCE, EVENT, MODEL_VERSION, RUN_ID FROM SNOWMAKER_MODEL_EVENTS ORDER BY SEQUENCE"
_DECIDED = """
SELECT EVENT, MODEL_VERSION, RUN_ID, DECISION FROM SNOWMAKER_MODEL_EVENTS WHERE EVENT IN ('PROMOTED', 'REJECTED')
"""
_WEEKS = """
SELECT WEEK_START_DATE, LISTAGG(LOAN_ID, ',') WITHIN GROUP (ORDER BY LOAN_ID) FROM MORTGAGE_APPLICATIONS GROUP BY 1
"""
_PREDICTIONS = """
SELECT WEEK_START, LISTAGG(LOAN_ID, ',') WITHIN GROUP (ORDER BY LOAN_ID), LISTAGG(DISTINCT MODEL_VERSION, ','),
       LISTAGG(DISTINCT RUN_ID, ',')
FROM LOOP_PREDICTIONS GROUP BY 1 ORDER BY 1
"""
_CROWNED = ("PROMOTED", "ROLLED_BACK")
_JOBS = RETRAIN.replace("_", "-")
_LEASES = "SELECT NAME, HOLDER FROM SNOWMAKER_LOCKS WHERE EXPIRES_AT >= SYSDATE()"
_TRY_ALL_LOCKS = "UPDATE SNOWMAKER_LOCKS SET NAME = NAME"


@dataclass(frozen=True)
class Tasks:
    """A run of the loop and what became of its tasks."""

    dag_id: str
    run_id: str
    state: str
    tasks: dict[str, str]

    @property
    def label(self) -> str:
        return f"{self.dag_id}/{self.run_id}"


class Truth:
    """What Airflow says has happened in a loop, to hold against what the services say."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.api = loop.api
        self.scorings = list(self._runs(SCORE))
        self.retrainings = list(self._runs(RETRAIN))
        self.rollbacks = list(self._runs(ROLL_BACK))

    def check(self) -> str:
        """Check all, and tell how much there was to check."""
        self.every_run_ended_well()
        self.every_retraining_has_its_job()
        with self._cursor() as cursor:
            events = self.events_are_what_happened(cursor)
            self.registry_follows(cursor, events)
            weeks = self.predictions_are_those_of_the_source(cursor)
            self.nothing_is_held(cursor)
        told = Counter(event for _, event, _, _ in events)
        return (
            f"{len(self.scorings)} scorings of {weeks} weeks, {len(self.retrainings)} retrainings, events {dict(told)}"
        )

    def champions(self) -> list[str]:
        """Return who became champion, in order."""
        with self._cursor() as cursor:
            events = cursor.execute(_EVENTS).fetchall()
        return [version for _, event, version, _ in events if event in _CROWNED]

    def every_run_ended_well(self) -> None:
        """All has succeeded, but promotions that a person refused, or that a rollback came before."""
        not_promoted = [run for run in self.retrainings if run.tasks["promote"] == "failed"]
        for run in not_promoted:
            why = "rejected, champion unchanged: by " if is_rejected(run.run_id) else "was judged against"
            assert why in self.api.last_log(run.dag_id, run.run_id, "promote"), run
        runs = [*self.scorings, *self.retrainings, *self.rollbacks]
        bad = [run for run in runs if run.state != "success" and run not in not_promoted]
        assert not bad, bad
        assert not [run for run in self.retrainings if is_rejected(run.run_id) and run not in not_promoted]

    def every_retraining_has_its_job(self) -> None:
        """Each run's jobs are attempts of one job, one after the other, and there are no others."""
        deployment = self.loop.deployment
        jobs = [job for job in deployment.jobs() if job["TrainingJobName"].startswith(_JOBS)]
        attempts = defaultdict(list)
        for job in sorted(jobs, key=lambda job: attempt_of(job["TrainingJobName"])):
            attempts[_first_name(job)].append(job)
        results = {run.label: self._result(run, "train")["job_name"] for run in self.retrainings}
        for label, name in results.items():
            own = attempts.pop(_first_name({"TrainingJobName": name}))
            assert_one_after_the_other(own, label)
            assert own[-1]["TrainingJobName"] == name, label
        assert not attempts, attempts

    def events_are_what_happened(self, cursor: Any) -> list[tuple[Any, ...]]:
        """Every promotion has its event, and every rejection, with what the person said; and nobody else decided."""
        events = cursor.execute(_EVENTS).fetchall()
        undone = Counter(run for _, event, _, run in events if event == "ROLLED_BACK")
        assert undone == Counter(run.label for run in self.rollbacks)
        decided = cursor.execute(_DECIDED).fetchall()
        expected = [
            (
                "REJECTED" if is_rejected(run.run_id) else "PROMOTED",
                self._result(run, "log_model")["model_version"],
                run.label,
                f"as asked of {run.run_id}",
            )
            for run in self.retrainings
            if run.tasks["promote"] == "success" or is_rejected(run.run_id)
        ]
        assert Counter(decided) == Counter(expected)
        assert [sequence for sequence, *_ in events] == list(range(1, len(events) + 1)), events
        return list(events)

    def registry_follows(self, cursor: Any, events: list[tuple[Any, ...]]) -> None:
        """Default version and PRODUCTION are the champion of the log; versions are those logged and not retired."""
        cursor.execute("SHOW VERSIONS IN MODEL LOOP")
        names = [column.name for column in cursor.description]
        versions = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        champion = [version for _, event, version, _ in events if event in _CROWNED][-1]
        assert [row["name"] for row in versions if str(row["is_default_version"]).lower() == "true"] == [champion]
        assert [row["name"] for row in versions if "PRODUCTION" in row["aliases"]] == [champion], versions
        logged = {self._result(run, "log_model")["model_version"] for run in self.retrainings}
        retired = {version for _, event, version, _ in events if event == "RETIRED"}
        assert {row["name"] for row in versions} == logged - retired, (versions, retired)

    def predictions_are_those_of_the_source(self, cursor: Any) -> int:
        """Each scored week has exactly the source's rows, by one version and one run."""
        source = {str(week)[:10]: keys for week, keys in cursor.execute(_WEEKS).fetchall()}
        scored = {str(week)[:10]: found for week, *found in cursor.execute(_PREDICTIONS).fetchall()}
        runs = {run.label: run for run in self.scorings}
        assert {str(week) for week in self.loop.backfilled} <= set(scored)
        assert {self._result(run, "check_input")["week"] for run in self.scorings} == set(scored)
        for week, (keys, version, label) in scored.items():
            assert keys == source[week], week
            told = self._result(runs[label], "check_input")
            assert (told["week"], told["model_version"]) == (week, version), label
        return len(scored)

    def nothing_is_held(self, cursor: Any) -> None:
        """No lease is held, and no transaction holds a lock."""
        # Of one who died it ends by itself.
        until(lambda: not cursor.execute(_LEASES).fetchall(), 30, "the end of all leases")
        cursor.execute("ALTER SESSION SET LOCK_TIMEOUT = 10")
        cursor.execute(_TRY_ALL_LOCKS)

    def _runs(self, dag_id: str) -> Iterator[Tasks]:
        for run in self.api.runs(dag_id):
            tasks = {task["task_id"]: task["state"] for task in self.api.tasks(dag_id, run["dag_run_id"])}
            yield Tasks(dag_id, run["dag_run_id"], run["state"], tasks)

    def _result(self, run: Tasks, task_id: str) -> dict[str, Any]:
        return dict(self.api.xcom(run.dag_id, run.run_id, task_id))

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self.loop.connect() as connection, connection.cursor() as cursor:
            yield cursor


def _first_name(job: Mapping[str, Any]) -> str:
    return re.sub(r"-a\d+$", "", job["TrainingJobName"])
