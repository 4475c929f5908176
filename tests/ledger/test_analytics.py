"""Figures by show and Indian hour: each booking, cancellation and refund once, however often its job runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from realtime.errors import BadRequest
from realtime.ledger import Ledger, StaleFencingToken, analytics
from realtime.ledger.analytics import HourFigures, indian_hour
from realtime.ledger.hour_counts import HourCount
from realtime.ledger.rows import AdmissionRow, NewRefund, OrderRow, OrderState, RefundProgress, RefundReason
from realtime.model import hold_of

from .test_contacts import ledger
from .test_store import booking

__all__ = ["ledger"]
AT = int(datetime.fromisoformat("2029-12-31T20:10:00+05:30").timestamp() * 1000)
HOUR = int(datetime.fromisoformat("2029-12-31T20:00:00+05:30").timestamp() * 1000)


def test_hours_are_those_of_indian_clocks() -> None:
    assert indian_hour(AT) == indian_hour(HOUR) == HOUR
    assert indian_hour(HOUR - 1) == HOUR - 3_600_000


async def test_the_figures_of_an_hour_add_up_and_entries_count_once(ledger: Ledger) -> None:
    paid, free = replace(booking("a", [1, 2]), confirmed_at=AT), replace(booking("b", [3]), confirmed_at=AT + 60_000)
    for name, hold in (("o1", hold_of(paid.id)), ("o2", "west-s.hnobody")):
        order = OrderRow(name, hold, "west-s", "a", (1,), 900, OrderState.OPEN, AT - 8_000, AT, 0)
        await ledger.save_orders([order])
    await ledger.record([replace(paid, order="o1"), free])
    lost = NewRefund("west-s.hlate", "west-s", "c", "paid late", 450, RefundReason.LATE, AT)
    refund = await ledger.promise_refund(lost)
    assert refund is not None
    (task, *_more) = await ledger.update_refund(refund.id, RefundProgress.DONE, AT + 4_000_000)
    assert (task.id, task.kind) == (f"analytics.refunded.{refund.id}", "refunded")
    for _ in range(2):
        assert await ledger.enter_booking(paid.id) and await ledger.enter_booking(free.id)
        assert await ledger.enter_refund(refund.id) and await ledger.enter_cancellation(free.id, AT + 5)
    assert not await ledger.enter_booking("west-s.bnobody")
    await ledger.admit(AdmissionRow(paid.id, AT + 9_000, "north door"))
    counts = [HourCount("west-s", HOUR, "holds", 5), HourCount("west-s", HOUR, "conflicts", 2)]
    await ledger.begin_fencing_token("token", number=1)
    for batch in ("one", "one", "two"):
        await ledger.add_hour_counts("token", batch, counts, AT)
    for viewers in (40, 70, 60):
        await ledger.raise_viewers(HOUR, {"west-s": viewers})
    with pytest.raises(StaleFencingToken):
        await ledger.add_hour_counts("older", "three", counts, AT)
    expected = [
        HourFigures("west-s", HOUR, 2, 3, 1350, 1, 0, 0, 2, 1, 8_000, 70, 10, 4, 1),
        HourFigures("west-s", HOUR + 3_600_000, refunds=1, refunded=450),
    ]
    assert await ledger.figures(HOUR, HOUR + 7_200_000) == expected
    assert await ledger.figures(HOUR, HOUR + 1, "west-s") == [replace(expected[0])]
    assert await ledger.figures(HOUR, HOUR + 7_200_000, "west-other") == []


async def test_more_figures_than_an_answer_has_are_refused_and_not_cut_off(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics, "MAX_ROWS", 2)
    for hours in range(3):
        await ledger.raise_viewers(HOUR + hours * analytics.HOUR_MS, {"west-s": 1})
    assert len(await ledger.figures(HOUR, HOUR + 2 * analytics.HOUR_MS)) == 2
    with pytest.raises(BadRequest):
        await ledger.figures(HOUR, HOUR + 3 * analytics.HOUR_MS)
