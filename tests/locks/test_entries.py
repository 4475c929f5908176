"""The bounds of the outbox while the ledger is away: what is refused, and that staff get through after buyers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from realtime import keys, limits
from realtime.errors import Overloaded, RegionUnavailable
from realtime.locks.audit import append_audit
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.payments.service import WebhookEvent
from realtime.payments.status import PaymentState, PaymentStatus
from realtime.staff import Principal, Role
from realtime.web.checkout import Checkout


@pytest.fixture
def link(locks: SeatLocks, monkeypatch: pytest.MonkeyPatch) -> LockMaster:
    monkeypatch.setattr(limits, "OUTBOX_LIMIT", 10)
    monkeypatch.setattr(limits, "OUTBOX_STAFF_LIMIT", 15)
    # Nobody answers: no keeper runs.
    monkeypatch.setattr(limits, "COMMAND_TIMEOUT_S", 0.01)
    monkeypatch.setattr(limits, "LEDGER_WAIT_S", 0.01)
    return locks.master


async def buyers_command(master: LockMaster) -> None:
    await run_command(master, "cancel", {}, "request", "asha")


async def staff_command(master: LockMaster) -> None:
    await run_command(master, "sales", {})


async def webhook(master: LockMaster) -> None:
    checkout = SimpleNamespace(_locks={"west": SimpleNamespace(master=master)})
    await Checkout.report(
        cast(Any, checkout),
        "west",
        WebhookEvent("paid", PaymentStatus("paid", PaymentState.CAPTURED, 450, order="order", hold="")),
    )


async def audit(master: LockMaster) -> None:
    await append_audit(master, Principal("asha", Role.OPERATOR), "POST", "/sales")


@pytest.mark.parametrize(("append", "most"), [(buyers_command, 10), (staff_command, 15), (webhook, 15), (audit, 15)])
async def test_an_outbox_that_nobody_empties_is_bounded(link: LockMaster, append: Any, most: int) -> None:
    refused = 0
    for _ in range(17):
        try:
            await append(link)
        except Overloaded as error:
            refused += 1
            assert error.retryable and "Try again" in error.message
        except RegionUnavailable:
            pass
    assert await link.command("XLEN", keys.OUTBOX) == most
    assert refused == 17 - most
