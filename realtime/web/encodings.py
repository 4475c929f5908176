"""Chooses a content coding by a request's ``Accept-Encoding`` (RFC 9110, 12.5.3), and compresses. Pure."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

import brotli

IDENTITY = "identity"
BROTLI, GZIP = "br", "gzip"
_PREFERRED = (BROTLI, GZIP, IDENTITY)
_LEAST = 1e-4
"""Lower than every quality that a header can have: qualities have three decimals."""


def choose(accepted: str | None, available: Iterable[str]) -> str:
    """Return which of the ``available`` codings (``br``, ``gzip``, ``identity``) to send.

    It is the acceptable coding with the highest quality; among equal ones, the one that compresses best. Without the
    header it is ``identity``. A coding with quality 0 is not sent. If no available coding is acceptable, the answer is
    ``identity``, as with most servers.
    """
    if accepted is None:
        return IDENTITY
    named = dict(map(_quality, filter(str.strip, accepted.split(","))))
    others = named.get("*", 0.0)
    # A coding that is not named is not acceptable, except ``identity``, which has the lowest preference.
    plain = others if "*" in named else _LEAST
    quality = {name: named.get(name, plain if name == IDENTITY else others) for name in _PREFERRED}
    choices = [name for name in _PREFERRED if name in set(available) and quality[name] > 0]
    return max(choices, key=lambda name: quality[name], default=IDENTITY)


def _quality(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return _canonical(name), min(max(float(value), 0.0), 1.0)
            except ValueError:
                return _canonical(name), 0.0
    return _canonical(name), 1.0


def _canonical(name: str) -> str:
    return GZIP if name == "x-gzip" else name


def matches(condition: str, etag: str) -> bool:
    """Return whether ``If-None-Match`` names this entity tag (weak comparison, so the coding makes no difference)."""
    return names(condition.replace("W/", ""), etag)


def names(condition: str, etag: str) -> bool:
    """Return whether ``If-Match`` names this entity tag (strong comparison: ``W/`` is never the same)."""
    tags = {tag.strip() for tag in condition.split(",")}
    return "*" in tags or etag in tags


def compressed(body: bytes, quality: int = 11) -> dict[str, bytes]:
    """Return a body in all codings. At the ``quality`` of 11 (brotli's best) 100 kB take a third of a second."""
    return {
        IDENTITY: body,
        BROTLI: brotli.compress(body, quality=quality),
        GZIP: gzip.compress(body, min(quality, 9), mtime=0),
    }
