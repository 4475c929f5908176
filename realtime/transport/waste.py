"""Counts what the connections of an address have cost for nothing.

A request that never became whole, an answer that was not read, a session without CONNECT, a connection that was ended
because its address has too many: each costs a node about as much as a buyer's request. Phones that lose their network
do that too, but now and then. An address that does it all the time is slowed down (``FairQueue``), never refused; so
are many addresses that do it at the same time.
"""

from __future__ import annotations

from collections import OrderedDict

from realtime import limits


class Waste:
    """A leaky bucket by address, for a bounded number of addresses. Times are the loop's (s)."""

    def __init__(self) -> None:
        """Nothing was wasted yet."""
        self._of: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """How much is in the bucket of each address, and when it was put there; the oldest first."""
        self._of_all = 0.0, 0.0
        """The same for the bucket of all addresses."""

    def count(self, address: str, now: float) -> None:
        """Count one connection of an address that was opened for nothing."""
        self._of[address] = min(self._level(address, now) + 1, 2 * limits.ADDRESS_WASTED), now
        self._of_all = min(self._level_of_all(now) + 1, 2 * limits.WASTED), now
        self._of.move_to_end(address)
        if len(self._of) > limits.WASTING_ADDRESSES:
            self._of.popitem(last=False)

    def slows(self, address: str, now: float) -> bool:
        """Tell whether new connections of an address have to wait; ends by itself within seconds."""
        if address not in self._of:
            return False
        level, is_recent = self._level(address, now), now - self._of[address][1] < limits.WASTE_S
        if level <= 0 and not is_recent:
            del self._of[address]
        return level > limits.ADDRESS_WASTED or (is_recent and self._level_of_all(now) > limits.WASTED)

    def _level(self, address: str, now: float) -> float:
        level, at = self._of.get(address, (0.0, now))
        return max(0.0, level - (now - at) * limits.ADDRESS_WASTED_PER_S)

    def _level_of_all(self, now: float) -> float:
        level, at = self._of_all
        return max(0.0, level - (now - at) * limits.WASTED_PER_S)
