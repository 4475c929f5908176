"""Pays for holds: at the demo bank with a chosen behaviour, or in one step where the bank's secret is not known."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import aiohttp

from loadtest.faults.bank import Bank, Paid, PaymentChoice
from loadtest.faults.client import Client
from loadtest.faults.context import RunContext

TRIES = 8
RETRY_S = (0.3, 1.0)
"""Pause between two attempts, from and to."""
LEAVES_ADDRESS = 0.4
"""Share of the buyers who want the ticket by mail."""
CLOSES_TAB = 0.1
"""Share of the buyers who pay and never confirm: the bank's report, or a question to it, must book."""


class Cashier:
    """Pays for the holds of one client, and records every payment in the history."""

    def __init__(self, client: Client, context: RunContext, rng: random.Random) -> None:
        """``context.bank`` is None where the bank can't be reached by load tests."""
        self._client = client
        self._context = context
        self._rng = rng

    async def pay(self, hold: str, seats: list[str]) -> str | None:
        """Pay for these seats; return the proof to confirm with, or None if the buyer has none or leaves."""
        if self._context.bank is None:
            self._client.record_payment_begun(hold, seats)
            return await self._pay_in_one_step(hold)
        choice = PaymentChoice.choose(self._rng)
        paid = await self._pay_at(self._context.bank, hold, seats, choice)
        if not paid and choice.behaviour == "decline":
            paid = await self._pay_at(self._context.bank, hold, seats, PaymentChoice("pay", choice.webhooks))
        closes_tab = self._rng.random() < CLOSES_TAB
        if not paid or choice.behaviour == "silent" or closes_tab:
            return None
        return self._rng.choice(paid).proof

    async def _pay_at(self, bank: Bank, hold: str, seats: list[str], choice: PaymentChoice) -> list[Paid]:
        """Return the payments that may become money."""
        order: dict[str, Any] = {"hold": hold, "seats": seats}
        if self._rng.random() < LEAVES_ADDRESS:
            order["contact"] = {"email": f"{hold}@example.in"}
        for _ in range(TRIES):
            answer = await self._client.request("seats:order", order)
            if answer is not None and answer["ok"]:
                # Without an answer the bank may have the money all the same.
                self._client.record_payment_begun(hold, seats)
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    made = await bank.pay(answer["order"]["id"], choice)
                    return [paid for paid in made if self._client.record_payment(hold, seats, paid)]
            elif answer is not None and not answer["error"]["retryable"]:
                return []
            await asyncio.sleep(self._rng.uniform(*RETRY_S))
        return []

    async def _pay_in_one_step(self, hold: str) -> str | None:
        for _ in range(TRIES):
            url = f"{self._client.node}/demo/pay"
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._context.http.post(url, json={"hold": hold}) as response:
                    if response.status == 200:
                        return str((await response.json())["payment"])
                    if response.status < 500:
                        return None
            await asyncio.sleep(self._rng.uniform(*RETRY_S))
            # The client may be on another node by now.
            await self._client.ensure_connected()
        return None
