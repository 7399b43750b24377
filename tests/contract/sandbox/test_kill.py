"""Killed at any moment under load, a sandbox comes back with every acknowledged statement and nothing half-made."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import snowflake.connector
from kill_load import Load, check, prepare
from sklearn.linear_model import LinearRegression
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

from include.sandbox import process

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))


def log_seed(options: dict[str, object]) -> None:
    """A model whose packages the load copies: it adds its two inputs."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["A", "B"])
    model = LinearRegression().fit(frame, frame["A"] + frame["B"])
    model.coef_, model.intercept_ = np.array([1.0, 1.0]), 0.0
    with Session.builder.configs(options).create() as session:
        Registry(session, database_name="SANDBOX", schema_name="PUBLIC").log_model(
            model, model_name="SEED", version_name="V1", sample_input_data=frame, target_platforms=["WAREHOUSE"]
        )


def test_what_was_acknowledged_outlives_a_kill_in_the_midst_of_anything(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 1_000_000))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311
    running = process.start(state, only="snowflake")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", running.env["REQUESTS_CA_BUNDLE"])
    log_seed(running.settings.connection())
    for number in range(ROUNDS):
        options = {**running.settings.connection(), "schema": f"ROUND_{number}"}
        with snowflake.connector.connect(**running.settings.connection()) as connection:
            prepare(connection.cursor(), options["schema"])
        first = 60_000 * number
        load = Load(options, seed + number, first)
        load.start()
        time.sleep(chance.uniform(0.2, 2.0))
        load.over()
        running.kill()
        running = process.start(state, only="snowflake", snowflake_port=None)
        load.join()
        assert not load.ledger.errors
        assert len(load.ledger.done) >= 3, load.ledger.done.keys()
        with snowflake.connector.connect(**options) as connection:
            check(connection.cursor(), load.ledger, first)
    running.stop()
