"""The SMTP side: accepts every mail, for every recipient."""

from __future__ import annotations

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from realtime.clock import now_ms
from realtime.dev.mailbox.store import MailStore

MAX_MAIL_BYTES = 10 * 1024 * 1024


class _Taker:
    """What aiosmtpd calls when a mail has arrived."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep the mail for each recipient; only then it is accepted."""
        content = envelope.content
        for recipient in envelope.rcpt_tos:
            self._store.add(recipient, content.encode() if isinstance(content, str) else content or b"", now_ms())
        return "250 OK"


async def serve_smtp(store: MailStore, host: str, port: int) -> asyncio.Server:
    """Listen for mails; the caller closes the server."""
    taker = _Taker(store)
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(taker, hostname="mailbox.localhost", data_size_limit=MAX_MAIL_BYTES), host, port
    )
