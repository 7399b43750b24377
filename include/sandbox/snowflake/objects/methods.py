"""The methods of a model's package: what MANIFEST.yml, model.yaml and the generated handlers say of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Method:
    """A method of a version: names and types of what goes in and comes out."""

    name: str
    target: str
    kind: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    returns_object: bool
    takes_object: bool
    sql_inputs: tuple[str, ...]
    sql_output: str
    columns: tuple[str, ...] = ()  # of a table function: what SQL calls its outputs
    params: dict[str, str] = field(default_factory=dict)  # the optional arguments after the inputs
    is_partitioned: bool = False  # wants the rows of a partition together
    max_batch_size: int | None = None


@dataclass(frozen=True)
class Contents:
    """What a package says of itself."""

    manifest: dict[str, Any]
    framework: str | None
    task: str
    methods: list[Method]
    size: int  # of all files, in bytes


@lru_cache(maxsize=256)
def read_contents(folder: Path) -> Contents:
    """What is in a version's folder, which never changes."""
    manifest = _yaml(folder / "MANIFEST.yml")
    spec = _yaml(folder / "model" / "model.yaml")
    return Contents(
        manifest=manifest,
        framework=spec.get("model_type"),
        task=str(spec.get("task") or "UNKNOWN"),
        methods=[_method(entry, spec, folder) for entry in manifest["methods"]],
        size=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    )


def _yaml(file: Path) -> dict[str, Any]:
    """The C loader takes a tenth of the time, and the file of a wide model has thousands of lines."""
    loaded: dict[str, Any] = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return loaded


def _method(entry: dict[str, Any], spec: dict[str, Any], folder: Path) -> Method:
    target = entry["handler"].split(".")[-2]  # functions.<target>.<function>
    signature = spec["signatures"][target]
    outputs = {feature["name"]: _feature_type(feature) for feature in signature["outputs"]}
    inputs = {feature["name"]: _feature_type(feature) for feature in signature["inputs"]}
    properties = (spec.get("function_properties") or {}).get(target) or {}
    types = [i["type"] for i in entry["inputs"]]
    return Method(
        name=_sql_name(entry["name"]),
        target=target,
        kind=entry["type"],
        inputs=inputs,
        outputs=outputs,
        returns_object=len(entry["outputs"]) != 1 or entry["outputs"][0]["type"].upper().startswith("OBJECT"),
        takes_object=types == ["OBJECT"] and len(inputs) > 1,
        sql_inputs=tuple(types),
        sql_output=entry["outputs"][0]["type"] if entry["outputs"] else "OBJECT",
        columns=tuple(output.get("name", "") for output in entry["outputs"]),
        params={param["name"]: _feature_type(param) for param in signature.get("params") or []},
        is_partitioned=bool(properties.get("PARTITIONED")),
        max_batch_size=_max_batch_size(folder / "functions" / f"{target}.py"),
    )


def _feature_type(feature: dict[str, Any]) -> str:
    """A feature's type in the signature; a group of features is an object, and what has a shape an array."""
    if feature.get("shape"):
        return "ARRAY"
    if "specs" in feature:
        return "OBJECT"
    return str(feature.get("type") or feature["dtype"])  # a parameter has a dtype


def _max_batch_size(handler: Path) -> int | None:
    """The limit that the model was logged with, which only the generated handler knows."""
    found = re.search(r"^MAX_BATCH_SIZE = (\d+)", handler.read_text(), re.MULTILINE) if handler.is_file() else None
    return int(found[1]) if found else None


def _sql_name(name: str) -> str:
    """The manifest has names as they are resolved: in capitals unless the method was logged as case-sensitive."""
    return name[1:-1] if name.startswith('"') else name
