"""``make demo``: starts sandbox and Airflow, and runs thirty weeks of a mortgage model's life through them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from include.demo import story
from include.demo.environment import Environment
from include.demo.local_airflow import REPOSITORY, AirflowApi, LocalAirflow, create_backfill
from include.demo.processes import ProcessGroup
from include.sandbox.process import SandboxError
from include.sandbox.settings import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from snowflake.connector import SnowflakeConnection

SCORE, RETRAIN = "score_mortgage", "retrain_mortgage"
WEEKS, FIRST_MODEL_WEEK, SHIFT_WEEK = 30, 10, 13
SCORED_WEEKS = WEEKS - FIRST_MODEL_WEEK
_RUNNING = ("queued", "running")


class Demo:
    """The main job, step by step; each step does only what is not done yet."""

    def __init__(
        self, api: AirflowApi, airflow: LocalAirflow, processes: ProcessGroup, environment: Environment
    ) -> None:
        self.api = api
        self.airflow = airflow
        self.processes = processes
        self.environment = environment
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """Tell progress, with the seconds since the start."""
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def train_first_model(self, first_week: date) -> None:
        """Retrain by hand as of week 10, unless there is a champion."""
        self.api.pause(RETRAIN, paused=False)
        if self._retraining():
            self.say("waiting for a retraining that is under way")
            self._wait_for_retraining()
        if self._promotions():
            self.say("there is a champion already")
            return
        as_of = first_week + timedelta(weeks=FIRST_MODEL_WEEK - 1)
        self.say(f"training the first model, as of week {FIRST_MODEL_WEEK} ({as_of}), through {RETRAIN}")
        self.api.trigger(RETRAIN, {"week": as_of.isoformat(), "reason": "first model"})
        self._wait_for_retraining()
        if not self._promotions():
            raise RuntimeError(f"the first retraining promoted nothing; look at {RETRAIN} in {self.airflow.url}")

    def backfill(self, first_week: date) -> None:
        """Score the historical weeks by a backfill, and let retrainings go first, as they do in weekly life."""
        start = first_week + timedelta(weeks=FIRST_MODEL_WEEK)
        end = first_week + timedelta(weeks=WEEKS - 1)
        done = {_week_of(run) for run in self._backfilled() if run["state"] == "success"}
        todo = {start + timedelta(weeks=i) for i in range(SCORED_WEEKS)} - done
        if not todo:
            self.say("all weeks are scored already")
            return
        if not self.api.active_backfills(SCORE):
            self.say(f"backfilling {len(todo)} weeks from {start} to {end}: airflow backfill create --dag-id {SCORE} …")
            self._create_backfill(start, end)
        self.api.pause(SCORE, paused=False)
        self._watch()

    def _create_backfill(self, start: date, end: date) -> None:
        command = ["--from-date", start.isoformat(), "--to-date", (end + timedelta(days=1)).isoformat()]
        command += ["--max-active-runs", "1", "--reprocess-behavior", "failed"]
        create_backfill(self.airflow, self.api, SCORE, *command, say=self.say)

    def finish(self, connection: SnowflakeConnection) -> bool:
        """Show the table and what was expected; return whether all of it happened."""
        asset_runs = [
            run for run in self.api.runs(RETRAIN) if run["run_type"] == "asset_triggered" and run["state"] == "success"
        ]
        weeks, events = story.read_weeks(connection), story.read_events(connection)
        print("\n" + story.table(weeks) + "\n")
        for event in events:
            print(f"{event.event.lower():9} {event.version} as of {event.week}: {event.reason}")
        expectations = story.judge(
            weeks,
            events,
            story.read_champion(connection),
            len(asset_runs),
            {_week_of(run): _utc(run["start_date"]) for run in self._backfilled() if run["start_date"]},
            expected_weeks=SCORED_WEEKS,
            shift_week=SHIFT_WEEK,
        )
        print()
        for expectation in expectations:
            print(f"{'met    ' if expectation.met else 'NOT MET'}  {expectation.what}: {expectation.found}")
        return all(expectation.met for expectation in expectations)

    def _promotions(self) -> list[story.ModelEvent]:
        with self.environment.connect() as connection:
            tables = connection.cursor().execute("SHOW TABLES LIKE 'SNOWMAKER_MODEL_EVENTS'").fetchall()
            return [e for e in story.read_events(connection) if e.event == "PROMOTED"] if tables else []

    def _backfilled(self) -> list[dict[str, Any]]:
        return [run for run in self.api.runs(SCORE) if run["run_type"] == "backfill"]

    def _retraining(self) -> list[dict[str, Any]]:
        return [run for run in self.api.runs(RETRAIN) if run["state"] in _RUNNING]

    def _wait_for_retraining(self) -> None:
        told = ""
        while runs := self._retraining():
            self.processes.check()
            tasks = self.api.tasks(RETRAIN, runs[0]["dag_run_id"])
            now = ", ".join(sorted(t["task_id"] for t in tasks if t["state"] in ("running", "deferred")))
            if now and now != told:
                self.say(f"  {RETRAIN}: {now}")
                told = now
            time.sleep(1)

    def _watch(self) -> None:
        # In weekly life a retraining is over long before the next week is scored. A backfill has no week between
        # two weeks, so scoring pauses while the model is retrained.
        told, quiet = "", 0
        while quiet < 4:
            self.processes.check()
            if self._retraining():
                self.api.pause(SCORE, paused=True)
                self.say("the model is degraded: its retraining goes first")
                self._wait_for_retraining()
                self.api.pause(SCORE, paused=False)
            runs = self.api.runs(SCORE)
            ended = [run for run in runs if run["state"] not in _RUNNING]
            failed = [run for run in ended if run["state"] == "failed"]
            now = f"{len(ended)} of {len(runs)} weeks scored and checked" + (
                f", {len(failed)} failed" if failed else ""
            )
            if now != told:
                self.say(f"  {SCORE}: {now}")
                told = now
            # The scheduler takes a moment from an asset's event to the run that it triggers.
            quiet = quiet + 1 if runs and len(ended) == len(runs) else 0
            time.sleep(1)


def _week_of(run: dict[str, Any]) -> date:
    return date.fromisoformat(run["data_interval_start"][:10])


def _utc(text: str) -> datetime:
    # Snowflake's timestamps have no zone, and are in UTC.
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def main() -> int:
    """Run the demo; the exit code is 0 only if every expectation was met."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell that starts us in the background has us ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        # Without the clients' exit handlers: what they would take leave of is gone.
        os._exit(130)
    except (RuntimeError, SandboxError, httpx.HTTPError) as error:
        print(f"\nfailed: {error}", file=sys.stderr, flush=True)
        return 1


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    processes = ProcessGroup()
    with ExitStack() as stack:
        print("starting the sandbox and Airflow …", flush=True)
        environment = Environment.start(options.state, any_port=options.any_port)
        stack.callback(environment.stop)
        port = free_port() if options.any_port else options.port
        airflow = LocalAirflow(options.home, port, environment.airflow_variables())
        airflow.cli("db", "migrate")
        airflow.write_env()
        stack.callback(processes.stop)
        stack.callback(print, "\nstopping …", flush=True)
        airflow.start(processes)
        demo = Demo(AirflowApi(airflow.url), airflow, processes, environment)
        demo.started = started
        met = _interruptible(lambda: _go_through(demo, options.rows))
        demo.say("every expectation was met" if met else "NOT every expectation was met")
        if not options.once:
            print(f"\nThe UI is at {airflow.url} until you press Ctrl-C.", flush=True)
            while True:
                processes.check()
                time.sleep(1)
    return 0 if met else 1


def _go_through(demo: Demo, rows: int) -> bool:
    first_week = demo.environment.load_mortgage_weeks(WEEKS, rows)
    demo.say(f"{WEEKS} weeks of {rows} mortgage applications are loaded, the first is {first_week}")
    demo.api.wait_until_healthy(demo.processes, 120)
    demo.say(f"Airflow is up: {demo.airflow.url}")
    demo.api.wait_for_dags({SCORE, RETRAIN}, 90)
    demo.train_first_model(first_week)
    demo.backfill(first_week)
    with demo.environment.connect() as connection:
        return demo.finish(connection)


def _interruptible(work: Callable[[], bool]) -> bool:
    """Do something in a thread: Ctrl-C in the midst of a library's C callback would be lost."""
    outcome: Future[bool] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result()


def _parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m include.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything at the end")
    parser.add_argument("--rows", type=int, default=2000, help="rows a week; default %(default)s")
    parser.add_argument("--port", type=int, default=8080, help="of Airflow's UI; default %(default)s")
    parser.add_argument("--any-port", action="store_true", help="use free ports instead of the usual ones")
    parser.add_argument("--state", type=Path, default=REPOSITORY / ".sandbox", help="the sandbox's folder")
    parser.add_argument("--home", type=Path, default=REPOSITORY / ".airflow", help="Airflow's folder")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
