"""The link that opens one ticket on another device: in the mail, and on the page of tickets. Pure.

It is ``<origin>/tickets#t=<token>``. Browsers send the fragment to no server, so the token is in no access log and no
``Referer``; the page sends it in ``Authorization`` to ``GET /api/v1/tickets/linked``. The token states the booking and
when it ends, and since when earlier links of the booking are revoked, signed with the installation's secret. It gives
the right to see the ticket, as a copy of the PDF does, and no other: not to cancel, not to see other bookings. Whether
the booking still stands, and whether its links were revoked since, only the region knows.
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


class LinkedBooking(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a token states: the booking, when it ends (s), and ``links_revoked_at`` of the booking when it was made."""

    id: str
    ends_s: int
    revoked_at: int = 0


class TicketLinks:
    """Makes and reads the links of one installation."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Sign with the first secret; accept those of all (two during a rotation)."""
        # The library signs with the last key.
        self._signer = URLSafeSerializer([secret for secret in reversed(secrets) if secret], salt="ticket link")

    def link(self, origin: str, booking: str, starts_at: datetime, revoked_at: int = 0) -> str:
        """Return the link to a booking, the same for the same arguments; "" for an origin that is not safe for it.

        ``revoked_at`` is ``links_revoked_at`` of the booking.
        """
        ends_s = int(starts_at.timestamp()) + limits.LINK_AFTER_START_S
        # Without a revocation as earlier releases sign it: they can't read a third part.
        content = [booking, ends_s, revoked_at] if revoked_at else [booking, ends_s]
        link = f"{origin}/tickets#t={self._signer.dumps(content)}"
        return link if is_safe(link) else ""

    def booking(self, token: str, now_s: float) -> LinkedBooking:
        """Return the booking that a token opens; raise ``LinkInvalid`` if it is forged or has ended.

        It opens nothing if the links of the booking were revoked since: the caller compares ``revoked_at``.
        """
        if not token.isascii() or len(token) > MAX_LENGTH:
            raise LinkInvalid()
        try:
            booking = msgspec.convert(self._signer.loads(token), LinkedBooking)
        except (BadData, msgspec.ValidationError):
            raise LinkInvalid() from None
        if not is_booking_id(booking.id) or now_s >= booking.ends_s:
            raise LinkInvalid()
        return booking


def is_safe(link: str) -> bool:
    """Return whether nobody on the way can read what a page sends: the link is https, or leads to this machine."""
    parts = urlsplit(link)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))
