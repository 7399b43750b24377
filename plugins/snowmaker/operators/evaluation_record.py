"""Keeping a gate's verdict: a row a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.hooks.own_tables import ensure_table
from snowmaker.operators.base import replace_rows
from snowmaker.snowflake import tables

if TYPE_CHECKING:
    from snowmaker.gate import GateVerdict
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName


def keep_verdict(session: WarehouseSession, model: QualifiedName, verdict: GateVerdict, run: str) -> None:
    """Write all rules of a verdict, replacing those of the same run."""
    table = model.sibling(tables.VERDICTS)
    ensure_table(session, table)
    rows = [
        {
            "MODEL_NAME": model.quoted,
            "MODEL_VERSION": verdict.challenger,
            "CHAMPION": verdict.champion,
            "RULE": rule.rule,
            "METRIC": rule.metric,
            "SEGMENT": rule.segment,
            "VALUE": rule.value,
            "LOW": rule.low,
            "HIGH": rule.high,
            "BOUND": rule.bound,
            "PASSED": rule.passed if rule.is_judged else None,
            "NOTE": rule.note or None,
            "FIRST_WEEK": verdict.weeks[0],
            "LAST_WEEK": verdict.weeks[-1],
            "ROW_COUNT": verdict.rows,
            "RUN_ID": run,
        }
        for rule in verdict.rules
    ]
    replace_rows(
        session,
        table,
        lock=f"{table.quoted} {model.quoted}",
        holder=run,
        statements=[
            tables.delete_rows(table, MODEL_NAME=model.quoted, RUN_ID=run),
            tables.insert_rows(table, tuple(rows[0]), [tuple(row.values()) for row in rows]),
        ],
        expected=len(rows),
    )
