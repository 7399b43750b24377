"""The SQL of roles and of what is granted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import already_exists, syntax_error, unsupported
from include.sandbox.snowflake.language import scanner
from include.sandbox.snowflake.language.grammar import matches, resolve_identifier, split_name, statement, unquote
from include.sandbox.snowflake.language.scanner import Token
from include.sandbox.snowflake.objects import grants, roles
from include.sandbox.snowflake.objects.grants import Grant
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.sql import constants

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

# ---- roles ---------------------------------------------------------------------------------------


@statement("CREATE [replace:OR REPLACE] ROLE [absent:IF NOT EXISTS] {name:ident} [COMMENT = {comment:text}]")
def create_role(session: Session, name: str, replace: str | None, absent: str | None, comment: str | None) -> Result:
    """Create a role, which has all rights as every other."""
    role = resolve_identifier(name)
    definition = {"comment": unquote(comment) if comment else "", "owner": session.role}
    if role in roles.SYSTEM_ROLES:
        if not absent:
            raise already_exists(role)
        return status(f"{role} already exists, statement succeeded.")
    made = session.account.catalog.create(
        roles.KIND, ("", "", role), definition, replace=bool(replace), if_not_exists=bool(absent)
    )
    return status(f"Role {role} successfully created." if made else f"{role} already exists, statement succeeded.")


@statement("ALTER ROLE [exists:IF EXISTS] {name:ident} ([set:SET] COMMENT = {comment:text}|UNSET COMMENT)")
def alter_role(session: Session, name: str, exists: str | None, set: str | None, comment: str | None) -> Result:  # noqa: ARG001
    """Change a role's comment."""
    if _found(session, name, exists):
        text = unquote(comment) if comment else ""
        session.account.catalog.update(roles.KIND, ("", "", resolve_identifier(name)), comment=text)
    return status(DONE)


@statement("DROP ROLE [exists:IF EXISTS] {name:ident}")
def drop_role(session: Session, name: str, exists: str | None) -> Result:
    """Remove a role and what is granted to it."""
    role = resolve_identifier(name)
    done = _found(session, name, exists)
    if done:
        session.account.catalog.drop(roles.KIND, ("", "", role))
    return status(dropped(role, done=done))


def _found(session: Session, name: str, exists: str | None) -> bool:
    role = resolve_identifier(name)
    if role in roles.SYSTEM_ROLES:
        raise unsupported(f"changing the system role {role}")
    if not roles.exists(session.account, role):
        if not exists:
            roles.check(session.account, role)
        return False
    return True


_FLAGS = ["is_default", "is_current", "is_inherited"]
_COUNTS = ["assigned_to_users", "granted_to_roles", "granted_roles"]
_ROLE_COLUMNS = {
    "created_on": CREATED_ON,
    "name": pa.string(),
    **dict.fromkeys(_FLAGS, pa.string()),
    **dict.fromkeys(_COUNTS, pa.int64()),
    "owner": pa.string(),
    "comment": pa.string(),
}


@statement("SHOW ROLES [LIKE {like:text}]")
def show_roles(session: Session, like: str | None) -> Result:
    """List the roles."""
    given = grants.every(session, lambda grant: grant.granted_on == "ROLE")
    known: list[tuple[str, Any, str, str]] = [(n, None, "", c) for n, c in roles.SYSTEM_ROLES.items()]
    for entry in roles.created(session.account):
        known.append((entry.key[2], entry.created_on, entry.definition["owner"], entry.definition["comment"]))
    records = [
        {
            "created_on": created_on,
            "name": name,
            "is_default": "Y" if name == session.account.role else "N",
            "is_current": "Y" if name == session.role else "N",
            "is_inherited": "N",
            "assigned_to_users": sum(g.name == (name,) and g.granted_to == "USER" for g in given),
            "granted_to_roles": sum(g.name == (name,) and g.granted_to == "ROLE" for g in given),
            "granted_roles": sum((g.granted_to, g.grantee) == ("ROLE", name) for g in given),
            "owner": owner,
            "comment": comment,
        }
        for name, created_on, owner, comment in sorted(known)
        if matches(name, like)
    ]
    return rows(records, _ROLE_COLUMNS)


@constants.constant_function("IS_ROLE_IN_SESSION")
def is_role_in_session(session: Session, name: str) -> bool:
    """True for the session's role, and for the roles that are granted to it, one by way of another."""
    given = grants.every(session, lambda g: (g.granted_on, g.granted_to) == ("ROLE", "ROLE"))
    held: set[str] = set()
    todo = [session.role]
    while todo:
        role = todo.pop()
        held.add(role)
        todo += [g.name[0] for g in given if g.grantee == role and g.name[0] not in held]
    return name in held


# ---- granting ------------------------------------------------------------------------------------

_PRIVILEGES = {
    *("ALL", "USAGE", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "READ", "WRITE", "REBUILD"),
    *("MONITOR", "OPERATE", "MODIFY", "APPLY", "EVOLVE SCHEMA", "ADD SEARCH OPTIMIZATION", "MANAGE GRANTS"),
    *("EXECUTE TASK", "EXECUTE ALERT", "EXECUTE MANAGED TASK", "EXECUTE MANAGED ALERT", "MONITOR USAGE"),
    *("MONITOR EXECUTION", "APPLY TAG", "IMPORTED PRIVILEGES", "MANAGE WAREHOUSES", "USE_ANY_ROLE"),
}


@dataclass
class _Reader:
    """The tokens of a GRANT or REVOKE, taken one after the other."""

    tokens: list[Token]
    at: int = 0

    def take(self, *words: str) -> bool:
        """Go on behind these words, if they come next."""
        found = self.tokens[self.at : self.at + len(words)]
        if len(found) == len(words) and all(t.is_word(w) for t, w in zip(found, words, strict=True)):
            self.at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        """Go on behind these words, which have to come next."""
        if not self.take(*words):
            raise self.unexpected()

    def unexpected(self) -> Exception:
        """The error that names what stands here."""
        text = self.tokens[self.at].text if self.at < len(self.tokens) else "<EOF>"
        return syntax_error(f"unexpected '{text}'.")

    def name(self) -> str:
        """A name, perhaps with dots."""
        parts = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind in {"word", "quoted"}:
            parts.append(self.tokens[self.at].text)
            self.at += 1
            if self.at >= len(self.tokens) or self.tokens[self.at].text != ".":
                break
            self.at += 1
        if not parts:
            raise self.unexpected()
        return ".".join(parts)

    def kind(self, known: list[str]) -> str:
        """A kind of object, of one or two words."""
        for kind in sorted(known, key=len, reverse=True):
            if self.take(*kind.split()):
                return kind
        word = self.tokens[self.at].text.upper() if self.at < len(self.tokens) else "<EOF>"
        raise unsupported(f"grants on {word}")

    def words_before(self, *stops: str) -> list[str]:
        """What the commas divide, up to one of these words."""
        found = [""]
        while self.at < len(self.tokens) and not self.tokens[self.at].is_word(*stops):
            text = self.tokens[self.at].text.upper()
            found = [*found, ""] if text == "," else [*found[:-1], f"{found[-1]} {text}".strip()]
            self.at += 1
        return found


@statement("GRANT {what:rest}")
def grant(session: Session, what: str) -> Result:
    """Grant privileges or a role; it is kept and shown, and every role has all rights anyway."""
    reader = _Reader(scanner.tokens(what))
    given = _grants(session, reader, "TO")
    if reader.take("WITH", "GRANT", "OPTION"):
        given = [replace(g, grant_option=True) for g in given]
    _end(reader)
    grants.add(session, given)
    return status(DONE)


@statement("REVOKE {what:rest}")
def revoke(session: Session, what: str) -> Result:
    """Take back what was granted."""
    reader = _Reader(scanner.tokens(what))
    only_option = reader.take("GRANT", "OPTION", "FOR")
    given = _grants(session, reader, "FROM")
    if not reader.take("CASCADE"):
        reader.take("RESTRICT")
    _end(reader)
    grants.remove(session, given, only_option=only_option)
    return status(DONE)


def _end(reader: _Reader) -> None:
    if reader.at < len(reader.tokens) and reader.tokens[reader.at].text != ";":
        raise reader.unexpected()


def _grants(session: Session, reader: _Reader, direction: str) -> list[Grant]:
    if reader.take("ROLE"):
        role = grants.object_name(session, "ROLE", reader.name())
        reader.need(direction)
        return [Grant("USAGE", "ROLE", role, *_grantee(session, reader, optional=False))]
    privileges = [_privilege(text) for text in reader.words_before("ON")]
    reader.need("ON")
    kind, names, is_future = _objects(session, reader)
    reader.need(direction)
    grantee = _grantee(session, reader, optional=True)
    return [Grant(p, kind, name, *grantee, is_future=is_future) for name in names for p in privileges]


def _privilege(text: str) -> str:
    name = "ALL" if text == "ALL PRIVILEGES" else text
    if name == "OWNERSHIP":
        raise unsupported("GRANT OWNERSHIP")
    if name not in _PRIVILEGES and not name.startswith("CREATE "):
        raise syntax_error(f"unexpected '{text or 'ON'}'.")
    return name


def _objects(session: Session, reader: _Reader) -> tuple[str, list[tuple[str, ...]], bool]:
    """The kind and names of what privileges are on; for objects to come, the place that they will be in."""
    if reader.take("ACCOUNT"):
        return "ACCOUNT", [grants.account_name(session)], False
    is_future = reader.take("FUTURE")
    if not is_future and not reader.take("ALL"):
        kind = reader.kind([k for k in grants.KINDS if k != "ROLE"])
        return kind, [grants.object_name(session, kind, reader.name())], False
    kind = grants.PLURALS[reader.kind(list(grants.PLURALS))]
    reader.need("IN")
    place = grants.object_name(session, reader.kind(["DATABASE", "SCHEMA"]), reader.name())
    return kind, [place] if is_future else grants.names_in(session, kind, place), is_future


def _grantee(session: Session, reader: _Reader, *, optional: bool) -> tuple[str, str]:
    for kind in ("SHARE", "APPLICATION", "DATABASE"):
        if reader.take(kind):
            raise unsupported(f"grants to {kind}")
    kind = "USER" if reader.take("USER") else "ROLE"
    if kind == "ROLE" and not reader.take("ROLE") and not optional:
        raise reader.unexpected()
    return kind, grants.object_name(session, kind, reader.name())[0]


# ---- showing -------------------------------------------------------------------------------------

_ON = ["created_on", "privilege", "granted_on", "name", "granted_to", "grantee_name", "grant_option", "granted_by"]
_OF_ROLE = ["created_on", "role", "granted_to", "grantee_name", "granted_by"]
_FUTURE = ["created_on", "privilege", "grant_on", "name", "grant_to", "grantee_name", "grant_option"]


@statement("SHOW GRANTS [ON {object:rest}]")
def show_grants_on(session: Session, object: str | None) -> Result:
    """List what is granted on an object; without one, what the session's user has."""
    if object is None:
        return _to_user(session, session.user)
    reader = _Reader(scanner.tokens(object))
    kind, name = "ACCOUNT", grants.account_name(session)
    if not reader.take("ACCOUNT"):
        kind = reader.kind(["ROLE", *grants.KINDS])
        name = grants.object_name(session, kind, reader.name())
    _end(reader)
    found = grants.every(session, lambda g: (g.granted_on, g.name) == (kind, name) and not g.is_future)
    owner = Grant("OWNERSHIP", kind, name, "ROLE", session.account.role, True, session.account.role)
    records = [_record(g) for g in ([owner] if kind not in {"ACCOUNT", "USER"} else []) + found]
    return _rows(records, _ON)


@statement("SHOW GRANTS TO [ROLE] {name:ident}")
def show_grants_to_role(session: Session, name: str) -> Result:
    """List what is granted to a role."""
    role = roles.check(session.account, resolve_identifier(name))
    found = grants.every(session, lambda g: (g.granted_to, g.grantee) == ("ROLE", role) and not g.is_future)
    return _rows([_record(g) for g in found], _ON)


@statement("SHOW GRANTS TO USER {name:ident}")
def show_grants_to_user(session: Session, name: str) -> Result:
    """List the roles that are granted to a user."""
    return _to_user(session, session.account.users.get(resolve_identifier(name)).name)


def _to_user(session: Session, user: str) -> Result:
    found = grants.every(session, lambda g: (g.granted_to, g.grantee, g.granted_on) == ("USER", user, "ROLE"))
    if user == session.account.user and not any(g.name == (session.account.role,) for g in found):
        found.insert(0, Grant("USAGE", "ROLE", (session.account.role,), "USER", user))
    return _rows([{**_record(g), "role": g.name[0]} for g in found], _OF_ROLE)


@statement("SHOW GRANTS OF ROLE {name:ident}")
def show_grants_of_role(session: Session, name: str) -> Result:
    """List the users and roles that have a role."""
    role = roles.check(session.account, resolve_identifier(name))
    found = grants.every(session, lambda g: (g.granted_on, g.name) == ("ROLE", (role,)))
    return _rows([{**_record(g), "role": role} for g in found], _OF_ROLE)


@statement("SHOW FUTURE GRANTS (IN ([schema:SCHEMA]|DATABASE) {place:name}|TO ROLE {role:ident})")
def show_future_grants(session: Session, schema: str | None, place: str | None, role: str | None) -> Result:
    """List what is granted on objects to come."""
    if place:
        name = grants.object_name(session, "SCHEMA" if schema else "DATABASE", place)
        found = grants.every(session, lambda g: g.is_future and g.name == name)
    else:
        known = roles.check(session.account, split_name(str(role))[0])
        found = grants.every(session, lambda g: g.is_future and (g.granted_to, g.grantee) == ("ROLE", known))
    records = []
    for g in found:
        records.append({**_record(g), "grant_on": g.granted_on, "grant_to": g.granted_to})
        records[-1]["name"] = f"{grants.shown(g.name)}.<{g.granted_on}>"
    return _rows(records, _FUTURE)


def _record(g: Grant) -> dict[str, Any]:
    return {
        "created_on": g.since if g.created_on else None,
        "privilege": g.privilege,
        "granted_on": g.granted_on.replace(" ", "_"),
        "name": grants.shown(g.name),
        "granted_to": g.granted_to,
        "grantee_name": g.grantee,
        "grant_option": str(g.grant_option).lower(),
        "granted_by": g.granted_by,
    }


def _rows(records: list[dict[str, Any]], columns: list[str]) -> Result:
    types = {**dict.fromkeys(columns, pa.string()), "created_on": CREATED_ON}
    return rows([{c: record[c] for c in columns} for record in records], types)
