"""What a training job costs: prices of instances, the estimate, and the row that is kept of it. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.training_outcome import billable_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.training_job import TaskIdentity

# US dollars an hour on demand, training in us-east-1, without storage and tax. https://aws.amazon.com/sagemaker/pricing
# is the source to check against; these were taken on 2026-11-21 from public tables made of it in 2023 and 2024, and
# only where two of them agree. Give your own region's and contract's with [snowmaker] instance_prices.
PRICES: dict[str, float] = {
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.m5.12xlarge": 2.765,
    "ml.m5.24xlarge": 5.53,
    "ml.c5.xlarge": 0.204,
    "ml.c5.2xlarge": 0.408,
    "ml.c5.4xlarge": 0.816,
    "ml.c5.9xlarge": 1.836,
    "ml.r5.8xlarge": 2.419,
    "ml.t3.medium": 0.05,
    "ml.t3.large": 0.1,
    "ml.t3.xlarge": 0.2,
    "ml.g4dn.xlarge": 0.736,
    "ml.g5.2xlarge": 1.515,
    "ml.g5.12xlarge": 7.09,
    "ml.p3.2xlarge": 3.825,
    "ml.p3.8xlarge": 14.688,
    "ml.p3.16xlarge": 28.152,
}


@dataclass(frozen=True)
class Cost:
    """What a job is billed for. Price and cost are None if the price of one of its types is not known.

    :param instance_type: the types, joined by commas if there are several
    :param hourly_price: US dollars an hour of all instances together
    :param estimated: US dollars
    """

    instance_type: str
    instance_count: int
    billable_seconds: int
    hourly_price: float | None
    estimated: float | None
    unpriced: tuple[str, ...] = ()


def cost_of(description: Mapping[str, Any], prices: Mapping[str, float]) -> Cost:
    """Estimate a job's cost: billable seconds times instances times price, as SageMaker's documentation has it.

    For spot instances the billable time is already less than the time they ran. What a warm pool waits afterwards,
    storage and data transfer are not in it.

    :param description: of an ended job
    :param prices: US dollars an hour by instance type

    >>> config = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2}
    >>> cost_of({"ResourceConfig": config, "BillableTimeInSeconds": 1800}, PRICES).estimated
    0.23
    """
    config = description.get("ResourceConfig") or {}
    groups = [
        (str(group.get("InstanceType")), int(group.get("InstanceCount") or 0))
        for group in config.get("InstanceGroups") or [config]
    ]
    seconds = billable_seconds(description)
    types = tuple(dict.fromkeys(instance_type for instance_type, _ in groups))
    unpriced = tuple(instance_type for instance_type in types if instance_type not in prices)
    hourly = None if unpriced else sum(count * prices[instance_type] for instance_type, count in groups)
    return Cost(
        instance_type=",".join(types),
        instance_count=sum(count for _, count in groups),
        billable_seconds=seconds,
        hourly_price=None if hourly is None else round(hourly, 6),
        estimated=None if hourly is None else round(hourly * seconds / 3600, 6),
        unpriced=unpriced,
    )


def cost_row(
    description: Mapping[str, Any], cost: Cost, identity: TaskIdentity, *, model: str | None, week: str | None
) -> dict[str, Any]:
    """Return the job's row of the table of run costs, by column.

    :param week: ISO date of the first day of the week the model is trained as of
    """
    started, ended = description.get("TrainingStartTime"), description.get("TrainingEndTime")
    return {
        "JOB_NAME": description["TrainingJobName"],
        "MODEL_NAME": model,
        "WEEK_START": dt.date.fromisoformat(week) if week else None,
        "TASK_ID": identity.task_id,
        "MAP_INDEX": identity.map_index,
        "STATUS": description["TrainingJobStatus"],
        "INSTANCE_TYPE": cost.instance_type,
        "INSTANCE_COUNT": cost.instance_count,
        "TRAINING_SECONDS": int((ended - started).total_seconds()) if started and ended else None,
        "BILLABLE_SECONDS": cost.billable_seconds,
        "HOURLY_PRICE": cost.hourly_price,
        "ESTIMATED_COST": cost.estimated,
        "RUN_ID": f"{identity.dag_id}/{identity.run_id}",
    }
