"""Pollers: people who refresh the seat map over HTTP, with the ETag of their last answer."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import orjson

from loadtest.crowd.context import WorkerContext
from loadtest.crowd.plan import ShowPlan


class Poller:
    """Requests one show's map every ``plan.poll_s`` (0: without a pause)."""

    def __init__(self, context: WorkerContext, number: int, show: ShowPlan, http: aiohttp.ClientSession) -> None:
        """``number`` spreads pollers over nodes."""
        self._context = context
        self._http = http
        self._url = f"{context.endpoint(number).url}/api/v1/shows/{show.id}/seats"
        self._etag = ""

    async def run(self) -> None:
        """Poll until the run ends or this is cancelled."""
        every = self._context.plan.poll_s
        await asyncio.sleep(self._context.rng.uniform(0, every))
        while not self._context.ending:
            begun = self._context.loop.time()
            wait_s = await self._poll()
            # After a late answer the next request follows at once, but skipped ones are not made up for.
            await asyncio.sleep(max(wait_s, begun + every - self._context.loop.time(), 0))

    async def _poll(self) -> float:
        """Send one request; return how long (s) the server wants the client to wait."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        asked = time.monotonic()
        try:
            async with self._http.get(self._url, headers=headers) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._context.count_error(f"http: {type(error).__name__}")
            return 0.5
        now = self._context.bin  # that of the answer: the one at the request may have been reported meanwhile
        if response.status == 304:
            now.counts["polls unchanged"] += 1
        elif response.status == 200:
            self._etag = response.headers.get("ETag", "")
            now.counts["polls changed"] += 1
            now.counts["bytes"] += len(body)
        else:
            return self._count_refusal(response.status, body)
        now.times["poll"].add((time.monotonic() - asked) * 1000)
        return 0.0

    def _count_refusal(self, status: int, body: bytes) -> float:
        try:
            error = orjson.loads(body)["error"]
        except (ValueError, LookupError, TypeError):
            self._context.count_error(f"http {status}")
            return 0.5
        self._context.count_error(error["code"])
        return float(error.get("retry_after_ms", 500)) / 1000
