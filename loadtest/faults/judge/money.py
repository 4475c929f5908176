"""Collects what buyers were answered about their payments, for ``payments``, and the addresses that nodes took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loadtest.faults.history import Record
from loadtest.faults.judge.payments import Promise, Promised
from loadtest.faults.schedule import Kind
from realtime.model import region_of

RETURNED = "done"
"""State of a refund that was carried out and recorded; every other state is a promise."""
LOST_BEFORE_MS = 20_000
"""A backup that is restored is at most this old: ``restores.BACKUP_S``, and the time in which keepers stop."""
ANSWERED_MS = 3_000
"""A client may get an answer this long after the ledger was set back."""


def _sets_back(fault: Record) -> bool:
    return bool(fault["kind"] == Kind.LEDGER_SET_BACK and fault["phase"] == "begin")


class MoneyBook:
    """The promises of a history. Call ``add`` for every record, in order."""

    def __init__(self) -> None:
        """Empty."""
        self.promises: list[Promise] = []
        self._paid: dict[str, str] = {}
        """The bank's id of a payment, by the proof that a buyer sends."""
        self._confirms: dict[tuple[str, int], tuple[str, str]] = {}
        """Hold and proof of a request."""
        self.contacts: dict[str, str] = {}
        """Address by hold, of orders that were answered."""
        self._given_at: dict[str, float] = {}
        self._ordered: dict[tuple[str, int], tuple[str, str]] = {}
        """Hold and address of a request."""

    def add(self, record: Record) -> None:
        """Read one record."""
        kind = record["k"]
        if kind == "paid":
            self._paid[record["proof"]] = record["payment"]
        elif kind == "request" and record["e"] == "seats:confirm":
            self._confirms[record["c"], record["n"]] = record["p"]["hold"], record["p"]["payment"]
        elif kind == "request" and record["e"] == "seats:order" and "contact" in record["p"]:
            self._ordered[record["c"], record["n"]] = record["p"]["hold"], record["p"]["contact"]["email"]
        elif kind == "answer" and record["e"] == "seats:order" and record["a"]["ok"]:
            if ordered := self._ordered.get((record["c"], record["n"])):
                self.contacts[ordered[0]] = ordered[1]
                self._given_at[ordered[0]] = record["t"]
        elif kind == "answer" and record["e"] == "seats:confirm":
            self._on_answer(record)
        elif kind == "event" and record["e"] == "refund:updated":
            refund = record["p"]["refund"]
            self._promise_refund(record["c"], refund["hold"], refund)

    def lost_contacts(self, faults: Iterable[Record]) -> set[str]:
        """Return the holds whose address may have been lost with a ledger: it is on no master."""
        set_back = [(each["region"], each["t"]) for each in faults if _sets_back(each)]
        return {
            hold
            for hold, at in self._given_at.items()
            if any(
                region == region_of(hold) and since - LOST_BEFORE_MS <= at <= since + ANSWERED_MS
                for region, since in set_back
            )
        }

    def _on_answer(self, record: Record) -> None:
        hold, proof = self._confirms.get((record["c"], record["n"]), ("", ""))
        answer = record["a"]
        refund = answer.get("refund") or answer.get("error", {}).get("refund")
        if refund is not None:
            self._promise_refund(record["c"], hold, refund)
        elif answer["ok"] and answer["booking"]["state"] == "booked" and proof in self._paid:
            self.promises.append(Promise(record["c"], hold, self._paid[proof], Promised.BOOKED))

    def _promise_refund(self, client: str, hold: str, refund: dict[str, Any]) -> None:
        promised = Promised.REFUNDED if refund["state"] == RETURNED else Promised.WILL_BE_REFUNDED
        self.promises.append(Promise(client, hold, refund["payment"], promised))
