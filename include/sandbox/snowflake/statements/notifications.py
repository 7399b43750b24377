"""The SQL of notification integrations for e-mail, and the procedures that send through them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.automation import mail
from include.sandbox.snowflake.automation.mail import Mail
from include.sandbox.snowflake.automation.procedures import procedure, texts, value_result
from include.sandbox.snowflake.errors import COMPILATION, SqlError, invalid_argument_types, unsupported
from include.sandbox.snowflake.language import properties
from include.sandbox.snowflake.language.grammar import Effect, matches, resolve_identifier, statement
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.sql.constants import constant_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry, Key
    from include.sandbox.snowflake.session import Session

_KIND = "INTEGRATION"
_OWNER = "NOTIFICATION INTEGRATION"
_PROPERTIES = {
    "TYPE": "word",
    "ENABLED": "flag",
    "ALLOWED_RECIPIENTS": "texts",
    "DEFAULT_RECIPIENTS": "texts",
    "DEFAULT_SUBJECT": "text",
    "COMMENT": "text",
    **dict.fromkeys(["DIRECTION", "NOTIFICATION_PROVIDER", "WEBHOOK_URL"], properties.REFUSED),
}
_ALTERABLE = {name: kind for name, kind in _PROPERTIES.items() if name != "TYPE"}
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
_MOST_RECIPIENTS = 50


# ---- integrations --------------------------------------------------------------------------------


@statement(
    "CREATE [replace:OR REPLACE] NOTIFICATION INTEGRATION [absent:IF NOT EXISTS] {name:ident} {options:rest}",
    Effect.DDL,
)
def create_integration(session: Session, name: str, options: str, replace: str | None, absent: str | None) -> Result:
    """Create an integration for e-mail; its mail lands in the sandbox's mailbox folder."""
    if replace and absent:
        raise SqlError(1003, "42000", f"{COMPILATION}options IF NOT EXISTS and OR REPLACE are incompatible.")
    values = properties.parse(options, _PROPERTIES, _OWNER).values
    for required in ("TYPE", "ENABLED"):
        if required not in values:
            raise SqlError(1421, "22023", f"{COMPILATION}missing property '{required}' for '{_OWNER}'")
    if values.pop("TYPE") != "EMAIL":
        raise unsupported("CREATE NOTIFICATION INTEGRATION ... TYPE other than EMAIL")
    _check(values)
    key = _key(name)
    made = session.account.catalog.create(_KIND, key, values, replace=bool(replace), if_not_exists=bool(absent))
    return status(
        f"Integration {key[2]} successfully created." if made else f"{key[2]} already exists, statement succeeded."
    )


@statement("ALTER [NOTIFICATION] INTEGRATION [exists:IF EXISTS] {name:ident} SET {options:rest}", Effect.DDL)
def alter_integration(session: Session, name: str, options: str, exists: str | None) -> Result:
    """Change whether an integration is enabled, who may get its mail, its defaults or its comment."""
    values = properties.parse(options, _ALTERABLE, _OWNER).values
    entry = session.account.catalog.find(_KIND, _key(name))
    if not entry and exists:
        return status(DONE)
    _check({**_find(session, name).definition, **values})
    session.account.catalog.update(_KIND, _key(name), **values)
    return status(DONE)


@statement("ALTER [NOTIFICATION] INTEGRATION [exists:IF EXISTS] {name:ident} UNSET {names:rest}", Effect.DDL)
def unset_integration(session: Session, name: str, names: str, exists: str | None) -> Result:
    """Forget an integration's recipients, subject or comment."""
    unset = properties.names(names, {n: k for n, k in _ALTERABLE.items() if n != "ENABLED"}, _OWNER)
    if session.account.catalog.find(_KIND, _key(name)) or not exists:
        _find(session, name)
        session.account.catalog.update(_KIND, _key(name), **dict.fromkeys(unset))
    return status(DONE)


@statement("DROP [NOTIFICATION] INTEGRATION [exists:IF EXISTS] {name:ident}", Effect.DDL)
def drop_integration(session: Session, name: str, exists: str | None) -> Result:
    """Remove an integration; the mail that it has sent stays."""
    if not exists:
        _find(session, name)
    done = session.account.catalog.drop(_KIND, _key(name), if_exists=True)
    return status(dropped(_key(name)[2], done=done))


@statement("SHOW [NOTIFICATION] INTEGRATIONS [LIKE {like:text}]")
def show_integrations(session: Session, like: str | None) -> Result:
    """List the integrations."""
    records = [
        {
            "name": entry.key[2],
            "type": "EMAIL",
            "category": "NOTIFICATION",
            "enabled": str(entry.definition["ENABLED"]).lower(),
            "comment": entry.definition.get("COMMENT"),
            "created_on": entry.created_on,
        }
        for entry in session.account.catalog.entries(_KIND)
        if matches(entry.key[2], like)
    ]
    columns = ["name", "type", "category", "enabled", "comment"]
    return rows(records, {**dict.fromkeys(columns, pa.string()), "created_on": CREATED_ON})


@statement("(DESC|DESCRIBE) [NOTIFICATION] INTEGRATION {name:ident}")
def describe_integration(session: Session, name: str) -> Result:
    """An integration's properties."""
    known = _find(session, name).definition
    described = [("ENABLED", "Boolean", str(known["ENABLED"]).lower(), "false")]
    described += [(n, "List", ",".join(known.get(n) or []), "[]") for n in ("ALLOWED_RECIPIENTS", "DEFAULT_RECIPIENTS")]
    described += [(n, "String", known.get(n) or "", "") for n in ("DEFAULT_SUBJECT", "COMMENT")]
    columns = ["property", "property_type", "property_value", "property_default"]
    return rows([dict(zip(columns, record, strict=True)) for record in described], columns)


def _check(values: dict[str, Any]) -> None:
    allowed = values.get("ALLOWED_RECIPIENTS")
    for name in ("ALLOWED_RECIPIENTS", "DEFAULT_RECIPIENTS"):
        addresses = values.get(name) or []
        _check_addresses(addresses)
        if len(addresses) > _MOST_RECIPIENTS:
            raise properties.invalid_value(f"{len(addresses)} addresses", name)
    if allowed is not None:
        _check_allowed(values.get("DEFAULT_RECIPIENTS") or [], allowed, "")


def _check_addresses(addresses: list[str]) -> None:
    """In Snowflake an address is a verified user's; here it need only be one."""
    if wrong := [number for number, a in enumerate(addresses, start=1) if not _ADDRESS.fullmatch(a)]:
        raise SqlError(
            394209,
            "22023",
            f"Email recipients in the given list at indexes {wrong} are not allowed. Either these email addresses are "
            "not yet validated or do not belong to any user in the current account.",
        )


def _check_allowed(addresses: list[str], allowed: list[str], integration: str) -> None:
    known = {address.lower() for address in allowed}
    if others := [address for address in addresses if address.lower() not in known]:
        raise SqlError(
            394209,
            "22023",
            f"Following email address(es) are not allowed by the email integration {integration}: "
            f"[{', '.join(others)}]",
        )


def _key(name: str) -> Key:
    """An integration is the account's, so it lies in no schema."""
    return ("", "", resolve_identifier(name))


def _find(session: Session, name: str) -> Entry:
    entry = session.account.catalog.find(_KIND, _key(name))
    if not entry:
        raise SqlError(2003, "02000", f"{COMPILATION}Integration '{_key(name)[2]}' does not exist or not authorized.")
    return entry


# ---- sending -------------------------------------------------------------------------------------


@procedure("SYSTEM$SEND_EMAIL")
def send_email(session: Session, arguments: list[Any]) -> Result:
    """Send a mail through an integration: its name, the recipients, subject, body, and perhaps the type."""
    name, to, subject, body, *type_ = texts("SYSTEM$SEND_EMAIL", arguments, 4, 5)
    addresses = [address.strip() for address in to.split(",") if address.strip()]
    _send(session, name, Mail(addresses, subject, body, type_[0].lower() if type_ else "text/plain"))
    return value_result("SYSTEM$SEND_EMAIL", value=True)


@procedure("SYSTEM$SEND_SNOWFLAKE_NOTIFICATION")
def send_notification(session: Session, arguments: list[Any]) -> Result:
    """Send a message, as `SNOWFLAKE.NOTIFICATION.TEXT_PLAIN` makes it, through one or more e-mail integrations."""
    name = "SYSTEM$SEND_SNOWFLAKE_NOTIFICATION"
    message, target = texts(name, arguments, 2, 2)
    messages = _object(message)
    type_ = next((t for t in ("text/html", "text/plain") if t in messages), None)
    if type_ is None:
        raise unsupported(f"{name} of a message other than TEXT_PLAIN or TEXT_HTML")
    targets = json.loads(target) if target.lstrip().startswith("[") else [_object(target)]
    for integration, options in (item for one in targets for item in one.items()):
        known = _find(session, integration).definition
        to = options.get("toAddress") or known.get("DEFAULT_RECIPIENTS") or []
        subject = options.get("subject") or known.get("DEFAULT_SUBJECT") or "Snowflake Email Notification"
        copies = options.get("ccAddress") or [], options.get("bccAddress") or []
        _send(session, integration, Mail(to, subject, messages[type_], type_, *copies))
    return value_result(name, "Enqueued notifications.")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise invalid_argument_types("SYSTEM$SEND_SNOWFLAKE_NOTIFICATION", "VARCHAR, VARCHAR")
    return value


def _send(session: Session, integration: str, message: Mail) -> None:
    entry = _find(session, integration)
    if not entry.definition["ENABLED"]:
        raise SqlError(394209, "22023", f"Integration '{entry.key[2]}' is not enabled.")
    if message.type not in {"text/plain", "text/html"}:
        raise SqlError(394209, "22023", f"Invalid MIME type '{message.type}': use text/plain or text/html.")
    if not message.subject.strip() or not message.body.strip() or not message.recipients:
        raise SqlError(394209, "22023", "The recipients, the subject and the content of an email cannot be empty.")
    if re.search(r"[\r\n]", message.subject):
        raise SqlError(394209, "22023", "The subject of an email is one line.")
    _check_addresses(message.recipients)
    if allowed := entry.definition.get("ALLOWED_RECIPIENTS"):
        _check_allowed(message.recipients, allowed, entry.key[2])
    mail.deliver(session.account.folder.parent / "mailbox", message, entry.key[2])


@constant_function("SNOWFLAKE.NOTIFICATION.TEXT_PLAIN")
def plain_message(session: Session, text: str) -> str:  # noqa: ARG001
    """A message of plain text."""
    return json.dumps({"text/plain": text})


@constant_function("SNOWFLAKE.NOTIFICATION.TEXT_HTML")
def html_message(session: Session, text: str) -> str:  # noqa: ARG001
    """A message of HTML."""
    return json.dumps({"text/html": text})


@constant_function("SNOWFLAKE.NOTIFICATION.INTEGRATION")
def integration_of(session: Session, name: str) -> str:  # noqa: ARG001
    """An integration to send through, with its defaults."""
    return json.dumps({name: {}})


@constant_function("SNOWFLAKE.NOTIFICATION.EMAIL_INTEGRATION_CONFIG")
def email_config(session: Session, name: str, subject: str, to: str) -> str:  # noqa: ARG001
    """An integration to send through, with a subject and the recipients as a text."""
    return json.dumps({name: {"subject": subject, "toAddress": [address.strip() for address in to.split(",")]}})
