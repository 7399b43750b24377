"""The operator that chooses among the models of a hyperparameter search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from snowmaker.choice import Tried, choose_best, tabulate
from snowmaker.exceptions import InputDataError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hyperparameters import Value


class ChooseTrainingOperator(BaseOperator):
    """Take the best of mapped train tasks, by a metric on the holdout that all of them were measured on.

    Of equal ones the cheapest is taken, then the first. A combination whose task failed does not sink the others;
    it is told in log and result. If all failed, so does this task (its state is then upstream_failed).

    :param train_task_id: the mapped task; its map indexes are the places in ``combinations``
    :param combinations: the hyperparameters that were searched, one mapping a train task
    :param metric: the metric to choose by, as the model card calls it; of an error, such as rmse or log_loss, the least
        is the best
    :return: the best one's result, and ``tried``: hyperparameters, job, metric (``value``) and cost of each
    """

    def __init__(
        self,
        *,
        train_task_id: str,
        combinations: Sequence[Mapping[str, Value]],
        metric: str,
        **kwargs: Any,
    ) -> None:
        # So that .output["artefact_uri"] gives a field of the result.
        super().__init__(**{"multiple_outputs": True, "trigger_rule": TriggerRule.ALL_DONE_MIN_ONE_SUCCESS, **kwargs})
        self.train_task_id = train_task_id
        self.combinations = combinations
        self.metric = metric

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Look at the results, tell them, return the best."""
        places = range(len(self.combinations))
        # By index: a list of what there is would not tell which combination failed.
        results = context["ti"].xcom_pull(task_ids=self.train_task_id, map_indexes=places)
        tried = [
            Tried.of(combination, result, self.metric)
            for combination, result in zip(self.combinations, results, strict=True)
        ]
        best = choose_best(tried, self.metric)
        self.log.info("Combinations:\n%s", tabulate(tried, self.metric, best))
        for place, one in enumerate(tried):
            if one.job_name is None:
                self.log.warning(
                    "%s[%d] failed, so %s is left out; its log tells why",
                    self.train_task_id,
                    place,
                    one.hyperparameters,
                )
        if all(one.job_name is None for one in tried):
            raise TrainingError(f"none of the {len(tried)} tasks {self.train_task_id}[…] has a result; see their logs")
        if best is None:
            raise InputDataError(
                f"{self.metric} is not defined on the holdout for any of {len(tried)} combinations; choose another "
                f"monitoring.performance.metric, or a longer holdout"
            )
        return {**results[best], "tried": [one.as_dict() for one in tried]}
