"""Texts as tickets and mails show them: cleaned names, Indian dates and times, rupees. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal

from realtime import limits
from realtime.tickets.data import Locale, Ticket

INDIA = ZoneInfo("Asia/Kolkata")
_BABEL = {Locale.ENGLISH: "en_IN", Locale.HINDI: "hi_IN"}
_JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: format characters that Devanagari needs."""
_SPACES = re.compile(r"\s+")
_BLOCK = re.compile(r" \(\d+\)$")


def clean(text: str, limit: int = limits.MAX_TEXT_LENGTH) -> str:
    """Return ``text`` in one line of at most ``limit`` characters; cut text ends in an ellipsis.

    Control, direction, private and unassigned characters are left out.
    """
    spaced = _SPACES.sub(" ", text[: 4 * limit])
    kept = "".join(c for c in spaced if c in _JOINERS or not unicodedata.category(c).startswith("C")).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def shown(ticket: Ticket, *names: str) -> str:
    """Return names in the ticket's language, cleaned, with a comma between them; empty ones are left out.

    A name without a translation is returned as it is. The number of a block may follow a name.
    """
    return ", ".join(filter(None, (clean(_shown(ticket, name)) for name in names)))


def _shown(ticket: Ticket, name: str) -> str:
    block = _BLOCK.search(name)
    plain = name[: block.start()] if block else name
    return ticket.names.get(name) or ticket.names.get(plain, plain) + name[len(plain) :]


def in_india(at: datetime) -> datetime:
    """Return a time as the clocks of India show it; one on the last day of the year 9999 as it is."""
    try:
        return at.astimezone(INDIA)
    except OverflowError:
        return at


def day(at: datetime, locale: Locale) -> str:
    """Return the Indian day: ``Saturday, 12 December 2026``."""
    return format_date(in_india(at), "EEEE, d MMMM y", locale=_BABEL[locale])


def date_only(at: datetime, locale: Locale) -> str:
    """Return the Indian day without the weekday: ``12 December 2026``."""
    return format_date(in_india(at), "d MMMM y", locale=_BABEL[locale])


def clock(at: datetime, locale: Locale) -> str:
    """Return the Indian time of day: ``7:30 pm``."""
    return format_time(in_india(at), "h:mm a", locale=_BABEL[locale]).replace("\u202f", "\u00a0")


def rupees(paise: int, locale: Locale) -> str:
    """Return an amount with the rupee sign and Indian grouping: ``₹1,23,456.00``."""
    return format_currency(Decimal(paise) / 100, "INR", "¤#,##,##0.00", locale=_BABEL[locale])


def amount(paise: int, locale: Locale) -> str:
    """Return an amount without a sign, for columns of rupees: ``1,23,456.00``."""
    return format_decimal(Decimal(paise) / 100, "#,##,##0.00", locale=_BABEL[locale])


def percent(basis_points: Decimal) -> str:
    """Return a tax rate: ``18 %``, ``2.5 %``."""
    return f"{(basis_points / 100).normalize():f}\u00a0%"
