from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    r2_score,
    root_mean_squared_error,
)

from snowmaker.exceptions import InputDataError
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.scored_task import Regression, scored_task
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.scoring import count_scores
from snowmaker.snowflake.statement import Statement

from .lab import Lab, Model, fresh
from .weekly_data import WEEKS, source_of

REGRESSION = Regression()


def table_of(lab: Lab, columns: str, *rows: tuple[object, ...]) -> str:
    """Make a table with some rows and return its name."""
    name = lab.name(fresh("T"))
    lab.rows(f"CREATE TABLE {name} ({columns})")
    holders = ", ".join(f"({', '.join(['%s'] * len(rows[0]))})" for _ in rows)
    lab.rows(f"INSERT INTO {name} VALUES {holders}", *(value for row in rows for value in row))
    return name


@pytest.mark.parametrize(
    ("label_type", "offset", "unit"),
    [("FLOAT", 0.0, 1.0), ("NUMBER(38, 2)", 200_000.0, 1e5), ("FLOAT", 1e9, 1.0), ("NUMBER(38, 0)", 0.0, 40.0)],
)
def test_errors_are_measured_as_scikit_learn_measures_them(
    lab: Lab, label_type: str, offset: float, unit: float
) -> None:
    # Far from zero beside their spread, where a sum of squares loses its digits; whole and decimal columns too.
    rng = np.random.default_rng(5)
    digits = {"FLOAT": 15, "NUMBER(38, 2)": 2, "NUMBER(38, 0)": 0}[label_type]
    labels = np.round(offset + unit * rng.normal(0, 1, 150), digits)
    scores = labels + unit * rng.normal(0.1, 0.4, 150)
    weeks, versions = np.repeat([str(week) for week in WEEKS[:3]], 50), np.tile(["V1", "V2"], 75)
    rows = zip(weeks.tolist(), versions.tolist(), labels.tolist(), scores.tolist(), strict=True)
    table = table_of(
        lab, f"WEEK_START DATE, MODEL_VERSION VARCHAR, LABEL {label_type}, SCORE FLOAT", *(row for row in rows)
    )
    with WarehouseHook().session() as session:
        found = session.rows(REGRESSION.measure(Statement(f"SELECT * FROM {table}")))
    assert len(found) == 6
    for (week, version, segment), measured in REGRESSION.read_all(found).items():
        mask = (weeks == week) & (versions == version)
        expected = {
            "rmse": root_mean_squared_error(labels[mask], scores[mask]),
            "mae": mean_absolute_error(labels[mask], scores[mask]),
            "mape": mean_absolute_percentage_error(labels[mask], scores[mask]),
            "r2": r2_score(labels[mask], scores[mask]),
        }
        assert (measured.rows, measured.wrong, measured.bad, segment) == (25, 0, 0, "")
        assert measured.metrics == pytest.approx(expected, rel=1e-9)


def test_labels_and_scores_that_are_no_finite_numbers_are_counted(lab: Lab) -> None:
    odd = ("NaN", "inf", "-inf")
    rows = [(value, "1") for value in (*odd, "2")] + [("3", value) for value in (*odd, "-1e300")]
    texts = table_of(lab, "LABEL VARCHAR, SCORE VARCHAR", *rows)
    table = lab.name(fresh("T"))
    lab.rows(
        f"CREATE TABLE {table} AS SELECT '2026-01-05'::DATE AS WEEK_START, 'V1' AS MODEL_VERSION, "
        f"LABEL::FLOAT AS LABEL, SCORE::FLOAT AS SCORE FROM {texts}"
    )
    with WarehouseHook().session() as session:
        counted = session.row(count_scores(QualifiedName.parse(table), REGRESSION.is_good))
        finite = Statement(f"SELECT * FROM {table} WHERE SCORE = 1")
        (measured,) = session.rows(REGRESSION.measure(finite))
    assert (counted["SCORED"], counted["GOOD"], counted["MISSING"]) == (8, 5, 0)
    assert (measured["N"], measured["WRONG"]) == (4, 3)


@pytest.fixture
def source_table(lab: Lab) -> str:
    """The weekly table with the debt ratio as a label of numbers."""
    view = lab.name(fresh("Debts"))
    lab.rows(
        f'CREATE TABLE {view} AS SELECT * EXCLUDE APPROVED, "debt ratio" * 100 AS APPROVED '
        f"FROM {lab.name('Weekly applications')}"
    )
    return view


def test_a_training_set_of_numbers_is_made(lab: Lab, source_table: str) -> None:
    model = Model(lab, lab.name(fresh("Debt model")))
    model.source = source_of(source_table)
    made = model.training_set(WEEKS[7], task="regression")
    assert made["rows"] == lab.rows(f"SELECT COUNT(APPROVED) FROM {made['table']}")[0][0] > 0
    with pytest.raises(InputDataError, match="is neither 0 nor 1 in"):
        model.training_set(WEEKS[7])


@pytest.mark.parametrize("value", ["NaN", "inf"])
def test_a_label_that_is_no_finite_number_stops_it_before_anything_is_trained(
    lab: Lab, source_table: str, value: str
) -> None:
    model = Model(lab, lab.name(fresh("Debt model")))
    model.source = source_of(source_table)
    lab.rows(f"UPDATE {source_table} SET APPROVED = '{value}'::FLOAT WHERE LOAN_ID = '4-8'")
    with pytest.raises(
        InputDataError, match=r"label APPROVED of .* is no finite number in \d rows of weeks .*; set it"
    ):
        model.training_set(WEEKS[7], task="regression")


def test_a_label_that_is_no_number_is_refused(lab: Lab) -> None:
    model = Model(lab, lab.name(fresh("Debt model")))
    model.source = source_of(table_of_booleans(lab))
    with pytest.raises(InputDataError, match=r"APPROVED .* is BOOLEAN, but as label of a regression it must be one of"):
        model.training_set(WEEKS[7], task="regression")


def table_of_booleans(lab: Lab) -> str:
    view = lab.name(fresh("View"))
    lab.rows(
        f"CREATE VIEW {view} AS SELECT * EXCLUDE APPROVED, APPROVED::BOOLEAN AS APPROVED "
        f"FROM {lab.name('Weekly applications')}"
    )
    return view


def test_a_task_that_is_not_known_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="'clustering' is not known; choose one of binary_classification, multiclass_"):
        scored_task("clustering")  # type: ignore[arg-type]
    model = lab.model("good")
    with pytest.raises(ValueError, match="metric 'f1' is no metric of regression; choose of rmse, mae, mape, r2"):
        model.check_performance(WEEKS[7], "GOOD", task="regression", metric="f1")
