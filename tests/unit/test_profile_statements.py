from __future__ import annotations

from snowmaker.profile import Bins
from snowmaker.snowflake.drift import count_both
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.profiles import Column, Count, Segments, in_batches
from snowmaker.snowflake.statement import Statement

NUMBER = Column("A%", Identifier("A%"), "numeric")
TEXT = Column("B", Identifier("B"), "categorical")
ROWS = Statement("SELECT * FROM t WHERE w = %s", (7,))


def test_all_columns_are_counted_in_one_scan_with_bound_values_in_their_order() -> None:
    evil = "'; DROP TABLE t; --"
    count = Count(
        {NUMBER: (Bins.numeric([0.5]), 0.0), TEXT: (Bins.categorical([evil]), 0.0)},
        (Segments(Identifier("S"), ("x%s", "y")),),
    )
    statement = count.statement(ROWS)
    assert statement.text.count("FROM t") == 1
    assert "DROP" not in statement.text
    assert statement.values == (0.5, evil, "x%s", "y", 7)
    assert statement.text.replace("%%", "").count("%s") == len(statement.values)
    assert '"A%%"' in statement.text


def test_cumulative_counts_become_counts_by_bin() -> None:
    count = Count({NUMBER: (Bins.numeric([1.0, 2.0]), 0.0), TEXT: (Bins.categorical(["x"]), 0.0)})
    row = {"CN": 10, "C0K": 9, "C0F": 7, "C0M": 1.5, "C0B0": 3, "C0B1": 5, "C1K": 8, "C1B0": 4}
    found = count.read(row)
    assert found["A%"].counts == (3, 2, 2, 1)  # up to 1, up to 2, above, NULL
    assert (found["A%"].not_finite, found["A%"].rows, found["A%"].mean) == (2, 10, 1.5)
    assert found["B"].counts == (4, 4, 2)  # x, others, NULL


def test_a_segment_column_that_the_predictions_lack_has_no_score() -> None:
    shared, own = Segments(Identifier("K"), ("k",)), Segments(Identifier("F"), ("f",))
    features = Count({}, (shared, own), prefix="F")
    scores = Count({NUMBER: (Bins.numeric([0.5]), 0.0)}, (shared,), prefix="S")
    text = count_both(features, ROWS, scores, Statement("SELECT * FROM p")).text
    assert text.endswith("ON EQUAL_NULL(FSEGMENT0, SSEGMENT0) AND FSEGMENT1 IS NULL")


def test_columns_are_split_only_where_a_statement_would_be_too_long() -> None:
    edges = [float(edge) + 0.123456789012345 for edge in range(9)]
    few = {Column(f"F{i}", Identifier(f"F{i}"), "numeric"): (Bins.numeric(edges), 0.1) for i in range(1000)}
    assert [len(batch) for batch in in_batches(few)] == [1000]
    names = Bins.categorical([f"{'long' * 50} {i}" for i in range(500)])
    many = {Column(f"T{i}", Identifier(f"T{i}"), "categorical"): (names, 0.0) for i in range(30)}
    batches = in_batches(many)
    assert [column for batch in batches for column in batch] == list(many)
    assert len(batches) > 1
    for batch in (*batches, *in_batches(few)):
        statement = Count(batch, prefix="F").statement(ROWS)
        size = len(statement.text) + sum(len(repr(value)) for value in statement.values)
        assert size < 1_000_000
