"""The judge reads every row of the ledgers, however many a run makes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import insert

from loadtest.faults.bank import Bank
from loadtest.faults.final_state import read_money
from loadtest.installation import Installation
from realtime.ledger import Ledger, schema
from realtime.ledger.rows import RefundProgress, RefundReason

REFUNDS = 1_100


async def test_every_refund_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/west.db"
    ledger = Ledger(url)
    await ledger.open()
    common = {"hold_id": "h", "show_id": "s", "owner": "o", "amount": 1, "created_at": 1}
    refund = {"reason": RefundReason.LATE.value, "state": RefundProgress.DONE.value, "attempt": 0, "detail": ""}
    async with ledger.transaction() as connection:
        numbers = [str(number) for number in range(REFUNDS)]
        await connection.execute(insert(schema.payments), [{"id": n, "order_id": "", **common} for n in numbers])
        rows = [{"id": n, "payment_id": n, "updated_at": 1, **common, **refund} for n in numbers]
        await connection.execute(insert(schema.refunds), rows)
    await ledger.close()

    async def audit() -> tuple[list[Any], list[Any]]:
        return [], []

    installation = SimpleNamespace(regions=["west"], ledger=lambda _region: Ledger(url))
    money = await read_money(cast(Installation, installation), cast(Bank, SimpleNamespace(audit=audit)))
    assert sorted(int(row.payment) for row in money.refunds) == list(range(REFUNDS))
    assert all(row.done for row in money.refunds)
