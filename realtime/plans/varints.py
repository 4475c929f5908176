"""Numbers and texts in few bytes, as coded layouts contain them. Pure."""

from __future__ import annotations


def append(out: bytearray, number: int) -> None:
    """Append a number from 0: 7 bits a byte, the lowest first, the eighth bit set in all but the last byte."""
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def append_signed(out: bytearray, number: int) -> None:
    """Append a number of either sign: 0, -1, 1, -2, 2 ... are written as 0, 1, 2, 3, 4 ..."""
    append(out, 2 * number if number >= 0 else -2 * number - 1)


def append_text(out: bytearray, text: str, before: bytes) -> bytes:
    """Append a text: how many bytes it has in common with the start of ``before``, the number of others, the others.

    Returns the text in UTF-8, with which the next one is compared.
    """
    new = text.encode()
    common = 0
    for a, b in zip(new, before, strict=False):
        if a != b:
            break
        common += 1
    append(out, common)
    append(out, len(new) - common)
    out += new[common:]
    return new
