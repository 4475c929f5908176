"""Collects what buyers were answered about their payments, for ``payments``, and the addresses that nodes took."""

from __future__ import annotations

from typing import Any

from loadtest.faults.history import Record
from loadtest.faults.judge.payments import Promise, Promised

RETURNED = "done"
"""State of a refund that was carried out and recorded; every other state is a promise."""


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
        elif kind == "answer" and record["e"] == "seats:confirm":
            self._on_answer(record)
        elif kind == "event" and record["e"] == "refund:updated":
            refund = record["p"]["refund"]
            self._promise_refund(record["c"], refund["hold"], refund)

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
