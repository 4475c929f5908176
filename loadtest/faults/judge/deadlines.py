"""Checks that nobody loses a hold early or keeps one late, and that a pending booking is lost only by a fault."""

from __future__ import annotations

import math

from loadtest.faults.judge.holds import TOLERANCE_MS, HoldHistory
from loadtest.faults.judge.losses import Losses
from loadtest.faults.judge.verdict import Verdict
from realtime.errors import PaymentRefused

EARLY = "no hold ends before its time"
LOST = "no hold is lost without a fault"
LATE = "no hold is kept after its time"
PENDING = "no pending booking is lost without a fault before"
SETTLED = frozenset({"booked", "rejected", "booking_rejected"})
LOST_CODES = frozenset({"lost", "hold_lost"})


def check_hold(hold: HoldHistory, losses: Losses, verdict: Verdict) -> None:
    """Check what was answered about one hold. Only a master that lost data excuses an early end."""
    for at, reason, what in _ends(hold):
        excused = losses.overlap(hold.region, hold.requested_at, at)
        if reason in LOST_CODES:
            text = f"{hold.id}: {what} at {at:.0f}, and no master had lost data since it was made"
            verdict.check(LOST, excused, text)
        elif reason in ("expired", "hold_expired") and hold.earliest_end != math.inf:
            early_ms = _deadline_at(hold, at) - at
            text = f"{hold.id}: {what} {early_ms:.0f} ms before its deadline"
            verdict.check(EARLY, early_ms <= TOLERANCE_MS or excused, text)
    for attempt in hold.attempts:
        # A release that is repeated after its success is answered as the first; an extension can't be.
        if attempt.event == "seats:extend" and attempt.ok:
            late_ms = attempt.start - _deadline_before(hold, attempt.start)
            excused = any(start <= attempt.start <= end for start, end in losses.clock_steps(hold.region))
            text = f"{hold.id}: extended {late_ms:.0f} ms after its deadline"
            verdict.check(LATE, late_ms <= TOLERANCE_MS or excused, text)
    _check_pending(hold, losses, verdict)


def _ends(hold: HoldHistory) -> list[tuple[float, str, str]]:
    """Return when and how clients heard that the hold had ended: time (ms), code or reason, and text."""
    ends = [(attempt.end, attempt.code, f"{attempt.event} answered {attempt.code}") for attempt in hold.attempts]
    ends += [(notice.at, notice.became, f"the event said {notice.became}") for notice in hold.notices]
    return [end for end in ends if end[1]]


def _deadline_at(hold: HoldHistory, at: float) -> float:
    """Return the earliest deadline that the client knew of at ``at``: an extension counts from its answer on."""
    granted = [each for each in hold.attempts if each.ok and each.event in ("seats:hold", "seats:extend")]
    known = HoldHistory(hold.id, hold.show, hold.seats, hold.requested_at)
    for attempt in granted:
        if attempt.end <= at:
            known.grant(attempt)
    return known.earliest_end if known.earliest_end != math.inf else -math.inf


def _deadline_before(hold: HoldHistory, at: float) -> float:
    """Return the latest deadline that the hold can have had at ``at``, without extensions that began then or later."""
    known = HoldHistory(hold.id, hold.show, hold.seats, hold.requested_at)
    for attempt in hold.attempts:
        if attempt.start >= at:
            continue
        if attempt.event == "seats:extend" and (attempt.unknown or attempt.end >= at):
            return math.inf
        if attempt.ok and attempt.event in ("seats:hold", "seats:extend"):
            known.grant(attempt)
    return known.latest_end


def _check_pending(hold: HoldHistory, losses: Losses, verdict: Verdict) -> None:
    pending = [each for each in hold.attempts if each.ok and each.event == "seats:confirm" and _is_pending(each.answer)]
    if not pending:
        return
    # Until the answer, the hold may have expired before the payment took its seats again.
    since = min(each.end for each in pending)
    # A node that reads notices again after its replica was replaced repeats them.
    known = {notice.became for notice in hold.notices if notice.at < since}
    # A second payment of a hold that is booked is returned.
    settled = SETTLED if hold.booked_at == math.inf else SETTLED | {PaymentRefused.code}
    failures = [attempt.end for attempt in hold.attempts if attempt.code and attempt.code not in settled]
    failures += [notice.at for notice in hold.notices if notice.became not in SETTLED | known]
    failures = [at for at in failures if at >= since]
    failed_at = min(failures, default=math.inf)
    lost = failed_at != math.inf
    excused = lost and losses.overlap(hold.region, hold.requested_at, failed_at)
    text = f"{hold.id}: pending at {since:.0f}, failed at {failed_at:.0f}, and no master had lost data between"
    verdict.check(PENDING, not lost or excused, text)


def _is_pending(answer: dict[str, object] | None) -> bool:
    booking = answer and answer.get("booking")
    return isinstance(booking, dict) and booking["state"] == "pending"
