"""What happens to every parsed statement before the engine sees it.

Refusing what would be dropped silently, resolving names, Snowflake's own functions, MERGE.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.fakesnow_seams import index_of_placeholder, statement_type
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.sql.nodes import Nodes

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor
    from include.sandbox.snowflake.session import Session, TableKey

_CREATES = {"TABLE", "VIEW", "SEQUENCE"}
_DROPS = {"TABLE", "VIEW", "SEQUENCE"}
_ALTERATIONS = (
    exp.ColumnDef,
    exp.Drop,
    exp.RenameColumn,
    exp.AlterRename,
    exp.AlterColumn,
    exp.AlterSet,
    exp.ClusterProperty,
    exp.SwapTable,
)
_TABLE_PROPERTIES = (
    exp.TemporaryProperty,
    exp.TransientProperty,
    exp.SchemaCommentProperty,
    exp.LikeProperty,
    exp.CopyGrantsProperty,
    exp.SecureProperty,
    exp.ClusterProperty,
)
# What changes the meaning of a query and has no counterpart in the engine.
_UNSUPPORTED_PARTS: dict[type[exp.Expression], str] = {
    exp.Changes: "CHANGES",
    exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.UserDefinedFunction: "CREATE FUNCTION",
}


_UNSUPPORTED_TYPES = {exp.DataType.Type.GEOGRAPHY, exp.DataType.Type.GEOMETRY, exp.DataType.Type.VECTOR}


def check_supported(expression: exp.Expression, sql: str) -> None:
    """Refuse what the engine would not carry out, or would carry out as something else."""
    nodes = Nodes(expression)
    for kind, name in _UNSUPPORTED_PARTS.items():
        if nodes.has(kind):
            raise unsupported(name)
    if isinstance(expression, exp.Command):
        raise unsupported(grammar.head(sql))
    for type_ in nodes.of(exp.DataType):
        if type_.this in _UNSUPPORTED_TYPES:
            raise unsupported(f"the type {type_.sql(dialect='snowflake')}")
    kind_of_object = str(expression.args.get("kind")).upper()
    if isinstance(expression, exp.Create):
        _check_create(expression, kind_of_object, sql)
    if isinstance(expression, exp.Drop) and kind_of_object not in _DROPS:
        raise unsupported(f"DROP {kind_of_object}")
    if isinstance(expression, exp.Alter):
        actions = expression.args.get("actions") or []
        if kind_of_object != "TABLE" or not all(isinstance(a, _ALTERATIONS) for a in actions):
            raise unsupported(grammar.head(sql))


def _check_create(create: exp.Create, kind: str, sql: str) -> None:
    if kind not in _CREATES:
        raise unsupported(f"CREATE {kind}")
    if kind == "VIEW" and create.find(exp.HistoricalData):
        raise unsupported("AT | BEFORE in a view")
    if kind in {"TABLE", "VIEW"}:
        for option in create.args.get("properties") or []:
            if not isinstance(option, _TABLE_PROPERTIES) and type(option) is not exp.Property:
                raise unsupported(f"{grammar.head(sql)} ... {option.sql(dialect='snowflake')}")


# ---- names ---------------------------------------------------------------------------------------


def identifier_calls(expression: exp.Expression, params: Any) -> exp.Expression:
    """Replace IDENTIFIER(...) by the table it names; a bound name is taken out of the parameters."""
    for table in list(expression.find_all(exp.Table)):
        call = table.this
        if isinstance(call, exp.DynamicIdentifier):
            argument = call.this
        elif isinstance(call, exp.Anonymous) and call.name.upper() == "IDENTIFIER":
            argument = call.expressions[0]
        else:
            continue
        if isinstance(argument, exp.Placeholder):
            text = str(params.pop(index_of_placeholder(expression, argument)))
        else:
            text = argument.name
        for arg, value in zip(("this", "db", "catalog"), reversed(grammar.split_name(text)), strict=False):
            table.set(arg, exp.to_identifier(value, quoted=True))
    return expression


def column_positions(expression: exp.Expression) -> None:
    """Let `$1` be the first column of what is read."""
    for ordered in expression.find_all(exp.Ordered):
        column = ordered.this
        if isinstance(column, exp.Column) and column.sql(dialect="snowflake") == "ALL":
            ordered.set("this", exp.Var(this="ALL"))
    for parameter in list(expression.find_all(exp.Parameter)):
        if isinstance(parameter.this, exp.Literal):
            parameter.replace(exp.PositionalColumn(this=parameter.this))


def natural_order(expression: exp.Expression) -> None:
    """A window ordered by SEQ4() and its like takes the rows as they come, which the engine has no number for there."""
    for window in expression.find_all(exp.Window):
        order = window.args.get("order")
        if order and all(isinstance(o.this, exp.Seq1 | exp.Seq2 | exp.Seq4 | exp.Seq8) for o in order.expressions):
            window.set("order", None)


def qualify_tables(expression: exp.Expression, session: Session) -> None:
    """Give every table its database and schema, and a temporary one the name it has in the engine."""
    if isinstance(expression, exp.Show | exp.Use):
        return
    for table in list(expression.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or _is_cte(table):
            continue
        key = session.qualify(tuple(part.name for part in table.parts))
        physical = session.temporary_tables.get(key)
        read = isinstance(table.parent, exp.From | exp.Join | exp.Update | exp.Delete | exp.Merge)
        if physical and read and not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        catalog, schema, name = ("temp", "main", physical) if physical else key
        for arg, value in (("this", name), ("db", schema), ("catalog", catalog)):
            table.set(arg, exp.to_identifier(value, quoted=True))


def _is_cte(table: exp.Table) -> bool:
    if table.db:
        return False
    node = table.parent
    while node:
        with_ = node.args.get("with_")
        if with_ and any(cte.alias_or_name == table.name for cte in with_.expressions):
            return True
        node = node.parent
    return False


def target_of(expression: exp.Expression) -> TableKey | None:
    """The table that a statement changes or defines."""
    target = expression.expressions[0] if isinstance(expression, exp.TruncateTable) else expression.this
    if isinstance(expression, exp.Drop) and expression.args.get("tables"):
        target = expression.args["tables"][0]
    if isinstance(target, exp.Schema):
        target = target.this
    return (target.catalog, target.db, target.name) if isinstance(target, exp.Table) else None


_CHANGING = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Rand, exp.Uuid, exp.Randstr, exp.TableSample)
_CHANGING_NAMES = {"NEXTVAL", "UUID_STRING", "RANDOM", "UNIFORM", "NORMAL", "ZIPF", "SYSDATE", "SYSTIMESTAMP", "SEQ"}


def search_of(expression: exp.Expression) -> exp.Select | None:
    """A query for one of the rows that a DELETE removes; None for other statements, and for one of several tables."""
    given = {name for name, value in expression.args.items() if value}
    if not isinstance(expression, exp.Delete) or not given <= {"this", "where"}:
        return None
    search = exp.select(exp.alias_(exp.Literal.number(1), "FOUND")).from_(expression.this.copy()).limit(1)
    if where := expression.args.get("where"):
        search.set("where", where.copy())
    return search


def tables_of(expression: exp.Expression) -> frozenset[Hashable]:
    """The tables that a statement reads or changes; an INSERT does not read its target."""
    target = expression.find(exp.Table) if isinstance(expression, exp.Insert) else None
    found = (t for t in expression.find_all(exp.Table) if t is not target and isinstance(t.this, exp.Identifier))
    return frozenset((t.catalog, t.db, t.name) for t in found if t.catalog != "temp")


def is_repeatable(expression: exp.Expression) -> bool:
    """True if a statement does the same when it is run again on the same tables."""
    names = {node.name.upper() for node in expression.find_all(exp.Anonymous, exp.Column)}
    return not expression.find(*_CHANGING) and not names & _CHANGING_NAMES


def name_columns(expression: exp.Expression) -> exp.Expression:
    """Call a column without a name by its own text, as Snowflake does."""
    if isinstance(expression, exp.Select):
        for projection in expression.expressions:
            if not isinstance(projection, exp.Alias | exp.Column | exp.Star) and not projection.is_star:
                text = projection.sql(dialect="snowflake")
                if text in {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}:
                    text += "()"
                projection.replace(exp.alias_(projection.copy(), text, quoted=True))
    return expression


# ---- changes ----


def count_result(verb: str, count: int) -> Result:
    """The answer to an INSERT, UPDATE or DELETE."""
    result = rows([{f"number of rows {verb}": count}], {f"number of rows {verb}": pa.int64()})
    result.type_id, result.rowcount = statement_type.INSERT, count
    return result


_MERGE_VERBS = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}


def run_merge(cursor: Cursor, merge: exp.Merge, params: Any) -> Result:
    """Run a MERGE by the engine's own, and count what it did by kind."""
    kinds = {_merge_kind(when) for when in merge.args["whens"].expressions}
    sql = cursor.to_duckdb(merge, list(params or []))
    actions = cursor.query(f"{sql} RETURNING merge_action", params or None).table.column("merge_action")
    counts = {kind: pc.sum(pc.equal(actions, kind)).as_py() or 0 for kind in _MERGE_VERBS if kind in kinds}
    record = {f"number of rows {_MERGE_VERBS[kind]}": count for kind, count in counts.items()}
    result = rows([record], dict.fromkeys(record, pa.int64()))
    result.type_id, result.rowcount = statement_type.MERGE, sum(counts.values())
    return result


def _merge_kind(when: exp.When) -> str:
    then = when.args["then"]
    return str(then.key).upper() if isinstance(then, exp.Insert | exp.Update) else then.name.upper()
