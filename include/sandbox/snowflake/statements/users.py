"""The SQL of users: who can log in, how, and with what their sessions start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.language import properties
from include.sandbox.snowflake.language.grammar import matches, resolve_identifier, statement
from include.sandbox.snowflake.objects import users
from include.sandbox.snowflake.objects.grants import shown
from include.sandbox.snowflake.objects.users import User
from include.sandbox.snowflake.queries import OUT_OF_TURN
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_KINDS = {
    "PASSWORD": "text",
    "LOGIN_NAME": "scalar",
    "DISPLAY_NAME": "scalar",
    "FIRST_NAME": "scalar",
    "MIDDLE_NAME": "scalar",
    "LAST_NAME": "scalar",
    "EMAIL": "scalar",
    "DISABLED": "flag",
    "DEFAULT_WAREHOUSE": "name",
    "DEFAULT_NAMESPACE": "name",
    "DEFAULT_ROLE": "name",
    "DEFAULT_SECONDARY_ROLES": properties.REFUSED,
    "RSA_PUBLIC_KEY": "text",
    "RSA_PUBLIC_KEY_2": "text",
    "TYPE": "word",
    "COMMENT": "text",
    **dict.fromkeys(
        [
            *("MUST_CHANGE_PASSWORD", "SNOWFLAKE_LOCK", "SNOWFLAKE_SUPPORT", "DAYS_TO_EXPIRY", "MINS_TO_UNLOCK"),
            *("EXT_AUTHN_DUO", "EXT_AUTHN_UID", "MINS_TO_BYPASS_MFA", "DISABLE_MFA", "MINS_TO_BYPASS_NETWORK_POLICY"),
            *("RSA_PUBLIC_KEY_FP", "NETWORK_POLICY", "WORKLOAD_IDENTITY"),
        ],
        properties.REFUSED,
    ),
}
_TYPES = {"PERSON", "SERVICE", "LEGACY_SERVICE", "NULL"}


def _checked(options: str, known: dict[str, Any]) -> dict[str, Any]:
    """The properties of a CREATE or SET, as they are kept."""
    given = properties.parse(options, _KINDS, "USER").values
    for name, value in given.items():
        if _KINDS[name] == "name":
            given[name] = shown(value)
        elif name in users.KEYS:
            users.public_key(value)
        elif name == "PASSWORD":
            given[name] = users.hashed(value)
        elif name == "TYPE" and value not in _TYPES:
            raise properties.invalid_value(value, name)
    kind = given.get("TYPE", known.get("TYPE"))
    if kind == "SERVICE" and (given.get("PASSWORD") or known.get("PASSWORD")):
        raise SqlError(1008, "22023", f"{COMPILATION}Cannot set PASSWORD on users with TYPE=SERVICE.")
    return given


@statement("CREATE [replace:OR REPLACE] USER [absent:IF NOT EXISTS] {name:ident} {options:rest}")
def create_user(session: Session, name: str, options: str, replace: str | None, absent: str | None) -> Result:
    """Create a user, who can log in by its password or its RSA key."""
    user = User(resolve_identifier(name), _checked(options, {}))
    _check_login_name(session, user)
    if replace and user.name == session.account.user:
        raise unsupported("replacing the sandbox's first user")
    made = session.account.users.create(user, replace_=bool(replace), if_not_exists=bool(absent))
    return status(
        f"User {user.name} successfully created." if made else f"{user.name} already exists, statement succeeded."
    )


def _check_login_name(session: Session, user: User) -> None:
    other = session.account.users.by_login(user.login_name)
    if other and other.name != user.name:
        raise SqlError(2002, "42710", f"{COMPILATION}User with login name '{user.login_name}' already exists.")


@statement("ALTER USER [exists:IF EXISTS] {name:ident} SET {options:rest}")
def alter_user(session: Session, name: str, exists: str | None, options: str) -> Result:
    """Change a user: password, RSA keys, what its sessions start with."""
    if user := _find(session, name, exists):
        given = _checked(options, user.properties)
        if user.name == session.account.user and {"PASSWORD", "DISABLED", "LOGIN_NAME", "TYPE"} & set(given):
            raise unsupported("the password, name or state of the sandbox's first user, which its files hold")
        _check_login_name(session, User(user.name, {**user.properties, **given}))
        session.account.users.update(user.name, **given)
    return status(DONE)


@statement("ALTER USER [exists:IF EXISTS] {name:ident} UNSET {options:rest}")
def unset_user(session: Session, name: str, exists: str | None, options: str) -> Result:
    """Take properties of a user away, as an RSA key."""
    given = properties.names(options, _KINDS, "USER")
    if user := _find(session, name, exists):
        if user.name == session.account.user and "PASSWORD" in given:
            raise unsupported("taking the password of the sandbox's first user away")
        session.account.users.update(user.name, **dict.fromkeys(given))
    return status(DONE)


@statement("ALTER USER [exists:IF EXISTS] {name:ident} ABORT ALL QUERIES")
def abort_users_queries(session: Session, name: str, exists: str | None) -> Result:
    """Stop the statements of a user's sessions."""
    if user := _find(session, name, exists):
        for query in session.account.queries.all():
            if query.session.user == user.name:
                session.account.queries.stop(query)
    return status(DONE)


OUT_OF_TURN.add(abort_users_queries)


@statement("DROP USER [exists:IF EXISTS] {name:ident}")
def drop_user(session: Session, name: str, exists: str | None) -> Result:
    """Remove a user; its sessions go on until they end."""
    wanted = resolve_identifier(name)
    if wanted in {session.account.user, session.user}:
        raise unsupported("dropping the sandbox's first user, or one's own")
    return status(dropped(wanted, done=session.account.users.drop(wanted, if_exists=bool(exists))))


def _find(session: Session, name: str, exists: str | None) -> User | None:
    wanted = resolve_identifier(name)
    return session.account.users.find(wanted) if exists else session.account.users.get(wanted)


# ---- showing -------------------------------------------------------------------------------------

_TEXTS = [
    *("name", "login_name", "display_name", "first_name", "last_name", "email", "comment", "disabled"),
    *("default_warehouse", "default_namespace", "default_role", "owner", "has_password", "has_rsa_public_key", "type"),
]


@statement("SHOW [TERSE] USERS [LIKE {like:text}]")
def show_users(session: Session, like: str | None) -> Result:
    """List the users."""
    records = [
        {
            "name": user.name,
            "created_on": user.created_on,
            **{name: _shown(user.get(name.upper())) for name in _TEXTS},
            **_names(user),
            "disabled": str(bool(user.get("DISABLED"))).lower(),
            "has_password": str(bool(user.get("PASSWORD"))).lower(),
            "has_rsa_public_key": str(bool(user.public_keys)).lower(),
            "owner": session.account.role,
        }
        for user in session.account.users.all()
        if matches(user.name, like)
    ]
    types = {"name": pa.string(), "created_on": CREATED_ON, **dict.fromkeys(_TEXTS, pa.string())}
    return rows(records, types)


def _names(user: User) -> dict[str, str]:
    display = str(user.get("DISPLAY_NAME") or user.name)
    return {"name": user.name, "login_name": user.login_name.upper(), "display_name": display}


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


@statement("(DESC|DESCRIBE) USER {name:ident}")
def describe_user(session: Session, name: str) -> Result:
    """A user's properties; of its keys the fingerprints, of its password nothing."""
    user = session.account.users.get(resolve_identifier(name))
    values = {key: _shown(user.get(key)) for key, kind in _KINDS.items() if kind != properties.REFUSED}
    values |= {"NAME": user.name, "PASSWORD": "********" if user.get("PASSWORD") else ""}
    values |= {"LOGIN_NAME": user.login_name.upper(), "DISABLED": str(bool(user.get("DISABLED"))).lower()}
    for key in users.KEYS:
        text = user.get(key)
        values[f"{key}_FP"] = users.fingerprint(users.public_key(text)) if text else ""
    records = [
        {"property": key, "value": value or "null", "default": "null", "description": ""}
        for key, value in sorted(values.items())
    ]
    return rows(records, ["property", "value", "default", "description"])
