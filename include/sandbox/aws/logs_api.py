"""The calls of CloudWatch Logs that training, the SDK and Airflow use."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from include.sandbox.aws.json_service import Context, JsonService, ServiceError
from include.sandbox.aws.log_store import END, EVENT_OVERHEAD, LARGEST_ANSWER, START, Event, LogStore, Position, Stream

_PAGE = 50
_MOST_EVENTS = 10_000
_DAY = 86_400_000
_TOKEN = re.compile(r"([fb])/(-?\d+)/(\d+)")

Input = dict[str, Any]
Answer = Mapping[str, Any]


class LogsApi:
    """The calls on one store of logs."""

    def __init__(self, store: LogStore) -> None:
        """Serve ``store``."""
        self._store = store

    def service(self) -> JsonService:
        """Return the calls as a WSGI application."""
        handlers: dict[str, Callable[[Context, Input], Answer]] = {
            "CreateLogGroup": self._create_group,
            "DeleteLogGroup": self._delete_group,
            "DescribeLogGroups": self._describe_groups,
            "PutRetentionPolicy": self._put_retention,
            "DeleteRetentionPolicy": self._put_retention,
            "CreateLogStream": self._create_stream,
            "DeleteLogStream": self._delete_stream,
            "DescribeLogStreams": self._describe_streams,
            "PutLogEvents": self._put_events,
            "GetLogEvents": self._get_events,
            "FilterLogEvents": self._filter_events,
        }
        return JsonService("logs", handlers, invalid="InvalidParameterException")

    # Groups and streams

    def _create_group(self, context: Context, given: Input) -> Answer:
        if not self._store.create_group(context.region, given["logGroupName"], given.get("tags") or {}):
            raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
        return {}

    def _delete_group(self, context: Context, given: Input) -> Answer:
        self._store.delete_group(context.region, self._group(context, given))
        return {}

    def _describe_groups(self, context: Context, given: Input) -> Answer:
        prefix, pattern = given.get("logGroupNamePrefix") or "", given.get("logGroupNamePattern") or ""
        groups = [
            {
                "logGroupName": group.name,
                "arn": f"{_arn(context, group.name)}:*",
                "logGroupArn": _arn(context, group.name),
                "creationTime": group.created,
                **({"retentionInDays": group.retention} if group.retention else {}),
            }
            for group in self._store.groups(context.region)
            if group.name.startswith(prefix) and pattern in group.name
        ]
        return _page("logGroups", groups, given)

    def _put_retention(self, context: Context, given: Input) -> Answer:
        self._store.set_retention(context.region, self._group(context, given), given.get("retentionInDays"))
        return {}

    def _create_stream(self, context: Context, given: Input) -> Answer:
        if not self._store.create_stream(context.region, self._group(context, given), given["logStreamName"]):
            raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists")
        return {}

    def _delete_stream(self, context: Context, given: Input) -> Answer:
        group = self._group(context, given)
        self._stream(context, given)
        self._store.delete_stream(context.region, group, given["logStreamName"])
        return {}

    def _describe_streams(self, context: Context, given: Input) -> Answer:
        group, prefix = self._group(context, given), given.get("logStreamNamePrefix") or ""
        by_time = given.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        found = [stream for stream in self._store.streams(context.region, group) if stream.name.startswith(prefix)]
        if by_time:
            found.sort(key=lambda stream: stream.last or 0)
        if given.get("descending"):
            found.reverse()
        arn = _arn(context, group)
        return _page("logStreams", [_described(stream, arn) for stream in found], given)

    # Events

    def _put_events(self, context: Context, given: Input) -> Answer:
        stream, events = self._stream(context, given), given["logEvents"]
        times = [event["timestamp"] for event in events]
        if times != sorted(times):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        if times[-1] - times[0] > _DAY:
            raise _invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        size = sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in events)
        if size > LARGEST_ANSWER:
            raise _invalid(f"Upload too large: {size} bytes exceeds limit of {LARGEST_ANSWER}")
        now = int(time.time() * 1000)
        old = sum(moment < now - 14 * _DAY for moment in times)
        new = sum(moment <= now + _DAY // 12 for moment in times)
        kept = [(event["timestamp"], event["message"]) for event in events[old:new]]
        if kept:
            self._store.append(stream, kept)
        refused = {"tooOldLogEventEndIndex": old} if old else {}
        if new < len(times):
            refused["tooNewLogEventStartIndex"] = new
        return {"nextSequenceToken": "0", **({"rejectedLogEventsInfo": refused} if refused else {})}

    def _get_events(self, context: Context, given: Input) -> Answer:
        stream = self._stream(context, given)
        # The end is not part of the interval here; it is in FilterLogEvents.
        start, end = given.get("startTime") or 0, given.get("endTime") or END[0]
        most = given.get("limit") or _MOST_EVENTS
        token = given.get("nextToken")
        direction, position = _place(token)
        forward = direction == "f" if token else bool(given.get("startFromHead"))
        if forward:
            found = self._store.forward([stream.id], position if token else START, start, end)
        else:
            found = self._store.backward([stream.id], position if token else END, start, end)
        events, _ = _fitting(found, most)
        if not forward:
            events.reverse()
        # At an end the token stays as it was: that is how a reader knows.
        first = events[0].position if events else position
        last = events[-1].position if events else position
        return {
            "events": [_shown(event) for event in events],
            "nextForwardToken": _token("f", last),
            "nextBackwardToken": _token("b", first),
        }

    def _filter_events(self, context: Context, given: Input) -> Answer:
        streams = self._chosen(context, given)
        matches = _pattern(given.get("filterPattern") or "")
        start, end = given.get("startTime") or 0, (given.get("endTime") or END[0] - 1) + 1
        _, position = _place(given.get("nextToken")) if given.get("nextToken") else ("f", START)
        most = given.get("limit") or _MOST_EVENTS
        found = self._store.forward(list(streams), position, start, end) if streams else iter(())
        events, has_more = _fitting((event for event in found if matches(event.message)), most)
        answer: Input = {
            "events": [
                {"logStreamName": streams[event.stream], "eventId": f"{event.number:056d}", **_shown(event)}
                for event in events
            ],
            "searchedLogStreams": [],
        }
        return answer | ({"nextToken": _token("f", events[-1].position)} if has_more else {})

    # What a request names

    def _group(self, context: Context, given: Input) -> str:
        identifier = given.get("logGroupIdentifier") or given.get("logGroupName")
        if not identifier:
            raise _invalid("Give logGroupName or logGroupIdentifier.")
        name = str(identifier).partition(":log-group:")[2].removesuffix(":*") or str(identifier)
        if not self._store.has_group(context.region, name):
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        return name

    def _stream(self, context: Context, given: Input) -> Stream:
        found = self._store.stream(context.region, self._group(context, given), given["logStreamName"])
        if found is None:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        return found

    def _chosen(self, context: Context, given: Input) -> dict[int, str]:
        names, prefix = given.get("logStreamNames"), given.get("logStreamNamePrefix")
        if names and prefix:
            raise _invalid("logStreamNames and logStreamNamePrefix cannot both be given.")
        present = self._store.streams(context.region, self._group(context, given))
        if names and set(names) - {stream.name for stream in present}:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        return {s.id: s.name for s in present if s.name in (names or [s.name]) and s.name.startswith(prefix or "")}


def _invalid(text: str) -> ServiceError:
    return ServiceError("InvalidParameterException", text)


def _arn(context: Context, group: str) -> str:
    return f"arn:aws:logs:{context.region}:{DEFAULT_ACCOUNT_ID}:log-group:{group}"


def _described(stream: Stream, group_arn: str) -> Input:
    known = {
        "logStreamName": stream.name,
        "arn": f"{group_arn}:log-stream:{stream.name}",
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.ingested,
        "uploadSequenceToken": "0",
        "storedBytes": 0,
    }
    return {name: value for name, value in known.items() if value is not None}


def _page(name: str, items: Sequence[Input], given: Input) -> Answer:
    start = given.get("nextToken") or "0"
    if not start.isdigit():
        raise _invalid("The specified nextToken is invalid.")
    end = int(start) + (given.get("limit") or _PAGE)
    return {name: items[int(start) : end]} | ({"nextToken": str(end)} if end < len(items) else {})


def _place(token: str | None) -> tuple[str, Position]:
    found = _TOKEN.fullmatch(token) if token else None
    if token and not found:
        raise _invalid("The specified nextToken is invalid.")
    return (found[1], (int(found[2]), int(found[3]))) if found else ("", START)


def _token(direction: str, position: Position) -> str:
    return f"{direction}/{position[0]}/{position[1]}"


def _shown(event: Event) -> Input:
    return {"timestamp": event.time, "message": event.message, "ingestionTime": event.ingested}


def _fitting(events: Iterable[Event], most: int) -> tuple[list[Event], bool]:
    """Return as many events as one answer may hold, and whether there were more."""
    fitting: list[Event] = []
    size = 0
    for event in events:
        size += event.size
        if len(fitting) == most or (fitting and size > LARGEST_ANSWER):
            return fitting, True
        fitting.append(event)
    return fitting, False


def _pattern(text: str) -> Callable[[str], bool]:
    """Return the test of a filter pattern: terms and "phrases" that must be there, -not, or ?one ?of them."""
    if text[:1] in {"{", "[", "%"}:
        raise NotImplementedError("filter patterns of JSON, of columns and of regular expressions")
    try:
        terms = shlex.split(text)
    except ValueError:
        raise _invalid("Invalid filter pattern") from None
    some = [term[1:] for term in terms if term.startswith("?")]
    without = [term[1:] for term in terms if term.startswith("-")]
    every = [term for term in terms if not term.startswith(("?", "-"))]

    def matches(message: str) -> bool:
        found_some = not some or any(term in message for term in some)
        return found_some and all(t in message for t in every) and not any(t in message for t in without)

    return matches
