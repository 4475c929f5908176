"""The targets of webhooks, and the types of events that they can be sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from realtime.topology import EVENTS


class EventType(StrEnum):
    """The types of events that a target can be sent."""

    HOLD_CREATED = "hold.created"
    HOLD_EXPIRED = "hold.expired"
    HOLD_RELEASED = "hold.released"
    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_EXCHANGED = "booking.exchanged"
    REFUND_COMPLETED = "refund.completed"
    SHOW_CHANGED = "show.changed"


HOLD_EVENTS = (EventType.HOLD_CREATED, EventType.HOLD_EXPIRED, EventType.HOLD_RELEASED)
"""There is at least one event for each hold, so only targets that name these types get them."""
assert tuple(EventType) == EVENTS, "the topology names the same"


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its name in the topology, and the types of events that it wants (empty: all but ``HOLD_EVENTS``)."""

    name: str
    events: tuple[str, ...] = ()

    def wants(self, kind: EventType) -> bool:
        """Return whether it wants events of a type."""
        return kind.value in self.events or (not self.events and kind not in HOLD_EVENTS)
