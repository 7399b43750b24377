"""What a model version takes: the features it was trained on, as the registry describes it. Pure.

A pipeline file lists the features of the next version; those before it keep their own, whatever the file says by now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from snowmaker.exceptions import IdentifierError, ModelVersionError
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.source import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelState, ModelVersion
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source

# Several times as fast, where it is built in.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "STRING"
_NUMERIC = ("BOOL", "INT", "UINT", "FLOAT", "DOUBLE")


def own_source(source: Source, model: QualifiedName, version: ModelVersion, method: str | None = None) -> Source:
    """Return the source as a version takes it: with the version's features, in the order of its arguments.

    :param method: the function to call; default: all that any of its functions takes, which its rows are told by
    :raises ModelVersionError: if the version has no such function, the registry does not tell what it takes, or that
        is neither text nor a number
    """
    told = f"version {version.name} of model {model.quoted}"
    inputs = _inputs(version.spec, told)
    if method is None:
        taken = [column for columns in inputs.values() for column in columns]
    elif method.upper() in inputs:
        taken = list(inputs[method.upper()])
    else:
        raise ModelVersionError(f"{told} has no method {method.upper()}; there are: {', '.join(inputs)}")
    return replace(source, features=tuple(dict.fromkeys(_feature(column, told) for column in taken)))


def source_of(source: Source, state: ModelState, model: QualifiedName, version: str) -> Source:
    """Return the source as a version takes it; as the pipeline file has it if the version is not in the registry."""
    found = next((one for one in state.versions if one.name == version), None)
    return own_source(source, model, found) if found else source


def _inputs(spec: str, told: str) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the inputs of each function, by its name in SQL."""
    try:
        described = yaml.load(spec, Loader=_Loader) or {}  # noqa: S506 (a safe loader)
        # The second form is that of specifications from 2.0 on.
        signatures = described.get("signatures") or {
            name: function["signature"] for name, function in described["serving"]["functions"].items()
        }
        return {name.upper(): signature["inputs"] for name, signature in signatures.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise ModelVersionError(
            f"the registry does not tell what {told} takes: column model_spec of SHOW VERSIONS has no signatures. "
            f"Log it with LogModelOperator or Registry.log_model, and use a role that may see it (mv.run needs it, too)"
        ) from None


def _feature(column: Mapping[str, Any], told: str) -> Feature:
    name, kind = str(column.get("name")), str(column.get("type"))
    is_text = kind == _TEXT
    if column.get("shape") or not (is_text or kind.rstrip("0123456789") in _NUMERIC):
        raise ModelVersionError(f"{told} takes {name}, which is {kind} and no text or number; log one that does not")
    try:
        return Feature(Identifier.parse(name), "categorical" if is_text else "numeric")
    except IdentifierError as error:
        raise ModelVersionError(f"{told} takes {name!r}, which cannot be a column: {error}") from None
