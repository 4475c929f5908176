"""Embeds in a page the data that it would request first: the configuration and, for a show, the show and its seats.

On a slow network, each request costs a round trip, and a request that depends on another's answer costs two.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import orjson

from realtime import limits
from realtime.errors import RegionUnavailable, ShowNotFound, TicketError
from realtime.feeds.directory import Directory
from realtime.model import Show
from realtime.plans import coded
from realtime.rooms.rooms import Rooms
from realtime.web.answers import Config, PricedShow
from realtime.web.assets import Asset
from realtime.web.encodings import compressed
from realtime.web.layouts_api import LayoutsApi

Payload = dict[str, Any]
QUALITY = 5
"""The compression quality. It is low, because a page changes with its show."""
_FIRST_MODULE = '    <script type="module"'


class PageData:
    """The data of pages. Caches compressed pages for clients that come at the same version of a show."""

    def __init__(
        self,
        directory: Directory,
        rooms: Rooms,
        layouts: LayoutsApi,
        config: Callable[[], Config],
        show_payload: Callable[[Show], PricedShow],
    ) -> None:
        """``config`` and ``show_payload`` return the bodies of ``/api/v1/config`` and ``/api/v1/shows/{show}``."""
        self._directory = directory
        self._rooms = rooms
        self._layouts = layouts
        self._config = config
        self._show_payload = show_payload
        self._pages: OrderedDict[bytes, Asset] = OrderedDict()

    def may_exist(self, show_id: str) -> bool:
        """Return False if, as far as this node can tell, no region has the show."""
        try:
            self._directory.declared_show(show_id)
        except ShowNotFound:
            return False
        except RegionUnavailable:
            pass
        return True

    async def write(self, html: str, show_id: str | None) -> Asset:
        """Return a page with its data. Data that is not available at once is left out, and the page requests it."""
        given: Payload = {"config": self._config()}
        preload = ""
        with contextlib.suppress(TicketError):
            if show_id is not None:
                show = self._directory.show(show_id)
                given["show"] = self._show_payload(show)
                preload = f'    <link rel="preload" as="fetch" crossorigin href="{coded.path(show.layout)}" />\n'
                self._layouts.prepare(show.layout)
                given["seats"] = await self._seats(show)
        # "<" would end the element.
        data = orjson.dumps(given).decode().replace("<", "\\u003c")
        written = f'{preload}    <script type="application/json" id="given">{data}</script>\n'
        # Placed before the page's modules, one of which may run while the rest of the page is still on its way.
        html = html.replace(_FIRST_MODULE, written + _FIRST_MODULE, 1)
        return self._compressed(html.encode())

    async def _seats(self, show: Show) -> Payload | None:
        try:
            async with asyncio.timeout(limits.PAGE_SEATS_S):
                epoch, version, status, seats = await self._rooms.snapshot(show)
        except TimeoutError:
            return None
        return {"show": show.id, "epoch": epoch, "version": version, "status": status, "seats": seats}

    def _compressed(self, page: bytes) -> Asset:
        key = hashlib.sha256(page).digest()
        asset = self._pages.get(key)
        if asset is None:
            asset = self._pages[key] = Asset.of(compressed(page, QUALITY), "text/html")
            if len(self._pages) > limits.PAGE_CACHE:
                self._pages.popitem(last=False)
        self._pages.move_to_end(key)
        return asset
