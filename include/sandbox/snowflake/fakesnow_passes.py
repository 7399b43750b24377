"""Which of fakesnow's passes over a statement have something to do in it: the others are left out.

It takes every statement through some eighty passes, each a walk over the whole tree, and most look for one kind of
node that most statements have not. A statement of hundreds of columns was in them for most of its time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlglot import exp

from include.sandbox.snowflake.sql.nodes import Nodes

_Condition = Callable[[Any], bool]
_Type = exp.DataType.Type


def _always(_: exp.Expr) -> bool:
    return True


def _is_call_of(*names: str) -> _Condition:
    return lambda call: call.name.upper() in names


def _is_type(*types: exp.DataType.Type) -> _Condition:
    return lambda data_type: data_type.this in types


def _names_table_by_call(table: exp.Table) -> bool:
    return isinstance(table.this, exp.DynamicIdentifier | exp.Anonymous)


def _has_small_letters(identifier: exp.Identifier) -> bool:
    return not identifier.quoted and identifier.name != identifier.name.upper()


def _is_unset(alias: exp.Alias) -> bool:
    return isinstance(operand := alias.this.args.get("this"), exp.Expr) and operand.this == "UNSET"


def _is_to_zoned_timestamp(cast: exp.Cast) -> bool:
    return cast.to.this in {_Type.TIMESTAMPTZ, _Type.TIMESTAMPLTZ}


def _is_of_json(cast: exp.Cast) -> bool:
    return isinstance(cast.this, exp.JSONExtract)


def _is_to_timestamp(cast: exp.Cast) -> bool:
    return cast.to.this in {_Type.TIMESTAMP, _Type.TIMESTAMPNTZ}


# The nodes that a pass may act on or beneath: their type, and what else must be true of one.
_ACTS_ON: dict[str, dict[type[exp.Expr], _Condition]] = {
    "identifier": {exp.Table: _names_table_by_call},
    "upper_case_unquoted_identifiers": {exp.Identifier: _has_small_letters},
    "alter_session": {exp.Alter: _always},
    "update_variables": {exp.Set: _always, exp.Alias: _is_unset},
    "current_version": {exp.CurrentVersion: _always},
    "set_schema": {exp.Use: _always},
    "create_database": {exp.Create: _always},
    "extract_comment_on_table": {exp.Create: _always, exp.Comment: _always, exp.Alter: _always},
    "extract_comment_on_columns": {exp.Alter: _always},
    "information_schema_fs": {exp.Table: lambda table: table.db == "INFORMATION_SCHEMA"},
    "information_schema_databases": {exp.Table: lambda table: table.name == "DATABASES"},
    "drop_schema_cascade": {exp.Drop: _always},
    "tag": dict.fromkeys((exp.Alter, exp.Command, exp.Create, exp.Drop), _always),
    "semi_structured_types": {exp.DataType: _is_type(_Type.ARRAY, _Type.OBJECT, _Type.VARIANT)},
    "try_parse_json": {exp.Anonymous: _is_call_of("TRY_PARSE_JSON")},
    "split": {exp.Split: _always},
    "trim_cast_varchar": {exp.Trim: _always},
    "indices_to_json_extract": {exp.Bracket: _always},
    "json_extract_cast_as_varchar": {exp.Cast: _is_of_json},
    "json_extract_cased_as_varchar": {exp.Upper: _always, exp.Lower: _always},
    "json_extract_precedence": {exp.JSONExtract: _always, exp.JSONExtractScalar: _always},
    "flatten_value_cast_as_varchar": {exp.Explode: _always},
    "flatten": {exp.Explode: _always},
    "regex_replace": {exp.RegexpReplace: _always},
    "regex_substr": {exp.RegexpExtract: _always},
    "result_scan": {exp.TableFromRows: _always},
    "sequence_nextval": {exp.Column: lambda column: column.name.upper() == "NEXTVAL"},
    "values_columns": {exp.Values: _always},
    "to_date": {exp.Anonymous: _is_call_of("TO_DATE")},
    "timestamp_offsets": {exp.Cast: _is_to_zoned_timestamp},
    "to_decimal": {exp.ToNumber: _always},
    "to_timestamp": {
        exp.UnixToTime: _always,
        exp.Anonymous: _is_call_of("TO_TIMESTAMP", "TO_TIMESTAMP_NTZ"),
        exp.Cast: _is_to_timestamp,
    },
    "to_variant": {exp.ToVariant: _always},
    "object_construct": dict.fromkeys((exp.StarMap, exp.Struct, exp.JSONObject), _always),
    "timestamp_ntz": {exp.DataType: _is_type(_Type.TIMESTAMPNTZ)},
    "float_to_double": {exp.DataType: _is_type(_Type.FLOAT)},
    "integer_precision": {exp.DataType: _is_type(_Type.DECIMAL, _Type.INT, _Type.SMALLINT, _Type.TINYINT)},
    "extract_text_length": {exp.Create: _always, exp.Alter: _always},
    "sample": {exp.TableSample: _always},
    "array_size": {exp.ArraySize: _always},
    "random": {exp.Rand: _always},
    "array_agg_within_group": {exp.WithinGroup: _always},
    "array_agg": {exp.ArrayAgg: _always},
    "object_agg": {exp.ObjectAgg: _always},
    "array_construct_etc": dict.fromkeys((exp.ArrayConstructCompact, exp.Array, exp.ArrayConcat), _always),
    "dateadd_date_cast": {exp.DateAdd: _always},
    "dateadd_string_literal_timestamp_cast": {exp.DateAdd: _always},
    "datediff_string_literal_timestamp_cast": {exp.DateDiff: _always},
    "show_databases": {exp.Show: _always},
    "show_functions": {exp.Show: _always, exp.Command: _always},
    "show_procedures": {exp.Show: _always},
    "show_parameters": {exp.Command: _always},
    "show_warehouses": {exp.Show: _always},
    "show_schemas": {exp.Show: _always},
    "show_tables_etc": {exp.Show: _always},
    "show_columns": {exp.Show: _always},
    "show_stages": {exp.Show: _always},
    "show_sequences": {exp.Show: _always},
    "show_keys": {exp.Show: _always},
    "show_users": {exp.Show: _always},
    "create_user": {exp.Command: _always},
    "haversine": {exp.Anonymous: _is_call_of("HAVERSINE")},
    "hex_string": {exp.HexString: _always},
    "sha256": {exp.SHA2: _always, exp.SHA2Digest: _always, exp.Anonymous: _is_call_of("SHA2_HEX", "SHA2_BINARY")},
    "create_clone": {exp.Clone: _always},
    "alias_in_join": {exp.Join: _always},
    "alias_in_where": {exp.Anonymous: _is_call_of("_FS_OBJECT_CONSTRUCT")},
    "alter_table_strip_cluster_by": {exp.Alter: _always, exp.Command: _always},
    "create_stage": {exp.Create: _always},
    "create_file_format": {exp.Create: _always},
    "list_stage": {exp.ListStage: _always},
    "put_stage": {exp.Put: _always},
    "create_table_as": {exp.Create: _always},
    "_unchanged": {},
}


class Passes:
    """A statement on its way through the passes, in the place of the tree: it is `transform`ed by those that matter."""

    def __init__(self, expression: exp.Expr) -> None:
        self._take(expression)

    def _take(self, expression: exp.Expr) -> None:
        self.expression = expression
        self._nodes = Nodes(expression)
        self._idle = _without_nodes(self._nodes.classes)

    def transform(self, change: Callable[..., Any], *arguments: Any, copy: bool, **options: Any) -> Passes:
        """Take the statement through a pass, if it has something to do."""
        name = name_of(change)
        if name not in self._idle and self._is_for(name):
            self._take(self.expression.transform(change, *arguments, copy=copy, **options))
        return self

    def _is_for(self, name: str) -> bool:
        if (acts_on := _ACTS_ON.get(name)) is None:
            return True
        return any(condition(node) for type_, condition in acts_on.items() for node in self._nodes.of(type_))


@lru_cache(maxsize=1_000)
def _without_nodes(classes: frozenset[type[exp.Expr]]) -> frozenset[str]:
    """The passes that act on none of the classes of nodes that a statement has."""
    return frozenset(
        name for name, acts_on in _ACTS_ON.items() if not any(issubclass(class_, tuple(acts_on)) for class_ in classes)
    )


def name_of(change: Callable[..., Any]) -> str:
    """The name of a pass, which may be called by a lambda for the sake of its arguments."""
    name = change.__name__
    return name if name != "<lambda>" else next((n for n in change.__code__.co_names if n in _ACTS_ON), name)
