"""One `MODEL(name, version)!METHOD(arguments)` of a statement: which version's method it is, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from include.sandbox.snowflake.errors import invalid_argument_types, invalid_identifier, unsupported
from include.sandbox.snowflake.scoring.features import ENGINE_TYPES
from include.sandbox.snowflake.scoring.model_sql import method_name
from include.sandbox.snowflake.sql.describe import snowflake_type

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.methods import Method
    from include.sandbox.snowflake.objects.models import Version
    from include.sandbox.snowflake.session import Session

_NUMBERS = ("DECIMAL", "BIGINT", "INTEGER", "HUGEINT", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "UBIGINT", "UINTEGER")
_TIMES = ("TIMESTAMP", "DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S")
# Which engine types an argument may have, by the type that the method wants. NULL and VARIANT fit everywhere.
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "DOUBLE": _NUMBERS,
    "BIGINT": _NUMBERS,
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR": ("VARCHAR",),
    "BLOB": ("BLOB",),
    "TIMESTAMP": _TIMES,
    "JSON": (),
}


@dataclass
class Call:
    """One method call, and the column that its results are put into."""

    version: Version
    method: Method
    arguments: list[exp.Expression]
    column: str
    partition_by: list[exp.Expression]
    order_by: list[exp.Expression]

    @property
    def kinds(self) -> list[str]:
        """The types of the arguments, as the signature names them."""
        return [*self.method.inputs.values(), *self.method.params.values()][: len(self.arguments)]

    @property
    def names(self) -> list[str]:
        """The columns of the arguments' values."""
        return [f"{self.column}_{i}" for i in range(len(self.arguments))]

    def check_types(self, types: list[str]) -> None:
        """Raise Snowflake's error unless these engine types fit the method's inputs."""
        if not all(_fits(have, ENGINE_TYPES[want]) for have, want in zip(types, self.kinds, strict=True)):
            raise invalid_argument_types(self.method.name, ", ".join(snowflake_type(t) for t in types))

    def casts(self, types: list[str]) -> list[exp.Expression]:
        """The arguments' values in the types that the method wants."""
        found: list[exp.Expression] = []
        for name, have, kind in zip(self.names, types, self.kinds, strict=True):
            want = ENGINE_TYPES[kind]
            value: exp.Expression = exp.column(name, quoted=True)
            if have == "JSON" and want in {"VARCHAR", "TIMESTAMP", "BLOB"}:
                value = exp.Anonymous(this="json_extract_string", expressions=[value, exp.Literal.string("$")])
            found.append(exp.alias_(exp.cast(value, exp.DataType.build(want, "duckdb")), name, quoted=True))
        return found


def resolve(node: exp.ModelAttribute, session: Session, column: str) -> Call:
    """Find the method that is called, and its arguments in the order of its inputs."""
    function, window = node.expression, None
    if isinstance(function, exp.Window):
        function, window = function.this, function
    method = _version(node.this, session).method(method_name(function))
    arguments = _in_order(function.expressions, method)
    if not len(method.inputs) <= len(arguments) <= len(method.inputs) + len(method.params):
        raise invalid_argument_types(method.name, ", ".join(a.sql(dialect="snowflake") for a in arguments))
    partition_by, order_by = _window(window)
    return Call(_version(node.this, session), method, arguments, column, partition_by, order_by)


def _version(reference: exp.Expression, session: Session) -> Version:
    if isinstance(reference, exp.Anonymous):
        if reference.name.upper() != "MODEL" or not 1 <= len(reference.expressions) <= 2:
            raise unsupported(reference.sql(dialect="snowflake"))
        model, *version = reference.expressions
    else:
        model, version = reference, []
    key = session.qualify(tuple(i.name for i in model.find_all(exp.Identifier, bfs=False)))
    return session.account.models.version(key, _version_name(version[0]) if version else None)


def _version_name(word: exp.Expression) -> str:
    return word.name.upper() if isinstance(word, exp.Literal) else word.name


def _window(window: exp.Window | None) -> tuple[list[exp.Expression], list[exp.Expression]]:
    if window is None:
        return [], []
    if window.args.get("spec") or window.args.get("alias"):
        raise unsupported("a window frame in the OVER of a model's table function")
    order = window.args.get("order")
    return window.args.get("partition_by") or [], list(order.expressions) if order else []


def _in_order(arguments: list[exp.Expression], method: Method) -> list[exp.Expression]:
    """The arguments by position, whether they came so, by name, or in one object, as very many inputs do."""
    known = [*method.inputs, *method.params]
    if method.takes_object and len(arguments) == 1:
        return _from_object(arguments[0], method)
    named = {a.this.name: a.expression for a in arguments if isinstance(a, exp.Kwarg)}
    if not named:
        return arguments
    by_name = dict(zip(arguments, known, strict=False)) if len(named) < len(arguments) else {}
    values = {name: a for a, name in by_name.items() if not isinstance(a, exp.Kwarg)}
    values |= {_input_called(name, known): value for name, value in named.items()}
    missing = [name for name in method.inputs if name not in values]
    if missing or len(values) < len(arguments):
        raise invalid_argument_types(method.name, ", ".join(a.sql(dialect="snowflake") for a in arguments))
    return [values.get(name, exp.null()) for name in known]


def _input_called(name: str, known: list[str]) -> str:
    found = [k for k in known if k == name] or [k for k in known if k.upper() == name.upper()]
    if not found:
        raise invalid_identifier(name)
    return found[0]


def _from_object(argument: exp.Expression, method: Method) -> list[exp.Expression]:
    if not isinstance(argument, exp.JSONObject):
        raise unsupported("an object that is not written as object_construct_keep_null(...) as a method's argument")
    known = [*method.inputs, *method.params]
    values: dict[str, exp.Expression] = {}
    for pair in argument.expressions:
        if not isinstance(pair, exp.JSONKeyValue) or not pair.this.is_string:
            raise unsupported("an object with computed keys as a method's argument")
        key = pair.this.name
        key = key[1:-1].replace('""', '"') if key.startswith('"') and key.endswith('"') else key
        values[_input_called(key, known)] = pair.expression
    for name in method.inputs:
        if name not in values:
            raise invalid_identifier(name)
    return [values.get(name, exp.null()) for name in known]


def _fits(have: str, want: str) -> bool:
    if have in {'"NULL"', "JSON"}:
        return True
    if want == "JSON":
        return have.endswith("]") or have.startswith(("STRUCT", "MAP"))
    return have.split("(")[0] in _ACCEPTED[want]
