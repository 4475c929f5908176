"""Money of shows that are archived is left alone: a check costs the same however old an installation is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import event, update

from realtime.ledger import Ledger, schema
from realtime.ledger.audit import Finding
from realtime.ledger.money_questions import LATE_MS, MoneyFault
from realtime.ledger.rows import NewBooking, NewRefund, RefundReason
from realtime.model import hold_of

from .test_store import booking, ledger, show

__all__ = ["ledger"]
NOW = 2 * LATE_MS


def booked_at(name: str, seat: int, show_id: str, at: int) -> NewBooking:
    return replace(booking(name, [seat], show_id), confirmed_at=at)


async def test_money_of_archived_shows_is_looked_at_only_if_it_came_late_or_is_not_returned(ledger: Ledger) -> None:
    for name in ("west-old", "west-late", "west-owing"):
        await ledger.save_show(show(name))
    selling, old = booked_at("selling", 1, "west-s", 5), booked_at("old", 1, "west-old", 5)
    late = booked_at("late", 1, "west-late", NOW - 5)
    await ledger.record([selling, old, late])
    refund = NewRefund(
        hold="west-owing.hlate",
        show_id="west-owing",
        owner="asha",
        payment="p-owing",
        amount=100,
        reason=RefundReason.LATE,
        at=5,
    )
    await ledger.promise_refund(refund)
    await ledger.archive_shows(["west-old", "west-late", "west-owing"], 6)
    async with ledger.transaction() as connection:
        await connection.execute(update(schema.payments).values(amount=schema.payments.c.amount + 1))
        await connection.execute(update(schema.refunds).values(state="failed"))
    found = await ledger.audit_money(NOW)
    assert {(each.fault, each.hold) for each in found} == {
        (MoneyFault.AMOUNTS_DIFFER, hold_of(selling.id)),
        (MoneyFault.AMOUNTS_DIFFER, hold_of(late.id)),
        (MoneyFault.AMOUNTS_DIFFER, "west-owing.hlate"),
        (MoneyFault.REFUND_FAILED, "west-owing.hlate"),
    }
    assert await ledger.count_money(NOW) == (3, 1)


async def test_no_question_about_money_reads_a_table_of_history_whole(ledger: Ledger) -> None:
    await ledger.record([booking("a", [1])])
    sent: list[tuple[str, Any]] = []
    async with ledger.transaction() as connection:
        postgres = connection.dialect.name == "postgresql"
    event.listen(ledger._engine.sync_engine, "before_cursor_execute", lambda *call: sent.append(call[2:4]))
    assert await ledger.audit_money(NOW) == list[Finding]()
    assert await ledger.count_money(NOW) == (1, 0)
    asked = [call for call in sent if call[0].startswith("SELECT")]
    assert len(asked) > 10
    if postgres:
        return  # it prefers to read small tables whole
    async with ledger.transaction() as connection:
        for statement, parameters in asked:
            plan = str((await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all())
            for table in ("payments", "bookings", "refunds", "booked_seats", "tasks"):
                assert f"SCAN {table}'" not in plan and f"SCAN {table} " not in plan, (statement, plan)
