"""The directory: which theatres and shows there are and whose they are, known by reading replicas near this node.

Every region declares its own on its own master; nothing here is shared between regions, so there is nothing to keep in
step. A theatre that two regions declare, or one that a region declares against the topology file, is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from realtime import connect, keys, limits, wire
from realtime.errors import LayoutNotFound, RegionUnavailable, ShowNotFound, TheatreConflict
from realtime.feeds.feed import Feed, Listener
from realtime.model import Show, Theatre, region_of
from realtime.topology import Topology

log = logging.getLogger(__name__)
EVERYTHING = ""
"""What to read again, where it is not one show."""
READ_AGAIN_S = 60.0
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class SeatIds:
    """The seats of a layout, from index to id and back: all that a node needs of it."""

    ids: tuple[str, ...]
    index: Mapping[str, int]


class Directory(Listener):
    """Listens to all feeds; answers from memory."""

    def __init__(self, topology: Topology, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` by region; call before they are started."""
        self._topology = topology
        self._feeds = feeds
        self._shows: dict[str, Show] = {}
        self._theatres: dict[str, dict[str, Theatre]] = {region: {} for region in feeds}
        self._layouts: OrderedDict[str, asyncio.Task[SeatIds]] = OrderedDict()
        self._wanted: dict[str, set[str]] = {region: set() for region in feeds}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._read_at: dict[str, float] = {}
        self.read_regions: set[str] = set()
        self._complete = asyncio.Event()
        for feed in feeds.values():
            feed.listeners.append(self)

    async def complete(self) -> None:
        """Wait until every region was read once."""
        await self._complete.wait()

    # --- answers --------------------------------------------------------------------------------------------------
    def show(self, show_id: str) -> Show:
        """Return a show; raises ``ShowNotFound``, or ``TheatreConflict`` when its theatre is refused."""
        show = self._shows.get(show_id)
        if show is None:
            # A region that this node has not read yet may well have it.
            region = region_of(show_id)
            if region in self._feeds and region not in self.read_regions:
                raise RegionUnavailable(region=region)
            raise ShowNotFound()
        regions = self._declaring(show.theatre) | {show.region}
        if len(regions) > 1:
            raise TheatreConflict(regions=sorted(regions))
        return show

    def shows(self) -> list[Show]:
        """Return all shows of theatres that are not refused."""
        return [show for show in self._shows.values() if self._declaring(show.theatre) <= {show.region}]

    def theatres(self) -> list[Theatre]:
        """Return all theatres of all regions, refused ones too."""
        return [theatre for known in self._theatres.values() for theatre in known.values()]

    def region_of_theatre(self, theatre_id: str) -> str | None:
        """Return the region that owns a theatre, None if nobody declares it; raises ``TheatreConflict``."""
        declaring = self._declaring(theatre_id)
        if len(declaring) > 1:
            raise TheatreConflict(regions=sorted(declaring))
        return next(iter(declaring), None)

    def in_conflict(self, theatre_id: str) -> bool:
        """Tell whether more than one region declares a theatre."""
        return len(self._declaring(theatre_id)) > 1

    def _declaring(self, theatre_id: str) -> set[str]:
        declaring = {region for region, known in self._theatres.items() if theatre_id in known}
        by_file = self._topology.theatre_region(theatre_id)
        return declaring | {by_file} if by_file is not None else declaring

    # --- layouts --------------------------------------------------------------------------------------------------
    async def seat_ids(self, show: Show) -> SeatIds:
        """Return the seats of a show; read once, kept among the last ``limits.LAYOUT_CACHE``."""
        task = self._layouts.get(show.layout)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(show.layout, show.region))
            task.add_done_callback(partial(self._forget_failed, show.layout))
            self._layouts[show.layout] = task
            if len(self._layouts) > limits.LAYOUT_CACHE:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(show.layout)
        # Many may wait for one load; one that gives up must not take it from the others.
        return await asyncio.shield(task)

    def _forget_failed(self, layout_id: str, task: asyncio.Task[SeatIds]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._layouts.get(layout_id) is task:
            del self._layouts[layout_id]

    async def layout_blob(self, layout_id: str) -> bytes | None:
        """Return a layout as it is served (gzipped JSON) from any region that has it, None if none does."""
        if not layout_id.isalnum():
            return None
        out_of_reach: RegionUnavailable | None = None
        for feed in self._feeds.values():
            try:
                blob: bytes | None = await feed.command("GET", keys.layout(layout_id))
            except RegionUnavailable as error:
                out_of_reach = error
                continue
            if blob is not None:
                return blob
        if out_of_reach is not None:
            raise out_of_reach
        return None

    async def _load(self, layout_id: str, region: str) -> SeatIds:
        blob: bytes | None = await self._feeds[region].command("GET", keys.layout(layout_id))
        if blob is None:
            raise LayoutNotFound()
        # 60,000 seats take a good part of a second: not on the loop.
        return await asyncio.to_thread(_decode, layout_id, blob)

    # --- what feeds say -------------------------------------------------------------------------------------------
    def on_connected(self, feed: Feed) -> None:
        """Read the region's whole directory again."""
        self._read(feed, EVERYTHING)

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """Read everything again now and then: what is said of declarations may be lost like anything else."""
        if time.monotonic() - self._read_at.get(feed.region, 0.0) > READ_AGAIN_S:
            self._read(feed, EVERYTHING)

    def on_directory(self, feed: Feed, what: dict[str, Any]) -> None:
        """Read again what was declared."""
        show = what.get("show")
        self._read(feed, show if isinstance(show, str) else EVERYTHING)

    def _read(self, feed: Feed, what: str) -> None:
        self._wanted[feed.region].add(what)
        task = self._reading.get(feed.region)
        if task is None or task.done():
            self._reading[feed.region] = asyncio.get_running_loop().create_task(self._read_wanted(feed))

    async def _read_wanted(self, feed: Feed) -> None:
        # One read of a region at a time: an answer that a later one has overtaken would bring back what was.
        wanted = self._wanted[feed.region]
        while wanted:
            what = wanted.pop()
            try:
                await (self._read_all(feed) if what == EVERYTHING else self._read_show(feed, what))
            except RegionUnavailable:
                wanted.add(what)
                await asyncio.sleep(RETRY_S)

    async def _read_all(self, feed: Feed) -> None:
        # No show that was declared is ever taken back: a master that lacks it has lost its memory, and will be put
        # right. Until a keeper has done so, what this node does not know may well be there.
        self._read_at[feed.region] = time.monotonic()
        reconciled_only = await feed.command("EXISTS", keys.RECONCILED)
        theatres = [blob for _, blob in connect.pairs(await feed.command("HGETALL", keys.THEATRES))]
        shows = [blob for _, blob in connect.pairs(await feed.command("HGETALL", keys.SHOWS))]
        if reconciled_only:
            # A conflict is over when one of the two no longer declares the theatre.
            self._theatres[feed.region].clear()
        for theatre in (_decoded(wire.decode_theatre, blob) for blob in theatres):
            if theatre is not None:
                self._theatres[feed.region][theatre.id] = theatre
        for show in (self._checked(_decoded(wire.decode_show, blob), feed) for blob in shows):
            if show is not None:
                self._shows[show.id] = show
        if reconciled_only:
            self.read_regions.add(feed.region)
            if len(self.read_regions) == len(self._feeds):
                self._complete.set()

    async def _read_show(self, feed: Feed, show_id: str) -> None:
        blob: bytes | None = await feed.command("HGET", keys.SHOWS, show_id)
        show = self._checked(_decoded(wire.decode_show, blob), feed) if blob is not None else None
        if show is not None:
            self._shows[show.id] = show

    def _checked(self, show: Show | None, feed: Feed) -> Show | None:
        if show is not None and (region_of(show.id) != feed.region or show.region != feed.region):
            log.warning("directory: %s declares %s, which is not its own; ignored", feed.region, show.id)
            return None
        return show

    async def close(self) -> None:
        """End reads that are under way."""
        tasks = [*self._reading.values(), *self._layouts.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _decoded(decode: Any, blob: bytes) -> Any:
    try:
        return decode(blob)
    except msgspec.MsgspecError as error:
        log.warning("directory: unreadable declaration: %s", error)
        return None


def _decode(layout_id: str, blob: bytes) -> SeatIds:
    try:
        layout = wire.decode_layout(blob)
        if layout.id != layout_id:
            raise ValueError(f"it is {layout.id}")
    except (msgspec.MsgspecError, ValueError, OSError, EOFError, zlib.error) as error:
        log.error("directory: layout %s can't be used: %s", layout_id, error)
        raise LayoutNotFound() from None
    ids = tuple(seat.id for seat in layout.seats)
    return SeatIds(ids, {seat: index for index, seat in enumerate(ids)})
