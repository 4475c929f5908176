"""A cache of the ledger's shows and layouts, and the prices of their seats."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from realtime import limits
from realtime.errors import SeatNotFound
from realtime.ledger.store import Ledger
from realtime.model import Layout, Show
from realtime.payments.prices import PriceLines, booking_prices
from realtime.payments.taxes import supply_day
from realtime.wire.layouts import decode_layout
from realtime.wire.shows import Unreadable


class UnknownShow(Exception):
    """The ledger has no such show, or does not have its layout."""


def seat_indices(layout: Layout, seats: Sequence[str]) -> list[int]:
    """Return the indices of seat ids, in order, without duplicates; raise ``SeatNotFound`` (details ``seats``)."""
    index = {seat.id: n for n, seat in enumerate(layout.seats)}
    if unknown := [seat for seat in seats if seat not in index]:
        raise SeatNotFound(seats=unknown)
    return [index[seat] for seat in dict.fromkeys(seats)]


class Shows:
    """Shows and layouts of one ledger. Terms of sale can change; seats and prices of a show can't."""

    def __init__(self, ledger: Ledger) -> None:
        """Start with nothing in memory."""
        self._ledger = ledger
        self._shows: OrderedDict[str, Show] = OrderedDict()
        self._layouts: OrderedDict[str, Layout] = OrderedDict()

    async def show(self, show_id: str) -> Show:
        """Return a show; raises ``UnknownShow``, also for one whose record can't be read."""
        if show_id not in self._shows:
            try:
                show = await self._ledger.show(show_id)
            except Unreadable as error:
                raise UnknownShow(f"{show_id}: {error}") from None
            if show is None:
                raise UnknownShow(show_id)
            self._shows[show_id] = show
            if len(self._shows) > 4 * limits.LAYOUT_CACHE:
                self._shows.popitem(last=False)
        return self._shows[show_id]

    async def prices(self, show: Show, seats: Sequence[int], at: int, amount: int | None) -> PriceLines:
        """Return the price lines of some seats (indices) at a time (ms).

        ``amount`` (paise) is what was paid. If taxes changed at midnight, the order may have been made on the day
        before; the lines of that day are returned if their total is the amount.
        """
        layout = await self.layout(show.layout)
        categories = [layout.seats[seat].category for seat in seats]
        today = supply_day(at)
        lines = booking_prices(show, categories, today)
        if amount not in (None, lines.total):
            yesterday = booking_prices(show, categories, today - timedelta(days=1))
            if yesterday.total == amount:
                return yesterday
        return lines

    async def layout(self, layout_id: str) -> Layout:
        """Return a layout; raises ``UnknownShow``."""
        if layout_id not in self._layouts:
            blob = await self._ledger.layout_blob(layout_id)
            if blob is None:
                raise UnknownShow(f"layout {layout_id}")
            self._layouts[layout_id] = await asyncio.to_thread(decode_layout, blob)
            if len(self._layouts) > limits.LAYOUT_CACHE:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(layout_id)
        return self._layouts[layout_id]
