"""MODEL(name, version)!METHOD(...): running the really packaged model over a statement's rows.

The rows that a SELECT feeds to a model are read in arrow batches, predicted a batch at once, and handed
back to the statement as a table that takes the place of its FROM and WHERE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.describe import snowflake_type
from include.sandbox.snowflake.errors import SqlError, invalid_argument_types, invalid_identifier, unsupported
from include.sandbox.snowflake.packages import ENGINE_TYPES, Package, arrow_type

if TYPE_CHECKING:
    from include.sandbox.snowflake.models import Method, Version
    from include.sandbox.snowflake.session import Session
    from include.sandbox.snowflake.tables import Registered

BATCH_ROWS = 131_072

_NUMBERS = ("DECIMAL", "BIGINT", "INTEGER", "HUGEINT", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "UBIGINT", "UINTEGER")
# Which engine types an argument may have, by the type that the method wants. NULL and VARIANT fit everywhere.
_ACCEPTED = {
    "DOUBLE": _NUMBERS,
    "BIGINT": _NUMBERS,
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR": ("VARCHAR",),
    "BLOB": ("BLOB",),
    "TIMESTAMP": ("TIMESTAMP", "DATE"),
}


@dataclass
class Call:
    """One method call in a SELECT."""

    node: exp.Expression
    version: Version
    method: Method
    arguments: list[exp.Expression]
    column: str

    def check_types(self, types: list[str]) -> None:
        """Raise Snowflake's error unless these engine types fit the method's inputs."""
        wanted = [ENGINE_TYPES[t] for t in self.method.inputs.values()]
        if not all(_fits(have, want) for have, want in zip(types, wanted, strict=True)):
            raise invalid_argument_types(self.method.name, ", ".join(snowflake_type(t) for t in types))


def rewrite(expression: exp.Expression, registered: Registered) -> exp.Expression:
    """Replace every method call of a statement by a column of predictions."""
    if not expression.find(exp.ModelAttribute):
        return expression
    selects = {id(s): s for s in (_select_of(n) for n in expression.find_all(exp.ModelAttribute))}
    # The innermost first: an outer SELECT may read what an inner one predicts.
    for select in sorted(selects.values(), key=_depth, reverse=True):
        _Scope(select, registered).replace()
    return expression


def inline_values(expression: exp.Expression, params: Any) -> exp.Expression:
    """Write bound values into a statement that will be run in several parts."""
    for number, placeholder in enumerate(list(expression.find_all(exp.Placeholder, bfs=False))):
        value = params[placeholder.name] if isinstance(params, dict) else params[number]
        placeholder.replace(exp.convert(value))
    return expression


def _select_of(node: exp.Expression) -> exp.Select:
    if node.find_ancestor(exp.TableFromRows):
        raise unsupported("TABLE(MODEL(...)!METHOD(...))")
    select = node.find_ancestor(exp.Select)
    if not select or node.find_ancestor(exp.Join):
        raise unsupported("MODEL(...)!METHOD(...) outside the columns or the WHERE of a SELECT")
    return select


def _depth(node: exp.Expression) -> int:
    return sum(1 for _ in _ancestors(node))


def _ancestors(node: exp.Expression) -> Iterator[exp.Expression]:
    while node.parent:
        node = node.parent
        yield node


class _Scope:
    """One SELECT with method calls in it."""

    def __init__(self, select: exp.Select, registered: Registered) -> None:
        self.select = select
        self.session: Session = registered.session
        self.registered = registered
        self.calls = [
            self._call(node, number)
            for number, node in enumerate(select.find_all(exp.ModelAttribute))
            if node.find_ancestor(exp.Select) is select
        ]

    def replace(self) -> None:
        """Predict, and let the SELECT read the predictions instead of its FROM."""
        where = self.select.args.get("where")
        if where and (where.find(exp.ModelAttribute) or self._mentions_alias_of_call(where)):
            where = None
        source = exp.Select()
        for part in ("from_", "joins", "laterals"):
            source.set(part, self._copy(self.select.args.get(part)))
        source.set("where", where and where.copy())
        if self.registered.without_rows:
            source.set("limit", exp.Limit(expression=exp.Literal.number(0)))
        names = self._source_columns(source)
        kept = self._take_columns(names)
        self._take_stars(source, kept)
        table = self._predict(source, kept)
        for part in ("joins", "laterals"):
            self.select.set(part, None)
        if where:
            self.select.set("where", None)
        self.select.set("from_", exp.From(this=self.registered.add(table)))
        for call in self.calls:
            self._put_column(call)

    @staticmethod
    def _copy(part: Any) -> Any:
        if isinstance(part, list):
            return [p.copy() for p in part]
        return part and part.copy()

    def _call(self, node: exp.ModelAttribute, number: int) -> Call:
        version = self._version(node.this)
        method_name = node.expression.this
        name = method_name.name if isinstance(method_name, exp.Identifier) else str(method_name).upper()
        method = version.method(name)
        arguments = _expand_object(node.expression.expressions, method)
        if len(arguments) != len(method.inputs):
            raise invalid_argument_types(method.name, ", ".join(a.sql(dialect="snowflake") for a in arguments))
        if any(a.find(exp.ModelAttribute, exp.AggFunc, exp.Window) for a in arguments):
            raise unsupported("an aggregate or another method call as the argument of a method: select it first")
        return Call(node, version, method, arguments, f"_call_{number}")

    def _version(self, reference: exp.Expression) -> Version:
        if isinstance(reference, exp.Anonymous):
            if reference.name.upper() != "MODEL":
                raise unsupported(reference.sql(dialect="snowflake"))
            model, *version = reference.expressions
        else:
            model, version = reference, []
        key = self.session.qualify(tuple(i.name for i in model.find_all(exp.Identifier, bfs=False)))
        return self.session.account.models.version(key, version[0].name if version else None)

    def _source_columns(self, source: exp.Select) -> set[str]:
        if not source.args.get("from_"):
            return set()
        probe = source.copy().select("*").limit(0)
        return set(self._run(probe).column_names)

    def _mentions_alias_of_call(self, where: exp.Expression) -> bool:
        aliases = {p.alias for p in self.select.expressions if p.alias and p.find(exp.ModelAttribute)}
        return any(not c.table and c.name in aliases for c in where.find_all(exp.Column))

    def _take_columns(self, names: set[str]) -> dict[str, exp.Expression]:
        """Point the SELECT's references to source columns at columns of the predictions' table."""
        inside = {id(n) for call in self.calls for n in call.node.walk()}
        kept: dict[str, exp.Expression] = {}
        for part in ("expressions", "where", "group", "having", "qualify", "order", "windows", "distinct"):
            nodes = self.select.args.get(part) or []
            for node in nodes if isinstance(nodes, list) else [nodes]:
                for column in list(node.find_all(exp.Column)):
                    foreign = column.find_ancestor(exp.Select) is not self.select or id(column) in inside
                    alias = not column.table and column.name not in names
                    if foreign or alias or isinstance(column.this, exp.Star):
                        continue
                    key = f"_column_{len(kept)}"
                    known = next((k for k, v in kept.items() if v == column), None)
                    kept.setdefault(known or key, column.copy())
                    replacement: exp.Expression = exp.column(known or key, quoted=True)
                    if column.parent is self.select:
                        replacement = exp.alias_(replacement, column.name, quoted=True)
                    column.replace(replacement)
        return kept

    def _take_stars(self, source: exp.Select, kept: dict[str, exp.Expression]) -> None:
        """Replace `*` and `t.*` by the columns they stand for."""
        expanded: list[exp.Expression] = []
        for projection in self.select.expressions:
            if not (isinstance(projection, exp.Star) or projection.is_star):
                expanded.append(projection)
                continue
            for name in self._run(source.copy().select(projection.copy()).limit(0)).column_names:
                table = projection.table if isinstance(projection, exp.Column) else None
                key = f"_column_{len(kept)}"
                kept[key] = exp.column(exp.to_identifier(name, quoted=True), table=table or None)
                expanded.append(exp.alias_(exp.column(key, quoted=True), name, quoted=True))
        self.select.set("expressions", expanded)

    def _predict(self, source: exp.Select, kept: dict[str, exp.Expression]) -> pa.Table:
        wanted = [exp.alias_(column, key, quoted=True) for key, column in kept.items()]
        for call in self.calls:
            names = [f"{call.column}_{i}" for i in range(len(call.arguments))]
            wanted += [exp.alias_(a.copy(), n, quoted=True) for a, n in zip(call.arguments, names, strict=True)]
        inner = source.select(*wanted)
        types = self._types(inner)
        casts: list[exp.Expression] = [exp.column(key, quoted=True) for key in kept]
        for call in self.calls:
            names = [f"{call.column}_{i}" for i in range(len(call.arguments))]
            call.check_types([types[n] for n in names])
            for name, type_ in zip(names, call.method.inputs.values(), strict=True):
                cast = exp.cast(exp.column(name, quoted=True), exp.DataType.build(ENGINE_TYPES[type_], "duckdb"))
                casts.append(exp.alias_(cast, name, quoted=True))
        sql = exp.select(*casts).from_(inner.subquery("_rows"))
        return self._read_and_predict(sql)

    def _read_and_predict(self, query: exp.Select) -> pa.Table:
        packages = [self.session.account.packages.load(call.version.folder) for call in self.calls]
        duck = self.session.cursor.duck
        duck.execute(self._text(query))
        reader = duck.to_arrow_reader(BATCH_ROWS)
        tables = [pa.Table.from_batches([batch]) for batch in reader] or [reader.schema.empty_table()]
        return pa.concat_tables([self._with_predictions(table, packages) for table in tables])

    def _with_predictions(self, table: pa.Table, packages: list[Package]) -> pa.Table:
        for call, package in zip(self.calls, packages, strict=True):
            names = [f"{call.column}_{i}" for i in range(len(call.arguments))]
            if table.num_rows:
                outputs = _predict(package, call.method, table.select(names))
            else:
                outputs = [pa.array([], arrow_type(t)) for t in call.method.outputs.values()]
            value = outputs[0]
            if call.method.returns_object:
                value = pa.StructArray.from_arrays(outputs, list(call.method.outputs))
            table = table.drop_columns(names).append_column(call.column, value)
        return table

    def _put_column(self, call: Call) -> None:
        """Put the predictions where the call was; a field that is cast is taken out without a detour over JSON."""
        column: exp.Expression = exp.column(call.column, quoted=True)
        access = call.node.parent
        if not call.method.returns_object:
            call.node.replace(column)
        elif (name := _field(access)) and isinstance(access.parent, exp.Cast):
            if name in call.method.outputs:
                access.replace(exp.Dot(this=column, expression=exp.to_identifier(name, quoted=True)))
            else:
                access.replace(exp.null())
        else:
            call.node.replace(exp.Anonymous(this="to_json", expressions=[column]))

    def _run(self, query: exp.Select) -> pa.Table:
        return self.session.cursor.query(self._text(query)).table

    def _types(self, query: exp.Select) -> dict[str, str]:
        result = self.session.cursor.query(self._text(query.copy().limit(0)))
        return dict(zip(result.table.column_names, result.types, strict=True))

    def _text(self, query: exp.Select) -> str:
        """The text of a query of this scope, with the CTEs that it can see."""
        path = [self.select, *_ancestors(self.select)]
        ctes: list[exp.Expression] = []
        for node in path:
            if with_ := node.args.get("with_"):
                containing = [any(cte is p for p in path) for cte in with_.expressions]
                before = containing.index(True) if True in containing else len(containing)
                ctes = [cte.copy() for cte in with_.expressions[:before]] + ctes
        query = query.copy()
        if ctes:
            query.set("with_", exp.With(expressions=ctes))
        return self.session.cursor.to_duckdb(query)


def _predict(package: Package, method: Method, batch: pa.Table) -> list[pa.Array]:
    """Report what the model's own code raises as Snowflake does for Python in the warehouse."""
    try:
        return package.predict(method, batch)
    except Exception as error:
        text = f"Python Interpreter Error:\n{type(error).__name__}: {error}\n in function {method.name}"
        raise SqlError(100357, "P0000", text) from error


def _field(access: exp.Expression | None) -> str | None:
    """The key in `call:key` or `call['key']`."""
    if isinstance(access, exp.JSONExtract):
        keys = list(access.expression.find_all(exp.JSONPathKey))
        return str(keys[0].this) if len(keys) == 1 else None
    if isinstance(access, exp.Bracket) and len(access.expressions) == 1 and access.expressions[0].is_string:
        return str(access.expressions[0].this)
    return None


def _expand_object(arguments: list[exp.Expression], method: Method) -> list[exp.Expression]:
    """A method with very many inputs takes them as one object: find its values by their keys."""
    if not method.takes_object or len(arguments) != 1:
        return arguments
    if not isinstance(arguments[0], exp.JSONObject):
        raise unsupported("an object that is not written as object_construct_keep_null(...) as a method's argument")
    values = {pair.this.name: pair.expression for pair in arguments[0].expressions}
    for name in method.inputs:
        if name not in values:
            raise invalid_identifier(name)
    return [values[name] for name in method.inputs]


def _fits(have: str, want: str) -> bool:
    return have in ('"NULL"', "JSON") or have.split("(")[0] in _ACCEPTED[want]
