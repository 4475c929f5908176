"""Draws a ticket as PDF: an A4 page, or a strip for the 80 mm rolls of kiosk printers.

Typst lays out the templates in ``templates/``. Its fonts are the files in ``fonts/``, never those of the system: Noto
Sans has Latin, Greek, Cyrillic and Devanagari letters; those of other scripts show as boxes.
"""

from __future__ import annotations

import threading
from datetime import UTC
from enum import StrEnum
from pathlib import Path

import msgspec
import typst

from realtime.tickets.data import Ticket
from realtime.tickets.qr import qr_svg
from realtime.tickets.view import ticket_view

TEMPLATES = Path(__file__).parent / "templates"
FONTS = Path(__file__).parent / "fonts"
FAMILY = "Noto Sans"


class Paper(StrEnum):
    """The forms of a ticket; each has a template of its name."""

    A4 = "a4"
    ROLL = "roll"
    """80 mm wide, 72 mm of it printed, as long as the ticket needs; black only."""


class PrinterError(RuntimeError):
    """Tickets can't be drawn: fonts are missing, or a template is broken. Trying again does not help."""


class TicketPrinter:
    """Draws tickets one at a time; fonts and templates are read once.

    Safe to share between threads; a call holds a lock for its 10 to 30 ms, most of it outside the GIL. Processes, not
    threads, draw tickets in parallel.
    """

    def __init__(self, fonts: Path = FONTS) -> None:
        """Load the fonts; raise ``PrinterError`` if they are missing."""
        found = typst.Fonts(include_system_fonts=False, font_paths=[str(fonts)])
        if FAMILY not in found.families():
            raise PrinterError(f"the font {FAMILY} is missing in {fonts}: run `make install`")
        self._compiler = typst.Compiler(root=str(TEMPLATES), font_paths=found)
        self._lock = threading.Lock()

    def pdf(self, ticket: Ticket, token: str, paper: Paper = Paper.A4) -> bytes:
        """Return the ticket as PDF; ``token`` is what its QR code says. The same arguments give the same bytes.

        Blocks: an event loop calls it in a thread. Raises ``PrinterError``.
        """
        view = ticket_view(ticket, qr_svg(token))
        made_at = ticket.booked_at.astimezone(UTC).replace(microsecond=0)
        inputs = {"view": msgspec.json.encode(view).decode()}
        try:
            with self._lock:
                drawn = self._compiler.compile(
                    str(TEMPLATES / f"{paper}.typ"), format="pdf", sys_inputs=inputs, timestamp=made_at
                )
        except typst.TypstError as error:
            raise PrinterError(f"{error.message}\n{error.diagnostic}") from error
        assert isinstance(drawn, bytes)
        return drawn
