"""The dated table of taxes: which rate a ticket or a fee of a given price bears on a given day. Pure once loaded.

``gst.toml`` in this folder holds India's, with its sources. The semantics: of the rows of a kind, those of the newest
date that is not after the day form the scale of that day; the row with the lowest limit that covers the price applies.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_IST_MS = int(5.5 * 3600 * 1000)
_DAY_MS = 24 * 3600 * 1000


class TaxKind(StrEnum):
    """What is sold, as the tax law sees it. The first four are kinds of admission, a setting of each show."""

    CINEMA = "cinema"
    SPORT_LEAGUE = "sport_league"
    RECOGNISED_SPORT = "recognised_sport"
    OTHER = "other"
    BOOKING_FEE = "booking_fee"


class TaxTableError(ValueError):
    """The tax table can't be used, or has no row for a day; the message says which."""


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: TaxKind
    begins: date = msgspec.field(name="from")
    basis_points: Annotated[int, Meta(ge=0, le=10_000)]
    source: Annotated[str, Meta(min_length=1)]
    up_to: Annotated[int, Meta(gt=0)] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: list[_Row]


@dataclass(frozen=True, slots=True)
class Band:
    """A rate in basis points for prices up to a limit in paise; without a limit for every price above the others."""

    basis_points: int
    up_to: int | None


class TaxTable:
    """Rates by kind and day."""

    def __init__(self, toml: bytes) -> None:
        """Read the table; raise ``TaxTableError`` if it is malformed, or a date lacks its row without a limit."""
        try:
            rows = msgspec.toml.decode(toml, type=_File).rate
        except msgspec.MsgspecError as error:
            raise TaxTableError(f"the tax table: {error}") from None
        scales: dict[tuple[TaxKind, date], list[Band]] = defaultdict(list)
        for row in rows:
            limit = None if row.up_to is None else row.up_to * 100
            scales[row.kind, row.begins].append(Band(row.basis_points, limit))
        self._scales: dict[TaxKind, list[tuple[date, tuple[Band, ...]]]] = {}
        for kind in TaxKind:
            dated = sorted((begins, _scale(bands, kind, begins)) for (k, begins), bands in scales.items() if k == kind)
            if not dated:
                raise TaxTableError(f"the tax table has no row for {kind}")
            self._scales[kind] = dated

    def rate(self, kind: TaxKind, price: int, day: date) -> int:
        """Return the rate in basis points for one ticket (or fee) of ``price`` paise before tax on a day in India.

        Raise ``TaxTableError`` if the table begins later than that day.
        """
        newest = [bands for begins, bands in self._scales[kind] if begins <= day]
        if not newest:
            raise TaxTableError(f"the tax table has no rate for {kind} on {day}")
        return next(band.basis_points for band in newest[-1] if band.up_to is None or price <= band.up_to)


def _scale(bands: list[Band], kind: TaxKind, begins: date) -> tuple[Band, ...]:
    limits = [band.up_to for band in bands]
    if limits.count(None) != 1 or len(set(limits)) != len(limits):
        raise TaxTableError(f"the tax table, {kind} from {begins}: give each limit once, and one row without a limit")
    return tuple(sorted(bands, key=lambda band: (band.up_to is None, band.up_to or 0)))


def supply_day(at_ms: int) -> date:
    """Return the day in India at a time in ms since the epoch: the day of booking decides the rate."""
    # By arithmetic, because every answer about a hold asks: India has had one offset and no summer time since 1945.
    return date.fromordinal(_EPOCH_DAY + (at_ms + _IST_MS) // _DAY_MS)


INDIAN_GST = TaxTable(resources.files("realtime.payments").joinpath("gst.toml").read_bytes())
"""The table that ships with this release."""
