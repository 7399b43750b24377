"""ListTrainingJobs and Search over the jobs of a region: filters, order and pages, as pure functions."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

from include.sandbox.aws import warm_pool
from include.sandbox.aws.training_job import TrainingJob

_SORT_KEYS = {"Name": "TrainingJobName", "CreationTime": "CreationTime", "Status": "TrainingJobStatus"}


def list_jobs(jobs: Iterable[TrainingJob], request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListTrainingJobs."""
    if request.get("TrainingPlanArnEquals"):
        raise AWSValidationException("This sandbox does not implement TrainingPlanArnEquals of ListTrainingJobs.")
    found = [summary for summary in map(summarize, jobs) if _is_listed(summary, request)]
    found = _ordered(found, _SORT_KEYS[request.get("SortBy", "CreationTime")], request.get("SortOrder"), "Ascending")
    return _page("TrainingJobSummaries", found, request)


def summarize(job: TrainingJob) -> dict[str, Any]:
    """Return the TrainingJobSummary of a job."""
    described = job.describe()
    names = (
        "TrainingJobName",
        "TrainingJobArn",
        "CreationTime",
        "TrainingEndTime",
        "LastModifiedTime",
        "TrainingJobStatus",
        "SecondaryStatus",
    )
    summary = {name: described[name] for name in names if name in described}
    pool = warm_pool.status_of(job)
    return summary | ({"WarmPoolStatus": pool} if pool else {})


def search_jobs(jobs: Iterable[TrainingJob], request: dict[str, Any]) -> dict[str, Any]:
    """Answer Search for the resource TrainingJob."""
    if request["Resource"] != "TrainingJob":
        raise AWSValidationException(f"This sandbox searches the resource TrainingJob only, not {request['Resource']}.")
    for name in ("CrossAccountFilterOption", "VisibilityConditions"):
        if request.get(name):
            raise AWSValidationException(f"This sandbox does not implement {name} of Search.")
    records = [job.describe() | {"Tags": job.tags} for job in jobs]
    expression = request.get("SearchExpression") or {}
    found = [record for record in records if _matches(record, expression)]
    found = _ordered(found, request.get("SortBy", "LastModifiedTime"), request.get("SortOrder"), "Descending")
    return _page("Results", [{"TrainingJob": record} for record in found], request) | {
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"}
    }


def _is_listed(summary: dict[str, Any], request: dict[str, Any]) -> bool:
    pool = summary.get("WarmPoolStatus", {}).get("Status")
    wanted = (
        (request.get("StatusEquals"), summary["TrainingJobStatus"]),
        (request.get("WarmPoolStatusEquals"), pool),
    )
    times = [
        ("CreationTime", summary["CreationTime"]),
        ("LastModifiedTime", summary["LastModifiedTime"]),
    ]
    return (
        request.get("NameContains", "") in summary["TrainingJobName"]
        and all(value is None or value == present for value, present in wanted)
        and all(_within(request, name, moment) for name, moment in times)
    )


def _within(request: dict[str, Any], name: str, moment: dt.datetime) -> bool:
    after, before = request.get(f"{name}After"), request.get(f"{name}Before")
    seconds = moment.timestamp()
    return (after is None or seconds > after) and (before is None or seconds < before)


def _matches(record: dict[str, Any], expression: dict[str, Any]) -> bool:
    if expression.get("NestedFilters"):
        raise AWSValidationException("This sandbox does not implement NestedFilters of Search.")
    verdicts = [_passes(record, condition) for condition in expression.get("Filters") or []]
    verdicts += [_matches(record, inner) for inner in expression.get("SubExpressions") or []]
    combine: Callable[[Sequence[bool]], bool] = any if expression.get("Operator") == "Or" else all
    return combine(verdicts) if verdicts else True


def _passes(record: dict[str, Any], condition: dict[str, Any]) -> bool:
    operator, wanted = condition.get("Operator", "Equals"), condition.get("Value")
    found = _property(record, condition["Name"])
    if operator in {"Exists", "NotExists"}:
        return (found is not None) == (operator == "Exists")
    if wanted is None:
        raise AWSValidationException(f"The filter of {condition['Name']} by {operator} needs a Value.")
    if found is None:
        return operator == "NotEquals"
    return _OPERATORS[operator](*_comparable(found, wanted))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda found, wanted: found == wanted,
    "NotEquals": lambda found, wanted: found != wanted,
    "Contains": lambda found, wanted: str(wanted) in str(found),
    "In": lambda found, wanted: str(found) in str(wanted).split(","),
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanOrEqualTo": lambda found, wanted: found >= wanted,
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanOrEqualTo": lambda found, wanted: found <= wanted,
}


def _property(record: dict[str, Any], name: str) -> Any:
    """Return what stands at a dotted name: `Tags.team`, `Metrics.f1`, `HyperParameters.eta`, `ResourceConfig.…`."""
    if name.startswith("Tags."):
        return next((tag["Value"] for tag in record["Tags"] if tag["Key"] == name.removeprefix("Tags.")), None)
    if name.startswith("Metrics."):
        metrics = record.get("FinalMetricDataList") or []
        return next((m["Value"] for m in metrics if m["MetricName"] == name.removeprefix("Metrics.")), None)
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _comparable(found: Any, wanted: str) -> tuple[Any, Any]:
    """Bring a property and a filter's text to one type."""
    try:
        if isinstance(found, dt.datetime):
            moment = dt.datetime.fromisoformat(wanted)
            return found, moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if isinstance(found, bool):
            return found, json.loads(wanted.lower())
        if isinstance(found, int | float):
            return float(found), float(wanted)
    except ValueError:
        raise AWSValidationException(f"The value {wanted!r} of a filter cannot be compared to {found!r}.") from None
    return str(found), wanted


def _ordered(found: list[dict[str, Any]], key: str, order: str | None, default: str) -> list[dict[str, Any]]:
    values = [(_property({"Tags": [], **item}, key), item) for item in found]
    present = sorted((pair for pair in values if pair[0] is not None), key=lambda pair: (pair[0], _name(pair[1])))
    if (order or default) == "Descending":
        present.reverse()
    return [item for _, item in present] + [item for value, item in values if value is None]


def _name(item: dict[str, Any]) -> str:
    return str(item["TrainingJobName"])


def _page(key: str, found: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """Cut a page out. The token says where the next one begins, and for which question."""
    asked = {name: value for name, value in request.items() if name not in {"NextToken", "MaxResults"}}
    question = json.dumps(asked, sort_keys=True, default=str)
    start = 0
    if request.get("NextToken"):
        try:
            start, of = json.loads(base64.urlsafe_b64decode(request["NextToken"]))
        except ValueError:
            of = None
        if of != question:
            raise AWSValidationException("NextToken is none of this request's; ask again from the start.")
    end = start + request.get("MaxResults", 10)
    answer: dict[str, Any] = {key: found[start:end]}
    if end < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps([end, question]).encode()).decode()
    return answer
