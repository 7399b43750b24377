"""Jobs are listed, searched and tagged as SageMaker does it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .support import Server, training_request, upload_script, wait_for_end, wait_until

Found = Callable[..., list[str]]
JOBS = {
    "list-a": {"team": "blue", "cost": "1"},
    "list-b": {"team": "red"},
    "list-c": {"team": "blue"},
    "other": {},
}


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Iterator[Any]:
    """A client; three jobs have ended well and one has failed, in a region of their own."""
    client = server.new_client("sagemaker", region_name="eu-west-1")
    for name, tags in JOBS.items():
        source = upload_script(server, name, "raise SystemExit(1)" if name == "other" else "print('f1=0.5')")
        request = training_request(server, name, source, hyperparameters={"eta": "0.1"})
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "f1", "Regex": "f1=(.*)"}]
        client.create_training_job(**request)
        wait_for_end(server, name, client)
    yield client
    for name in JOBS:
        client.delete_training_job(TrainingJobName=name)


def arn(name: str) -> str:
    return f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{name}"


@pytest.fixture
def listed(sagemaker: Any) -> Found:
    def names(**request: Any) -> list[str]:
        answer = sagemaker.list_training_jobs(**request)
        return [summary["TrainingJobName"] for summary in answer["TrainingJobSummaries"]]

    return names


@pytest.fixture
def found(sagemaker: Any) -> Found:
    def names(*filters: tuple[str, str, str | None], operator: str = "And", **request: Any) -> list[str]:
        conditions = [
            {"Name": name, "Operator": how} | ({"Value": value} if value is not None else {})
            for name, how, value in filters
        ]
        expression = {"Filters": conditions, "Operator": operator} if conditions else {}
        answer = sagemaker.search(Resource="TrainingJob", SearchExpression=expression, **request)
        return [result["TrainingJob"]["TrainingJobName"] for result in answer["Results"]]

    return names


def test_jobs_are_listed_in_the_order_asked_for(listed: Found) -> None:
    assert listed() == list(JOBS)
    assert listed(SortBy="Name", SortOrder="Descending") == ["other", "list-c", "list-b", "list-a"]
    assert listed(SortBy="Status")[-1] == "other"


def test_jobs_are_listed_by_name_status_and_time(sagemaker: Any, listed: Found) -> None:
    assert listed(NameContains="list-") == ["list-a", "list-b", "list-c"]
    assert listed(StatusEquals="Failed") == ["other"]
    created = sagemaker.describe_training_job(TrainingJobName="list-b")["CreationTime"]
    moment = dt.timedelta(milliseconds=2)
    assert listed(CreationTimeAfter=created + moment) == ["list-c", "other"]
    assert listed(CreationTimeBefore=created - moment) == ["list-a"]
    assert listed(LastModifiedTimeBefore=created) == ["list-a"]


def test_pages_follow_each_other_without_gap(sagemaker: Any) -> None:
    pages = sagemaker.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 3})
    names = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["list-a", "list-b", "list-c"], ["other"]]


def test_a_token_of_another_question_is_refused(sagemaker: Any) -> None:
    token = sagemaker.list_training_jobs(MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="NextToken is none of this request's"):
        sagemaker.list_training_jobs(MaxResults=1, NextToken=token, NameContains="list")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([("Tags.team", "Equals", "blue")], ["list-a", "list-c"]),
        ([("Tags.team", "Equals", "blue"), ("Tags.cost", "Exists", None)], ["list-a"]),
        ([("Tags.team", "NotExists", None)], ["other"]),
        ([("Tags.team", "NotEquals", "blue")], ["list-b", "other"]),
        ([("TrainingJobName", "Contains", "list")], ["list-a", "list-b", "list-c"]),
        ([("TrainingJobName", "In", "list-a,other")], ["list-a", "other"]),
        ([("TrainingJobStatus", "Equals", "Failed")], ["other"]),
        ([("HyperParameters.eta", "Equals", "0.1"), ("Tags.team", "Equals", "red")], ["list-b"]),
        ([("Metrics.f1", "GreaterThan", "0.4")], ["list-a", "list-b", "list-c"]),
        ([("Metrics.f1", "GreaterThan", "0.5")], []),
        ([("ResourceConfig.InstanceCount", "LessThanOrEqualTo", "1"), ("Tags.team", "Equals", "red")], ["list-b"]),
        ([("CreationTime", "LessThan", "2020-01-01T00:00:00Z")], []),
    ],
)
def test_jobs_are_searched(found: Found, filters: list[tuple[str, str, str | None]], expected: list[str]) -> None:
    assert found(*filters, SortBy="TrainingJobName", SortOrder="Ascending") == expected


def test_searches_combine(sagemaker: Any, found: Found) -> None:
    either = (("Tags.team", "Equals", "red"), ("TrainingJobStatus", "Equals", "Failed"))
    assert found(*either, operator="Or", SortBy="CreationTime", SortOrder="Ascending") == ["list-b", "other"]
    answer = sagemaker.search(
        Resource="TrainingJob",
        SearchExpression={
            "SubExpressions": [
                {"Filters": [{"Name": "Tags.team", "Operator": "Equals", "Value": "blue"}]},
                {"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "c"}]},
            ]
        },
    )
    (result,) = answer["Results"]
    assert result["TrainingJob"]["TrainingJobName"] == "list-c"
    assert result["TrainingJob"]["Tags"] == [{"Key": "team", "Value": "blue"}]
    assert answer["TotalHits"]["Value"] == 1


def test_other_resources_are_not_searched(sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="searches the resource TrainingJob only, not Experiment"):
        sagemaker.search(Resource="Experiment")


def test_a_filter_that_cannot_be_compared_is_told(found: Found) -> None:
    with pytest.raises(ClientError, match="'yesterday' of a filter cannot be compared"):
        found(("CreationTime", "GreaterThan", "yesterday"))


def test_tags_are_added_replaced_listed_and_deleted(sagemaker: Any, found: Found) -> None:
    tags = [{"Key": "team", "Value": "green"}, {"Key": "owner", "Value": "me"}]
    sagemaker.add_tags(ResourceArn=arn("other"), Tags=tags)
    sagemaker.add_tags(ResourceArn=arn("other"), Tags=[{"Key": "owner", "Value": "you"}])
    listed = sagemaker.list_tags(ResourceArn=arn("other"))["Tags"]
    assert listed == [{"Key": "team", "Value": "green"}, {"Key": "owner", "Value": "you"}]
    assert found(("Tags.owner", "Equals", "you")) == ["other"]
    sagemaker.delete_tags(ResourceArn=arn("other"), TagKeys=["team", "owner"])
    assert sagemaker.list_tags(ResourceArn=arn("other"))["Tags"] == []


def test_tags_of_what_is_not_there_are_refused(sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.list_tags(ResourceArn=arn("nobody"))


def test_regions_are_apart(server: Server, sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="not found"):
        server.client("sagemaker").describe_training_job(TrainingJobName="list-a")
    assert sagemaker.describe_training_job(TrainingJobName="list-a")["TrainingJobArn"] == arn("list-a")


def test_tags_survive_the_server(own_server: Server) -> None:
    source = upload_script(own_server, "tagged", "pass")
    own_server.client("sagemaker").create_training_job(**training_request(own_server, "tagged", source))
    job = wait_for_end(own_server, "tagged")["TrainingJobArn"]
    own_server.client("sagemaker").add_tags(ResourceArn=job, Tags=[{"Key": "kept", "Value": "yes"}])
    own_server.kill()
    own_server.start()
    listed = wait_until(lambda: own_server.client("sagemaker").list_tags(ResourceArn=job)["Tags"])
    assert listed == [{"Key": "kept", "Value": "yes"}]
