from __future__ import annotations

import json
from typing import Any

import pytest

from include.training.trainer import hyperparameters as trainer
from snowmaker.choice import Tried, choose_best, tabulate
from snowmaker.exceptions import InputDataError, TrainingError
from snowmaker.hyperparameters import MAX_COMBINATIONS, MAX_TEXT, check_search, combinations, known_names
from snowmaker.operators.choice import ChooseTrainingOperator
from snowmaker.source import TaskType

COMBINATIONS = [{"max_depth": 2}, {"max_depth": 3}, {"max_depth": 4}]


def result(place: int, cost: float | None = 0.5, **metrics: float) -> dict[str, Any]:
    return {"job_name": f"job-{place}", "artefact_uri": f"s3://b/{place}", "metrics": metrics, "estimated_cost": cost}


class TaskInstance:
    """Gives what the mapped train tasks returned, and None for those that have nothing."""

    def __init__(self, results: list[dict[str, Any] | None]) -> None:
        self.results = results

    def xcom_pull(self, *, task_ids: str, map_indexes: range) -> list[dict[str, Any] | None]:
        assert task_ids == "train"
        return [self.results[place] for place in map_indexes]


def choose(results: list[dict[str, Any] | None], metric: str = "f1", **changes: Any) -> dict[str, Any]:
    arguments = {"train_task_id": "train", "combinations": COMBINATIONS, "metric": metric, **changes}
    return ChooseTrainingOperator(task_id="choose", **arguments).execute({"ti": TaskInstance(results)})


def test_the_best_ones_result_is_returned_with_all_that_was_tried() -> None:
    best = result(1, f1=0.9, roc_auc=0.1)
    chosen = choose([result(0, f1=0.8, roc_auc=0.9), best, result(2, f1=0.7)])
    tried = chosen.pop("tried")
    assert chosen == best
    assert tried == [
        {"hyperparameters": {"max_depth": 2}, "job_name": "job-0", "value": 0.8, "estimated_cost": 0.5},
        {"hyperparameters": {"max_depth": 3}, "job_name": "job-1", "value": 0.9, "estimated_cost": 0.5},
        {"hyperparameters": {"max_depth": 4}, "job_name": "job-2", "value": 0.7, "estimated_cost": 0.5},
    ]


@pytest.mark.parametrize(("metric", "best"), [("rmse", "job-1"), ("log_loss", "job-1"), ("f1_macro", "job-0")])
def test_of_an_error_the_least_is_the_best_of_any_other_metric_the_greatest(metric: str, best: str) -> None:
    assert (
        choose([result(place, **{metric: value}) for place, value in enumerate((9, 7, 8))], metric)["job_name"] == best
    )


@pytest.mark.parametrize(
    ("costs", "best"), [((0.5, 0.4, 0.4), 1), ((None, 0.9, 0.8), 2), ((None, None, None), 0), ((0.1, 0.1, 0.1), 0)]
)
def test_of_equal_ones_the_cheapest_is_taken_then_the_first(costs: tuple[float | None, ...], best: int) -> None:
    chosen = choose([result(place, cost, f1=0.9) for place, cost in enumerate(costs)])
    assert chosen["job_name"] == f"job-{best}"


def test_a_combination_that_failed_is_told_and_sinks_no_other(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = choose([None, result(1, f1=0.7), result(2, f1=0.8)])
    assert chosen["job_name"] == "job-2"
    assert chosen["tried"][0] == {
        "hyperparameters": {"max_depth": 2},
        "job_name": None,
        "value": None,
        "estimated_cost": None,
    }
    assert "train[0] failed, so {'max_depth': 2} is left out" in caplog.text + capfd.readouterr().out


def test_one_without_the_metric_is_not_chosen() -> None:
    assert choose([result(0, f1=0.2), result(1), result(2)])["job_name"] == "job-0"
    with pytest.raises(InputDataError, match="roc_auc is not defined on the holdout for any of 3 combinations"):
        choose([result(0, f1=0.2), result(1), None], "roc_auc")


def test_without_any_result_it_fails() -> None:
    with pytest.raises(TrainingError, match="none of the 3 tasks train"):
        choose([None, None, None])


def test_the_table_marks_the_best_and_tells_what_all_cost() -> None:
    tried = [
        Tried({"eta": 0.1, "max_depth": 3}, "job-a", 0.8, 0.02),
        Tried({"eta": 0.3, "max_depth": 3}, "job-b", None, 0.03),
        Tried({"eta": 0.1, "max_depth": 5}, None, None, None),
    ]
    best = choose_best(tried, "roc_auc")
    assert tabulate(tried, "roc_auc", best).splitlines() == [
        "   eta  max_depth  roc_auc    cost      job",
        "*  0.1  3          0.8        0.0200 $  job-a",
        "   0.3  3          undefined  0.0300 $  job-b",
        "   0.1  5          failed     unknown   none",
        "together 0.0500 $, of 2 of 3 jobs",
    ]


def test_the_longest_search_that_is_allowed_fits_into_an_xcom() -> None:
    names = sorted(known_names("xgboost", "regression"), key=len)[-4:]
    values = [f"{place}".rjust(MAX_TEXT, "x") for place in range(5)]
    search = {names[0]: values, **dict.fromkeys(names[1:3], values[:2])}
    check_search(search, {})
    tried = combinations(search)
    assert len(tried) == MAX_COMBINATIONS
    with pytest.raises(ValueError, match="40 combinations"):
        check_search({**search, names[3]: values[:2]}, {})
    results = []
    for place in range(len(tried)):
        metrics = dict.fromkeys(("accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc"), 0.1234567890123456)
        one = result(place, 0.1234567890123456, **metrics, brier=0.1234567890123456, log_loss=0.1234567890123456)
        one |= dict.fromkeys(("job_arn", "artefact_uri", "table", "snapshot", "digest"), "x" * 200)
        results.append(one | {"job_name": "n" * 63})
    chosen = choose(results, "roc_auc", combinations=tried)
    assert len(json.dumps(chosen)) < 10_000


def test_the_names_are_those_that_the_training_code_knows() -> None:
    by_xgboost = known_names("xgboost", "binary_classification")
    assert by_xgboost == trainer.XGBOOST_PARAMETERS | {"num_boost_round", "early_stopping_rounds"}
    tasks: list[TaskType] = ["binary_classification", "multiclass_classification", "regression"]
    assert frozenset().union(*(known_names("linear", task) for task in tasks)) == trainer.LINEAR_PARAMETERS
