"""The demo bank, as load tests and the judge use it: pay orders with a chosen behaviour, and read all its books."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.faults.judge.payments import BankPayment, BankRefund

LATE_MS = 1_500
"""How long after the end of its order a late payment arrives."""
BEHAVIOURS = {"pay": 90, "decline": 10, "late": 8, "twice": 8, "silent": 8}
"""What the bank does with a payment, with weights."""
WEBHOOKS = {"once": 65, "twice": 20, "late": 15, "never": 20}
"""How it reports a payment, with weights."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that the bank made: ``proof`` is what a buyer sends to confirm; ``state`` is the bank's."""

    payment: str
    proof: str
    state: str


@dataclass(frozen=True, slots=True)
class PaymentChoice:
    """How one payment behaves."""

    behaviour: str
    webhooks: str

    @classmethod
    def choose(cls, rng: random.Random) -> PaymentChoice:
        """Choose by the weights."""
        behaviour = rng.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
        webhooks = rng.choices(list(WEBHOOKS), list(WEBHOOKS.values()))[0]
        return cls(behaviour, webhooks)


class Bank:
    """The bank of one cluster. Raises ``aiohttp.ClientError`` or ``TimeoutError`` when it can't be reached."""

    def __init__(self, url: str, secret: str, http: aiohttp.ClientSession) -> None:
        """``secret`` is the one that the bank was started with."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._http = http

    async def pay(self, order: str, choice: PaymentChoice) -> list[Paid]:
        """Pay an order; none if the bank refused, because the order was paid before."""
        body = {"behaviour": choice.behaviour, "webhooks": choice.webhooks, "late_ms": LATE_MS}
        async with self._http.post(f"{self._url}/orders/{order}/pay", json=body, headers=self._headers) as response:
            if response.status != 200:
                return []
            made = (await response.json())["payments"]
        return [Paid(each["id"], each["proof"], each["state"]) for each in made]

    async def audit(self) -> tuple[Sequence[BankPayment], Sequence[BankRefund]]:
        """Return every payment and every refund that the bank has carried out."""
        async with self._http.get(f"{self._url}/audit", headers=self._headers) as response:
            response.raise_for_status()
            books: dict[str, Any] = await response.json()
        payments = [
            BankPayment(each["id"], each["hold"], each["amount"] if each["state"] in CAPTURED else 0)
            for each in books["payments"]
        ]
        return payments, [BankRefund(each["payment"], each["amount"]) for each in books["refunds"]]


CAPTURED = frozenset({"captured", "refunded"})
"""States of payments whose money the bank has, or had before it returned it."""
