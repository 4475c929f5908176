"""What a booking costs: price, fee, tax and total in paise, computed here and nowhere else. Pure.

Prices of a show are **before tax**: that is what the tax table's limits speak of (a cinema ticket "of Rs 100 or less"
costs the buyer Rs 105). What people see first must still be what they pay, so maps and lists show ``all_in_price`` of a
category, and the checkout shows the lines: price, fee, tax, total. Nothing is added after that.

Rounding: every ticket is a document of its own (a cinema ticket is its tax invoice), so fee and taxes are computed for
one ticket, each rounded half up to whole paise, and then multiplied by the number of tickets. The total is not rounded
again, not even to rupees (section 170 of the CGST Act rounds what the seller pays to the state, not an invoice). Hence:

- the total of a booking is the sum of the totals of its seats, however they are ordered, grouped or split;
- a dearer category never costs less in all, as long as the tax table's rates rise with the price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypedDict

import msgspec

from realtime import limits
from realtime.model import Admission, Fee, Show
from realtime.payments.taxes import INDIAN_GST, TaxKind, TaxTable


class LineKind(StrEnum):
    """What a line is for."""

    TICKET = "ticket"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class PriceLine:
    """``count`` equal tickets (or their fees) of one category. ``unit`` and ``unit_tax`` are paise for one of them."""

    kind: LineKind
    category: str
    count: int
    unit: int
    rate: int
    """Tax rate in basis points; 0 is exempt."""
    unit_tax: int

    @property
    def value(self) -> int:
        """The taxable value: paise before tax."""
        return self.count * self.unit

    @property
    def tax(self) -> int:
        """The tax in paise."""
        return self.count * self.unit_tax


@dataclass(frozen=True, slots=True)
class PriceLines:
    """What a booking costs. ``total`` = ``price`` + ``fee`` + ``tax``, each the sum over ``lines``; all in paise."""

    price: int
    fee: int
    tax: int
    total: int
    currency: str
    lines: tuple[PriceLine, ...]


class PriceLineBody(TypedDict):
    """A line as pages get it: ``value`` is paise before tax, ``tax`` the tax, of all its tickets or fees."""

    kind: LineKind
    category: str
    count: int
    unit: int
    rate: int
    unit_tax: int
    value: int
    tax: int


class PricesBody(TypedDict):
    """What seats cost as pages get it (``encode_price_lines``), in paise; ``total`` = ``price`` + ``fee`` + ``tax``."""

    price: int
    fee: int
    tax: int
    total: int
    currency: str
    lines: list[PriceLineBody]


def price_lines(
    prices: Mapping[str, int],
    categories: Iterable[str],
    fee: Fee,
    admission: Admission,
    day: date,
    taxes: TaxTable = INDIAN_GST,
) -> PriceLines:
    """Return what seats cost: ``prices`` are rupees before tax by category, ``categories`` has one entry for each seat.

    ``day`` is the day of booking in India (``taxes.supply_day``). Lines are sorted: tickets by category, then fees by
    category; a category without a fee has no fee line. Raise ``ValueError`` for no seats, a category without a price or
    a price out of bounds, and ``TaxTableError`` for a day before the tax table begins.
    """
    counts = Counter(categories)
    if not counts:
        raise ValueError("no seats")
    tickets: list[PriceLine] = []
    fees: list[PriceLine] = []
    for category in sorted(counts):
        price = _paise(prices, category)
        rate = taxes.rate(TaxKind(admission), price, day)
        tickets.append(_line(LineKind.TICKET, category, counts[category], price, rate))
        unit_fee = fee.paise + _share(price, fee.basis_points)
        if unit_fee:
            fee_rate = taxes.rate(TaxKind.BOOKING_FEE, unit_fee, day)
            fees.append(_line(LineKind.FEE, category, counts[category], unit_fee, fee_rate))
    return _summed(tickets, fees)


def booking_prices(show: Show, categories: Iterable[str], day: date) -> PriceLines:
    """Return what seats of a show cost, one category for each seat. Raises as ``price_lines``."""
    return price_lines(show.prices, categories, show.fee, show.admission, day)


def all_in_price(
    prices: Mapping[str, int], category: str, fee: Fee, admission: Admission, day: date, taxes: TaxTable = INDIAN_GST
) -> int:
    """Return what one seat of a category costs in all, in paise, as maps show it. Raises as ``price_lines``."""
    return price_lines(prices, (category,), fee, admission, day, taxes).total


def encode_price_lines(lines: PriceLines) -> bytes:
    """Return the JSON that is stored with a booking and sent to pages; ``value`` and ``tax`` of each line included."""
    body = msgspec.to_builtins(lines)
    for line, plain in zip(lines.lines, body["lines"], strict=True):
        plain |= {"value": line.value, "tax": line.tax}
    return msgspec.json.encode(body)


def decode_price_lines(blob: bytes) -> PriceLines:
    """Read back what ``encode_price_lines`` wrote; raise ``ValueError`` if it is malformed or doesn't add up."""
    lines = msgspec.json.decode(blob, type=PriceLines)
    tickets = [line for line in lines.lines if line.kind is LineKind.TICKET]
    fees = [line for line in lines.lines if line.kind is LineKind.FEE]
    if _summed(tickets, fees) != lines:
        raise ValueError("price lines that do not add up")
    return lines


def _summed(tickets: list[PriceLine], fees: list[PriceLine]) -> PriceLines:
    lines = (*tickets, *fees)
    price, fee = sum(line.value for line in tickets), sum(line.value for line in fees)
    tax = sum(line.tax for line in lines)
    return PriceLines(price, fee, tax, price + fee + tax, "INR", lines)


def _line(kind: LineKind, category: str, count: int, unit: int, rate: int) -> PriceLine:
    return PriceLine(kind, category, count, unit, rate, _share(unit, rate))


def _paise(prices: Mapping[str, int], category: str) -> int:
    rupees = prices.get(category)
    if rupees is None:
        raise ValueError(f"no price for {category}")
    if not 0 <= rupees <= limits.MAX_PRICE_RUPEES:
        raise ValueError(f"a price of {rupees} rupees for {category}")
    return rupees * 100


def _share(paise: int, basis_points: int) -> int:
    """Return a share of an amount, rounded half up to whole paise; computed with integers only."""
    return (paise * basis_points + 5_000) // 10_000
