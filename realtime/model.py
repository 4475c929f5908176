"""The domain model as plain values (see ``docs/architecture.md``): layout, show, hold, booking.

Pure: no I/O, no clock, no JSON. All packages exchange these values; ``wire`` converts them from and to JSON.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from realtime.limits import (
    MAX_FEE_BASIS_POINTS,
    MAX_FEE_PAISE,
    MAX_HOLD_S,
    MAX_ID_LENGTH,
    MAX_LAYOUT_SEATS,
    MAX_PRICE_RUPEES,
    MAX_SEATS_PER_HOLD,
)

ID = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{MAX_ID_LENGTH - 2}}}[a-z0-9])?\Z")
"""Theatre and show ids: lower-case letters, digits and inner hyphens."""
DATED_OWNER_LENGTH = 20
"""Characters of a guest's id that begins with the day when it was made (``web.identity``): the identity ends by itself.

The ids of customers of shops, and of guests of the first releases, have another length.
"""
REGION = re.compile(r"[a-z][a-z0-9]{0,15}\Z")
"""Region names contain no hyphen, so that the region can be read from the id of a show (``west-...``)."""
_HOLD = re.compile(rf"((?:[a-z][a-z0-9]{{0,15}})-[a-z0-9-]{{1,{MAX_ID_LENGTH}}})\.([hb])([A-Za-z0-9_-]{{22}})\Z")


class SeatStatus(StrEnum):
    """The status of a seat. The order is that of the wire: 0 free, 1 held, 2 sold, 3 blocked."""

    FREE = "free"
    HELD = "held"
    SOLD = "sold"
    BLOCKED = "blocked"

    @property
    def digit(self) -> int:
        """The status as a number, 0 to 3, as on the wire and (as an ASCII digit) on the lock master."""
        return STATUSES.index(self)


STATUSES: tuple[SeatStatus, ...] = tuple(SeatStatus)


class SalesState(StrEnum):
    """Whether seats of a show can be bought: ``open``, ``paused`` (for a while) or ``closed`` (sales are over)."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class HoldState(StrEnum):
    """The states of a hold: held -> confirming -> booked, or released, expired, lost (in a failure), rejected.

    A booking may be cancelled later. A master stores that as ``released`` with a flag (``locks.answers.Record``).
    """

    HELD = "held"
    CONFIRMING = "confirming"
    BOOKED = "booked"
    RELEASED = "released"
    EXPIRED = "expired"
    LOST = "lost"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Seat:
    """One numbered seat of a layout; positions are absolute, in the plan's units."""

    id: str
    section: str
    row: str
    number: str
    category: str
    x: float
    y: float
    accessible: bool = False


@dataclass(frozen=True, slots=True)
class Category:
    """A price category; ``color`` is a CSS hex colour."""

    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoration of the plan (stage, wall, label). ``kind``: circle, ellipse, rectangle, polygon or text.

    ``points`` are absolute x, y pairs: the corners of a polygon; centre and radii of a circle or ellipse; corner and
    size of a rectangle; the centre of a text and, if the plan gives a font size, ``(0, size)``.
    ``rotation`` is in degrees, clockwise, about the first point.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    color: str = ""
    border: str = ""
    text: str = ""
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """How the seats ``first`` to ``first + count - 1`` are named and drawn, if section, row and number don't tell.

    ``label`` is printed in place of "Row <row>", and ``seat_label`` in place of the number, with ``%s`` for it.
    ``names`` says at which ends the map names the row: ``both``, ``start``, ``end`` or ``none``. ``block`` is 1, 2, ...
    in rows of one section and name whose seats would have equal names, else 0. ``radius`` is the seats' size in the
    plan's units: empty, one for all, or one for each.
    """

    first: int
    count: int
    label: str = ""
    seat_label: str = ""
    names: str = "both"
    block: int = 0
    radius: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """An immutable seating plan; ``id`` is the hash of its content. The index of a seat is its place in ``seats``.

    ``rows`` lists, in ascending order, only rows with settings of their own.
    """

    id: str
    name: str
    width: float
    height: float
    categories: tuple[Category, ...]
    seats: tuple[Seat, ...]
    shapes: tuple[Shape, ...] = ()
    rows: tuple[Row, ...] = ()

    def row_of(self, index: int) -> Row | None:
        """Return the entry of ``rows`` that a seat is in, or None."""
        n = bisect_right(self.rows, index, key=lambda row: row.first) - 1
        return self.rows[n] if n >= 0 and index < self.rows[n].first + self.rows[n].count else None

    def printed(self, index: int) -> tuple[str, str, str]:
        """Return section, row and number of a seat as tickets state them; no two seats of a layout have all three.

        A block's number follows the section. A seat without a number, and one whose number its row has twice, shows
        its id.
        """
        seat, row = self.seats[index], self.row_of(index)
        block = f" ({row.block})" if row is not None and row.block else ""
        number = row.seat_label.replace("%s", seat.number) if row is not None and row.seat_label else seat.number
        if not seat.number:
            number = seat.id
        elif any(self._same_name(other, seat) for other in self._rest_of_row(index, row)):
            number = f"{number} ({seat.id})"
        return seat.section + block, (row.label if row is not None else "") or seat.row, number

    def printed_by_id(self, indices: Iterable[int]) -> dict[str, tuple[str, str, str]]:
        """Return what ``printed`` states of some seats, by seat id."""
        return {self.seats[index].id: self.printed(index) for index in indices}

    def _same_name(self, index: int, seat: Seat) -> bool:
        other = self.seats[index]
        return (other.section, other.row, other.number) == (seat.section, seat.row, seat.number)

    def _rest_of_row(self, index: int, row: Row | None) -> Iterator[int]:
        """Yield the other seats of a row, whose seats follow each other in a layout."""
        seat = self.seats[index]
        least, most = (row.first, row.first + row.count) if row is not None else (0, len(self.seats))
        for step, end in ((-1, least - 1), (1, most)):
            for other in range(index + step, end, step):
                if (self.seats[other].section, self.seats[other].row) != (seat.section, seat.row):
                    break
                yield other


@dataclass(frozen=True, slots=True)
class Theatre:
    """A venue; belongs to exactly one region."""

    id: str
    name: str
    city: str
    region: str
    address: str = ""
    """Street and number, for tickets."""


class Admission(StrEnum):
    """What people are admitted to; the tax on a ticket depends on it (``payments.prices``)."""

    CINEMA = "cinema"
    SPORT_LEAGUE = "sport_league"
    """Sporting events such as the Indian Premier League."""
    RECOGNISED_SPORT = "recognised_sport"
    OTHER = "other"
    """Theatre, dance, concerts, award functions, circus, planetarium."""


@dataclass(frozen=True, slots=True)
class Fee:
    """The fee for booking one seat, before tax: a fixed sum in paise, and a share of the price in basis points."""

    paise: int = 0
    basis_points: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a fee out of bounds."""
        if not 0 <= self.paise <= MAX_FEE_PAISE or not 0 <= self.basis_points <= MAX_FEE_BASIS_POINTS:
            raise ValueError(f"a fee of {self.paise} paise and {self.basis_points} basis points")


PLAIN_TEXT = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]*(?![\s\S])"
"""Text on one line: no control characters, no line separators, no marks that change the direction of what follows.
Zero-width joiners are allowed: Indian scripts need them."""
_TIMES = (
    ("starts_at", "1970-01-01T00:00:00+00:00"),
    ("sales_start", ""),
    ("sales_end", ""),
    ("cancel_until", ""),
)
"""The times of a show, and what stands in for one that can't be read.

A start in 1970 is noticed by everybody who sees it. The show then counts as over, so it is not sold, and can be closed.
"""


def canonical_time(text: str) -> str:
    """Return an ISO 8601 time in the one form that every browser reads: ``2027-01-15T18:30:00+05:30``.

    Python reads many more, such as weeks and offsets with seconds. Raises ``ValueError`` for a time without an offset,
    before 1970, or that can't be converted to UTC.
    """
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=0)
        offset, at = moment.utcoffset(), moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error
    if offset is None or at.year < 1970:
        raise ValueError(text)
    return (at if offset.seconds % 60 or offset.microseconds else moment).isoformat()


@dataclass(frozen=True, slots=True)
class Show:
    """A show as its region declares it. ``starts_at`` is ISO 8601 with offset, in the form of ``canonical_time``.

    Prices are whole rupees by category, before fee and tax. ``equal_seats``: a payment that comes too late for its
    seats may book as many others of the same category together. ``sales_start``, ``sales_end`` and
    ``cancel_until`` are ISO 8601 with offset, or "" for the defaults of ``sales_window``. ``revision`` rises whenever
    the ledger records a change; masters ignore an earlier one than they have.
    """

    id: str
    title: str
    theatre: str
    theatre_name: str
    city: str
    region: str
    layout: str
    seat_count: int
    starts_at: str
    prices: dict[str, int] = field(default_factory=dict)
    sales: SalesState = SalesState.OPEN
    hold_s: int = 480
    max_seats: int = 10
    fee: Fee = Fee()
    admission: Admission = Admission.OTHER
    equal_seats: bool = False
    sales_start: str = ""
    sales_end: str = ""
    cancel_until: str = ""
    revision: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        """Bring times into the canonical form: one that an older release accepted must not spoil a list of shows.

        Raises ``ValueError`` for figures out of bounds.
        """
        most = {"seat_count": MAX_LAYOUT_SEATS, "hold_s": MAX_HOLD_S, "max_seats": MAX_SEATS_PER_HOLD}
        figures = {name: (getattr(self, name), bound) for name, bound in most.items()}
        figures |= {f"a price of {name}": (rupees, MAX_PRICE_RUPEES) for name, rupees in self.prices.items()}
        for name, (figure, bound) in figures.items():
            if not 0 <= figure <= bound:
                raise ValueError(f"{name}: {figure}")
        for name, instead in _TIMES:
            text = getattr(self, name)
            if not text and not instead:
                continue
            try:
                object.__setattr__(self, name, canonical_time(text))
            except ValueError:
                object.__setattr__(self, name, instead)


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as the owning master knows it; ``seats`` are indices, ``expires_at`` is ms since the epoch."""

    id: str
    owner: str
    seats: tuple[int, ...]
    state: HoldState
    expires_at: int
    extensions: int = 0
    orders: tuple[str, ...] = ()
    """For which of its seats there are orders, as ``locks.holds.csv``; only while it is held."""

    @property
    def show(self) -> str:
        """The id of the show whose seats are held."""
        return show_of(self.id)


def show_of(hold_or_booking: str) -> str:
    """Return the show id that a hold or booking id contains."""
    return hold_or_booking.partition(".")[0]


def region_of(any_id: str) -> str:
    """Return the region that the id of a show, hold or booking begins with."""
    return any_id.partition("-")[0]


def is_hold_id(text: str) -> bool:
    """Return whether ``text`` has the form of a hold id: ``<region>-<show>.h<22 characters>``."""
    found = _HOLD.match(text)
    return found is not None and found[2] == "h"


def is_booking_id(text: str) -> bool:
    """Return whether ``text`` has the form of a booking id: the hold id with ``b`` instead of ``h``."""
    found = _HOLD.match(text)
    return found is not None and found[2] == "b"


def booking_of(hold: str) -> str:
    """Return the id of the booking that a hold becomes."""
    show, _, rest = hold.partition(".")
    return f"{show}.b{rest[1:]}"


def hold_of(booking: str) -> str:
    """Return the id of the hold that a booking came from."""
    show, _, rest = booking.partition(".")
    return f"{show}.h{rest[1:]}"


def new_epoch(now_ms: int) -> str:
    """Return the name of an epoch that begins now. Names of later epochs sort after those of earlier ones."""
    return f"{now_ms:012x}"
