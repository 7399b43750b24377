from __future__ import annotations

from typing import Any

import pytest

from snowmaker.alert_definition import AlertDefinition
from snowmaker.exceptions import IdentifierError
from snowmaker.operators.alert import AlertOperator
from snowmaker.snowflake import alert as alert_sql
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.literals import inlined, value_literal
from snowmaker.snowflake.statement import Statement

MODEL = QualifiedName.parse("ml.loans.mortgage")


def definition(**changed: Any) -> AlertDefinition:
    known = {
        "condition": alert_sql.metric_beyond(MODEL, "f1", below=0.7),
        "warehouse": "wh",
        "integration": "mail",
        "recipients": ("ann@example.com",),
        "subject": "Mortgage",
    }
    return AlertDefinition(**{**known, **changed})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"recipients": ()}, "recipients: found 0 of them; write 1 to 50 addresses"),
        ({"recipients": ("a@b.c",) * 51}, "found 51 of them"),
        ({"recipients": ("ann",)}, "recipients: found 'ann'"),
        ({"recipients": ("a@b.c, eve@example.com",)}, "found 'a@b.c, eve@example.com'"),
        ({"recipients": ("a@b.c'); DROP",)}, "found"),
        ({"subject": " "}, "subject is ' '; write one line"),
        ({"subject": "a\nBcc: eve@example.com"}, "write one line"),
        ({"schedule": "0 9 * *"}, "schedule is '0 9 \\* \\*'; write a cron expression of five fields"),
        ({"schedule": "0 0 9 * * MON"}, "five fields"),
        ({"schedule": "61 9 * * *"}, "five fields"),
    ],
)
def test_an_alert_that_cannot_work_is_refused_before_anything_is_sent(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        definition(**changed)


@pytest.mark.parametrize("name", ["warehouse", "integration"])
def test_names_are_identifiers(name: str) -> None:
    with pytest.raises(IdentifierError):
        definition(**{name: "x; DROP TABLE t"})


@pytest.mark.parametrize("bounds", [{}, {"below": 0.7, "above": 0.9}])
def test_a_metric_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"alert on f1: .* give exactly one of them"):
        alert_sql.metric_beyond(MODEL, "f1", **bounds)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"action": "explode"}, "action is 'explode'; choose one of create, run"),
        ({"action": "create"}, "action 'create' needs a definition; give one"),
        ({"action": "run", "definition": definition()}, "action 'run' takes no definition; remove it"),
    ],
)
def test_an_operators_arguments_fit_its_action(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        AlertOperator(task_id="alert", alert_name="d.s.a", **arguments)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x"])
def test_a_value_without_a_literal_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="has no literal"):
        value_literal(value)


@pytest.mark.parametrize("values", [(), (1, 2)])
def test_values_and_placeholders_go_together(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 placeholders and"):
        inlined(Statement("SELECT %s, '100%%s'", values))
