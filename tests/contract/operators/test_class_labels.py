"""Labels of several classes: text of any kind, whole numbers, booleans; versions that know different classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score

from include.training.trainer import reading
from include.training.trainer.job import Feature, Job
from snowmaker.exceptions import InputDataError, ModelVersionError, ScoringError
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.multiclass import likeliest
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.snowflake.statement import Statement, listed

from .artefacts import MadeArtefact, fit_linear
from .lab import Lab, Model, fresh
from .weekly_data import FEATURES, HOLDOUT, LABELLED, NUMBERS, ROWS, TEXT, WEEKS, model_input, source_of

TASK: dict[str, Any] = {"task": "multiclass_classification"}
WEEK = WEEKS[6]
ODD = ['it\'s "in" %s', "{}, ''", "ü-\\ 100% out"]
LABELS = {"text": ODD, "whole numbers": [3, 20, 100], "booleans": [False, True]}
"""In the order in which they sort, which is another one for numbers than for their texts."""
TYPES = {"text": "VARCHAR", "whole numbers": "NUMBER(9, 0)", "booleans": "BOOLEAN"}


def labels_of(frame: pd.DataFrame, classes: list[Any]) -> list[Any]:
    """The label that a row's income tells; of two classes the first one is that of low and middle incomes."""
    income = frame["INCOME"].fillna(40).to_numpy(dtype=float)
    places = np.digitize(income, [34, 46] if len(classes) > 2 else [46])
    return [classes[place] for place in places]


@dataclass
class Kind:
    """A weekly table with labels of one kind, and a version trained on it."""

    classes: list[Any]
    model: Model
    artefact: MadeArtefact
    version: str

    @property
    def names(self) -> list[str]:
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in self.classes]

    def rows(self, week: object = WEEK) -> pd.DataFrame:
        frame = self.model.lab.frame
        return frame[frame["week"] == str(week)].reset_index(drop=True)

    def again(self) -> Model:
        """The model with predictions of the test's own."""
        model = Model(self.model.lab, self.model.name)
        model.source = self.model.source
        return model


def predicted(artefact: MadeArtefact, rows: pd.DataFrame, names: list[str]) -> list[str]:
    """The likeliest classes, as the model in memory says."""
    chances = artefact.model.predict_proba(model_input(rows))
    return [names[place] for place in chances.argmax(axis=1)]


def fit(folder: Path, frame: pd.DataFrame, classes: list[Any], *, without: tuple[Any, ...] = ()) -> MadeArtefact:
    """Train as a job does, on the weeks up to the holdout."""
    frame = frame[frame["week"] <= str(HOLDOUT)].assign(LABEL=lambda rows: labels_of(rows, classes))
    frame = frame[~frame["LABEL"].isin(without)]
    columns = [pa.array(frame[name], pa.string()).dictionary_encode() for name in TEXT]
    columns += [pa.array(frame[name].astype(float), from_pandas=True) for name in NUMBERS]
    week = pa.array(pd.to_datetime(frame["week"]).dt.date, pa.date32())
    table = pa.table([*columns, pa.array(frame["LABEL"]), week], names=[*FEATURES, "APPROVED", reading.WEEK])
    features = tuple(Feature(name, "categorical" if name in TEXT else "numeric") for name in FEATURES)
    job = Job(
        secret_id="login", table='"T"', week_column="WEEK", features=features, label="APPROVED",
        task="multiclass_classification", holdout_from=HOLDOUT.start, seed=1, estimator="linear",
    )  # fmt: skip
    return fit_linear(folder, table, job)


def table_of(lab: Lab, kind: str) -> str:
    """The weekly applications with labels of a kind."""
    name, classes = lab.name(fresh("Classes")), LABELS[kind]
    middle = "WHEN COALESCE(INCOME, 40) < 46 THEN %s" if len(classes) > 2 else ""
    first = "34" if middle else "46"
    lab.rows(
        f'CREATE TABLE {name} AS SELECT * EXCLUDE APPROVED, IFF("Applied on" >= %s, NULL, '
        f"CASE WHEN COALESCE(INCOME, 40) < {first} THEN %s {middle} ELSE %s END)::{TYPES[kind]} AS APPROVED "
        f"FROM {lab.name('Weekly applications')}",
        LABELLED[-1].end,
        *classes,
    )
    return name


@pytest.fixture(scope="module", params=LABELS)
def kind(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    return make_kind(lab, request.param, tmp_path_factory.mktemp("classes"))


def make_kind(lab: Lab, name: str, folder: Path) -> Kind:
    model = lab.model()
    model.source = source_of(table_of(lab, name))
    artefact = fit(folder / "artefact", lab.frame, LABELS[name])
    logged = model.log(lab.upload(artefact))
    return Kind(LABELS[name], model, artefact, logged["model_version"])


def test_labels_of_every_kind_are_compared_as_text(kind: Kind) -> None:
    model, rows = kind.model, kind.rows()
    assert json.loads(model.shown()[0]["comment"])["classes"] == kind.names
    model.score(WEEK, model_version=kind.version, **TASK)
    found, expected = model.predicted(), predicted(kind.artefact, rows, kind.names)
    assert sorted(zip(found["LOAN_ID"], found["PREDICTION"], strict=True)) == sorted(
        zip(rows["LOAN_ID"], expected, strict=True)
    )
    assert all(set(json.loads(one)) == set(kind.names) for one in found["PROBABILITIES"])
    result = model.check_performance(WEEK, kind.version, label_delay_weeks=0, metric="accuracy", **TASK)
    as_text = dict(zip(kind.classes, kind.names, strict=True))
    labels = [as_text[value] for value in labels_of(rows, kind.classes)]
    assert result["weeks"] == {str(WEEK): pytest.approx(accuracy_score(labels, expected))}


@pytest.fixture(scope="module")
def text(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    return make_kind(lab, "text", tmp_path_factory.mktemp("text"))


def test_each_version_has_classes_of_its_own_and_is_wrong_about_others(text: Kind, tmp_path: Path) -> None:
    model, two = text.again(), fit(tmp_path / "two", text.model.lab.frame, ODD, without=(ODD[0],))
    model.log(model.lab.upload(two), version_name="TWO")
    model.score(WEEK, model_version="TWO", **TASK)
    found = model.predicted()
    assert set(found["PREDICTION"]) == set(ODD[1:])
    assert all(set(json.loads(one)) == set(ODD[1:]) for one in found["PROBABILITIES"])
    rows = text.rows()
    labels, expected = labels_of(rows, ODD), predicted(two, rows, ODD[1:])
    result = model.check_performance(WEEK, "TWO", label_delay_weeks=0, **TASK)
    assert result["weeks"] == {str(WEEK): pytest.approx(f1_score(labels, expected, average="macro"))}

    # A champion may not know what the challenger has learned.
    model.make_champion("TWO", WEEKS[3])
    verdict = model.evaluate(text.version, floors={}, min_gain={"f1_macro": 0.1, "accuracy": 0.01}, **TASK)
    rows = text.rows(HOLDOUT)
    labels, expected = labels_of(rows, ODD), predicted(two, rows, ODD[1:])
    assert verdict["rows"] == ROWS
    assert verdict["metrics"][text.version] == pytest.approx(text.artefact.metrics, rel=1e-6)
    assert verdict["metrics"]["TWO"]["accuracy"] == pytest.approx(accuracy_score(labels, expected))
    assert verdict["metrics"]["TWO"]["f1_macro"] == pytest.approx(f1_score(labels, expected, average="macro"))
    assert [(rule["rule"], rule["passed"]) for rule in verdict["rules"]] == [
        ("f1_macro gain", True),
        ("accuracy gain", True),
        ("schema", True),
    ]


def test_the_likeliest_class_is_the_first_of_equally_likely_ones(lab: Lab) -> None:
    rows = [(0.2, 0.5, 0.3), (0.4, 0.2, 0.4), (0.0, 0.0, 1.0), (None, 0.5, 0.5)]
    values = ", ".join("(%s, %s, %s)" for _ in rows)
    outputs = likeliest(ODD, ["A", "B", "C"])
    made = listed(f"{expression.text} AS {column}" for column, expression in outputs.items())
    statement = Statement(
        f"SELECT {made} FROM (SELECT COLUMN1::FLOAT AS A, COLUMN2::FLOAT AS B, COLUMN3::FLOAT AS C "
        f"FROM VALUES {values})",
        (*(value for one in outputs.values() for value in one.values), *(value for row in rows for value in row)),
    )
    with WarehouseHook().session() as session:
        found = session.rows(statement)
    assert [(row["SCORE"], row["PREDICTION"]) for row in found] == [
        (0.5, ODD[1]),
        (0.4, ODD[0]),
        (1, ODD[2]),
        (None, None),
    ]
    assert json.loads(found[0]["PROBABILITIES"]) == dict(zip(ODD, rows[0], strict=True))


def test_a_version_that_tells_no_classes_is_refused_before_anything_is_scored(text: Kind) -> None:
    model = Model(text.model.lab, text.model.lab.name(fresh("Untold")))
    model.source = text.model.source
    model.lab.rows(f'CREATE MODEL {model.name} WITH VERSION V1 FROM MODEL {text.model.name} VERSION "{text.version}"')
    model.lab.rows(f"ALTER MODEL {model.name} MODIFY VERSION V1 SET COMMENT = 'by hand'")
    with pytest.raises(ModelVersionError, match="comment of version V1 tells no classes; log it with LogModelOperator"):
        model.score(WEEK, model_version="V1", **TASK)


def test_a_score_that_the_model_does_not_give_is_refused(text: Kind) -> None:
    model = text.again()
    with pytest.raises(ScoringError, match=f"gave {ROWS} rows of week {WEEK} no score"):
        model.score(WEEK, model_version=text.version, method=ScoreMethod("PREDICT_PROBA", "probability_{}"), **TASK)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("1.5::NUMBER(9, 1)", r"APPROVED .* is NUMBER\(9,1\), but as class label it must be one of VARCHAR, .*INTEGER"),
        ("1::FLOAT", "APPROVED .* is FLOAT, but as class label it must be one of"),
        (
            '"debt ratio"::VARCHAR',
            r"label APPROVED of .* has \d{3} different values, and a label of classes may have 200; is it the",
        ),
        (
            "IFF(INCOME < 30, '', APPROVED)",
            r"label APPROVED of .* is an empty text in \d+ rows of weeks .*; set it to NULL",
        ),
    ],
)
def test_labels_that_are_no_classes_stop_it_before_anything_is_trained(text: Kind, expression: str, told: str) -> None:
    lab, model = text.model.lab, Model(text.model.lab, text.model.lab.name(fresh("No classes")))
    view = lab.name(fresh("View"))
    table = text.model.source.table.quoted
    lab.rows(f"CREATE VIEW {view} AS SELECT * EXCLUDE APPROVED, {expression} AS APPROVED FROM {table}")
    model.source = source_of(view)
    with pytest.raises(InputDataError, match=told):
        model.training_set(WEEKS[7], **TASK)
