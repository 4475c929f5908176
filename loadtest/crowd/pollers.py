"""Pollers: those who refresh over HTTP, with the ETag that they were given."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import orjson

from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import Stage


class Poller:
    """Asks for one show's map every ``plan.poll_s`` (0: again at once)."""

    def __init__(self, stage: Stage, number: int, show: ShowPlan, http: aiohttp.ClientSession) -> None:
        """``number`` spreads pollers over nodes."""
        self._stage = stage
        self._show = show
        self._http = http
        self._url = f"{stage.endpoint(number).url}/api/v1/shows/{show.id}/seats"
        self._etag = ""

    async def run(self) -> None:
        """Poll until the run ends or this is cancelled."""
        every = self._stage.plan.poll_s
        await asyncio.sleep(self._stage.rng.uniform(0, every))
        while not self._stage.ending:
            begun = self._stage.loop.time()
            wait_s = await self._poll()
            # Whoever is late asks at once, but does not make up for what it missed.
            await asyncio.sleep(max(wait_s, begun + every - self._stage.loop.time(), 0))

    async def _poll(self) -> float:
        """Ask once; return how long (s) the server wants to be left alone."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        asked = time.monotonic()
        now = self._stage.now
        try:
            async with self._http.get(self._url, headers=headers) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._stage.error(f"http: {type(error).__name__}")
            return 0.5
        if response.status == 304:
            now.counts["polls unchanged"] += 1
        elif response.status == 200:
            self._etag = response.headers.get("ETag", "")
            now.counts["polls changed"] += 1
            now.counts["bytes"] += len(body)
        else:
            return self._refused(response.status, body)
        now.times["poll"].add((time.monotonic() - asked) * 1000)
        return 0.0

    def _refused(self, status: int, body: bytes) -> float:
        try:
            error = orjson.loads(body)["error"]
        except (ValueError, LookupError, TypeError):
            self._stage.error(f"http {status}")
            return 0.5
        self._stage.error(error["code"])
        return float(error.get("retry_after_ms", 500)) / 1000
