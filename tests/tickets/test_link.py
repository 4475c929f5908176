"""Links to tickets: what they open, for how long, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from itsdangerous import URLSafeSerializer

from realtime import limits
from realtime.errors import LinkInvalid
from realtime.tickets.link import TicketLinks, is_safe

BOOKING = "west-s.bAbCdEfGhIjKlMnOpQrStUv"
START = datetime(2026, 12, 12, 14, tzinfo=UTC)
BEFORE, LAST = START.timestamp() - 1e6, START.timestamp() + limits.LINK_AFTER_START_S - 1
OLD, NEW = "the old secret of all", "the new secret of all"


def token(links: TicketLinks) -> str:
    origin, _, found = links.link("https://tickets.example", BOOKING, START).partition("#t=")
    assert origin == "https://tickets.example/tickets", "the token is in the fragment"
    return found


def test_a_link_opens_its_booking_until_the_show_is_over() -> None:
    links = TicketLinks([NEW])
    assert links.booking(token(links), BEFORE).id == links.booking(token(links), LAST).id == BOOKING
    with pytest.raises(LinkInvalid):
        links.booking(token(links), LAST + 1)


def test_a_link_says_after_which_revocation_it_was_made() -> None:
    links = TicketLinks([NEW])
    new = links.link("https://tickets.example", BOOKING, START, 17).partition("#t=")[2]
    assert [links.booking(each, BEFORE).revoked_at for each in (token(links), new)] == [0, 17]


def test_links_survive_the_rotation_of_the_secret_and_end_with_the_old_one() -> None:
    old = token(TicketLinks([OLD, ""]))
    assert TicketLinks([NEW, OLD]).booking(old, BEFORE).id == BOOKING
    assert token(TicketLinks([NEW, OLD])) == token(TicketLinks([NEW]))
    with pytest.raises(LinkInvalid):
        TicketLinks([NEW, ""]).booking(old, BEFORE)


def signed(content: object, salt: str = "ticket link") -> str:
    return str(URLSafeSerializer(NEW, salt=salt).dumps(content))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "a.b",
        "é" * 10,
        "a" * 100_000,
        token(TicketLinks([NEW]))[:-1],
        token(TicketLinks([NEW])).replace(".", ".x", 1),
        token(TicketLinks([OLD])),
        signed([BOOKING, 4_000_000_000], salt="identity"),
        signed(BOOKING),
        signed([BOOKING, "4000000000"]),
        signed([BOOKING, 4_000_000_000, 0, 0]),
        signed(["west-s.hAbCdEfGhIjKlMnOpQrStUv", 4_000_000_000]),
    ],
)
def test_what_was_not_signed_as_a_link_opens_nothing(forged: str) -> None:
    with pytest.raises(LinkInvalid):
        TicketLinks([NEW]).booking(forged, BEFORE)


def test_there_are_no_links_to_addresses_that_others_can_listen_to() -> None:
    links = TicketLinks([NEW])
    assert not any(links.link(origin, BOOKING, START) for origin in ("", "http://tickets.example", "javascript:x"))
    assert is_safe(links.link("http://127.0.0.1:8101", BOOKING, START)), "as `tickingtickets up` serves it"
