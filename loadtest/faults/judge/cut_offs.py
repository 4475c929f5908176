"""Checks partitions: with an old master, without its Sentinels, nothing is sold or written after the lease."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from loadtest.faults.history import Record
from loadtest.faults.judge.holds import Attempt, HoldHistory
from loadtest.faults.judge.verdict import Verdict
from loadtest.faults.schedule import Kind

NOT_SOLD = "nothing is sold without Sentinels"
NOT_WRITTEN = "no master is written to without Sentinels"
LEASE_MS = 4_000
"""A master is confirmed for 2 s. At the end of them its spares may confirm it once more, if they answered it less than
2 s before (``realtime.locks.lease``)."""
WRITES = ("seats:hold", "seats:extend", "seats:release")


@dataclass(slots=True)
class _CutOff:
    """One partition: the node on the old master's side (the end of its URL), and from when to when (ms)."""

    region: str
    node: str
    begin: float
    healed: float = float("inf")


class CutOffs:
    """Reads the partitions of a history (``add``), then checks the holds that were asked for meanwhile."""

    def __init__(self) -> None:
        self._cut_offs: dict[str, list[_CutOff]] = defaultdict(list)
        """By region."""
        self._connections: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """When each client connected, and to which node."""
        self._written: list[Record] = []

    def add(self, record: Record) -> None:
        """Read a record of any kind, in order of time."""
        if record["k"] == "connected":
            self._connections[record["c"]].append((record["t"], record["node"]))
        elif record["k"] == "cut_off":
            self._written.append(record)
        elif record["k"] == "fault" and record["kind"] == Kind.PARTITION:
            known = self._cut_offs[record["region"]]
            if record["phase"] == "begin":
                known.append(_CutOff(record["region"], f":{record['target'].rpartition(' ')[2]}", record["t"]))
            elif record["phase"] == "healed":
                known[-1].healed = record["t"]

    def check_holds(self, holds: Iterable[HoldHistory], verdict: Verdict) -> None:
        """Check when the old masters were written to and what their nodes answered, and count what became of it."""
        for record in self._written:
            text = f"{record['master']} was written to {record['written_ms']} ms after it was cut off"
            verdict.check(NOT_WRITTEN, record["written_ms"] <= LEASE_MS, text)
        for hold in holds:
            meanwhile = [(each, part) for each in hold.attempts if (part := self._find(hold.region, each)) is not None]
            for attempt, part in meanwhile:
                if attempt.event in WRITES and attempt.start > part.begin + LEASE_MS and attempt.end < part.healed:
                    text = f"{hold.id}: {attempt.event} carried out {attempt.end - part.begin:.0f} ms after the cut"
                    verdict.check(NOT_SOLD, not attempt.ok, text)
            asked = [attempt for attempt, _part in meanwhile if attempt.event == "seats:hold"]
            if asked:
                verdict.figures["asked"] += 1
                verdict.figures["held"] += any(each.ok for each in asked)
                verdict.figures["booked"] += hold.booked_at < float("inf")
                verdict.figures["lost"] += hold.lost

    def _find(self, region: str, attempt: Attempt) -> _CutOff | None:
        """Return the partition in which an attempt was sent to the old master's side."""
        connections = self._connections[attempt.client]
        index = bisect_right(connections, (attempt.start, chr(0x10FFFF))) - 1
        node = connections[index][1] if index >= 0 else ""
        for part in self._cut_offs[region]:
            if part.begin <= attempt.start < part.healed and node.endswith(part.node):
                return part
        return None
