"""TABLE(MODEL(...)!METHOD(...) [OVER (PARTITION BY ...)]) in the FROM of a SELECT."""

from __future__ import annotations

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, unsupported
from include.sandbox.snowflake.scoring.calls import Call


class TableCall:
    """A table function of a model: its call, the name it has in the FROM, and the columns it gives."""

    def __init__(self, call: Call, node: exp.ModelAttribute) -> None:
        self.call = call
        self._rows = node.parent
        if call.method.kind != "TABLE_FUNCTION":
            text = f"SQL compilation error:\nUnknown table function {call.method.name}"
            raise SqlError(2141, "42601", text)
        place = self._rows.parent if isinstance(self._rows.parent, exp.Lateral) else self._rows
        alias = self._rows.args.get("alias") or place.args.get("alias")
        self.alias = alias.this.name if alias and alias.this else ""
        renamed = [c.name for c in alias.args.get("columns") or []] if alias else []
        names = renamed or list(call.method.columns)
        self.outputs = {name: f"{call.column}_out_{i}" for i, name in enumerate(names)}
        self.is_last = True
        self._place = place

    def take_out(self, select: exp.Select) -> None:
        """Remove the function from the SELECT's FROM; what is left are the rows that it is called for."""
        joins = list(select.args.get("joins") or [])
        laterals = list(select.args.get("laterals") or [])
        if any(lateral is self._place for lateral in laterals):
            select.set("laterals", [lateral for lateral in laterals if lateral is not self._place])
            return
        from_ = select.args["from_"]
        joins += list(from_.this.args.get("joins") or [])
        if from_.this is self._place:
            if joins:
                raise unsupported("a join after a model's table function: put the table first")
            select.set("from_", None)
            return
        number = next((i for i, join in enumerate(joins) if join.this is self._place), None)
        if number is None:
            raise unsupported("a model's table function in this place of a FROM")
        join = joins[number]
        if any(join.args.get(arg) for arg in ("on", "using", "side", "method")):
            raise unsupported("a join condition with a model's table function: use a comma, and WHERE")
        self.is_last = number == len(joins) - 1
        join.pop()
