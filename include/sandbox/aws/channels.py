"""Bring the input channels of a training job onto a host, as SageMaker's File mode does."""

from __future__ import annotations

import json
from typing import Any

from include.sandbox.aws import objects
from include.sandbox.aws.hosts import Host

DRIVERS = "sm_drivers"


class JobSetupError(Exception):
    """The request cannot be carried out; the text becomes the job's failure reason."""


def channels_of(host: Host, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the channels that a host gets: those of its instance group, or of none."""
    return [
        channel
        for channel in request.get("InputDataConfig") or []
        if host.group.name in (_source(channel).get("InstanceGroupNames") or [host.group.name])
    ]


def input_data_config(host: Host, request: dict[str, Any]) -> dict[str, Any]:
    """Return the content of inputdataconfig.json."""
    return {channel["ChannelName"]: _describe(channel, request) for channel in channels_of(host, request)}


def download(host: Host, request: dict[str, Any]) -> None:
    """Download all channels of a host.

    :raises JobSetupError: if a channel holds nothing, or a key that would leave its directory
    """
    for channel in channels_of(host, request):
        _download(host, channel)


def _source(channel: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = channel["DataSource"]["S3DataSource"]
    return source


def _describe(channel: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    mode = channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"]
    described = {
        "TrainingInputMode": mode,
        "S3DistributionType": _source(channel).get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if channel.get("ContentType"):
        described["ContentType"] = channel["ContentType"]
    return described


def _download(host: Host, channel: dict[str, Any]) -> None:
    name, source = channel["ChannelName"], _source(channel)
    target = host.channel(name)
    target.mkdir(parents=True)
    files = _manifest(source["S3Uri"]) if source["S3DataType"] == "ManifestFile" else _prefix(source["S3Uri"])
    if not files:
        raise JobSetupError(f"channel {name}: no S3 objects found under {source['S3Uri']}")
    if source.get("S3DataDistributionType") == "ShardedByS3Key":
        hosts = [peer for peer in host.cluster.names if _gets(host, peer, source)]
        files = files[hosts.index(host.name) :: len(hosts)]
    for key, uri in files:
        path = target / key
        if target.resolve() not in path.resolve().parents:
            raise JobSetupError(f"channel {name}: the key {key!r} leaves its directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.download(uri, path)
    if name == DRIVERS:
        # Programs of the SageMaker SDK, which say /opt/ml wherever they mean their container's.
        host.localize_files(target)


def _gets(host: Host, peer: str, source: dict[str, Any]) -> bool:
    group = host.cluster.group_of(peer).name
    return group in (source.get("InstanceGroupNames") or [group])


def _prefix(uri: str) -> list[tuple[str, str]]:
    """Return path and address of each object whose key begins with the key in ``uri``.

    A prefix that names a folder is cut off, with or without its slash; of any other one the part up to the last slash.
    """
    bucket, prefix = objects.split(uri)
    folder, parent = f"{prefix.rstrip('/')}/", prefix[: prefix.rfind("/") + 1]
    found = []
    for _, address in objects.list_under(uri):
        key = objects.split(address)[1]
        base = folder if prefix and key.startswith(folder) else parent
        found.append((key.removeprefix(base), f"s3://{bucket}/{key}"))
    return found


def _manifest(uri: str) -> list[tuple[str, str]]:
    """Return path and address of each object that a manifest names: a prefix, then keys behind it."""
    try:
        head, *keys = json.loads(objects.read(uri))
        prefix = head["prefix"]
    except (ValueError, TypeError, KeyError) as error:
        raise JobSetupError(f'{uri} is no manifest like [{{"prefix": "s3://…"}}, "key", …]') from error
    return [(key, f"{prefix}{key}") for key in keys]
