"""What a training job is asked to be: names, fingerprints, the job's document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.training_job import Resources, TaskIdentity, TrainingSpec, job_name

RESOURCES = Resources(instance_type="ml.m5.xlarge")


def make_spec(**changes: Any) -> TrainingSpec:
    return TrainingSpec(
        **{
            "source_digest": "0" * 64,
            "entry_point": "train.py",
            "table": '"D"."S"."T"',
            "key": ("LOAN_ID",),
            "features": ({"name": "INCOME", "kind": "numeric"},),
            "label": "ACCEPTED",
            "week_column": "WEEK",
            "task": "binary_classification",
            "holdout_from": "2024-02-05",
            "seed": 7,
            "recency_half_life_weeks": None,
            "estimator": "xgboost",
            "class_weight": None,
            "reader": "connector",
            "threshold": 0.5,
            "hyperparameters": {"max_depth": 4, "eta": 0.1, "tree_method": "hist"},
            "secret_id": "snowflake",
            "role_arn": "arn:aws:iam::123456789012:role/train",
            "artefacts_uri": "s3://bucket/folder/",
            "image_uri": None,
            "framework_version": "3.0-5",
            "resources": RESOURCES,
            **changes,
        }
    )


texts = st.text(max_size=80)


@given(texts, texts, texts, st.integers(-1, 99), st.integers(1, 999))
def test_every_name_is_one_that_sagemaker_takes(dag: str, run: str, task: str, index: int, attempt: int) -> None:
    name = job_name(TaskIdentity(dag, run, task, index), "fingerprint", attempt)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)


def test_names_differ_by_task_and_by_specification_and_by_nothing_else() -> None:
    task = TaskIdentity("dag", "run", "task")
    others = [
        TaskIdentity("dag", "run2", "task"),
        TaskIdentity("dag", "run", "task", 0),
        TaskIdentity("dag-run", "", "task"),
        TaskIdentity("dag", "run", "task", try_id="1"),
    ]
    fingerprint = make_spec().fingerprint
    names = {job_name(t, fingerprint) for t in (task, *others)}
    names.add(job_name(task, make_spec(seed=8).fingerprint))
    names.add(job_name(task, make_spec(source_digest="1").fingerprint))
    assert len(names) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"key": ()},
        {"estimator": "linear"},
        {"class_weight": "balanced"},
        {"reader": "snowpark"},
        {"more": {"InputDataConfig": []}},
        {"resources": Resources(instance_type="ml.m5.xlarge", instance_count=2)},
        {"resources": Resources(instance_type="ml.m5.xlarge", spot=True)},
        {"resources": Resources(instance_type="ml.m5.xlarge", subnets=("s",), security_group_ids=("g",))},
    ],
)
def test_whatever_changes_the_job_changes_its_fingerprint(change: dict[str, Any]) -> None:
    assert make_spec(**change).fingerprint != make_spec().fingerprint


@pytest.mark.parametrize("change", [{"code_commit": "abc"}, {"tags": {"team": "loans"}}])
def test_what_is_only_told_to_the_job_does_not(change: dict[str, Any]) -> None:
    assert make_spec(**change).fingerprint == make_spec().fingerprint


def test_the_document_says_all_that_the_training_code_asks_for() -> None:
    document = json.loads(make_spec(class_weight="balanced", code_commit="abc").document)
    assert document == {
        "secret_id": "snowflake",
        "table": '"D"."S"."T"',
        "key": ["LOAN_ID"],
        "week_column": "WEEK",
        "features": [{"name": "INCOME", "kind": "numeric"}],
        "label": "ACCEPTED",
        "task": "binary_classification",
        "holdout_from": "2024-02-05",
        "seed": 7,
        "recency_half_life_weeks": None,
        "estimator": "xgboost",
        "class_weight": "balanced",
        "reader": "connector",
        "threshold": 0.5,
        "code_commit": "abc",
    }
