"""Sends mails through one SMTP server. Its errors contain no addresses, and so no text of the server either."""

from __future__ import annotations

import asyncio
import contextlib
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

SMTP_S = 20.0
"""How long sending one mail may take; with ``QUIT_S`` shorter than the claim of its task."""
QUIT_S = 1.0
"""How long the server may take to end the session after it has accepted the mail."""
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class MailNotSent(Exception):
    """The server is unreachable, refuses the mail for now, or refuses our login or sender, which can be corrected."""


class MailRefused(Exception):
    """The server has refused this mail or its recipient permanently; another attempt would be refused too."""


class Smtp:
    """A mail server: ``smtp://`` (STARTTLS where it is offered), ``smtp+starttls://`` (required), ``smtps://``."""

    def __init__(self, url: str, password: str = "") -> None:
        """``url`` may contain a user; ``password`` is the user's password, unless the URL contains one."""
        parts = urlsplit(url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or PORTS[parts.scheme]
        self._use_tls = parts.scheme == "smtps"
        self._start_tls = {"smtp": None, "smtp+starttls": True, "smtps": False}[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else password or None

    async def send(self, mail: EmailMessage) -> None:
        """Send one mail over a connection of its own. Raises ``MailNotSent`` or ``MailRefused``.

        If the connection ends after the server has received the mail and before it has confirmed that, this also raises
        ``MailNotSent``. A fault after the confirmation is ignored.
        """
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password if self._user else None,
            use_tls=self._use_tls,
            start_tls=self._start_tls,
            timeout=SMTP_S,
        )
        try:
            await _hand_over(client, mail)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_S)
        finally:
            client.close()


async def _hand_over(client: aiosmtplib.SMTP, mail: EmailMessage) -> None:
    """Connect and send; return when the server has accepted the mail."""
    try:
        async with asyncio.timeout(SMTP_S):
            await client.connect()
            await client.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = {recipient.code for recipient in error.recipients}
        raise _refusal(max(codes, default=0), "the recipient") from None
    except aiosmtplib.SMTPDataError as error:
        raise _refusal(error.code, "the mail") from None
    except aiosmtplib.SMTPResponseException as error:
        raise MailNotSent(f"mail server: {error.code}, {type(error).__name__}") from None
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise MailNotSent(f"mail server: {type(error).__name__}") from None


def _refusal(code: int, what: str) -> Exception:
    text = f"mail server: {code} for {what}"
    return MailRefused(text) if 500 <= code < 600 else MailNotSent(text)
