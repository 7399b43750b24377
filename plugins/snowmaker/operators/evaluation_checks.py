"""What a gate asks of a challenger besides its metrics: it takes the current table, and costs no more than it may."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from snowmaker.exceptions import InputDataError, WarehouseError
from snowmaker.gate import Rule, at_least, at_most
from snowmaker.hooks.own_tables import read_table
from snowmaker.hooks.warehouse import StatementError
from snowmaker.operators.base import ensure_columns
from snowmaker.snowflake import evaluation, source_rows
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.scored_task_base import ScoredTask
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source

NEWEST_ROWS = 1000
FEWEST_TIMED_ROWS = 10_000
"""With fewer rows it is the start of a statement that is timed, not the rows."""


def missing_columns(
    session: WarehouseSession, source: Source, training_table: QualifiedName, sources: Mapping[str, Source]
) -> dict[str, list[str]]:
    """Tell by version which columns it takes that neither its source nor a training set has any more.

    :param sources: by version the source as it takes it, the challenger first
    :raises InputDataError: if a version takes a column that is in the source but not in the training set, or the
        challenger one that is not there
    """
    (challenger, own), *others = sources.items()
    there = ensure_columns(session, replace(own, table=training_table), version=challenger)
    gone = {
        version: [feature.column.name for feature in other.features if feature.column.name not in there]
        for version, other in others
    }
    gone = {version: columns for version, columns in gone.items() if columns}
    described = session.rows(source_rows.describe_columns(source.table)) if gone else []
    for version, columns in gone.items():
        if {str(row["name"]) for row in described}.issuperset(columns):
            raise InputDataError(
                f"training set {training_table.quoted} has no {', '.join(columns)}, which champion {version} takes: it "
                f"was made before {version} was champion; retrain"
            )
    return gone


def check_schema(
    session: WarehouseSession,
    source: Source,
    model: QualifiedName,
    version: ModelVersion,
    task: ScoredTask,
    method: ScoreMethod,
) -> Rule:
    """Score rows of the source's newest week: as the table is now, and not as the training set was made of it.

    :return: the rule that all of them get a score; why they do not is in its note
    :raises StatementError: if the warehouse failed for another reason than model and table
    """
    rule = "schema"
    try:
        ensure_columns(session, source, version=version.name)
        newest = session.row(source_rows.weeks_there_are(source))["LAST_WEEK"]
        if newest is None:
            return at_least(rule, None, 1, note=f"table {source.table.quoted} has no rows")
        week = Week(date.fromisoformat(str(newest)[:10]))
        found = session.row(
            evaluation.score_newest_rows(
                source,
                week,
                model=model,
                version=version.name,
                method=method,
                outputs=task.outputs(method, version),
                is_good=task.is_good,
                rows=NEWEST_ROWS,
            )
        )
    except (InputDataError, StatementError) as error:
        if isinstance(error, StatementError) and not error.is_for_good:
            raise
        return at_least(rule, None, 1, note=str(error))
    rows, good = int(found["N"]), int(found["GOOD"])
    missing = f"{rows - good} of {rows} rows of week {week} get no score, or one {task.bad_score}"
    return at_least(rule, good / rows if rows else None, 1, note="" if rows and good == rows else missing)


def scoring_seconds(session: WarehouseSession, model: QualifiedName) -> float:
    """Tell how long the warehouse worked on the statement that was sent last, without what it waited for.

    :raises WarehouseError: if QUERY_HISTORY does not have it
    """
    found = session.rows(evaluation.last_execution_time(model))
    if not found or found[0]["MILLISECONDS"] is None:
        raise WarehouseError(
            f"QUERY_HISTORY_BY_SESSION of {model.database.quoted} does not have the statement that scored the rows, so "
            f"its time is not known; try again, or leave max_scoring_seconds_per_million out"
        )
    return float(found[0]["MILLISECONDS"]) / 1000


def judge_scoring_time(seconds: float, rows: int, most: float) -> Rule:
    """Hold the time for scoring some rows to that for a million of them.

    >>> judge_scoring_time(1.5, 50_000, most=20).passed, judge_scoring_time(0.3, 200, most=20).outcome
    (False, 'not judged')
    """
    rule, value = "scoring seconds per million rows", seconds / rows * 1e6
    if rows < FEWEST_TIMED_ROWS:
        note = f"{rows} rows, and with fewer than {FEWEST_TIMED_ROWS} it is a statement's start that takes the time"
        return Rule(rule, value, most, passed=True, at_most=True, note=note, is_judged=False)
    return at_most(rule, value, most)


def check_training_cost(session: WarehouseSession, version: ModelVersion, costs: QualifiedName, most: float) -> Rule:
    """Hold the training job that the version's comment names to a cost in US dollars. One that is not known is none."""
    rule, job = "training cost", version.provenance.get("training_job")
    if not job:
        return at_most(rule, None, most, note=f"the comment of {version.name} names no training job")
    found = read_table(session, costs, evaluation.training_cost(costs, str(job)))
    if not found or found[0]["COST"] is None:
        return at_most(rule, None, most, note=f"{costs.quoted} does not know the cost of training job {job}")
    return at_most(rule, float(found[0]["COST"]), most)
