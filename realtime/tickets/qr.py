"""QR codes of ticket tokens, as SVG for the PDF and as PNG for mails. Pure."""

from __future__ import annotations

import io

import segno

QUIET_ZONE = 4
"""Modules of white around a code, as ISO/IEC 18004 demands."""
_MASK = 3
"""Trying all eight masks for the best takes 80 % of the time; most of a token is a signature, random under any mask."""


def qr_svg(token: str) -> str:
    """Return the code of a token as SVG, one unit a module, with its quiet zone.

    All dark modules are one filled path: renderers draw no hairlines between its neighbouring rectangles.
    """
    rows = _make(token).matrix
    side = len(rows) + 2 * QUIET_ZONE
    runs = "".join(
        f"M{start + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _dark_runs(row)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side}" height="{side}">'
        f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/><path d="{runs}"/></svg>'
    )


def qr_png(token: str, scale: int = 6) -> bytes:
    """Return the code of a token as PNG, ``scale`` pixels a module, with its quiet zone."""
    out = io.BytesIO()
    _make(token).save(out, kind="png", scale=scale, border=QUIET_ZONE)
    return out.getvalue()


def _make(token: str) -> segno.QRCode:
    return segno.make_qr(token, error="m", mode="alphanumeric", mask=_MASK)


def _dark_runs(row: bytearray) -> list[tuple[int, int]]:
    """Return start and length of each run of dark modules."""
    runs: list[tuple[int, int]] = []
    start = 0
    for part in bytes(row).split(b"\0"):
        if part:
            runs.append((start, len(part)))
        start += len(part) + 1
    return runs
