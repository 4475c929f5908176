"""One session of buying and viewing on an installation, from the declaration of shows to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click

from loadtest.faults import final_state, rogue_keeper, shows
from loadtest.faults.bank import Bank
from loadtest.faults.context import RunContext
from loadtest.faults.history import History, read
from loadtest.faults.judge import checker, edn
from loadtest.faults.judge.after_booking import AfterBooking
from loadtest.faults.judge.end_state import FinalState
from loadtest.faults.judge.payments import Money
from loadtest.faults.judge.verdict import Verdict
from loadtest.faults.outcome import Outcome, Plan
from loadtest.faults.participants import SETTLE_S, Participants
from loadtest.faults.probe import GIVE_UP_S
from loadtest.faults.schedule import Fault, Kind
from loadtest.faults.shop import Shop
from loadtest.faults.shows import HOLD_S, Shows
from loadtest.faults.surroundings import Surroundings
from loadtest.installation import Installation
from realtime import limits
from realtime.errors import TicketError
from realtime.ledger import LedgerUnavailable

THINK_S = (3.0, 9.0)
"""Pauses of buyers, chosen so that two cores are busy but not overloaded."""
MONEY_S = 400.0
"""Time at the end for every payment to become a booking or a refund. The bank is asked about a silent one after 10, 30,
70, 130 and 250 s, or a minute later if a keeper ended while it asked."""
TASKS_S = 120.0
"""When no task was finished for this long, none will be: a worker that was killed keeps a task claimed for a minute."""
SETTLED_AFTER_S = HOLD_S * (1 + limits.MAX_EXTENSIONS) + SETTLE_S

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demo bank and the mailbox of a cluster are, their secrets, and the shop of this run."""

    bank: str
    bank_secret: str
    mailbox: str
    mailbox_key: str
    shop: Shop


@dataclass(slots=True)
class Session:
    """Shows on sale and the clients that use them."""

    plan: Plan
    installation: Installation
    history: History
    context: RunContext
    participants: Participants
    shows: Shows
    say: Say
    surroundings: Surroundings | None
    """None where the bank is not known: then money and what follows a booking are not checked."""

    async def run(
        self,
        inject: Coroutine[Any, Any, None],
        progress: Callable[[], str],
        faults: list[Fault],
        outages: dict[Kind, list[float | None]],
    ) -> Outcome:
        """Run everybody while ``inject`` causes ``faults`` and fills ``outages``; check what they were answered."""
        reporting = asyncio.create_task(self.participants.report(self.say, progress))
        try:
            errors = await self.participants.run(inject, self.plan.minutes)
        finally:
            reporting.cancel()
        state = await self._end()
        self.say("checking what the clients were answered")
        verdict = await asyncio.to_thread(self._judge, state)
        for kind, measured in outages.items():
            for outage in measured:
                text = f"{kind.value}: no attempt succeeded, not even {GIVE_UP_S:g} s after the last fault"
                verdict.check("retrying succeeds in the end", outage is not None, text)
        sold = sum(len(booking.seats) for show in state.shows.values() for booking in show.bookings)
        counts, refusals = dict(self.context.counts), dict(self.context.errors)
        return Outcome(self.plan, faults, verdict, counts, refusals, outages, sold, self.history.file, errors)

    def _judge(self, state: FinalState) -> Verdict:
        began = time.monotonic()
        judging = checker.Checker(state)
        for record in read(self.history.file):
            judging.add(record)
        verdict = judging.verdict()
        self.say(f"checked in {time.monotonic() - began:.1f} s")
        if self.plan.edn is not None:
            with self.plan.edn.open("w") as out:
                edn.write(judging.seat_histories(), out)
        return verdict

    async def _end(self) -> FinalState:
        """Wait until everything is settled, try to book sold seats again, disconnect; return the final state."""
        self.say("the time is over; waiting for everything to settle")
        state = await self._wait_until_settled()
        money = after = None
        if self.surroundings is not None:
            money = await self._wait_for_money(self.surroundings.bank)
            after = await self._wait_for_tasks(self.surroundings)
        await self.participants.wait_for_maps(state)
        self.say("a rogue keeper books sold seats again")
        await rogue_keeper.book_again(self.installation, state)
        rogue, state = state.rogue, await self._wait_until_settled()
        state.rogue, state.money, state.after = rogue, money, after
        await self.participants.close()
        self.history.close()
        return state

    async def _wait_for_money(self, bank: Bank) -> Money:
        """Return the books when every payment has ended in a booking or a refund, or after ``MONEY_S``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MONEY_S
        while True:
            try:
                money = await final_state.read_money(self.installation, bank)
                if money.settled or loop.time() > deadline:
                    return money
            except (LedgerUnavailable, aiohttp.ClientError, TimeoutError) as error:
                if loop.time() > deadline:
                    raise click.ClickException(f"a ledger or the bank did not recover: {error}") from None
            await asyncio.sleep(1.0)

    async def _wait_for_tasks(self, surroundings: Surroundings) -> AfterBooking:
        """Return what followed the bookings when every task is done, or none was for ``TASKS_S``."""
        loop = asyncio.get_running_loop()
        fewest, deadline = math.inf, 0.0
        while True:
            after = await final_state.read_after_booking(self.installation, surroundings)
            unfinished = len(after.unfinished)
            if unfinished < fewest:
                fewest, deadline = unfinished, loop.time() + TASKS_S
            if not unfinished or loop.time() > deadline:
                return after
            self.say(f"waiting for {unfinished} tasks of workers")
            await asyncio.sleep(3.0)

    async def _wait_until_settled(self) -> FinalState:
        """Return the state when every hold has ended and every outbox is empty, or after ``SETTLED_AFTER_S``.

        Raises ``ClickException`` if a region can't be reached even then.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLED_AFTER_S
        while True:
            try:
                state = await final_state.read(self.installation, self.shows.all)
                if state.settled or loop.time() > deadline:
                    return state
            except (TicketError, LedgerUnavailable) as error:
                if loop.time() > deadline:
                    raise click.ClickException(f"a region did not recover: {error}") from None
            await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def started(
    plan: Plan, installation: Installation, folder: Path, say: Say, addresses: Addresses | None = None
) -> AsyncIterator[Session]:
    """Declare the shows of a run; the history is written into ``folder``."""
    history = History(folder / f"history-{plan.seed}.jsonl")
    try:
        timeout = aiohttp.ClientTimeout(total=3)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
            declared = await shows.declare(installation, plan.seats, http)
            context = RunContext(declared.on_sale, HOLD_S, THINK_S, http, installation.operator_key)
            surroundings = None
            if addresses is not None:
                context.bank = Bank(addresses.bank, addresses.bank_secret, http)
                surroundings = Surroundings(
                    context.bank, addresses.mailbox, addresses.mailbox_key, addresses.shop, http
                )
            participants = Participants(plan.seed, plan.buyers, installation, history, context)
            try:
                yield Session(plan, installation, history, context, participants, declared, say, surroundings)
            finally:
                await participants.close()
    finally:
        history.close()
