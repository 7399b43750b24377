"""CloudWatch Logs of the sandbox, as boto3 and the readers of training logs use it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .support import LOG_GROUP, SLEEP, Server, log_lines, training_request, upload_script, wait_for_end, wait_until


@pytest.fixture
def logs(server: Server) -> Any:
    return server.client("logs")


@pytest.fixture
def group(logs: Any, request: pytest.FixtureRequest) -> str:
    name = f"/test/{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"
    logs.create_log_group(logGroupName=name)
    return name


@pytest.fixture
def put(logs: Any, group: str) -> Callable[..., None]:
    """Write lines with times in milliseconds from now on."""
    start = int(time.time() * 1000) - 60_000

    def write(stream: str, *events: tuple[int, str]) -> None:
        present = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]
        if not present:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        lines = [{"timestamp": start + moment, "message": text} for moment, text in events]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=lines)

    write.start = start
    return write


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


def texts(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_a_reader_gets_each_line_once_and_ends_where_the_token_stays(logs: Any, group: str, put: Any) -> None:
    put("s", *((number, str(number)) for number in range(7)))
    place = {"logGroupName": group, "logStreamName": "s"}
    seen, token = [], None
    for _ in range(20):
        more = {"nextToken": token} if token else {}
        answer = logs.get_log_events(**place, startFromHead=True, limit=3, **more)
        seen += texts(answer)
        if answer["nextForwardToken"] == token:
            break
        token = answer["nextForwardToken"]
    else:
        pytest.fail("the reader's loop does not end")
    assert seen == [str(number) for number in range(7)]
    put("s", (7, "late"))
    assert texts(logs.get_log_events(**place, startFromHead=True, nextToken=token)) == ["late"]


def test_a_reader_of_an_empty_stream_gets_what_comes_later(logs: Any, group: str, put: Any) -> None:
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    place = {"logGroupName": group, "logStreamName": "s", "startFromHead": True}
    first = logs.get_log_events(**place)
    assert first["events"] == []
    assert (
        logs.get_log_events(**place, nextToken=first["nextForwardToken"])["nextForwardToken"]
        == (first["nextForwardToken"])
    )
    put("s", (0, "now"))
    assert texts(logs.get_log_events(**place, nextToken=first["nextForwardToken"])) == ["now"]


def test_without_start_from_head_the_last_lines_come_and_the_way_leads_back(logs: Any, group: str, put: Any) -> None:
    put("s", *((number, str(number)) for number in range(5)))
    place = {"logGroupName": group, "logStreamName": "s", "limit": 2}
    last = logs.get_log_events(**place)
    assert texts(last) == ["3", "4"]
    before = logs.get_log_events(**place, nextToken=last["nextBackwardToken"])
    assert texts(before) == ["1", "2"]
    first = logs.get_log_events(**place, nextToken=before["nextBackwardToken"])
    assert texts(first) == ["0"]
    end = logs.get_log_events(**place, nextToken=first["nextBackwardToken"])
    assert (texts(end), end["nextBackwardToken"]) == ([], first["nextBackwardToken"])


def test_lines_come_in_the_order_of_their_time_and_then_of_their_arrival(logs: Any, group: str, put: Any) -> None:
    put("s", (5, "a"), (5, "b"))
    put("s", (3, "early"), (5, "c"))
    answer = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)
    assert texts(answer) == ["early", "a", "b", "c"]


def test_a_window_of_time_is_open_at_its_end_for_one_call_and_closed_for_the_other(
    logs: Any, group: str, put: Any
) -> None:
    put("s", *((number, str(number)) for number in range(5)))
    window = {"startTime": put.start + 1, "endTime": put.start + 3}
    got = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **window)
    assert texts(got) == ["1", "2"]
    assert texts(logs.filter_log_events(logGroupName=group, **window)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", ["ERROR a b", "WARN b", "error a"]),
        ("ERROR", ["ERROR a b"]),
        ("b a", ["ERROR a b"]),
        ('"a b"', ["ERROR a b"]),
        ("?WARN ?error", ["WARN b", "error a"]),
        ("a -ERROR", ["error a"]),
    ],
)
def test_lines_are_found_by_pattern(logs: Any, group: str, put: Any, pattern: str, expected: list[str]) -> None:
    put("s", (0, "ERROR a b"), (1, "WARN b"), (2, "error a"))
    assert texts(logs.filter_log_events(logGroupName=group, filterPattern=pattern)) == expected


def test_lines_of_several_streams_come_joined_and_in_pages(logs: Any, group: str, put: Any) -> None:
    put("job/1", (0, "a"), (2, "c"))
    put("job/2", (1, "b"), (3, "d"))
    put("other", (0, "x"))
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNamePrefix="job/", PaginationConfig={"PageSize": 3}
    )
    events = [(event["logStreamName"], event["message"]) for page in pages for event in page["events"]]
    assert events == [("job/1", "a"), ("job/2", "b"), ("job/1", "c"), ("job/2", "d")]
    assert texts(logs.filter_log_events(logGroupName=group, logStreamNames=["other"])) == ["x"]


def test_an_answer_holds_a_mebibyte_and_nothing_is_lost_between_two(logs: Any, group: str, put: Any) -> None:
    sizes = [400_000, 700_000, 300_000, 1_000_000, 10]
    for number, size in enumerate(sizes):
        put("s", (number, "x" * size))
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group))
    assert [len(event["message"]) for page in pages for event in page["events"]] == sizes
    assert len(pages) == 3
    first = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)
    assert [len(text) for text in texts(first)] == sizes[:1]


def test_streams_are_described_by_name_or_by_last_event(logs: Any, group: str, put: Any) -> None:
    put("b", (1, "x"), (7, "y"))
    put("a", (5, "z"))
    logs.create_log_stream(logGroupName=group, logStreamName="c")
    names = lambda **more: [  # noqa: E731
        stream["logStreamName"]
        for page in logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, PaginationConfig={"PageSize": 2}, **more
        )
        for stream in page["logStreams"]
    ]
    assert names() == ["a", "b", "c"]
    assert names(descending=True, orderBy="LastEventTime") == ["b", "a", "c"]
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="b")["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (put.start + 1, put.start + 7)


def test_what_breaks_the_rules_is_refused(logs: Any, group: str, put: Any) -> None:
    put("s", (0, "x"))
    place = {"logGroupName": group, "logStreamName": "s"}
    now = int(time.time() * 1000)
    line = {"timestamp": now, "message": "x"}
    for call, expected in (
        (lambda: logs.create_log_group(logGroupName=group), "ResourceAlreadyExistsException"),
        (lambda: logs.create_log_stream(**place), "ResourceAlreadyExistsException"),
        (lambda: logs.get_log_events(logGroupName=group, logStreamName="no"), "ResourceNotFoundException"),
        (lambda: logs.filter_log_events(logGroupName="no"), "ResourceNotFoundException"),
        (lambda: logs.get_log_events(**place, nextToken="no"), "InvalidParameterException"),
        (lambda: logs.get_log_events(**place, limit=10_001), "InvalidParameterException"),
        (lambda: logs.put_log_events(**place, logEvents=[line, {**line, "timestamp": 1}]), "InvalidParameterException"),
        (
            lambda: logs.put_log_events(**place, logEvents=[{**line, "message": "x" * 1_048_576}]),
            "InvalidParameterException",
        ),
        (lambda: logs.filter_log_events(logGroupName=group, filterPattern="{ $.a = 1 }"), "NotImplementedBySandbox"),
    ):
        assert code(call) == expected
    answer = logs.put_log_events(**place, logEvents=[{**line, "timestamp": now + 10_000_000}])
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}


def test_a_job_s_long_line_is_cut_as_the_agent_cuts_it(server: Server) -> None:
    source = upload_script(server, "long-line", "print('x' * 600_000)\nprint()\nprint('end')")
    server.client("sagemaker").create_training_job(**training_request(server, "long-line", source))
    wait_for_end(server, "long-line")
    lines = log_lines(server, "long-line")
    assert "".join(lines[:-2]) == "x" * 600_000
    assert max(len(line) for line in lines) <= 256 << 10
    assert lines[-2:] == [" ", "end"]


def test_logs_survive_a_kill_up_to_the_last_line(own_server: Server) -> None:
    source = upload_script(own_server, "killed", "print('first')\n" + SLEEP)
    own_server.client("sagemaker").create_training_job(**training_request(own_server, "killed", source))
    wait_until(lambda: "started" in log_lines(own_server, "killed"))
    logs = own_server.client("logs")
    logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=30)
    before = logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]

    own_server.kill()
    own_server.start()

    logs = own_server.client("logs")
    assert log_lines(own_server, "killed")[:2] == ["first", "started"]
    assert logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"] == before
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 30
    logs.delete_log_group(logGroupName=LOG_GROUP)
    assert logs.describe_log_groups()["logGroups"] == []
