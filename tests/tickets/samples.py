"""Tickets for the tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from realtime.tickets.data import Locale, Seller, Ticket, TicketSeat
from realtime.tickets.token import TicketClaims, derive_key, sign

SECRET = "an installation secret"
CODE = "WDJBMJHT"
BOOKING = "west-eros-hamlet-20261212.bAbCdEfGhIjKlMnOpQrStUv"


@dataclass(frozen=True)
class Line:
    kind: str
    category: str
    count: int
    unit: int
    rate: int
    tax: int

    @property
    def value(self) -> int:
        return self.count * self.unit


@dataclass(frozen=True)
class Prices:
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        return sum(line.value + line.tax for line in self.lines)


ONE_SEAT = (TicketSeat("Stalls", "C", "12", "Gold"),)
TEN_SEATS = (
    *(TicketSeat("Royal circle", "AA", str(number), "Platinum") for number in range(21, 27)),
    TicketSeat("Stalls, left", "C", "7", "Gold", accessible=True),
    TicketSeat("Stalls, left", "C", "8", "Gold"),
    TicketSeat("Balcony", "M", "114", "Balcony"),
    TicketSeat("Balcony", "M", "115", "Balcony"),
)
ONE_PRICE = Prices((Line("ticket", "Gold", 1, 65_000, 1_800, 11_700), Line("fee", "Gold", 1, 3_250, 1_800, 585)))
TEN_PRICES = Prices(
    (
        Line("ticket", "Balcony", 2, 10_000, 500, 1_000),
        Line("ticket", "Gold", 2, 65_000, 1_800, 23_400),
        Line("ticket", "Platinum", 6, 1_250_050, 1_800, 1_350_054),
        Line("fee", "Balcony", 2, 500, 1_800, 180),
        Line("fee", "Gold", 2, 3_250, 1_800, 1_170),
        Line("fee", "Platinum", 6, 62_503, 1_800, 67_506),
    )
)
SELLER = Seller("Prithvi Theatre Company Pvt. Ltd.", "27AAACP1234F1Z5", "20 Janki Kutir, Juhu, Mumbai 400049")


def ticket(
    *,
    title: str = "Hamlet",
    seats: tuple[TicketSeat, ...] = ONE_SEAT,
    price: Prices | None = ONE_PRICE,
    locale: Locale = Locale.ENGLISH,
    theatre: str = "Prithvi Theatre",
    city: str = "Mumbai",
    address: str = "20 Janki Kutir, Juhu Church Road",
    holder: str = "Asha Kulkarni",
    seller: Seller = SELLER,
) -> Ticket:
    return Ticket(
        booking=BOOKING,
        code=CODE,
        title=title,
        theatre=theatre,
        city=city,
        starts_at=datetime.fromisoformat("2026-12-12T19:30:00+05:30"),
        seats=seats,
        booked_at=datetime.fromisoformat("2026-11-26T09:15:00.123456+05:30"),
        seller=seller,
        locale=locale,
        address=address,
        holder=holder,
        doors_at=datetime.fromisoformat("2026-12-12T18:45:00+05:30"),
        price=price,
    )


def hindi_ticket(seats: tuple[TicketSeat, ...] = ONE_SEAT, price: Prices | None = ONE_PRICE) -> Ticket:
    return ticket(
        title="अंधा युग: धर्मवीर भारती की क्लासिक कृति",
        theatre="पृथ्वी थिएटर",
        city="मुंबई",
        address="20 जानकी कुटीर, जुहू चर्च रोड",
        holder="आशा कुलकर्णी",
        locale=Locale.HINDI,
        seats=seats,
        price=price,
    )


NAMES_HI = {
    "Hamlet": "हैमलेट",
    "Prithvi Theatre": "पृथ्वी थिएटर",
    "Mumbai": "मुंबई",
    "Stalls": "स्टॉल",
    "Gold": "गोल्ड",
}
"""Names of the English ticket, but none of its address."""


def ticket_with_names() -> Ticket:
    """Return the English ticket for a reader of Hindi."""
    return replace(ticket(locale=Locale.HINDI, seller=Seller("Stage Co.")), names=NAMES_HI)


def token_of(ticket: Ticket) -> str:
    claims = TicketClaims("west-eros-hamlet-20261212", ticket.code, len(ticket.seats), ticket.starts_at.date())
    return sign(claims, derive_key(SECRET, "west"))
