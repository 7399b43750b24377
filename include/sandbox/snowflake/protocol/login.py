"""Who gets in: by password, or by a token signed with a key of the user's, and with what a session starts."""

from __future__ import annotations

import re
from typing import Any

import jwt

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.objects import parameters, roles, users
from include.sandbox.snowflake.objects.users import User
from include.sandbox.snowflake.session import Account, Session

_PASSWORD = {"", "SNOWFLAKE"}
_KEY_PAIR = "SNOWFLAKE_JWT"
_LEEWAY = 30  # seconds that clocks may differ
_LONGEST = 3600 + _LEEWAY  # seconds that a token may be valid


class WrongAccountError(Exception):
    """The client wants another account, which Snowflake answers before it looks at who it is."""


def log_in(account: Account, data: dict[str, Any], wanted: Any) -> Session:
    """A session for the user that a log-in request proves to be, with the names and parameters it wants."""
    name = str(data.get("ACCOUNT_NAME") or account.name)
    if name.upper().replace("_", "-") not in _names(account):
        raise WrongAccountError(name)
    user = _authenticate(account, data)
    session = Session(account, user.name)
    try:
        _place(session, user, wanted)
        for key, value in (data.get("SESSION_PARAMETERS") or {}).items():
            session.set_parameter(parameters.find(str(key)), value)
    except BaseException:
        session.close()
        raise
    return session


def _names(account: Account) -> set[str]:
    name = account.name.upper()
    return {name, f"{name}-{name}"}


# ---- who it is -----------------------------------------------------------------------------------


def _authenticate(account: Account, data: dict[str, Any]) -> User:
    method = str(data.get("AUTHENTICATOR") or "").upper()
    if method == _KEY_PAIR:
        return _by_token(account, data)
    if method not in _PASSWORD:
        raise SqlError(
            2,
            "0A000",
            f"Unsupported feature 'authenticator {method}': the Snowflake sandbox lets users in by password "
            f"or by key pair ({_KEY_PAIR}).",
        )
    if data.get("PASSCODE"):
        raise SqlError(2, "0A000", "Unsupported feature 'MFA passcode': the Snowflake sandbox knows no second factor.")
    user = account.users.by_login(str(data.get("LOGIN_NAME") or ""))
    if user is None or not user.has_password(str(data.get("PASSWORD") or "")):
        raise SqlError(390100, "08001", "Incorrect username or password was specified.")
    return _enabled(user)


def _enabled(user: User) -> User:
    if user.get("DISABLED"):
        raise SqlError(390101, "08001", "User access disabled. Contact your local system administrator.")
    return user


def _by_token(account: Account, data: dict[str, Any]) -> User:
    """The user whose key has signed the token for this account, not too long ago."""
    token = str(data.get("TOKEN") or "")
    user = account.users.by_login(str(data.get("LOGIN_NAME") or _subject(token)))
    for key in user.public_keys if user else []:
        try:
            claims = jwt.decode(
                token, key, algorithms=["RS256"], leeway=_LEEWAY, options={"require": ["iss", "sub", "iat", "exp"]}
            )
        except jwt.InvalidTokenError:
            continue
        subjects = {f"{name}.{user.login_name.upper()}" for name in _names(account)} if user else set()
        subject = str(claims["sub"])
        is_for_us = subject in subjects and claims["iss"] == f"{subject}.{users.fingerprint(key)}"
        if user and is_for_us and claims["exp"] - claims["iat"] <= _LONGEST:
            return _enabled(user)
    raise SqlError(390144, "08001", "JWT token is invalid.")


def _subject(token: str) -> str:
    """The user that a token speaks of, before it is believed."""
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("sub", "")).rpartition(".")[2]
    except jwt.InvalidTokenError:
        return ""


# ---- where it is then ----------------------------------------------------------------------------


def _place(session: Session, user: User, wanted: Any) -> None:
    """Use what the client names, or what the user has by default, where it exists: connecting creates nothing."""
    session.role = _role(session, user, wanted.get("roleName"))
    warehouse = wanted.get("warehouse") or user.get("DEFAULT_WAREHOUSE") or session.account.warehouse
    name = grammar.resolve_identifier(str(warehouse))
    session.warehouse = name if session.account.warehouses.find(name) else None
    default = grammar.split_name(str(user.get("DEFAULT_NAMESPACE") or ""))
    names = [wanted.get(key) for key in ("databaseName", "schemaName")]
    database, schema = (_identifier(name) if name else None for name in names)
    if database is None and default:
        database, schema = default[0], schema or (default[1] if len(default) > 1 else None)
    engine = session.account.engine
    if database in engine.databases():
        if schema is None and engine.has_schema(database, "PUBLIC"):
            schema = "PUBLIC"
        session.use(database, schema if engine.has_schema(database, schema) else None)


def _role(session: Session, user: User, wanted: str | None) -> str:
    name = _identifier(str(wanted or user.get("DEFAULT_ROLE") or session.account.role))
    if roles.exists(session.account, name):
        return name
    if not wanted:
        return "PUBLIC"
    raise SqlError(
        390189,
        "08001",
        f"Role '{name}' specified in the connect string does not exist or not authorized. Contact your local system "
        "administrator, or attempt to login with another role, e.g. PUBLIC.",
    )


def _identifier(text: str) -> str:
    return grammar.resolve_identifier(text) if re.fullmatch(r'".+"|[A-Za-z_][\w$]*', text) else text
