"""The link that opens one ticket on another device: in the mail, and on the page of tickets. Pure.

It is ``<origin>/tickets#t=<token>``. Browsers send the fragment to no server, so the token is in no access log and no
``Referer``; the page sends it in ``Authorization`` to ``GET /api/v1/tickets/linked``. The token states the booking and
when it ends, signed with the installation's secret. It gives the right to see the ticket, as a copy of the PDF does,
and no other: not to cancel, not to see other bookings. Whether the booking still stands, only the region knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from realtime import limits
from realtime.errors import LinkInvalid
from realtime.model import is_booking_id

MAX_LENGTH = 512


class TicketLinks:
    """Makes and reads the links of one installation."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Sign with the first secret; accept those of all (two during a rotation)."""
        # The library signs with the last key.
        self._signer = URLSafeSerializer([secret for secret in reversed(secrets) if secret], salt="ticket link")

    def link(self, origin: str, booking: str, starts_at: datetime) -> str:
        """Return the link to a booking, the same for the same arguments; "" for an origin that is not safe for it."""
        ends_s = int(starts_at.timestamp()) + limits.LINK_AFTER_START_S
        link = f"{origin}/tickets#t={self._signer.dumps([booking, ends_s])}"
        return link if is_safe(link) else ""

    def booking(self, token: str, now_s: float) -> str:
        """Return the booking that a token opens; raise ``LinkInvalid`` if it is forged or has ended."""
        if not token.isascii() or len(token) > MAX_LENGTH:
            raise LinkInvalid()
        try:
            booking, ends_s = msgspec.convert(self._signer.loads(token), tuple[str, int])
        except (BadData, msgspec.ValidationError):
            raise LinkInvalid() from None
        if not is_booking_id(booking) or now_s >= ends_s:
            raise LinkInvalid()
        return booking


def is_safe(link: str) -> bool:
    """Return whether nobody between can read what a page sends: the link is https, or leads to this machine."""
    parts = urlsplit(link)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))
