"""The mails that have arrived, in an SQLite file: one row for a Message-ID, written before the server says 250."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS mails (
    number INTEGER PRIMARY KEY, message_id TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL,
    arrived_at INTEGER NOT NULL, deliveries INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (message_id, recipient)
)
"""
_NEW = """
INSERT INTO mails (message_id, recipient, subject, arrived_at, deliveries, body) VALUES (?, ?, ?, ?, 1, ?)
ON CONFLICT (message_id, recipient) DO UPDATE SET deliveries = deliveries + 1
"""
_LISTED = "number, message_id, recipient, subject, arrived_at, deliveries"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail in the list; ``arrived_at`` is ms since the epoch, ``deliveries`` counts how often it came."""

    number: int
    message_id: str
    recipient: str
    subject: str
    arrived_at: int
    deliveries: int


class MailStore:
    """All mails of one mailbox server."""

    def __init__(self, file: Path) -> None:
        """Open the file, or make it."""
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(_TABLE)

    def add(self, recipient: str, body: bytes, at: int) -> None:
        """Keep a mail to one recipient; one that is known counts as delivered once more."""
        mail = parse(body)
        row = (str(mail["Message-ID"] or f"none-{at}"), recipient, str(mail["Subject"] or ""), at, body)
        self._database.execute(_NEW, row)

    def all(self) -> list[Arrived]:
        """Return all mails, the newest first."""
        rows = self._database.execute(f"SELECT {_LISTED} FROM mails ORDER BY number DESC")
        return [Arrived(*row) for row in rows]

    def body(self, number: int) -> bytes | None:
        """Return a mail as it came, None if there is none with this number."""
        row = self._database.execute("SELECT body FROM mails WHERE number = ?", (number,)).fetchone()
        return row[0] if row is not None else None

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def parse(body: bytes) -> EmailMessage:
    """Return a mail with its parts."""
    mail = message_from_bytes(body, policy=default)
    assert isinstance(mail, EmailMessage), "the policy makes it one"
    return mail
