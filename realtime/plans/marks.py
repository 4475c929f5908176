"""Marks that editors and converters put on seats and rows: wheelchair spaces, and seats that are sold or blocked."""

from __future__ import annotations

from typing import Any

_ACCESSIBLE = frozenset({"wheelchair", "accessible", "is_wheelchair", "is_accessible", "wheelchair_accessible"})
_TAKEN = frozenset(
    {"sold", "is_sold", "blocked", "is_blocked", "booked", "is_booked", "reserved", "is_reserved", "taken", "disabled"}
)
_OPEN = frozenset({"available", "is_available", "free", "for_sale", "bookable"})
_STATES = frozenset({"status", "state", "availability"})
_TAKEN_STATES = frozenset(
    {"sold", "blocked", "booked", "reserved", "taken", "unavailable", "not_available", "occupied", "disabled", "held"}
)
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})


def accessible(thing: dict[str, Any]) -> bool:
    """Return whether a seat or row is marked as accessible; a mark with an unknown value is ignored."""
    return _any(thing, _ACCESSIBLE, _yes)


def taken(thing: dict[str, Any]) -> bool:
    """Return whether a seat or row is marked as sold, blocked or not for sale."""
    return _any(thing, _TAKEN, _yes) or _any(thing, _OPEN, _no) or _any(thing, _STATES, _taken_state)


def _any(thing: dict[str, Any], marks: frozenset[str], holds: Any) -> bool:
    return not marks.isdisjoint(thing) and any(holds(thing[key]) for key in marks if key in thing)


def _yes(mark: object) -> bool:
    return mark is True or mark == 1 or (isinstance(mark, str) and mark.strip().lower() in _YES)


def _no(mark: object) -> bool:
    return mark is False or (mark == 0 and mark is not None) or (isinstance(mark, str) and mark.strip().lower() in _NO)


def _taken_state(mark: object) -> bool:
    return isinstance(mark, str) and mark.strip().lower().replace(" ", "_").replace("-", "_") in _TAKEN_STATES
