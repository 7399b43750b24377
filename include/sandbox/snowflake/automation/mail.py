"""The mailbox: mail that the account sends is put into a Maildir beside its data, and goes nowhere else."""

from __future__ import annotations

import mailbox
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

SENDER = "no-reply@snowflake.net"


@dataclass(frozen=True)
class Mail:
    """A mail to be sent. The subject and the addresses are single lines."""

    to: list[str]
    subject: str
    body: str
    type: str = "text/plain"
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        """Everybody who gets it."""
        return [*self.to, *self.cc, *self.bcc]


def deliver(folder: Path, mail: Mail, integration: str) -> None:
    """Put a mail into the mailbox: when this returns it is on the disk, and nobody ever sees half of it."""
    message = EmailMessage()
    message["From"] = SENDER
    for header, addresses in (("To", mail.to), ("Cc", mail.cc), ("Bcc", mail.bcc)):
        if addresses:
            message[header] = ", ".join(addresses)
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="sandbox.invalid")
    message["X-Snowflake-Integration"] = integration.encode("ascii", "backslashreplace").decode()
    message.set_content(mail.body, subtype=mail.type.removeprefix("text/"))
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    mailbox.Maildir(folder, create=False).add(message)
