"""Who is told about what happens: the targets of webhooks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from realtime.topology import EVENTS


class EventType(StrEnum):
    """What a target can be told."""

    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_CANCELLED = "booking.cancelled"
    REFUND_COMPLETED = "refund.completed"
    SHOW_CHANGED = "show.changed"


assert tuple(EventType) == EVENTS, "the topology names the same"


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told: the name in the topology, and the types of events it wants (empty: all)."""

    name: str
    events: tuple[str, ...] = ()

    def wants(self, kind: EventType) -> bool:
        """Return whether it wants events of a type."""
        return not self.events or kind.value in self.events
