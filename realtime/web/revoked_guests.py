"""The guests whose identities operators have revoked, read from all regions every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from realtime import connect, keys
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed

READ_S = 3.0


class RevokedGuests:
    """A set of owner ids. Run ``run`` as a task. While a region is unreachable, what was read before stays valid.

    The same holds while a region's master is not reconciled, because it may have lost entries.
    """

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` maps every region to its feed."""
        self._feeds = feeds
        self._by_region: dict[str, frozenset[str]] = dict.fromkeys(feeds, frozenset())

    def __contains__(self, owner: object) -> bool:
        return any(owner in revoked for revoked in self._by_region.values())

    async def run(self, on_revoked: Callable[[str], None]) -> None:
        """Read until cancelled; ``on_revoked`` gets each owner that is new."""
        while True:
            for region, feed in self._feeds.items():
                try:
                    names, is_proof = await feed.command_proved("HKEYS", keys.REVOKED_GUESTS)
                    found = frozenset(connect.names(names))
                    if not is_proof:
                        found |= self._by_region[region]
                except RegionUnavailable:
                    continue
                new, self._by_region[region] = found - self._by_region[region], found
                for owner in new:
                    on_revoked(owner)
            await asyncio.sleep(READ_S)
