"""The SQL of tags: the tags themselves, what carries them, and the functions that tell of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error, unsupported
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.language.grammar import Effect, resolve_identifier, split_name, statement, unquote
from include.sandbox.snowflake.language.shows import listed
from include.sandbox.snowflake.objects import tags
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.sql.constants import constant_function
from include.sandbox.snowflake.sql.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_TEXT, _NAME = grammar.STRING, grammar.NAME
_TEXTS = re.compile(rf"\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*", re.DOTALL)
_OPTIONS = re.compile(
    rf"\s*(?:ALLOWED_VALUES\s+(?P<allowed>{_TEXT}(?:\s*,\s*{_TEXT})*))?\s*(?:COMMENT\s*=\s*(?P<comment>{_TEXT}))?\s*",
    re.DOTALL | re.IGNORECASE,
)
_VALUES = re.compile(rf"\s*{_NAME}\s*=\s*{_TEXT}(?:\s*,\s*{_NAME}\s*=\s*{_TEXT})*\s*", re.DOTALL)
_NAMES = re.compile(rf"\s*{_NAME}(?:\s*,\s*{_NAME})*\s*")
_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(
        ["name", "database_name", "schema_name", "owner", "comment", "allowed_values", "owner_role_type", "propagate"],
        pa.string(),
    ),
}


# ---- the tags themselves -------------------------------------------------------------------------


@statement("CREATE [replace:OR REPLACE] TAG [absent:IF NOT EXISTS] {name:name} {options:rest}", Effect.DDL)
def create_tag(session: Session, name: str, options: str, replace: str | None, absent: str | None) -> Result:
    """Create a tag: ALLOWED_VALUES 'a' [, ...], COMMENT = 'text'."""
    found = _OPTIONS.fullmatch(options)
    if not found:
        raise unsupported(f"CREATE TAG ... {options}")
    allowed = _texts(found["allowed"]) if found["allowed"] else None
    definition = tags.define(allowed, unquote(found["comment"]) if found["comment"] else None)
    key = session.qualify(name)
    created = session.account.catalog.create(
        tags.KIND, key, definition, replace=bool(replace), if_not_exists=bool(absent)
    )
    return status(
        f"Tag {key[2]} successfully created." if created else f"{key[2]} already exists, statement succeeded."
    )


@statement("DROP TAG [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_tag(session: Session, name: str, exists: str | None) -> Result:
    """Remove a tag, also from everything that carries it."""
    key = session.qualify(name)
    done = session.account.catalog.drop(tags.KIND, key, if_exists=bool(exists))
    return status(dropped(key[2], done=done))


@statement("ALTER TAG [exists:IF EXISTS] {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_tag(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a tag another name; what carries it goes on carrying it."""
    if not _missing(session, name, exists):
        session.account.catalog.rename(tags.KIND, tags.find(session, name).key, session.qualify(new))
    return status(DONE)


@statement("ALTER TAG [exists:IF EXISTS] {name:name} SET COMMENT = {text:text}", Effect.DDL)
def set_tag_comment(session: Session, name: str, exists: str | None, text: str) -> Result:
    """Replace a tag's comment."""
    return _alter(session, name, exists, comment=unquote(text))


@statement("COMMENT ON TAG {name:name} IS {text:text}", Effect.DDL)
def comment_on_tag(session: Session, name: str, text: str) -> Result:
    """Replace a tag's comment."""
    return _alter(session, name, None, comment=unquote(text))


@statement("ALTER TAG [exists:IF EXISTS] {name:name} UNSET COMMENT", Effect.DDL)
def unset_tag_comment(session: Session, name: str, exists: str | None) -> Result:
    """Take a tag's comment away."""
    return _alter(session, name, exists, comment=None)


@statement("ALTER TAG [exists:IF EXISTS] {name:name} UNSET ALLOWED_VALUES", Effect.DDL)
def unset_allowedvalues_of(session: Session, name: str, exists: str | None) -> Result:
    """Let a tag have any value."""
    return _alter(session, name, exists, allowed=None)


@statement("ALTER TAG [exists:IF EXISTS] {name:name} ADD ALLOWED_VALUES {values:rest}", Effect.DDL)
def add_allowedvalues_of(session: Session, name: str, exists: str | None, values: str) -> Result:
    """Add to the values that a tag may have."""
    if _missing(session, name, exists):
        return status(DONE)
    known = tags.find(session, name).definition["allowed"] or []
    return _alter(session, name, exists, allowed=list(dict.fromkeys([*known, *_texts(values)])))


@statement("ALTER TAG [exists:IF EXISTS] {name:name} DROP ALLOWED_VALUES {values:rest}", Effect.DDL)
def drop_allowedvalues_of(session: Session, name: str, exists: str | None, values: str) -> Result:
    """Take from the values that a tag may have; objects that carry them keep them."""
    if _missing(session, name, exists):
        return status(DONE)
    known = tags.find(session, name).definition["allowed"] or []
    return _alter(session, name, exists, allowed=[value for value in known if value not in _texts(values)])


@statement("SHOW TAGS {options:rest}")
def show_tags(session: Session, options: str) -> Result:
    """List tags: LIKE, IN ACCOUNT | [DATABASE | SCHEMA] name."""
    records = [
        {
            "created_on": entry.created_on,
            "name": entry.key[2],
            "database_name": entry.key[0],
            "schema_name": entry.key[1],
            "owner": session.account.role,
            "comment": entry.definition["comment"] or "",
            "allowed_values": None
            if entry.definition["allowed"] is None
            else json.dumps(entry.definition["allowed"], separators=(",", ":"), ensure_ascii=False),
            "owner_role_type": "ROLE",
            "propagate": "NONE",
        }
        for entry in listed(session, tags.KIND, options)
    ]
    return rows(records, _COLUMNS)


def _alter(session: Session, name: str, exists: str | None, **changed: Any) -> Result:
    if not _missing(session, name, exists):
        tags.check_allowed(changed.get("allowed") or [])
        session.account.catalog.update(tags.KIND, tags.find(session, name).key, **changed)
    return status(DONE)


def _missing(session: Session, name: str, exists: str | None) -> bool:
    return bool(exists) and session.account.catalog.find(tags.KIND, session.qualify(name)) is None


def _texts(text: str) -> list[str]:
    if not _TEXTS.fullmatch(text):
        raise syntax_error(f"expected 'value' [, 'value' ...], found {text}")
    return [unquote(value) for value in re.findall(_TEXT, text, re.DOTALL)]


# ---- what carries them ---------------------------------------------------------------------------


def _carrying(kind: str) -> None:
    @statement(f"ALTER {kind} [exists:IF EXISTS] {{name:name}} SET TAG {{values:rest}}", Effect.DDL)
    def set_tags(session: Session, name: str, exists: str | None, values: str) -> Result:
        """Put tags on an object: tag = 'value' [, ...]."""
        given = values_of(session, values)
        if place := _carrier(session, kind, name, exists):
            tags.put(session, *place, given)
        return status(DONE)

    @statement(f"ALTER {kind} [exists:IF EXISTS] {{name:name}} UNSET TAG {{names:rest}}", Effect.DDL)
    def unset_tags(session: Session, name: str, exists: str | None, names: str) -> Result:
        """Take tags off an object."""
        ids = _ids(session, names)
        if place := _carrier(session, kind, name, exists):
            tags.take_away(session, *place, ids)
        return status(DONE)


def _carrying_columns(kind: str) -> None:
    words = f"ALTER {kind} [exists:IF EXISTS] {{name:name}} (MODIFY|ALTER) [COLUMN] {{column:ident}}"

    @statement(f"{words} SET TAG {{values:rest}}", Effect.DDL)
    def set_column_tags(session: Session, name: str, exists: str | None, column: str, values: str) -> Result:
        """Put tags on a column: tag = 'value' [, ...]."""
        given = values_of(session, values)
        if place := _carrier(session, kind, name, exists):
            tags.put(session, *place, given, _column(session, place[1], resolve_identifier(column)))
        return status(DONE)

    @statement(f"{words} UNSET TAG {{names:rest}}", Effect.DDL)
    def unset_column_tags(session: Session, name: str, exists: str | None, column: str, names: str) -> Result:
        """Take tags off a column."""
        ids = _ids(session, names)
        if place := _carrier(session, kind, name, exists):
            tags.take_away(session, *place, ids, _column(session, place[1], resolve_identifier(column)))
        return status(DONE)


for _kind in sorted(tags.DOMAINS):
    _carrying(_kind)
for _kind in sorted(tags.TABLE_LIKE):
    _carrying_columns(_kind)


def _carrier(session: Session, kind: str, name: str, exists: str | None) -> tuple[str, tags.Key] | None:
    try:
        return tags.carrier(session, kind, name)
    except SqlError as error:
        if exists and error.code == 2003:
            return None
        raise


def values_of(session: Session, text: str) -> dict[str, str]:
    """Read `tag = 'value' [, ...]`: values by the identity of their tags."""
    if not _VALUES.fullmatch(text):
        raise syntax_error(f"expected tag = 'value' [, tag = 'value' ...], found {text}")
    pairs = re.findall(rf"({_NAME})\s*=\s*({_TEXT})", text, re.DOTALL)
    return tags.checked(session, {split_name(name): unquote(value) for name, value in pairs})


def _ids(session: Session, text: str) -> list[str]:
    if not _NAMES.fullmatch(text):
        raise syntax_error(f"expected tag [, tag ...], found {text}")
    return [tags.find(session, name).definition["id"] for name in re.findall(_NAME, text)]


def _column(session: Session, key: tags.Key, name: str) -> str:
    if name not in tags.columns(session, key):
        raise SqlError(904, "42000", f"{COMPILATION}error line 1 at position 0\ninvalid identifier '{name}'")
    return name


# ---- who carries what ----------------------------------------------------------------------------


def _place(session: Session, name: str, domain: str) -> tuple[str, tags.Key, str | None]:
    """The object or column that a function's arguments name."""
    kind = domain.upper()
    if kind == "COLUMN":
        *table, column = split_name(name)
        level, key = tags.carrier(session, "TABLE", ".".join('"' + p.replace('"', '""') + '"' for p in table))
        return level, key, _column(session, key, column)
    kind = "MODEL" if kind == tags.MODULE else kind
    if kind not in tags.DOMAINS or kind == "DYNAMIC TABLE":
        raise unsupported(f"tags of the domain {domain}")
    return (*tags.carrier(session, kind, name), None)


@constant_function("SYSTEM$GET_TAG")
def get_tag(session: Session, tag: str, name: str, domain: str) -> str | None:
    """The value of a tag of an object or column, its own or inherited; NULL if it has none."""
    wanted = tags.find(session, tag).key
    found = tags.references(session, *_place(session, name, domain))
    return next((r.value for r in found if r.tag == wanted), None)


_REFERENCE_COLUMNS = [
    *("TAG_DATABASE", "TAG_SCHEMA", "TAG_NAME", "TAG_VALUE", "LEVEL", "OBJECT_DATABASE", "OBJECT_SCHEMA"),
    *("OBJECT_NAME", "DOMAIN", "COLUMN_NAME", "APPLY_METHOD"),
]


def _table(references: list[tags.Reference]) -> pa.Table:
    records = []
    for r in references:
        values = (*r.tag, r.value, r.level, *_named(r), r.domain, r.column, "MANUAL" if _direct(r) else "INHERITED")
        records.append(dict(zip(_REFERENCE_COLUMNS, values, strict=True)))
    return rows(records, _REFERENCE_COLUMNS).table


def _named(reference: tags.Reference) -> tuple[str | None, str | None, str]:
    """Where an object is, and its name: a schema is in no schema, a database in nothing."""
    database, schema, name = reference.key
    return (database, schema, name) if name else (database, None, schema) if schema else (None, None, database)


def _direct(reference: tags.Reference) -> bool:
    return reference.level == reference.domain


@table_function("TAG_REFERENCES")
def tag_references(session: Session, arguments: Arguments) -> pa.Table:
    """The tags of an object or column with their values, also inherited ones."""
    name, domain = arguments.get(0, "object_name"), arguments.get(1, "object_domain")
    return _table(tags.references(session, *_place(session, str(name), str(domain))))


@table_function("TAG_REFERENCES_ALL_COLUMNS")
def tag_references_all_columns(session: Session, arguments: Arguments) -> pa.Table:
    """The tags of all columns of a table or view, also inherited ones."""
    if str(arguments.get(1, "object_domain")).upper() != "TABLE":
        raise unsupported(f"TAG_REFERENCES_ALL_COLUMNS of the domain {arguments.get(1, 'object_domain')}")
    domain, key = tags.carrier(session, "TABLE", str(arguments.get(0, "object_name")))
    found = [r for column in tags.columns(session, key) for r in tags.references(session, domain, key, column)]
    return _table(found)


@constant_function("ENTITY_DETAIL")
def entity_detail(session: Session, domain: str, name: str, sections: str) -> str:
    """What the Feature Store's client asks: a tag's carriers, or an object's tags, as JSON."""
    wanted = json.loads(sections)
    if domain.upper() == "TAG" and wanted == ["TAG_REFERENCES_INTERNAL"]:
        found = tags.carriers(session, tags.find(session, name))
        return json.dumps({"referencedEntities": {"tagReferenceList": [_detail(session, r) for r in found]}})
    if wanted == ["TAG_REFERENCES"]:
        found = tags.references(session, *_place(session, name, domain))
        return json.dumps({"tagReferencesInfo": {"tagReferenceList": [_detail(session, r) for r in found]}})
    raise unsupported(f"ENTITY_DETAIL of {sections}")


def _detail(session: Session, reference: tags.Reference) -> dict[str, Any]:
    tag_database, tag_schema, tag_name = reference.tag
    database, schema, name = _named(reference)
    return {
        "tagDatabase": tag_database,
        "tagSchema": tag_schema,
        "tagName": tag_name,
        "tagValue": reference.value,
        "level": reference.level,
        "domain": reference.domain,
        "entityDatabase": database,
        "entitySchema": schema,
        "entityName": name,
        "entityOwner": session.account.role,
        "columnName": reference.column,
    }
