"""Layouts over HTTP: as JSON, and in the row-coded form for pages."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.errors import LayoutNotFound, Overloaded, TicketError
from realtime.feeds.directory import Directory
from realtime.plans import coded
from realtime.web.assets import FOR_GOOD, Asset, on_conditions, send
from realtime.web.encodings import GZIP, IDENTITY, choose, compressed
from realtime.web.routing import Route
from realtime.web.shared_body import MOST_GUNZIPPED, Blob, BlobBody, Blobs, GunzippedBody
from realtime.wire.layouts import LayoutBody, decode_layout

log = logging.getLogger(__name__)
QUALITY = 9
"""The compression quality of coded layouts. The best quality takes twenty times as long for a tenth less."""
AHEAD_SEATS = 2_000
"""Layouts with at least this many seats are coded before anybody asks; smaller ones take a few ms."""
AHEAD_BYTES = limits.CODED_LAYOUTS_BYTES // 2
"""The most bytes of layouts that are coded ahead. The rest of the cache is for layouts that somebody asked for."""
AT_ONCE = 2
"""How many layouts are coded at the same time: one ahead, and one for which somebody waits."""
LOOK_S = 3.0
"""How often a node looks for layouts to code."""


class LayoutsApi:
    """The routes of layouts. Each is coded once and cached, up to ``limits.CODED_LAYOUTS_BYTES`` in all.

    Run ``run`` as a task: it codes large layouts before anybody asks.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._blobs = Blobs(directory.layout_blob)
        # While a layout is coded, its seats take a hundred times the memory of the result.
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._coded: OrderedDict[str, asyncio.Task[Asset]] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route("GET", "/api/v1/layouts/{layout}", self._get_layout, "A layout; immutable", result=LayoutBody),
            Route(
                "GET",
                coded.path("{layout}"),
                self._get_coded,
                "The same layout coded by rows; not JSON; immutable",
                answers=("application/octet-stream",),
            ),
        ]

    async def _get_layout(self, request: web.Request) -> web.Response:
        layout_id = request.match_info["layout"]
        headers = {"ETag": f'"{layout_id}"', "Cache-Control": FOR_GOOD, "Vary": "Accept-Encoding"}
        blob = await self._blob(layout_id)
        if choose(request.headers.get("Accept-Encoding"), (GZIP, IDENTITY)) == GZIP:
            body, headers["Content-Encoding"] = BlobBody(blob), GZIP
        elif GunzippedBody.under_way >= MOST_GUNZIPPED:
            raise Overloaded("Many clients that don't read gzip are being answered.")
        else:
            body = GunzippedBody(blob)
        return on_conditions(request, web.Response(body=body, content_type="application/json", headers=headers))

    async def _get_coded(self, request: web.Request) -> web.Response:
        # Several requests may wait for the same coding. If one of them is cancelled, the others still get it.
        return send(request, await asyncio.shield(self.prepare(request.match_info["layout"])), FOR_GOOD)

    def prepare(self, layout_id: str) -> asyncio.Task[Asset]:
        """Code a layout, unless that was done before; return the task, which may raise ``LayoutNotFound``."""
        task = self._coded.get(layout_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._code(layout_id))
            task.add_done_callback(partial(self._done, layout_id))
            self._coded[layout_id] = task
        self._coded.move_to_end(layout_id)
        return task

    async def run(self) -> None:
        """Code the large layouts of the shows that this node knows, in the order of the shows, until cancelled."""
        damaged: set[str] = set()
        while True:
            await asyncio.sleep(LOOK_S)
            for layout_id in self._to_code():
                if layout_id in damaged or self._bytes() > AHEAD_BYTES:
                    continue
                try:
                    await asyncio.shield(self.prepare(layout_id))
                except TicketError:
                    continue  # there is no such layout, or its region is unreachable; it is tried again
                except Exception as error:  # a fault in one layout must not keep the others from being coded
                    log.warning("layouts: %s can't be coded: %r", layout_id, error)
                    damaged.add(layout_id)

    def _to_code(self) -> list[str]:
        """Return the large layouts of shows that are not coded yet, those of the next shows first."""
        shows = [
            show
            for show in self._directory.shows()
            if show.seat_count >= AHEAD_SEATS and show.layout not in self._coded
        ]
        now = datetime.now(UTC)
        begins = {show.layout: datetime.fromisoformat(show.starts_at) for show in shows}
        return sorted(begins, key=lambda layout_id: (begins[layout_id] < now, begins[layout_id]))

    async def _code(self, layout_id: str) -> Asset:
        blob = await self._blob(layout_id)
        async with self._at_once:
            # In a thread: 60,000 seats take half a second.
            return await asyncio.to_thread(_coded_asset, blob)

    def _done(self, layout_id: str, task: asyncio.Task[Asset]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._coded.get(layout_id) is task:
            del self._coded[layout_id]
        while self._bytes() > limits.CODED_LAYOUTS_BYTES and len(self._coded) > 1:
            self._coded.popitem(last=False)

    def _bytes(self) -> int:
        return sum(map(_size, self._coded.values()))

    async def _blob(self, layout_id: str) -> Blob:
        blob = await self._blobs.get(layout_id)
        if blob is None:
            raise LayoutNotFound()
        return blob

    async def close(self) -> None:
        """End what is being coded."""
        await cancel_all(*self._coded.values())


def _coded_asset(blob: Blob) -> Asset:
    content = compressed(coded.encode(decode_layout(blob.data)), QUALITY)
    return Asset.of(content, "application/octet-stream")


def _size(task: asyncio.Task[Asset]) -> int:
    if not task.done() or task.cancelled() or task.exception() is not None:
        return 0
    return sum(map(len, task.result().content.values()))
