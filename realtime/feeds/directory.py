"""The directory: which theatres, shows and layouts exist and which region owns them, read from replicas near this node.

Every region declares its own on its own master. Nothing is shared between regions, so nothing has to be synchronised.
A theatre that two regions declare, or one that the topology file gives to another region, is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from realtime import connect, keys, limits
from realtime.cancellation import cancel_all
from realtime.errors import RegionUnavailable, ShowNotFound, TheatreConflict
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.logs import escaped
from realtime.model import Show, Theatre, region_of
from realtime.topology import Topology
from realtime.wire.layouts import decode_layout
from realtime.wire.shows import decode_own_show, decode_theatre, read_records

log = logging.getLogger(__name__)
EVERYTHING = ""
"""Stands in place of a show's id if the whole directory of a region has to be read."""
READ_AGAIN_S = 60.0
"""How often a region's directory is read without an announcement, because an announcement may have been lost."""
RETRY_S = 0.5
DAMAGED_RETRY_S = 4.0
"""The longest pause before records that can't be read are read again; it begins with ``RETRY_S`` and doubles."""


@dataclass(frozen=True, slots=True)
class SeatIds:
    """The seats of a layout: from index to id and back, and the category of each."""

    ids: tuple[str, ...]
    index: Mapping[str, int]
    categories: tuple[str, ...]
    category: bytes
    """For each seat the index of its category."""

    def categories_of(self, seats: Iterable[int]) -> list[str]:
        """Return the category of each of some seats (indices)."""
        return [self.categories[self.category[seat]] for seat in seats]


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record on a region's master that can't be read; ``kind`` is ``show`` or ``theatre``."""

    kind: str
    id: str
    reason: str


class Directory(Listener):
    """Kept up to date by the feeds; answers about theatres and shows come from memory."""

    def __init__(self, topology: Topology, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` by region; call before they are started."""
        self._topology = topology
        self._feeds = feeds
        self._shows: dict[str, Show] = {}
        self._theatres: dict[str, dict[str, Theatre]] = {region: {} for region in feeds}
        self._unreadable: dict[str, list[UnreadableRecord]] = {region: [] for region in feeds}
        self._layouts: OrderedDict[str, asyncio.Task[SeatIds]] = OrderedDict()
        self._wanted: dict[str, set[str]] = {region: set() for region in feeds}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._read_at: dict[str, float] = {}
        self.read_regions: set[str] = set()
        self._complete = asyncio.Event()
        for feed in feeds.values():
            feed.listeners.append(self)

    async def complete(self) -> None:
        """Wait until every region has been read once."""
        await self._complete.wait()

    # --- answers --------------------------------------------------------------------------------------------------
    def declared_show(self, show_id: str) -> Show:
        """Return a show, also one whose theatre is in conflict; raises ``ShowNotFound``, ``RegionUnavailable``."""
        show = self._shows.get(show_id)
        if show is None:
            # Its region may have it: it was not read yet, or the show's record can't be read.
            region = region_of(show_id)
            bad = any((each.kind, each.id) == ("show", show_id) for each in self._unreadable.get(region, ()))
            if region in self._feeds and (bad or region not in self.read_regions):
                raise RegionUnavailable(region=region)
            raise ShowNotFound()
        return show

    def show(self, show_id: str) -> Show:
        """Return a show; raises ``ShowNotFound``, or ``TheatreConflict`` when its theatre is refused."""
        show = self.declared_show(show_id)
        regions = self._declaring(show.theatre) | {show.region}
        if len(regions) > 1:
            raise TheatreConflict(regions=sorted(regions))
        return show

    def shows(self) -> list[Show]:
        """Return all shows of theatres that are not refused."""
        return [show for show in self._shows.values() if self._declaring(show.theatre) <= {show.region}]

    def unreadable(self, region: str) -> list[UnreadableRecord]:
        """Return the records of a region that can't be read; they don't hide the others."""
        return self._unreadable[region]

    def theatres(self) -> list[Theatre]:
        """Return all theatres of all regions, refused ones too."""
        return [theatre for known in self._theatres.values() for theatre in known.values()]

    def region_of_theatre(self, theatre_id: str) -> str | None:
        """Return the region that owns a theatre, None if nobody declares it; raises ``TheatreConflict``."""
        declaring = self._declaring(theatre_id)
        if len(declaring) > 1:
            raise TheatreConflict(regions=sorted(declaring))
        return next(iter(declaring), None)

    def _declaring(self, theatre_id: str) -> set[str]:
        declaring = {region for region, known in self._theatres.items() if theatre_id in known}
        by_file = self._topology.theatre_region(theatre_id)
        return declaring | {by_file} if by_file is not None else declaring

    # --- layouts --------------------------------------------------------------------------------------------------
    async def seat_ids(self, show: Show) -> SeatIds:
        """Return the seats of a show; the last ``limits.LAYOUT_CACHE`` layouts are kept.

        Raises ``RegionUnavailable``, also for a layout that is missing or damaged: every declared show has one, so its
        region has lost data and gets it back. Nothing about a hold or a payment may be concluded from that.
        """
        task = self._layouts.get(show.layout)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(show.layout, show.region))
            task.add_done_callback(partial(self._forget_failed, show.layout))
            self._layouts[show.layout] = task
            if len(self._layouts) > limits.LAYOUT_CACHE:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(show.layout)
        # Several callers may wait for one load: when one of them is cancelled, the others still get it.
        return await asyncio.shield(task)

    def _forget_failed(self, layout_id: str, task: asyncio.Task[SeatIds]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._layouts.get(layout_id) is task:
            del self._layouts[layout_id]

    async def layout_blob(self, layout_id: str) -> bytes | None:
        """Return a layout (gzipped JSON) from any region that has it; None if all were asked and none has it.

        Raises ``RegionUnavailable`` if it was not found and a region could not be asked.
        """
        if not layout_id.isalnum():
            return None
        unreachable: RegionUnavailable | None = None
        for feed in self._feeds.values():
            try:
                blob: bytes | None = await feed.command("GET", keys.layout(layout_id))
            except RegionUnavailable as error:
                unreachable = error
                continue
            if blob is not None:
                return blob
        if unreachable is not None:
            raise unreachable
        return None

    async def _load(self, layout_id: str, region: str) -> SeatIds:
        blob: bytes | None = await self._feeds[region].command("GET", keys.layout(layout_id))
        # In a thread: 60,000 seats take a large part of a second.
        seats = await asyncio.to_thread(_decode, layout_id, blob) if blob is not None else None
        if seats is None:
            raise RegionUnavailable(region=region)
        return seats

    # --- from the feeds -------------------------------------------------------------------------------------------
    def on_connected(self, feed: Feed) -> None:
        """Read the region's whole directory again."""
        self._read(feed, EVERYTHING)

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """Read the whole directory again every ``READ_AGAIN_S``."""
        if time.monotonic() - self._read_at.get(feed.region, 0.0) > READ_AGAIN_S:
            self._read(feed, EVERYTHING)

    def on_directory(self, feed: Feed, declaration: dict[str, Any]) -> None:
        """Read what was declared: one show, or (theatres, layouts) the whole directory."""
        show = declaration.get("show")
        self._read(feed, show if isinstance(show, str) else EVERYTHING)

    def _read(self, feed: Feed, what: str) -> None:
        self._wanted[feed.region].add(what)
        task = self._reading.get(feed.region)
        if task is None or task.done():
            self._reading[feed.region] = asyncio.get_running_loop().create_task(self._read_wanted(feed))

    async def _read_wanted(self, feed: Feed) -> None:
        # One read of a region at a time: of two at once, the older answer could arrive last and overwrite the newer.
        wanted = self._wanted[feed.region]
        pause_s, reason = RETRY_S, ""
        while wanted:
            what = wanted.pop()
            try:
                await (self._read_all(feed) if what == EVERYTHING else self._read_show(feed, what))
            except RegionUnavailable as error:
                wanted.add(what)
                if isinstance(error.__cause__, ResponseError):
                    # A key of another type; a keeper deletes it, and the directory is written anew.
                    if reason != (reason := str(error.__cause__)):
                        log.error("directory: the records of %s can't be read: %s", feed.region, escaped(reason))
                    pause_s = min(2 * pause_s, DAMAGED_RETRY_S)
                else:
                    pause_s = RETRY_S
                await asyncio.sleep(pause_s)

    async def _read_all(self, feed: Feed) -> None:
        # A master that is not reconciled may have lost its data. What it lacks proves nothing: neither shows nor
        # theatres are removed. A reconciled one has all shows but the archived ones. One that has never been reconciled
        # is not counted as read either; but one with older data is, so that its region's troubles keep no node that
        # starts from serving the others.
        self._read_at[feed.region] = time.monotonic()
        marked, before = await feed.command("EXISTS", keys.RECONCILED), await feed.reconciled()
        in_theatres = connect.pairs(await feed.command("HGETALL", keys.THEATRES))
        in_shows = connect.pairs(await feed.command("HGETALL", keys.SHOWS))
        reconciled = before is not None and before == await feed.reconciled()
        theatres, bad_theatres = read_records(decode_theatre, in_theatres)
        shows, bad_shows = read_records(decode_own_show(feed.region), in_shows)
        self._note_unreadable(feed.region, [*_unreadable("theatre", bad_theatres), *_unreadable("show", bad_shows)])
        if reconciled:
            # A conflict ends when one of two regions no longer declares the theatre.
            self._theatres[feed.region].clear()
        self._theatres[feed.region].update(theatres)
        if reconciled and in_theatres:  # a master without theatres was wiped a moment ago
            for gone in [show for show in self._shows if region_of(show) == feed.region and show not in shows]:
                del self._shows[gone]
        self._shows.update(shows)
        if marked:
            self.read_regions.add(feed.region)
            if len(self.read_regions) == len(self._feeds):
                self._complete.set()

    async def _read_show(self, feed: Feed, show_id: str) -> None:
        blob: bytes | None = await feed.command("HGET", keys.SHOWS, show_id)
        if blob is None:
            return
        shows, reasons = read_records(decode_own_show(feed.region), [(show_id.encode(), blob)])
        if show_id in reasons and region_of(show_id) == feed.region:
            self._shows.pop(show_id, None)
        self._shows.update(shows)
        others = [each for each in self._unreadable[feed.region] if (each.kind, each.id) != ("show", show_id)]
        self._note_unreadable(feed.region, [*others, *_unreadable("show", reasons)])

    def _note_unreadable(self, region: str, records: list[UnreadableRecord]) -> None:
        for record in records:
            if record not in self._unreadable[region]:
                log.warning(
                    "directory: the record of %s %s in %s can't be read: %s",
                    record.kind,
                    record.id,
                    region,
                    record.reason,
                )
        self._unreadable[region] = records

    async def close(self) -> None:
        """Cancel reads that are under way."""
        await cancel_all(*self._reading.values(), *self._layouts.values())


def _unreadable(kind: str, reasons: Mapping[str, str]) -> list[UnreadableRecord]:
    return [
        UnreadableRecord(kind, record_id, escaped(reason)[: limits.MAX_TEXT_LENGTH])
        for record_id, reason in reasons.items()
    ]


def _decode(layout_id: str, blob: bytes) -> SeatIds | None:
    try:
        layout = decode_layout(blob)
        if layout.id != layout_id:
            raise ValueError(f"its id is {layout.id}")
    except (msgspec.MsgspecError, ValueError, OSError, EOFError, zlib.error) as error:
        log.error("directory: layout %s can't be used: %s", layout_id, error)
        return None
    ids = tuple(seat.id for seat in layout.seats)
    names = tuple(category.name for category in layout.categories)
    places = {name: place for place, name in enumerate(names)}
    category = bytes(places[seat.category] for seat in layout.seats)
    return SeatIds(ids, {seat: index for index, seat in enumerate(ids)}, names, category)
