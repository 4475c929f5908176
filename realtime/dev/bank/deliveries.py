"""What the demo bank does later: payments that change by themselves, and webhooks with retries. One owned task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp

from realtime.clock import now_ms
from realtime.dev.bank.ledger import BankLedger, DueEvent
from realtime.payments.demo import webhook_signer

log = logging.getLogger(__name__)

WEBHOOK_TIMEOUT_S = 5.0
"""A receiver that has not answered by then gets the event again, as at Razorpay."""
AT_ONCE = 32
LONGEST_SLEEP_S = 30.0
T = TypeVar("T")


class Books:
    """The ledger behind one thread of its own: calls run in order, one at a time, and never block the loop."""

    def __init__(self, ledger: BankLedger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bank-ledger")

    async def run(self, work: Callable[[BankLedger], T]) -> T:
        """Run one piece of work on the ledger."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._ledger)

    def close(self) -> None:
        """Wait for the work under way, and close the ledger."""
        self._thread.shutdown()
        self._ledger.close()


class Deliveries:
    """Carries out what is due, and sends webhooks to the first receiver that takes them."""

    def __init__(self, books: Books, secret: str, receivers: Sequence[str]) -> None:
        """Take the addresses that webhooks go to; later ones are tried when earlier ones fail."""
        self._books = books
        self._signer = webhook_signer(secret)
        self._receivers = [*receivers]
        self._news = asyncio.Event()

    def notify(self) -> None:
        """Say that something may be due: a payment or a refund was made."""
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._news.clear()
                await self._books.run(lambda ledger: ledger.carry_out_due(now_ms()))
                if self._receivers:
                    await self._send_due(session)
                await self._sleep()

    async def _send_due(self, session: aiohttp.ClientSession) -> None:
        while due := await self._books.run(lambda ledger: ledger.due_events(now_ms(), AT_ONCE)):
            await asyncio.gather(*(self._send(session, event) for event in due))

    async def _send(self, session: aiohttp.ClientSession, event: DueEvent) -> None:
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event.id, now, event.body.decode()),
        }
        delivered = await _any(lambda url: self._posted(session, url, event.body, headers), self._receivers)
        await self._books.run(lambda ledger: ledger.event_sent(event, delivered, now_ms()))

    async def _posted(self, session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> bool:
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("webhook to %s: %r", url, error)
            return False

    async def _sleep(self) -> None:
        at = await self._books.run(lambda ledger: ledger.next_due())
        wait = LONGEST_SLEEP_S if at is None else min(max((at - now_ms()) / 1000, 0.0), LONGEST_SLEEP_S)
        # Without receivers, events stay due forever: do not spin on them.
        wait = max(wait, 0.02) if self._receivers else max(wait, 0.25)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), wait)


async def _any(attempt: Callable[[str], Awaitable[bool]], receivers: Sequence[str]) -> bool:
    for receiver in receivers:
        if await attempt(receiver):
            return True
    return False
