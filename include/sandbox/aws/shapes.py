"""Check requests against a service's own model, as botocore carries it, and say it as the services do."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from moto.sagemaker.exceptions import AWSValidationException

# What Java's regular expressions write otherwise than Python's.
_CLASSES = {r"\p{L}\p{Z}\p{N}_": r"\w\s", r"\p{Alnum}": "a-zA-Z0-9"}


def check(operation: str, request: dict[str, Any]) -> None:
    """Refuse a request that the service model does not allow.

    :raises AWSValidationException: naming every fault
    """
    if text := faults("sagemaker", operation, request):
        raise AWSValidationException(text)


def faults(service: str, operation: str, request: dict[str, Any]) -> str:
    """Return every fault of a request, as the service words them; nothing where it has none."""
    shape = _service_model(service).operation_model(operation).input_shape
    found = list(_faults(shape, request, "")) if shape else []
    noun = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {noun} detected: {'; '.join(found)}" if found else ""


@functools.cache
def _service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure_faults(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _collection_faults(shape, value, path, list)
        for number, item in enumerate(value if isinstance(value, list) else [], 1):
            yield from _faults(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        yield from _collection_faults(shape, value, path, dict)
        for key, item in (value if isinstance(value, dict) else {}).items():
            yield from _faults(shape.key, key, f"{path}.key")
            yield from _faults(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _text_faults(shape, value, path)
    elif shape.type_name == "blob":
        yield from _blob_faults(shape, value, path)
    elif shape.type_name in {"integer", "long"}:
        yield from _number_faults(shape, value, path)
    elif shape.type_name == "boolean" and not isinstance(value, bool):
        yield _fault(value, path, "Member must be a boolean")


def _structure_faults(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _fault(value, path, "Member must be a structure")
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fault(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            yield f"This sandbox does not know the parameter '{_join(path, name)}'"
        elif item is not None:
            yield from _faults(shape.members[name], item, _join(path, name))


def _collection_faults(shape: Shape, value: Any, path: str, kind: type) -> Iterator[str]:
    if not isinstance(value, kind):
        yield _fault(value, path, f"Member must be a {shape.type_name}")
    else:
        yield from _bound_faults(shape, len(value), value, path, "have length")


def _text_faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield _fault(value, path, "Member must be a string")
        return
    yield from _bound_faults(shape, len(value), value, path, "have length")
    if shape.enum and value not in shape.enum:
        yield _fault(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _fault(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _blob_faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    try:
        size = len(base64.b64decode(value, validate=True))
    except (TypeError, ValueError):
        yield _fault("***", path, "Member must be in base64")
    else:
        yield from _bound_faults(shape, size, value, path, "have length")


def _number_faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield _fault(value, path, "Member must be an integer")
    else:
        yield from _bound_faults(shape, value, value, path, "have value")


def _bound_faults(shape: Shape, size: int, value: Any, path: str, verb: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    value = "***" if shape.metadata.get("sensitive") else value
    if least is not None and size < least:
        yield _fault(value, path, f"Member must {verb} greater than or equal to {least}")
    if most is not None and size > most:
        yield _fault(value, path, f"Member must {verb} less than or equal to {most}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for theirs, ours in _CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern, re.DOTALL)


def _fault(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    # The service writes the names of its parameters in camel case.
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name
