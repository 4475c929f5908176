"""The ticket code: eight letters that people read out, type in and compare. Pure.

The alphabet is ``BCDFGHJKLMNPRSTVWXZ``. It has no vowels and no Y (codes spell no words), no digits, and none of the
letters that are taken for another or for a digit: I (L, 1), O and Q (D, 0), U (V). The eighth letter checks the first
seven: one wrong letter, or two letters swapped, is always recognised as a typing error without a look-up. That needs a
prime number of letters, here 19.

The first person who presents a code at a gate is admitted. The code follows from the booking's id under a secret of the
region, so payment services and receivers of webhooks, who know ids, can't compute it. It can be guessed: there are
894 million (19^7), so in a region with ten million bookings one guess in ninety names a booking. Let only staff act on
a code alone, or limit attempts.
"""

from __future__ import annotations

import hmac
import re
import unicodedata

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = "BCDFGHJKLMNPRSTVWXZ"
LENGTH = 8
MAX_TYPED_LENGTH = 64
"""Longer input is refused unread."""

_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
_LOOK_ALIKES = str.maketrans("OQ0I1U2568", "DDDLLVZSGB")
_SEPARATORS = re.compile(r"[\s\-._/]+")

assert len(ALPHABET) == 19 and len(ALPHABET) > LENGTH, "the check letter needs a prime above the length"


class CodeInvalid(ValueError):
    """What was typed is no ticket code; nothing needs to be looked up."""


def derive_key(secret: str, region: str) -> bytes:
    """Return the key of a region's codes, derived from the installation's secret (HKDF, RFC 5869); always the same."""
    return HKDF(SHA256(), 32, None, f"tickingtickets ticket code key {region}".encode()).derive(secret.encode())


def derive_code(key: bytes, name: str) -> str:
    """Return the code of what is called ``name``, always the same; without the key it can't be computed.

    The ledger's unique key makes it unique: on a conflict the caller derives the code of another name.
    """
    number = int.from_bytes(hmac.digest(key, name.encode(), "sha256"))
    letters = [ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(LENGTH - 1)]
    return "".join([*letters, _check_letter(letters)])


def is_code(text: str) -> bool:
    """Tell whether ``text`` is a code in its stored form: eight letters of the alphabet, the last one right."""
    return len(text) == LENGTH and set(text) <= _VALUE.keys() and _check_letter(list(text[:-1])) == text[-1]


def normalise(typed: str) -> str:
    """Return the code that somebody typed; raise ``CodeInvalid``.

    Takes lower case, full-width letters, spaces, hyphens, dots and slashes anywhere, and look-alikes (0 O Q for D, 1 I
    for L, U for V, 2 for Z, 5 for S, 6 for G, 8 for B).
    """
    if len(typed) > MAX_TYPED_LENGTH:
        raise CodeInvalid("a ticket code has 8 letters")
    letters = _SEPARATORS.sub("", unicodedata.normalize("NFKC", typed)).upper().translate(_LOOK_ALIKES)
    if len(letters) != LENGTH:
        raise CodeInvalid("a ticket code has 8 letters")
    strange = sorted(set(letters) - _VALUE.keys())
    if strange:
        raise CodeInvalid("a ticket code consists of the letters " + " ".join(ALPHABET))
    if not is_code(letters):
        raise CodeInvalid("a letter of the ticket code is wrong")
    return letters


def printed(code: str) -> str:
    """Return the code as tickets show it: two groups of four letters, ``WDJB-MJHT``."""
    return f"{code[:4]}-{code[4:]}"


def _check_letter(letters: list[str]) -> str:
    """Return the letter that makes the sum of place times value, places 1 to 8, a multiple of 19.

    If one letter is wrong, the sum differs by the place times the difference of the values; if two letters are swapped,
    by the difference of the places times the difference of the values. None of these factors is a multiple of 19, which
    is prime, so neither is their product.
    """
    weighted = sum(place * _VALUE[letter] for place, letter in enumerate(letters, 1))
    return ALPHABET[-weighted * pow(LENGTH, -1, len(ALPHABET)) % len(ALPHABET)]
