"""One schema with the weekly table and two logged models, for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import snowflake.connector

from include.sandbox.process import Sandbox

from .artefacts import make_artefact
from .lab import DATABASE, SCHEMA, Lab, Model
from .weekly_data import applications, create_table


@pytest.fixture(scope="session")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The weekly table; a model with the versions ``good`` and ``weak``, logged by the operator."""
    frame, folder = applications(), tmp_path_factory.mktemp("artefacts")
    artefacts = {
        "good": make_artefact(folder / "good", frame),
        "weak": make_artefact(folder / "weak", frame, rounds=1, max_depth=1),
    }
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
            cursor.execute(f'CREATE SCHEMA {DATABASE}."{SCHEMA}"')
        create_table(connection, DATABASE, SCHEMA, "Weekly applications", frame)
        lab = Lab(sandbox, connection, frame, artefacts)
        model = Model(lab, lab.name("Logged 100% models"))
        for kind, artefact in artefacts.items():
            lab.logged[kind] = model.log(lab.upload(artefact), training_job="job-1", training_table="T")
        yield lab
        # Other tests' sandboxes may have pointed the clients of this process to themselves meanwhile.
        os.environ.update(sandbox.env)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {DATABASE}")
