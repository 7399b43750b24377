"""Mail that the account sends lands in a folder beside its data, and nowhere else."""

from __future__ import annotations

import mailbox
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
import snowflake.connector
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused

from include.sandbox.process import Sandbox


@pytest.fixture
def cursor(sandbox: Sandbox) -> Iterator[SnowflakeCursor]:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        yield connection.cursor()


@pytest.fixture
def integration(cursor: SnowflakeCursor) -> Iterator[str]:
    """An integration that may write to two people."""
    name = fresh("MAIL")
    cursor.execute(
        f"CREATE NOTIFICATION INTEGRATION {name} TYPE = EMAIL ENABLED = TRUE "
        "ALLOWED_RECIPIENTS = ('ann@example.com', 'Bob@example.com') COMMENT = 'it''s'"
    )
    yield name
    cursor.execute(f"DROP INTEGRATION IF EXISTS {name}")


def mails(sandbox: Sandbox, integration: str) -> list[Message]:
    box = mailbox.Maildir(sandbox.settings.state / "mailbox", create=False)
    return [mail for mail in box if mail["X-Snowflake-Integration"] == integration]


def body(mail: Message) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode(mail.get_content_charset() or "ascii")


def test_a_mail_is_delivered_whole(sandbox: Sandbox, cursor: SnowflakeCursor, integration: str) -> None:
    to = "ann@example.com, bob@example.com"
    query = f"CALL SYSTEM$SEND_EMAIL('{integration}', %s, %s, %s)"
    assert cursor.execute(query, (to, "Drift: it's 7 %", "PSI 0.3\nSee 'crédit' now")).fetchall() == [(True,)]
    (mail,) = mails(sandbox, integration)
    assert (mail["To"], mail["Subject"], mail.get_content_type()) == (to, "Drift: it's 7 %", "text/plain")
    assert mail["From"] == "no-reply@snowflake.net"
    assert body(mail) == "PSI 0.3\nSee 'crédit' now\n"


def test_a_mail_may_be_html_and_its_text_an_expression(
    sandbox: Sandbox, cursor: SnowflakeCursor, integration: str
) -> None:
    cursor.execute(
        f"CALL SYSTEM$SEND_EMAIL('{integration}', 'ann@example.com', 'Week ' || 7, "
        "(SELECT '<b>' || COUNT(*) || '</b>' FROM VALUES (1), (2)), 'text/html')"
    )
    (mail,) = mails(sandbox, integration)
    assert (mail["Subject"], mail.get_content_type(), body(mail)) == ("Week 7", "text/html", "<b>2</b>\n")


def test_a_notification_takes_the_integrations_defaults(
    sandbox: Sandbox, cursor: SnowflakeCursor, integration: str
) -> None:
    cursor.execute(
        f"ALTER NOTIFICATION INTEGRATION {integration} SET DEFAULT_RECIPIENTS = ('ann@example.com') "
        "DEFAULT_SUBJECT = 'From the sandbox'"
    )
    name = "SNOWFLAKE.NOTIFICATION"
    for target in (
        f"INTEGRATION('{integration}')",
        f"EMAIL_INTEGRATION_CONFIG('{integration}', 'Own', 'bob@example.com')",
    ):
        cursor.execute(f"CALL SYSTEM$SEND_SNOWFLAKE_NOTIFICATION({name}.TEXT_PLAIN('hello'), {name}.{target})")
    found = {(mail["To"], mail["Subject"], body(mail)) for mail in mails(sandbox, integration)}
    assert found == {
        ("ann@example.com", "From the sandbox", "hello\n"),
        ("bob@example.com", "Own", "hello\n"),
    }


def test_an_alert_sends_mail(sandbox: Sandbox, cursor: SnowflakeCursor, integration: str) -> None:
    alert = fresh("A")
    cursor.execute(
        f"CREATE ALERT {alert} SCHEDULE = 'USING CRON 0 9 * * * UTC' IF (EXISTS (SELECT 1)) "
        f"THEN CALL SYSTEM$SEND_EMAIL('{integration}', 'ann@example.com', 'Alert', 'It is time.')"
    )
    cursor.execute(f"EXECUTE ALERT {alert}")
    deadline = time.monotonic() + 20
    while not (found := mails(sandbox, integration)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [mail["Subject"] for mail in found] == ["Alert"]


@pytest.mark.parametrize(
    ("to", "subject", "text", "message"),
    [
        ("eve@example.com", "s", "b", r"not allowed by the email integration MAIL_\w+: \[eve@example.com\]"),
        ("ann@example.com, eve@example.com", "s", "b", "not allowed"),
        ("ann", "s", "b", "at indexes \\[1\\] are not allowed"),
        ("", "s", "b", "cannot be empty"),
        ("ann@example.com", "", "b", "cannot be empty"),
        ("ann@example.com", "s", " ", "cannot be empty"),
        ("ann@example.com", "s\nBcc: eve@example.com", "b", "one line"),
    ],
)
def test_what_may_not_be_sent_is_refused(
    sandbox: Sandbox, cursor: SnowflakeCursor, integration: str, to: str, subject: str, text: str, message: str
) -> None:
    with refused(394209, message):
        cursor.execute(f"CALL SYSTEM$SEND_EMAIL('{integration}', %s, %s, %s)", (to, subject, text))
    assert mails(sandbox, integration) == []


def test_a_disabled_or_missing_integration_sends_nothing(
    sandbox: Sandbox, cursor: SnowflakeCursor, integration: str
) -> None:
    call = f"CALL SYSTEM$SEND_EMAIL('{integration}', 'ann@example.com', 's', 'b')"
    cursor.execute(f"ALTER INTEGRATION {integration} SET ENABLED = FALSE")
    with refused(394209, "not enabled"):
        cursor.execute(call)
    cursor.execute(f"DROP INTEGRATION {integration}")
    with refused(2003, f"Integration '{integration}' does not exist"):
        cursor.execute(call)
    with refused(1044, "Invalid argument types"):
        cursor.execute("CALL SYSTEM$SEND_EMAIL('x', 1)")
    assert mails(sandbox, integration) == []


def test_an_integration_is_shown_changed_and_dropped(cursor: SnowflakeCursor, integration: str) -> None:
    show = f"SHOW NOTIFICATION INTEGRATIONS LIKE '{integration}'"
    assert cursor.execute(show).fetchone()[:5] == (integration, "EMAIL", "NOTIFICATION", "true", "it's")
    described = {row[0]: row[2] for row in cursor.execute(f"DESC INTEGRATION {integration}").fetchall()}
    assert described["ALLOWED_RECIPIENTS"] == "ann@example.com,Bob@example.com"
    with refused(394209, "eve@example.com"):
        cursor.execute(f"ALTER INTEGRATION {integration} SET DEFAULT_RECIPIENTS = ('eve@example.com')")
    with refused(2002):
        cursor.execute(f"CREATE NOTIFICATION INTEGRATION {integration} TYPE = EMAIL ENABLED = TRUE")
    cursor.execute(f"ALTER INTEGRATION {integration} UNSET COMMENT, ALLOWED_RECIPIENTS")
    cursor.execute(f"CALL SYSTEM$SEND_EMAIL('{integration}', 'eve@example.com', 's', 'b')")
    cursor.execute(f"DROP NOTIFICATION INTEGRATION {integration}")
    assert cursor.execute(show).fetchall() == []
    with refused(2003):
        cursor.execute(f"DROP INTEGRATION {integration}")


def test_an_integration_of_another_kind_is_refused(cursor: SnowflakeCursor) -> None:
    with refused(2, "TYPE"):
        cursor.execute("CREATE NOTIFICATION INTEGRATION q TYPE = QUEUE ENABLED = TRUE")


def test_the_mailbox_is_its_owners(sandbox: Sandbox, cursor: SnowflakeCursor, integration: str) -> None:
    cursor.execute(f"CALL SYSTEM$SEND_EMAIL('{integration}', 'ann@example.com', 's', 'b')")
    folder = Path(sandbox.settings.state / "mailbox")
    assert [p.stat().st_mode & 0o077 for p in (folder / "new", folder / "cur")] == [0, 0]
    assert list((folder / "tmp").iterdir()) == []
