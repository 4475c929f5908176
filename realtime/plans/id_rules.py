"""Finds the rules by which the numbers and ids of a row's seats are formed. Pure.

A rule for ids is a text with marks: ``\\x00`` stands for the section, ``\\x01`` for the row, ``\\x02`` for the number,
and ``\\x03`` for the number with zeros before it; its length is the code of the character that follows, less 48. Rules
are shared by many rows, so that a row takes one byte. Section and row are looked for before the number only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from realtime.model import Seat

MAX_RULES = 10_000
"""Rows with further rules list their ids."""
NUMBER, PADDED = "\x02", "\x03"
_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,8})\Z")
_MARKS = re.compile(r"[\x00-\x1f]")


def number_rule(numbers: Sequence[str]) -> tuple[int, int] | None:
    """Return first number and step where all are whole numbers in plain decimals at equal steps, else None."""
    if not all(map(_WHOLE.match, numbers)):
        return None
    values = [int(number) for number in numbers]
    step = values[1] - values[0] if len(values) > 1 else 0
    if any(value != values[0] + n * step for n, value in enumerate(values)):
        return None
    return values[0], step


class IdRules:
    """The rules found so far, in the order in which they were found."""

    def __init__(self) -> None:
        self.rules: dict[str, int] = {}
        self._last = ""

    def find(self, seats: Sequence[Seat]) -> int | None:
        """Return the index of a rule that gives the ids of a row's seats, None if there is none."""
        if self._last and fits(self._last, seats):
            return self.rules[self._last]
        for rule in _candidates(seats[0]):
            if fits(rule, seats):
                if rule not in self.rules and len(self.rules) >= MAX_RULES:
                    return None
                self._last = rule
                return self.rules.setdefault(rule, len(self.rules))
        return None


def fits(rule: str, seats: Sequence[Seat]) -> bool:
    """Return whether a rule gives all seats of a row their ids."""
    before, mark, after = _split(rule)
    before = before.replace("\x00", seats[0].section).replace("\x01", seats[0].row)
    if mark == NUMBER:
        return all(seat.id == before + seat.number + after for seat in seats)
    digits = ord(mark[1]) - 48
    # ASCII only: programming languages count the length of other texts differently.
    return all(seat.id == before + seat.number.rjust(digits, "0") + after and seat.number.isascii() for seat in seats)


def _split(rule: str) -> tuple[str, str, str]:
    """Return a rule in three parts; the middle one is its mark for the number."""
    before, number, after = rule.partition(NUMBER)
    if number:
        return before, number, after
    before, _, after = rule.partition(PADDED)
    return before, PADDED + after[0], after[1:]


def _candidates(seat: Seat) -> list[str]:
    """Return rules that give one seat its id, the most general ones first."""
    if _MARKS.search(seat.id) or not seat.number:
        return []
    at = seat.id.rfind(seat.number)
    if at < 0:
        return []
    head, tail = seat.id[:at], seat.id[at + len(seat.number) :]
    found = [(head, NUMBER)]
    zeros = min(len(head) - len(head.rstrip("0")), 30 - len(seat.number))
    if zeros > 0:
        found.append((head[:-zeros], PADDED + chr(48 + len(seat.number) + zeros)))
    rules = []
    for start, mark in found:
        for sectioned in (_replace(start, seat.section, "\x00"), start):
            for rowed in (_replace(sectioned, seat.row, "\x01"), sectioned):
                rules.append(rowed + mark + tail)
    return rules


def _replace(text: str, name: str, mark: str) -> str:
    """Replace the last occurrence of a name."""
    before, found, after = text.rpartition(name) if name else ("", "", text)
    return before + mark + after if found else text
