"""What a model version takes, read from the registry's description of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from snowmaker.champion import ModelVersion
from snowmaker.exceptions import ModelVersionError
from snowmaker.model_inputs import own_source
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.source import Source

MODEL = QualifiedName.parse("ml.loans.approval")
SOURCE = Source.of("ml.loans.applications", week_column="day", label="approved", categorical=["county"], key=["id"])
TOLD = 'version V1 of model "ML"."LOANS"."APPROVAL"'


def version(spec: object) -> ModelVersion:
    return ModelVersion("V1", spec=spec if isinstance(spec, str) else yaml.safe_dump(spec))


def column(name: str, kind: str = "DOUBLE", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, **more}


def taken(spec: object, method: str | None = None) -> list[tuple[str, str]]:
    source = own_source(SOURCE, MODEL, version(spec), method)
    assert (source.table, source.key, source.label) == (SOURCE.table, SOURCE.key, SOURCE.label)
    return [(feature.column.name, feature.kind) for feature in source.features]


def of_functions(**inputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"signatures": {name: {"inputs": columns, "outputs": []} for name, columns in inputs.items()}}


def test_the_versions_columns_come_in_the_order_of_its_arguments() -> None:
    columns = [column("zeta"), column('"loan % type"', "STRING"), column("A", "BOOL"), column("B", "UINT8")]
    expected = [("ZETA", "numeric"), ("loan % type", "categorical"), ("A", "numeric"), ("B", "numeric")]
    assert taken(of_functions(predict_proba=columns), "PREDICT_PROBA") == expected


def test_a_specification_of_the_second_form_is_read_too() -> None:
    functions = {"predict": {"signature": {"inputs": [column("A")]}}}
    assert taken({"version": "2.0", "serving": {"functions": functions}}, "predict") == [("A", "numeric")]


def test_without_a_function_all_that_any_of_them_takes_is_told() -> None:
    spec = of_functions(predict=[column("A"), column("B")], rank=[column("B"), column("C")])
    assert [name for name, _ in taken(spec)] == ["A", "B", "C"]
    assert [name for name, _ in taken(spec, "rank")] == ["B", "C"]


def test_a_function_that_is_not_there_is_told() -> None:
    with pytest.raises(ModelVersionError) as caught:
        taken(of_functions(predict=[column("A")]), "explain")
    assert str(caught.value) == f"{TOLD} has no method EXPLAIN; there are: PREDICT"


@pytest.mark.parametrize(
    "spec", ["", "a text", "[1]", ": {", {"signatures": {"predict": {}}}, {"serving": []}, {"x": 1}]
)
def test_a_registry_that_does_not_tell_is_told(spec: object) -> None:
    with pytest.raises(ModelVersionError, match=r"the registry does not tell what version V1 of model .* takes"):
        taken(spec)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (column("A", "TIMESTAMP_NTZ"), "takes A, which is TIMESTAMP_NTZ and no text or number"),
        (column("A", shape=[2]), "takes A, which is DOUBLE and no text or number"),
        (column("input feature"), "takes 'input feature', which cannot be a column"),
    ],
)
def test_what_is_no_column_of_text_or_numbers_is_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelVersionError) as caught:
        taken(of_functions(predict=[wrong]))
    assert str(caught.value).startswith(f"{TOLD} {told}")
