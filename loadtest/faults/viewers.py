"""Viewers: each watches all shows over one connection at a time, and builds the maps only from what it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from loadtest.faults.client import Answer, Client
from loadtest.faults.context import RunContext
from loadtest.faults.shows import ShowSeats
from loadtest.maps import SeatMap

RETRY_S = 0.3


class Viewer:
    """Watches shows; after a reconnect, or a gap in versions, it asks for the changes with ``since``."""

    def __init__(self, client: Client, shows: Sequence[ShowSeats], context: RunContext) -> None:
        """At most ``limits.MAX_WATCHES_PER_CONNECTION`` shows."""
        self.maps = {show.id: SeatMap(len(show.seats)) for show in shows}
        self._shows = {show.id: show for show in shows}
        self._client = client
        self._context = context
        self._gaps: asyncio.Queue[str] = asyncio.Queue()
        client.on_event = self._on_event
        client.on_watched = self._on_watched

    def _on_watched(self, answer: Answer) -> None:
        if answer["ok"]:
            self._compare_epoch(answer)
            self.maps[answer["show"]].apply_watch(answer)

    def _on_event(self, event: str, payload: dict[str, Any]) -> None:
        if event == "seats:changed":
            self._compare_epoch(payload)
            if not self.maps[payload["show"]].apply_change(payload):
                self._context.counts["gaps"] += 1
                self._gaps.put_nowait(payload["show"])

    def _compare_epoch(self, message: dict[str, Any]) -> None:
        if self.maps[message["show"]].epoch not in ("", message["epoch"]):
            self._context.on_new_epoch(self._shows[message["show"]])

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if await self._client.ensure_connected() and await self._watch_all():
                await self._fill_gaps()
            await asyncio.sleep(RETRY_S)

    async def _fill_gaps(self) -> None:
        """Watch again each show that has a gap; return when the connection is lost."""
        disconnected = asyncio.ensure_future(self._client.disconnected.wait())
        try:
            while not disconnected.done():
                gap = asyncio.ensure_future(self._gaps.get())
                await asyncio.wait((disconnected, gap), return_when=asyncio.FIRST_COMPLETED)
                if gap.done() and not await self._watch(gap.result()):
                    break
                gap.cancel()
        finally:
            disconnected.cancel()

    async def _watch_all(self) -> bool:
        return all(await asyncio.gather(*map(self._watch, self.maps)))

    async def _watch(self, show: str) -> bool:
        """Watch a show, repeating the request until it succeeds; False when the connection was lost."""
        known = self.maps[show]
        while not self._client.disconnected.is_set():
            payload: dict[str, Any] = {"show": show}
            if known.epoch:
                payload["since"] = {"epoch": known.epoch, "version": known.version}
            answer = await self._client.request("show:watch", payload)
            if answer is None:
                return False
            if answer["ok"]:
                return True
            self._context.errors[answer["error"]["code"]] += 1
            await asyncio.sleep(RETRY_S)
        return False
