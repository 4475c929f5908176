"""What a booking costs: the tax table, the rounding rules, and properties that hold for every booking."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import limits
from realtime.model import Admission, Fee
from realtime.payments.prices import (
    LineKind,
    PriceLine,
    PriceLines,
    all_in_price,
    decode_price_lines,
    encode_price_lines,
    price_lines,
)
from realtime.payments.taxes import INDIAN_GST, TaxKind, TaxTable, TaxTableError, supply_day

NOW = date(2026, 11, 20)
NO_FEE = Fee()

PRICES = st.dictionaries(
    st.sampled_from(["Gold", "Silver", "Balcony", "Box"]),
    st.integers(0, limits.MAX_PRICE_RUPEES),
    min_size=1,
)
FEES = st.builds(Fee, st.integers(0, 50_000), st.integers(0, 2_500))
ADMISSIONS = st.sampled_from(Admission)
DAYS = st.dates(date(2017, 7, 1), date(2040, 1, 1))


@st.composite
def bookings(draw: st.DrawFn) -> tuple[dict[str, int], list[str]]:
    prices = draw(PRICES)
    return prices, draw(st.lists(st.sampled_from(sorted(prices)), min_size=1, max_size=limits.MAX_SEATS_PER_HOLD))


@pytest.mark.parametrize(
    ("kind", "day", "rupees", "basis_points"),
    [
        ("cinema", "2025-09-22", 100, 500),
        ("cinema", "2025-09-22", 101, 1800),
        ("cinema", "2025-09-21", 100, 1200),
        ("cinema", "2025-09-21", 101, 1800),
        ("cinema", "2018-12-31", 100, 1800),
        ("cinema", "2018-12-31", 101, 2800),
        ("sport_league", "2025-09-22", 100, 4000),
        ("sport_league", "2025-09-21", 5000, 2800),
        ("recognised_sport", "2026-01-01", 500, 0),
        ("recognised_sport", "2026-01-01", 501, 1800),
        ("other", "2026-01-01", 500, 0),
        ("other", "2026-01-01", 501, 1800),
        ("other", "2018-01-24", 251, 1800),
        ("other", "2018-01-25", 251, 0),
    ],
)
def test_the_table_gives_the_rate_of_the_day(kind: str, day: str, rupees: int, basis_points: int) -> None:
    assert INDIAN_GST.rate(TaxKind(kind), rupees * 100, date.fromisoformat(day)) == basis_points


def test_the_fee_is_taxed_on_its_own_even_where_admission_is_exempt() -> None:
    lines = price_lines({"Stalls": 400}, ["Stalls"] * 2, Fee(paise=3000), Admission.OTHER, NOW)
    assert lines.lines == (
        PriceLine(LineKind.TICKET, "Stalls", 2, 40_000, 0, 0),
        PriceLine(LineKind.FEE, "Stalls", 2, 3_000, 1800, 540),
    )
    assert (lines.price, lines.fee, lines.tax, lines.total) == (80_000, 6_000, 1_080, 87_080)


def test_a_cinema_ticket_of_100_rupees_costs_105_and_one_of_250_costs_295() -> None:
    assert all_in_price({"Silver": 100}, "Silver", NO_FEE, Admission.CINEMA, NOW) == 10_500
    assert all_in_price({"Gold": 250}, "Gold", NO_FEE, Admission.CINEMA, NOW) == 29_500


def test_half_a_paisa_is_rounded_up_for_one_ticket_and_then_multiplied() -> None:
    # 1.5 % of Rs 1 is 1.5 paise: 2. 18 % of 2 paise is 0.36 paise: 0. Three seats pay three times that, not 4.5 paise.
    lines = price_lines({"A": 1}, ["A"] * 3, Fee(basis_points=150), Admission.OTHER, NOW)
    assert (lines.price, lines.fee, lines.tax) == (300, 6, 0)


def test_the_day_is_india_s() -> None:
    before_midnight_utc = 1_758_479_400_000  # 2025-09-21 18:30 UTC is 2025-09-22 00:00 in India
    assert supply_day(before_midnight_utc) == date(2025, 9, 22)
    assert supply_day(before_midnight_utc - 1) == date(2025, 9, 21)


@given(bookings(), FEES, ADMISSIONS, DAYS)
def test_the_lines_add_up_and_nothing_is_negative(
    booking: tuple[dict[str, int], list[str]], fee: Fee, admission: Admission, day: date
) -> None:
    prices, seats = booking
    lines = price_lines(prices, seats, fee, admission, day)
    assert lines.total == lines.price + lines.fee + lines.tax == sum(line.value + line.tax for line in lines.lines)
    assert lines.price == 100 * sum(prices[seat] for seat in seats)
    assert min(lines.price, lines.fee, lines.tax) >= 0
    assert all(line.count > 0 and line.unit >= 0 and line.unit_tax >= 0 for line in lines.lines)
    assert decode_price_lines(encode_price_lines(lines)) == lines


@given(bookings(), FEES, ADMISSIONS, DAYS, st.randoms(use_true_random=False), st.data())
def test_seats_cost_the_same_in_any_order_and_however_they_are_split(
    booking: tuple[dict[str, int], list[str]],
    fee: Fee,
    admission: Admission,
    day: date,
    shuffle: random.Random,
    data: st.DataObject,
) -> None:
    prices, seats = booking
    whole = price_lines(prices, seats, fee, admission, day)
    shuffled = [*seats]
    shuffle.shuffle(shuffled)
    assert price_lines(prices, shuffled, fee, admission, day) == whole
    assert whole.total == sum(all_in_price(prices, seat, fee, admission, day) for seat in seats)
    if len(seats) > 1:
        cut = data.draw(st.integers(1, len(seats) - 1))
        first = price_lines(prices, seats[:cut], fee, admission, day)
        second = price_lines(prices, seats[cut:], fee, admission, day)
        assert (first.total + second.total, first.tax + second.tax) == (whole.total, whole.tax)


@given(st.integers(0, limits.MAX_PRICE_RUPEES - 1), st.integers(1, 10_000), FEES, ADMISSIONS, DAYS)
def test_a_dearer_seat_never_costs_less_in_all(
    rupees: int, more: int, fee: Fee, admission: Admission, day: date
) -> None:
    dearer = min(rupees + more, limits.MAX_PRICE_RUPEES)
    prices = {"cheap": rupees, "dear": dearer}
    assert all_in_price(prices, "cheap", fee, admission, day) < all_in_price(prices, "dear", fee, admission, day)


@given(bookings(), FEES, ADMISSIONS, DAYS)
def test_one_more_seat_never_makes_a_booking_cheaper(
    booking: tuple[dict[str, int], list[str]], fee: Fee, admission: Admission, day: date
) -> None:
    prices, seats = booking
    more = price_lines(prices, [*seats, seats[0]], fee, admission, day)
    assert more.total >= price_lines(prices, seats, fee, admission, day).total


def test_what_can_t_be_priced_is_refused() -> None:
    for prices, seats in (({"A": 1}, []), ({"A": 1}, ["B"]), ({"A": -1}, ["A"]), ({"A": 10**9}, ["A"])):
        with pytest.raises(ValueError):
            price_lines(prices, seats, NO_FEE, Admission.OTHER, NOW)
    with pytest.raises(TaxTableError, match="on 2017-06-30"):
        price_lines({"A": 1}, ["A"], NO_FEE, Admission.OTHER, date(2017, 6, 30))
    for paise, basis_points in ((-1, 0), (0, -1), (10**9, 0), (0, 10_001)):
        with pytest.raises(ValueError):
            Fee(paise, basis_points)


def test_stored_lines_that_do_not_add_up_are_refused() -> None:
    lines = price_lines({"A": 100}, ["A"], NO_FEE, Admission.CINEMA, NOW)
    wrong = PriceLines(lines.price, lines.fee, lines.tax, lines.total - 1, "INR", lines.lines)
    with pytest.raises(ValueError, match="add up"):
        decode_price_lines(encode_price_lines(wrong))
    for blob in (b"", b"{}", b'{"price": "1"}', b"\xff"):
        with pytest.raises(ValueError):
            decode_price_lines(blob)


def test_a_malformed_table_is_refused() -> None:
    row = '[[rate]]\nkind = "{}"\nfrom = 2020-01-01\nbasis_points = 1800\nsource = "x"\n'
    whole = "".join(row.format(kind) for kind in TaxKind)
    assert TaxTable(whole.encode()).rate(TaxKind.OTHER, 1, NOW) == 1800
    for text, why in (
        (whole.replace('"other"', '"ballet"'), "Invalid enum value"),
        (whole + row.format("other"), "one row without a limit"),
        (whole + row.format("other").replace("2020", "2021").replace("basis", "up_to = 5\nbasis"), "without a limit"),
        (whole.replace(row.format("other"), ""), "no row for other"),
        (whole.replace("1800", "-1"), "basis_points|>= 0"),
        ("rate = 3", "Expected `array`"),
    ):
        with pytest.raises(TaxTableError, match=why):
            TaxTable(text.encode())
