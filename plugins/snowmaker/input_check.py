"""Whether a source's table and week can be used: pure checks of what the warehouse tells. Bad input stops here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.calibration import CALIBRATION
from snowmaker.exceptions import InputDataError
from snowmaker.profile import LABEL, PREDICTION, ROWS, SCORE
from snowmaker.snowflake.statement import IS_FINITE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.source import Source, TaskType
    from snowmaker.week import Week

_NUMERIC = ("NUMBER", "FLOAT", "BOOLEAN", "DECFLOAT")
_TEXT = ("VARCHAR", "TEXT", "STRING", "CHAR")
_TIME = ("DATE", "TIMESTAMP")
_INTEGER = "INTEGER"
_WHOLE = re.compile(r"NUMBER\(\d+, ?0\)")

# Kept beside the features, under names that no unquoted column has.
_TAKEN = {
    SCORE: "the prediction score",
    PREDICTION: "the predicted class",
    LABEL: "the label",
    ROWS: "the number of rows",
    CALIBRATION: "the calibration",
}


@dataclass(frozen=True)
class LabelRule:
    """What a task's labels must be.

    :param role: what the label is called in a message
    :param types: the column types it may have; INTEGER for a NUMBER without decimals
    :param wrong: SQL that is true of a wrong label, with ``{}`` where the label stands
    :param told: what is said of a wrong label
    :param remedy: what to do about it
    :param most: how many different labels there may be; None: any number
    """

    role: str
    types: tuple[str, ...]
    wrong: str
    told: str
    remedy: str
    most: int | None = None

    def is_wrong(self, label: object) -> str:
        """Give the condition that a label is wrong; it is not true of NULL."""
        return self.wrong.format(label)


BINARY_LABEL = LabelRule("binary label", _NUMERIC, "{} NOT IN (0, 1)", "neither 0 nor 1", "map it to 0 and 1 in a view")
NUMERIC_LABEL = LabelRule(
    "label of a regression",
    tuple(kind for kind in _NUMERIC if kind != "BOOLEAN"),
    f"NOT {IS_FINITE.format('{}::FLOAT')}",
    "no finite number",
    "set it to NULL or leave the rows out in a view",
)
# Without decimals: 3 and 3.0 are different texts, and as text classes are compared.
CLASS_LABEL = LabelRule(
    "class label",
    (*_TEXT, _INTEGER, "BOOLEAN"),
    "{}::VARCHAR = ''",
    "an empty text",
    "set it to NULL where it is not known, or give the class a name, in a view",
    # Each is a tree a round in training, and a term of the statement that scores.
    most=200,
)
LABEL_RULES: dict[TaskType, LabelRule] = {
    "binary_classification": BINARY_LABEL,
    "multiclass_classification": CLASS_LABEL,
    "regression": NUMERIC_LABEL,
}


def check_columns(
    source: Source,
    described: Sequence[Mapping[str, Any]],
    *,
    label_rule: LabelRule | None = None,
    version: str | None = None,
) -> None:
    """Check that the columns are there and of the kinds the pipeline says.

    :param described: rows of DESCRIBE TABLE (``name``, ``type``)
    :param label_rule: what the label must be, if it is going to be looked at
    :param version: the model version whose features those of the source are; None: they are the pipeline file's
    :raises InputDataError: naming table, columns, the type found and what to do
    """
    table = source.table.quoted
    types = {str(row["name"]): str(row["type"]).upper() for row in described}
    missing = [column.name for column in source.columns if column.name not in types]
    if missing:
        raise InputDataError(
            f"table {table} has no column {', '.join(missing)}; there are: {', '.join(types)}. "
            + _told_remedy(source, missing, version)
        )
    expected: list[tuple[str, str, tuple[str, ...]]] = [
        (feature.column.name, feature.kind, _NUMERIC if feature.kind == "numeric" else _TEXT)
        for feature in source.features
    ]
    for name, what in _TAKEN.items():
        if any(feature == name for feature, _, _ in expected):
            raise InputDataError(
                f"feature {name} of {table} has the name under which the drift of {what} is kept; rename it in a view"
            )
    expected.append((source.week_column.name, "week column", _TIME))
    if label_rule:
        expected.append((source.label.name, label_rule.role, label_rule.types))
    for name, kind, allowed in expected:
        if not _is_one_of(types[name], allowed):
            remedy = ", or list it under the other kind" if kind in ("categorical", "numeric") else ""
            raise InputDataError(
                f"column {name} of {table} is {types[name]}, but as {kind} it must be one of {', '.join(allowed)}; "
                f"cast it in a view{remedy}"
            )


def _told_remedy(source: Source, missing: Sequence[str], version: str | None) -> str:
    quoting = "a name that is not upper case stands in double quotes"
    if version and {feature.column.name for feature in source.features} & set(missing):
        return (
            f"Model version {version} was trained on it: bring it back, in a view if need be ({quoting}), or roll "
            f"back to a version that does without"
        )
    return f"Mend the pipeline file's source ({quoting}), or the table"


def _is_one_of(found: str, allowed: tuple[str, ...]) -> bool:
    return found.startswith(allowed) or (_INTEGER in allowed and bool(_WHOLE.fullmatch(found)))


def check_week(source: Source, week: Week, counts: Mapping[str, Any], there_are: str) -> int:
    """Check that a week has rows, and each feature a value; return the number of rows.

    :param counts: the row of ``snowflake.source_rows.count_values``
    :param there_are: which weeks have rows, for the message
    :raises InputDataError: naming table, week, and feature
    """
    rows = int(counts["N"])
    if not rows:
        raise InputDataError(f"table {source.table.quoted} has no rows in week {week}; it has {there_are}")
    for i, feature in enumerate(source.features):
        if not int(counts[f"V{i}"]):
            raise InputDataError(
                f"column {feature.column.name} of {source.table.quoted} is NULL in all {rows} rows of week {week}; "
                f"mend the load that fills it, then clear this task"
            )
    return rows


def check_predictions(table: str, described: Sequence[Mapping[str, Any]], expected: str) -> None:
    """Check that a predictions table was made for predictions of this kind: another type would round them.

    :param described: rows of DESCRIBE TABLE (``name``, ``type``)
    :param expected: column type of the predictions; of text without its length
    :raises InputDataError: naming the table, the type found and what to do
    """
    found = next((str(row["type"]).upper() for row in described if row["name"] == "PREDICTION"), "missing")
    if not found.startswith(expected):
        raise InputDataError(
            f"column PREDICTION of {table} is {found}, but this task's predictions are {expected}: the table was made "
            f"for a model of another task; rename or drop it, or give the pipeline another name"
        )


def check_labels(rule: LabelRule, source: Source, table: str, wrong: int, weeks: str) -> None:
    """Check that no label is wrong.

    :param table: where the labels were counted
    :param wrong: rows with a wrong label
    :param weeks: in which weeks, for the message
    :raises InputDataError: naming label, table, weeks and what to do
    """
    if wrong:
        raise InputDataError(
            f"label {source.label.name} of {table} is {rule.told} in {wrong} rows of {weeks}; {rule.remedy}"
        )


def check_classes(rule: LabelRule, source: Source, table: str, found: int) -> None:
    """Check that there are not more different labels than there may be.

    :param found: how many there are
    :raises InputDataError: naming label, table and what to do
    """
    if rule.most is not None and found > rule.most:
        raise InputDataError(
            f"label {source.label.name} of {table} has {found} different values, and a label of classes may have "
            f"{rule.most}; is it the right column? Put the rare ones together in a view, or predict a number"
        )


def check_training_weeks(source: Source, table: str, first: Week, holdout: Week, by_week: Mapping[Week, int]) -> None:
    """Check that there are labelled rows before and from the holdout on.

    :param by_week: labelled rows by week
    :raises InputDataError: naming table, label, weeks and what to do
    """
    train = sum(rows for week, rows in by_week.items() if week < holdout)
    held_out = sum(rows for week, rows in by_week.items() if week >= holdout)
    if train and held_out:
        return
    part = "training" if not train else "holdout"
    have = ", ".join(f"{week} ({rows})" for week, rows in sorted(by_week.items())) or "none"
    raise InputDataError(
        f"{table}: no row with a label ({source.label.name}) in the {part} weeks; wanted weeks {first} up to holdout "
        f"{holdout} and on, labelled weeks in that window: {have}. Wait for the labels, or ask for another week"
    )


def tell_weeks(row: Mapping[str, Any]) -> str:
    """Put the row of ``snowflake.source_rows.weeks_there_are`` in words."""
    if not row["WEEKS"]:
        return "no week at all"
    return f"{row['WEEKS']} weeks from {row['FIRST_WEEK']} to {row['LAST_WEEK']}"
