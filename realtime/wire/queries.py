"""What clients ask for in the query of an address, validated here and nowhere else (``web.routing.read_query``).

Nodes pass on to keepers what they are asked for; keepers read it in the same form (``keeper.queries``). What only one
route knows is declared beside that route.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from realtime import limits
from realtime.contact import MAX_ADDRESS_LENGTH, MAX_PHONE_LENGTH
from realtime.model import PLAIN_TEXT

Ms = Annotated[int, Meta(ge=0, le=2**53, description="ms since the epoch")]
Short = Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
Long = Annotated[str, Meta(max_length=2 * limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
State = Annotated[str, Meta(max_length=16, pattern=PLAIN_TEXT)]
Limit = Annotated[int, Meta(ge=1, le=limits.MAX_LISTED, description="the number of rows at most")]


class Listing(Struct, frozen=True, forbid_unknown_fields=True):
    """``GET /ops/payments`` and ``/ops/refunds``: which rows a listing has; see ``ledger.money.Filter``."""

    state: State = ""
    show: Short = ""
    hold: Long = ""
    since: Ms = 0
    until: Ms = 0
    limit: Limit = 100


class FindBookings(Struct, frozen=True, forbid_unknown_fields=True):
    """``GET /ops/bookings``: which bookings are wanted; ``seat`` needs ``show``. Contacts stay out of addresses."""

    code: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)] = ""
    booking: Long = ""
    payment: Annotated[str, Meta(max_length=limits.MAX_PAYMENT_LENGTH, pattern=PLAIN_TEXT)] = ""
    owner: Short = ""
    show: Short = ""
    seat: Short = ""
    since: Ms = 0
    until: Ms = 0


class Wanted(FindBookings, frozen=True, forbid_unknown_fields=True):
    """The same for keepers, who find bookings by contact, too; see ``ledger.search.Find``."""

    code: Annotated[str, Meta(max_length=8, pattern=PLAIN_TEXT)] = ""
    email: Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH, pattern=PLAIN_TEXT)] = ""
    phone: Annotated[str, Meta(max_length=MAX_PHONE_LENGTH, pattern=PLAIN_TEXT)] = ""


class JobsListed(Struct, frozen=True):
    """``GET /ops/jobs``."""

    limit: Limit = 100


class DeliveriesListed(Struct, frozen=True):
    """``GET /ops/webhooks``: of a booking, in a state (open, done, failed), or all."""

    booking: Long = ""
    state: State = ""
    limit: Limit = 100


class AuditListed(Struct, frozen=True):
    """``GET /ops/audit``: entries from before a time; without one the newest."""

    before: Ms | UnsetType = UNSET
    limit: Limit = 100
