"""Operators: block and unblock seats, pause sales and open them again, through the ops API of the nodes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import aiohttp

from loadtest.faults.context import RunContext
from loadtest.faults.history import History
from loadtest.faults.shows import ShowSeats

PAUSE_S = (3.0, 6.0)
"""Pause between two commands, from and to."""
SALES_PAUSED_S = (0.5, 2.5)
RETRY_S = (0.3, 1.0)
ANSWER_S = 6.0
MAX_BLOCKED = 40
"""More seats of a show are not blocked at a time."""


class Operator:
    """The operator of one region. Each command is repeated, with its idempotency key, until its answer is final."""

    def __init__(
        self,
        name: str,
        nodes: Sequence[str],
        shows: Sequence[ShowSeats],
        history: History,
        context: RunContext,
        rng: random.Random,
    ) -> None:
        """``nodes``: URLs; the first is used until it fails. ``shows`` are those of the region."""
        self._name = name
        self._nodes = list(nodes)
        self._shows = shows
        self._history = history
        self._context = context
        self._rng = rng
        self._turn = 0
        self._requests = 0
        self._blocked: defaultdict[str, set[str]] = defaultdict(set)

    async def run(self) -> None:
        """Give commands until ``context.closing`` is set; then every show is open, and some seats stay blocked."""
        while not self._context.closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._context.closing.wait(), self._rng.uniform(*PAUSE_S))
                return
            await self._act(self._rng.choice(self._shows))

    async def _act(self, show: ShowSeats) -> None:
        choice, blocked = self._rng.random(), self._blocked[show.id]
        if choice < 0.3:
            await self._command("pause", show)
            await asyncio.sleep(self._rng.uniform(*SALES_PAUSED_S))
            await self._command("open", show)
        elif blocked and (choice < 0.55 or len(blocked) > MAX_BLOCKED):
            seats = self._rng.sample(sorted(blocked), self._rng.randint(1, len(blocked)))
            if await self._command("unblock", show, seats):
                blocked.difference_update(seats)
        else:
            # Only free seats can be blocked; held ones are refused.
            status = "held" if self._rng.random() < 0.2 else "free"
            seats = self._context.pick_seats(show, status, range(1, 7), self._rng)
            if await self._command("block", show, seats):
                blocked.update(seats)
                self._context.recently_taken.append((show, seats))

    async def _command(self, name: str, show: ShowSeats, seats: Sequence[str] = ()) -> bool:
        """Return whether a command was carried out; False also without a final answer before ``context.deadline``."""
        key = secrets.token_hex(12)
        loop = asyncio.get_running_loop()
        while loop.time() < self._context.deadline:
            answer = await self._request(name, show, seats, key)
            if answer is not None and (answer["ok"] or not answer["error"]["retryable"]):
                self._context.counts["commands"] += 1
                return bool(answer["ok"])
            self._turn += 1
            await asyncio.sleep(self._rng.uniform(*RETRY_S))
        return False

    async def _request(self, name: str, show: ShowSeats, seats: Sequence[str], key: str) -> dict[str, Any] | None:
        """Send a command once; None if no answer came: it may have been carried out or not."""
        self._requests += 1
        about = {"c": self._name, "n": self._requests, "e": f"ops:{name}"}
        self._history.add("request", **about, p={"show": show.id, "seats": seats, "key": key})
        url = f"{self._nodes[self._turn % len(self._nodes)]}/api/v1/shows/{show.id}/{name}"
        headers = {"Authorization": f"Bearer {self._context.operator_key}", "Idempotency-Key": key}
        body, timeout = {"seats": seats} if seats else {}, aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self._context.http.post(url, json=body, headers=headers, timeout=timeout) as response:
                answer: dict[str, Any] = {"ok": response.status == 200, **await response.json()}
        except (aiohttp.ClientError, OSError, TimeoutError):
            self._history.add("no_answer", **about)
            return None
        self._history.add("answer", **about, a=answer)
        return answer
