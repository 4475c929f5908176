"""Counts the free seats of each show for lists: at most some seconds old, and cheap however many clients ask.

Reads the replicas near this node at most once in ``REFRESH_S``, and only shows that have changed since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed
from realtime.model import Show

REFRESH_S = 5.0
_AT_ONCE = 32
"""How many shows are read at once."""


@dataclass(slots=True)
class _Counts:
    """The free seats of one region's shows, as of ``read_at`` (monotonic seconds)."""

    read_at: float = -REFRESH_S
    versions: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    free: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Availability:
    """Counts the free seats of shows. A region that can't be reached keeps its last counts."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        self._feeds = feeds
        self._regions = {name: _Counts() for name in feeds}

    async def free(self, shows: Iterable[Show]) -> dict[str, int]:
        """Return the number of free seats by show; shows that are not known yet are missing."""
        by_region: dict[str, list[str]] = {}
        for show in shows:
            by_region.setdefault(show.region, []).append(show.id)
        await asyncio.gather(*(self._refresh(region, ids) for region, ids in by_region.items()))
        return {
            show: self._regions[region].free[show]
            for region, ids in by_region.items()
            for show in ids
            if show in self._regions[region].free
        }

    async def _refresh(self, region: str, shows: list[str]) -> None:
        counts = self._regions[region]
        async with counts.lock:
            fresh = time.monotonic() - counts.read_at < REFRESH_S
            wanted = [show for show in shows if not fresh or show not in counts.versions]
            if not wanted:
                return
            if not fresh:
                counts.read_at = time.monotonic()
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                done = await asyncio.gather(*(self._read(region, show) for show in part), return_exceptions=True)
                for error in done:
                    if isinstance(error, RegionUnavailable) and isinstance(error.__cause__, ResponseError):
                        continue  # the server answers, so this show's keys are damaged; keepers rebuild them
                    if isinstance(error, RegionUnavailable):
                        return
                    if isinstance(error, BaseException):
                        raise error

    async def _read(self, region: str, show: str) -> None:
        counts, feed = self._regions[region], self._feeds[region]
        epoch, version = await feed.command("HMGET", keys.meta(show), "epoch", "version")
        if epoch is None or counts.versions.get(show) == (epoch, version):
            return
        seats: bytes | None = await feed.command("GET", keys.seats(show))
        if seats is not None:
            counts.free[show] = seats.count(b"0")
            counts.versions[show] = (epoch, version)
