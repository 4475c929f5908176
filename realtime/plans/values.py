"""Validates single values of a plan: numbers, labels, positions; and names the place of an error.

A plan comes from outside, so no type, length or character of it is trusted.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias

import orjson

from realtime import limits
from realtime.errors import InvalidPlan

Point: TypeAlias = tuple[float, float]

_NUMERAL = re.compile(r"\s*[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?\s*\Z")
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
"""Control characters, line separators, unpaired surrogates and marks that change the direction of text. Zero-width
joiners are not included: Indian scripts need them."""
_SHOWN_LENGTH = 60


class Place:
    """The position of the reader: a path such as ``zones[2].rows[5]``, and a description such as ``Balcony, row F``."""

    __slots__ = ("dropped", "note", "path")

    def __init__(self) -> None:
        self.path: tuple[str | int, ...] = ()
        self.note = ""
        self.dropped: list[str] = []

    def at(self, *path: str | int) -> Place:
        """Move to ``path``; return itself."""
        self.path = path
        return self

    def fault(self, message: str, *deeper: str | int) -> InvalidPlan:
        """Return the error about the value at ``deeper`` below this place."""
        return InvalidPlan(self._with_place(message, *deeper))

    def drop(self, message: str, *deeper: str | int) -> None:
        """Note for the report that the value at ``deeper`` below this place is not used."""
        self.dropped.append(self._with_place(message, *deeper))

    def _with_place(self, message: str, *deeper: str | int) -> str:
        where = spell((*self.path, *deeper))
        note = f" ({self.note})" if self.note else ""
        return f"{where}{note}: {message}" if where else message


def spell(path: tuple[str | int, ...]) -> str:
    """Return ``zones[2].rows[5]`` for ``("zones", 2, "rows", 5)``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def shown(value: object) -> str:
    """Return a value as it is quoted in a message: short and on one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        text = CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)
        return orjson.dumps(
            text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "\N{HORIZONTAL ELLIPSIS}"
        ).decode()
    return orjson.dumps(value).decode()


def mapping(value: object, place: Place, *deeper: str | int) -> dict[str, Any]:
    """Return an object; raise ``InvalidPlan`` for anything else."""
    if isinstance(value, dict):
        return value
    raise place.fault("is missing" if value is None else f"is {shown(value)}, not an object", *deeper)


def listing(value: object, place: Place, most: int, *deeper: str | int) -> list[Any]:
    """Return a list of at most ``most``, empty for null; raise ``InvalidPlan`` for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise place.fault(f"is {shown(value)}, not a list", *deeper)
    if len(value) > most:
        raise place.fault(f"has {len(value):,} entries; the limit is {most:,}", *deeper)
    return value


def number(value: object, place: Place, *deeper: str | int) -> float:
    """Return a number, given as a number or as text, with an absolute value up to ``limits.MAX_PLAN_COORDINATE``."""
    if isinstance(value, str) and _NUMERAL.match(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise place.fault("is missing" if value is None else f"is {shown(value)}, not a number", *deeper)
    if not abs(value) <= limits.MAX_PLAN_COORDINATE:  # written this way round, NaN is refused too
        raise place.fault(f"is {value:g}; the limit is {limits.MAX_PLAN_COORDINATE:,}", *deeper)
    return float(value)


def point(value: object, place: Place, *deeper: str | int, default: Point | None = None) -> Point:
    """Return ``{"x", "y"}`` as a pair; ``default`` for null, if there is one."""
    if value is None and default is not None:
        return default
    pair = mapping(value, place, *deeper)
    return number(pair.get("x"), place, *deeper, "x"), number(pair.get("y"), place, *deeper, "y")


def rounded(x: float, y: float) -> Point:
    """Round a pair to a millionth of a unit, which removes floating-point noise and is invisible on a screen."""
    return round(x, 6) + 0.0, round(y, 6) + 0.0  # + 0.0: no negative zero


def label(value: object, place: Place, most: int, *deeper: str | int) -> str:
    """Return a text of one line and at most ``most`` characters, "" for null; numbers are converted to text."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Some editors store numbers: seat 12 is 12 or 12.0 in their files.
        value = str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    if not isinstance(value, str):
        raise place.fault(f"is {shown(value)}, not text", *deeper)
    text = CONTROLS.sub(" ", value).strip()
    if len(text) > most:
        raise place.fault(f"has {len(text):,} characters; the limit is {most}", *deeper)
    return text


def seat_id(value: object, place: Place) -> str:
    """Return the guid of a seat unchanged, since clients use it as the seat id; raise ``InvalidPlan``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = label(value, place, limits.MAX_ID_LENGTH, "seat_guid")
    if not isinstance(value, str):
        raise place.fault("is missing" if value is None else f"is {shown(value)}, not text", "seat_guid")
    if not value.strip():
        raise place.fault("is empty", "seat_guid")
    if len(value) > limits.MAX_ID_LENGTH:
        raise place.fault(
            f"{shown(value)} has {len(value):,} characters; the limit is {limits.MAX_ID_LENGTH}",
            "seat_guid",
        )
    if CONTROLS.search(value):
        raise place.fault(f"{shown(value)} contains control characters", "seat_guid")
    return value
