"""Profiles of rows in the warehouse: those of a baseline, whose bins are made here, and those of a week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.drift import ALL_ROWS
from snowmaker.exceptions import InputDataError
from snowmaker.profile import LABEL, ROWS, Bins, Profile
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import profiles as profiles_sql
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.profiles import OTHER, Column, Count, Segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.statement import Statement
    from snowmaker.source import Source
    from snowmaker.week import Week

    Profiles = dict[str, dict[str, Profile]]
    """Profiles by segment ('': all rows) and feature."""


_QUANTILES_AT_ONCE = 100


def feature_columns(source: Source, types: Mapping[str, str]) -> list[Column]:
    """Return the source's features as columns to be profiled.

    :param types: the columns' types, as DESCRIBE TABLE gives them
    """
    return [
        Column(
            feature.column.name,
            feature.column,
            profiles_sql.kind_of(types[feature.column.name], categorical=feature.kind == "categorical"),
        )
        for feature in source.features
    ]


def booleans_of(profiles: Mapping[str, Profile], columns: Sequence[Column]) -> dict[str, Profile]:
    """Return the profiles of the booleans among some columns; see :meth:`Profile.as_boolean`."""
    booleans = (column.name for column in columns if column.kind == "boolean" and column.name in profiles)
    return {name: profiles[name].as_boolean() for name in booleans}


def label_column(source: Source, *, is_number: bool) -> Column:
    """Return the label as a column to be profiled; classes are told apart as text, whatever their type."""
    return Column(LABEL, source.label, "numeric" if is_number else "categorical")


def segment_columns(source: Source, names: Sequence[str]) -> list[Identifier]:
    """Return the columns by whose values rows are told apart, those that the predictions have (the key's) first.

    :param names: as the pipeline file writes them
    :raises InputDataError: if one is neither a feature nor of the key: a training set has no other columns
    """
    columns = [Identifier.parse(name) for name in names]
    known = {*source.key, *(feature.column for feature in source.features)}
    for column in columns:
        if column not in known:
            raise InputDataError(
                f"segment column {column.name} is neither a feature nor a key column of {source.table.quoted}; add it "
                f"to source.key, or take one of {', '.join(sorted(found.name for found in known))}"
            )
    return sorted(columns, key=lambda column: column not in source.key)


def make_profiles(
    session: WarehouseSession,
    relation: Statement,
    columns: Sequence[Column],
    segments: Sequence[Identifier] = (),
    *,
    bins: int,
    categories: int,
    weeks: int,
) -> Profiles:
    """Make the profiles of a baseline, and the bins they are over: quantiles, and the commonest categories.

    :param relation: the rows; asked several times, so it must give the same ones
    :param bins: quantile bins of a number
    :param categories: categories told apart
    :param weeks: of how many weeks the rows are
    """
    made = _make_bins(session, relation, columns, bins, categories)
    told_apart = _commonest(session, relation, segments, profiles_sql.MOST_SEGMENTS)
    groups = tuple(
        Segments(column, tuple(value for value in values if value != OTHER))
        for column, values in zip(segments, told_apart, strict=True)
    )
    found: Profiles = {}
    for batch in profiles_sql.in_batches(made):
        count = Count(batch, groups, baseline=True)
        for row in session.rows(count.statement(relation)):
            found.setdefault(count.segment_of(row), {}).update(count.read(row, weeks=weeks))
    return found


def profile_scored_weeks(
    session: WarehouseSession,
    source: Source,
    columns: Sequence[Column],
    segments: Sequence[Identifier],
    predictions: Statement,
    predicted: Sequence[Column],
    weeks: Sequence[Week],
    *,
    bins: int,
    categories: int,
) -> Profiles:
    """Make the baseline of some weeks that were scored: of the source's rows and of their predictions.

    The label is left out, for it has not come yet.

    :param segments: those that the predictions have first
    :param predictions: the weeks' predictions, with the segment columns there are
    :param predicted: those of their columns that are profiled
    """
    wanted = list(dict.fromkeys([column.column for column in columns] + list(segments)))
    rows = drift_sql.rows_of_weeks(source, wanted, weeks)
    found = make_profiles(session, rows, columns, segments, bins=bins, categories=categories, weeks=len(weeks))
    there = [column for column in segments if column in source.key]
    scores = make_profiles(session, predictions, predicted, there, bins=bins, categories=categories, weeks=len(weeks))
    for segment, profiles in scores.items():
        found.setdefault(segment, {}).update(profiles)
    counted = int(
        session.row(drift_sql.count_weeks(source, drift_sql.rows_of_weeks(source, [source.week_column], weeks)))["N"]
    )
    found[ALL_ROWS][ROWS] = Profile.of_rows(counted, len(weeks))
    return found


def _make_bins(
    session: WarehouseSession, relation: Statement, columns: Sequence[Column], bins: int, categories: int
) -> dict[Column, tuple[Bins, float]]:
    made = {column: (Bins.boolean(), 0.0) for column in columns if column.kind == "boolean"}
    numbers = [column for column in columns if column.is_number]
    for i in range(0, len(numbers), _QUANTILES_AT_ONCE):
        part = numbers[i : i + _QUANTILES_AT_ONCE]
        row = session.row(profiles_sql.quantiles(relation, part, bins))
        for place, column in enumerate(part):
            found = [row[f"Q{place}_{q}"] for q in range(1, bins)]
            median = found[len(found) // 2]
            made[column] = (
                Bins.numeric(found, "date" if column.kind == "date" else "numeric"),
                0.0 if median is None else float(median),
            )
    text = [column for column in columns if column.kind == "categorical"]
    listed = _commonest(session, relation, [column.column for column in text], categories)
    made |= {column: (Bins.categorical(found), 0.0) for column, found in zip(text, listed, strict=True)}
    return {column: made[column] for column in columns}


def _commonest(
    session: WarehouseSession, relation: Statement, columns: Sequence[Identifier], most: int
) -> list[list[str]]:
    rows = session.rows(profiles_sql.commonest(relation, columns, most)) if columns else []
    return [[row["CATEGORY"] for row in rows if int(row["FEATURE"]) == i] for i in range(len(columns))]


def measure_week(
    session: WarehouseSession,
    columns: Sequence[Column],
    rows: Statement,
    predictions: Statement,
    baseline: Mapping[str, Mapping[str, Profile]],
    segments: Sequence[Segments] = (),
    *,
    segments_of_scores: int = 0,
    spread: bool = False,
) -> Profiles:
    """Profile a week's rows and scores over the baseline's bins: one statement, a scan of each.

    Only where there are too many features for the text of one statement do others follow.

    :param rows: the week's rows
    :param predictions: the week's predictions
    :param segments: what to tell apart
    :param segments_of_scores: how many of them, the first ones, the predictions have as columns
    :param spread: whether to compute standard deviations
    """
    bins = {column: _bins_and_centre(baseline[ALL_ROWS][column.name]) for column in columns}
    predicted = [column for column in drift_sql.PREDICTED if column.name in baseline[ALL_ROWS]]
    scores = Count(
        {column: _bins_and_centre(baseline[ALL_ROWS][column.name]) for column in predicted},
        tuple(segments[:segments_of_scores]),
        spread=spread,
        prefix="S",
    )
    first, *others = profiles_sql.in_batches(bins)
    count = Count(first, tuple(segments), spread=spread, prefix="F")
    found: Profiles = {ALL_ROWS: {}}
    for row in session.rows(drift_sql.count_both(count, rows, scores, predictions)):
        of_segment = found.setdefault(count.segment_of(row), {})
        of_segment |= count.read(row)
        of_segment[ROWS] = Profile.of_rows(int(row["FN"]))
        if row["SN"] is not None:
            of_segment |= scores.read(row)
    for batch in others:
        count = Count(batch, tuple(segments), spread=spread, prefix="F")
        for row in session.rows(count.statement(rows)):
            found[count.segment_of(row)] |= count.read(row)
    return found


def measure_label(
    session: WarehouseSession, source: Source, labels: Statement, baseline: Mapping[str, Profile]
) -> Profile:
    """Profile a week's labels over the baseline's bins.

    :param labels: the labels that have come (``snowflake.drift.week_labels``)
    :param baseline: the baseline of all rows, the label's among them
    """
    profile = baseline[LABEL]
    column = Column(LABEL, source.label, profile.bins.kind)
    count = Count({column: _bins_and_centre(profile)})
    return count.read(session.row(count.statement(labels)))[LABEL]


def _bins_and_centre(profile: Profile) -> tuple[Bins, float]:
    return profile.bins, profile.mean or 0.0
