"""What happens to a parsed statement before and after the engine sees it.

Refusing what would be dropped silently, completing names, Snowflake's temporary tables, column
names, MERGE, definitions. Each function takes an expression and gives one back.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from fakesnow import statement_type
from fakesnow.params import index_of_placeholder
from sqlglot import exp

from include.sandbox.snowflake import files, grammar, stages
from include.sandbox.snowflake.errors import SqlError, not_found, unsupported
from include.sandbox.snowflake.results import DONE, Result, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor
    from include.sandbox.snowflake.session import Session, TableKey

_CREATES = {"TABLE", "VIEW", "SEQUENCE", "STAGE", "FILE FORMAT"}
_DROPS = {"TABLE", "VIEW", "SEQUENCE"}
_ALTERATIONS = (exp.ColumnDef, exp.Drop, exp.RenameColumn, exp.AlterRename, exp.AlterColumn)
_TABLE_PROPERTIES = (
    exp.TemporaryProperty,
    exp.TransientProperty,
    exp.SchemaCommentProperty,
    exp.LikeProperty,
    exp.CopyGrantsProperty,
)
# What changes the meaning of a query and has no counterpart in the engine.
_UNSUPPORTED_PARTS: dict[type[exp.Expression], str] = {
    exp.HistoricalData: "AT | BEFORE",
    exp.Changes: "CHANGES",
    exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.UserDefinedFunction: "CREATE FUNCTION",
}
_UNENFORCED = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
_UNENFORCED_ON_TABLE = (exp.PrimaryKey, exp.UniqueColumnConstraint, exp.ForeignKey, exp.Constraint)


def check_supported(expression: exp.Expression, sql: str) -> None:
    """Refuse what the engine would not carry out, or would carry out as something else."""
    for kind, name in _UNSUPPORTED_PARTS.items():
        if expression.find(kind):
            raise unsupported(name)
    if isinstance(expression, exp.Command):
        raise unsupported(grammar.head(sql))
    if isinstance(expression, exp.Create):
        if str(expression.kind).upper() not in _CREATES:
            raise unsupported(f"CREATE {expression.kind}")
        if str(expression.kind).upper() in {"TABLE", "VIEW"}:
            for option in expression.args["properties"] or [] if expression.args.get("properties") else []:
                if not isinstance(option, _TABLE_PROPERTIES):
                    raise unsupported(f"{grammar.head(sql)} ... {option.sql(dialect='snowflake')}")
        if str(expression.kind).upper() == "VIEW" and expression.find(exp.ModelAttribute):
            raise unsupported("MODEL(...) in a view")
    if isinstance(expression, exp.Drop) and str(expression.kind).upper() not in _DROPS:
        raise unsupported(f"DROP {expression.kind}")
    if isinstance(expression, exp.Alter):
        actions = expression.args.get("actions") or []
        if str(expression.kind).upper() != "TABLE" or not all(isinstance(a, _ALTERATIONS) for a in actions):
            raise unsupported(grammar.head(sql))


# ---- names ---------------------------------------------------------------------------------------

_SESSION_FUNCTIONS: dict[str, Callable[[Session], Any]] = {
    "CURRENT_ACCOUNT": lambda s: s.account.name,
    "CURRENT_ACCOUNT_NAME": lambda s: s.account.name,
    "CURRENT_ORGANIZATION_NAME": lambda s: "SANDBOX",
    "CURRENT_REGION": lambda s: "SANDBOX",
    "CURRENT_USER": lambda s: s.account.user,
    "CURRENT_ROLE": lambda s: s.role,
    "CURRENT_WAREHOUSE": lambda s: s.warehouse,
    "CURRENT_DATABASE": lambda s: s.database,
    "CURRENT_SCHEMA": lambda s: s.schema,
    "CURRENT_SESSION": lambda s: str(s.id),
    "CURRENT_SECONDARY_ROLES": lambda s: '{"roles":"","value":""}',
    "CURRENT_AVAILABLE_ROLES": lambda s: f'[ "{s.account.role}" ]',
    "CURRENT_CLIENT": lambda s: "PythonConnector",
    "SYSTEM$ML_PLATFORM_CAPABILITIES": lambda s: "{}",
    # A session's statements run one at a time, so when this one runs no other does.
    "SYSTEM$CANCEL_ALL_QUERIES": lambda s: "0 executions identified for cancellation",
    "LAST_QUERY_ID": lambda s: next(reversed(s.results), None),
}


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
    """Let `$1` be the first column of what is read; in a COPY it is the file's row, and stays."""
    if isinstance(expression, exp.Copy):
        return
    for table in expression.find_all(exp.Table):
        if isinstance(table.this, exp.Var | exp.Literal):
            raise unsupported("SELECT ... FROM @stage")
    for parameter in list(expression.find_all(exp.Parameter)):
        if isinstance(parameter.this, exp.Literal):
            parameter.replace(exp.PositionalColumn(this=parameter.this))


def session_functions(expression: exp.Expression, session: Session) -> exp.Expression:
    """Replace CURRENT_ROLE() and the like by the session's values, keeping their column names."""
    for node in list(expression.find_all(exp.Func)):
        name = node.name.upper() if isinstance(node, exp.Anonymous) else node.sql_name()
        if name == "HASH" and isinstance(node, exp.Anonymous):
            # Snowflake's HASH is a signed number of 64 bits.
            unsigned = exp.cast(exp.Anonymous(this="hash", expressions=node.expressions), "INT128", dialect="duckdb")
            node.replace(exp.cast(exp.paren(unsigned - exp.Literal.number(2**63)), "BIGINT"))
        elif name.startswith("SYSTEM$") and name not in _SESSION_FUNCTIONS:
            raise unsupported(name)
        elif name in _SESSION_FUNCTIONS:
            value: exp.Expression = exp.convert(_SESSION_FUNCTIONS[name](session))
            if isinstance(node.parent, exp.Select):
                value = exp.alias_(value, f"{name}()", quoted=True)
            if node is expression:
                return value
            node.replace(value)
    return expression


def qualify_tables(expression: exp.Expression, session: Session) -> None:
    """Give every table its database and schema, and a temporary one the name it has in the engine."""
    if isinstance(expression, exp.Show | exp.Use):
        return
    for table in list(expression.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or _is_cte(table):
            continue
        key = session.qualify(tuple(part.name for part in table.parts))
        physical = session.temporary_tables.get(key)
        if physical and isinstance(table.parent, exp.From | exp.Join | exp.Update | exp.Delete | exp.Merge):
            if not table.alias:
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
    if isinstance(target, exp.Schema):
        target = target.this
    return (target.catalog, target.db, target.name) if isinstance(target, exp.Table) else None


def name_columns(expression: exp.Expression) -> exp.Expression:
    """Call a column without a name by its own text, as Snowflake does."""
    if isinstance(expression, exp.Select):
        for projection in expression.expressions:
            if not isinstance(projection, exp.Alias | exp.Column | exp.Star) and not projection.is_star:
                text = projection.sql(dialect="snowflake")
                projection.replace(exp.alias_(projection.copy(), text, quoted=True))
    return expression


# ---- rows that are not in a table ----------------------------------------------------------------


class Registered:
    """Arrow tables that a statement reads by name; forgotten when it ends."""

    def __init__(self, session: Session, *, without_rows: bool = False) -> None:
        self.session = session
        self.without_rows = without_rows  # only the columns are wanted
        self._names: list[str] = []

    def __enter__(self) -> Registered:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            self.session.cursor.unregister(name)

    def add(self, table: pa.Table) -> exp.Table:
        """Register a table and refer to it."""
        name = self.session.show_table(table)
        self._names.append(name)
        return exp.Table(this=exp.to_identifier(name, quoted=True))


def virtual_tables(expression: exp.Expression, registered: Registered, params: Any) -> None:
    """Carry out TABLE(RESULT_SCAN(...)), TABLE(INFER_SCHEMA(...)) and INFORMATION_SCHEMA.PACKAGES."""
    session = registered.session
    for node in list(expression.find_all(exp.TableFromRows)):
        name = node.this.name.upper() if isinstance(node.this, exp.Anonymous) else ""
        if name == "RESULT_SCAN":
            query_id = node.this.expressions[0].name
            if query_id not in session.results:
                raise SqlError(709, "02000", f"Statement {query_id} not found")
            _replace_table(node, registered.add(session.results[query_id].table))
        elif name == "INFER_SCHEMA":
            arguments = {a.this.name.lower(): _value(a.expression, params) for a in node.this.expressions}
            _replace_table(node, registered.add(files.infer_schema(session, arguments)))
    for table in list(expression.find_all(exp.Table)):
        if table.db == "INFORMATION_SCHEMA" and table.name == "PACKAGES":
            _replace_table(table, registered.add(_packages()))


def _replace_table(node: exp.Expression, table: exp.Table) -> None:
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
    table.set("alias", alias if alias.this and alias.this.name else None)
    table.set("joins", node.args.get("joins"))
    node.replace(table)


def _value(argument: exp.Expression, params: Any) -> str:
    if isinstance(argument, exp.Placeholder):
        return str(params[index_of_placeholder(argument.root(), argument)])
    return str(argument.name)


def _packages() -> pa.Table:
    """The packages that models can have in the warehouse: those the sandbox itself runs with."""
    version = ".".join(platform.python_version_tuple()[:2])
    records = [
        {
            "PACKAGE_NAME": distribution.name.lower().replace("_", "-"),
            "VERSION": distribution.version,
            "LANGUAGE": "python",
            "RUNTIME_VERSION": version,
        }
        for distribution in importlib.metadata.distributions()
    ]
    return rows(records, ["PACKAGE_NAME", "VERSION", "LANGUAGE", "RUNTIME_VERSION"]).table


# ---- changes -------------------------------------------------------------------------------------


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


# ---- definitions ---------------------------------------------------------------------------------


def definition(expression: exp.Expression, session: Session) -> exp.Expression:
    """Put a CREATE into the engine's terms: temporary names, clones, typed CTAS, no enforced keys."""
    if not isinstance(expression, exp.Create) or expression.kind not in {"TABLE", "VIEW"}:
        return expression
    if _is_temporary(expression):
        key = target_of(expression)
        target = expression.find(exp.Table)
        assert key and target  # noqa: S101
        for arg, value in (("this", _physical(key, session)), ("db", None), ("catalog", None)):
            target.set(arg, value and exp.to_identifier(value, quoted=True))
    if properties := expression.args.get("properties"):
        kept = [p for p in properties.expressions if not isinstance(p, exp.TransientProperty | exp.CopyGrantsProperty)]
        properties.set("expressions", kept)
    if clone := expression.args.get("clone"):
        expression.set("clone", None)
        expression.set("expression", exp.select("*").from_(clone.this))
    if isinstance(expression.this, exp.Schema):
        _drop_unenforced_constraints(expression.this)
        if expression.expression:
            _cast_to_columns(expression)
    return expression


def _drop_unenforced_constraints(schema: exp.Schema) -> None:
    """Snowflake records keys and does not enforce them; the engine would."""
    schema.set("expressions", [e for e in schema.expressions if not isinstance(e, _UNENFORCED_ON_TABLE)])
    for column in schema.find_all(exp.ColumnDef):
        constraints = column.args.get("constraints") or []
        column.set("constraints", [c for c in constraints if not isinstance(c.args.get("kind"), _UNENFORCED)])


def _cast_to_columns(create: exp.Create) -> None:
    """CREATE TABLE t (a INT, ...) AS query: cast the query's columns, which the engine cannot do by itself."""
    columns = create.this.expressions
    if not all(isinstance(c, exp.ColumnDef) and c.kind for c in columns):
        return
    names = [f"_{i}" for i in range(len(columns))]
    inner = exp.Subquery(
        this=create.expression,
        alias=exp.TableAlias(this=exp.to_identifier("_q"), columns=[exp.to_identifier(n, quoted=True) for n in names]),
    )
    casts = [
        exp.alias_(exp.cast(exp.column(n, quoted=True), c.kind.copy()), c.this.copy())
        for n, c in zip(names, columns, strict=True)
    ]
    create.set("expression", exp.select(*casts).from_(inner))
    create.set("this", create.this.this)


def after_definition(expression: exp.Expression, session: Session) -> None:
    """Remember the temporary objects that a statement made or dropped."""
    key = target_of(expression)
    if isinstance(expression, exp.Create) and _is_temporary(expression) and key:
        if expression.kind in {"TABLE", "VIEW"} and key[0] != "temp":
            session.temporary_tables[key] = _physical(key, session)
        elif str(expression.kind).upper() == "STAGE":
            session.temporary_stages.append(lambda: stages.remove_stage(session, key))
    elif isinstance(expression, exp.Drop) and key and key[0] == "temp":
        session.temporary_tables = {k: v for k, v in session.temporary_tables.items() if v != key[2]}


def _is_temporary(create: exp.Create) -> bool:
    properties = create.args.get("properties")
    return bool(properties and properties.find(exp.TemporaryProperty))


def _physical(key: TableKey, session: Session) -> str:
    return f"{session.id}:{'.'.join(key)}" if key[0] != "temp" else key[2]


_TEMPORARY = re.compile(
    r"^(\s*CREATE\s+(?:OR\s+REPLACE\s+)?)(?:(?:SCOPED|LOCAL|GLOBAL)\s+TEMP(?:ORARY)?|VOLATILE)\b", re.IGNORECASE
)
_LATE_IF_NOT_EXISTS = re.compile(
    r"^(\s*CREATE\s[\w\s]*?TABLE)\s+((?:\"[^\"]+\"|[\w$.])+)\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE
)


def usual_spelling(sql: str) -> str:
    """Spellings that Snowflake takes and the parser does not: of TEMPORARY, and of where IF NOT EXISTS stands."""
    return _LATE_IF_NOT_EXISTS.sub(r"\1 IF NOT EXISTS \2", _TEMPORARY.sub(r"\1TEMPORARY", sql))


# ---- SHOW and DESCRIBE ---------------------------------------------------------------------------


def filter_show(result: Result, show: exp.Show) -> Result:
    """Apply LIKE, STARTS WITH and LIMIT to the rows of a SHOW."""
    table = result.table
    column = next(c for c in ("name", "column_name", "key") if c in table.column_names)
    if like := show.args.get("like"):
        table = table.filter(pc.match_like(table[column], like.name, ignore_case=True))
    if starts := show.args.get("starts_with"):
        table = table.filter(pc.starts_with(table[column], starts.name))
    if limit := show.args.get("limit"):
        table = table.slice(0, int(limit.expression.name))
    result.table, result.rowcount = table, table.num_rows
    return result


_DESCRIBED_TYPES = {
    "BIGINT": "NUMBER(38,0)",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "INTEGER": "NUMBER(38,0)",
    "SMALLINT": "NUMBER(38,0)",
    "HUGEINT": "NUMBER(38,0)",
    "UBIGINT": "NUMBER(38,0)",
    "VARCHAR": "VARCHAR(16777216)",
    "BLOB": "BINARY(8388608)",
    "JSON": "VARIANT",
    "TIME": "TIME(9)",
    "TIMESTAMP": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP_NS": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(9)",
}


def snowflake_type(engine_type: str) -> str:
    """Snowflake's name of an engine type, as DESC TABLE writes it."""
    return _DESCRIBED_TYPES.get(engine_type, engine_type.replace("DECIMAL", "NUMBER"))


def describe_table(session: Session, name: str) -> Result:
    """The columns of a table or view."""
    key = session.qualify(name)
    catalog, schema, table = ("temp", "main", session.temporary_tables[key]) if key in session.temporary_tables else key
    if schema == "INFORMATION_SCHEMA":
        schema, table = "_fs_information_schema", f"_fs_{table}"
    described = session.cursor.query(
        "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name ILIKE ? AND table_name ILIKE ? ORDER BY column_index",
        [catalog, schema.replace("_", r"\_") if False else schema, table],
    ).table.to_pylist()
    if not described:
        raise not_found("Table", ".".join(key))
    columns = [
        "name",
        "type",
        "kind",
        "null?",
        "default",
        "primary key",
        "unique key",
        "check",
        "expression",
        "comment",
    ]
    columns += ["policy name", "privacy domain"]
    records = [
        {
            "name": c["column_name"],
            "type": snowflake_type(c["data_type"]),
            "kind": "COLUMN",
            "null?": "Y" if c["is_nullable"] else "N",
            "default": c["column_default"],
            "primary key": "N",
            "unique key": "N",
        }
        for c in described
    ]
    return rows(records, columns)


def done() -> Result:
    """The answer to a statement that has nothing to tell."""
    return status(DONE)
