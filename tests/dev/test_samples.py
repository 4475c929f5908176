"""The sample data: seat counts, ids, spacing and programme; and that seeding declares it once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from realtime import keys
from realtime.dev import samples, valkey
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.model import ID, Layout, Seat
from realtime.payments.factory import PaymentConfig
from realtime.plans import read_plan
from realtime.settings import Settings
from realtime.topology import Plain, Region, Topology
from realtime.wire.layouts import decode_layout, encode_layout
from realtime.wire.shows import decode_show
from tests.ledgers import new_ledger

TODAY = date(2026, 11, 23)
SEAT_WIDTH = 20.0
PLANS: dict[str, Callable[[], bytes]] = {
    "multiplex": samples.multiplex_plan,
    "concert_hall": samples.concert_hall_plan,
    "stadium": samples.stadium_plan,
}


@cache
def layout(name: str) -> Layout:
    return read_plan(PLANS[name]())


def rows(of: Layout) -> dict[tuple[str, str], list[Seat]]:
    found: dict[tuple[str, str], list[Seat]] = {}
    for seat in of.seats:
        found.setdefault((seat.section, seat.row), []).append(seat)
    return found


def gap(a: Seat, b: Seat) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


@pytest.mark.parametrize(("name", "seats"), [("multiplex", 280), ("concert_hall", 1_000), ("stadium", 60_000)])
def test_each_plan_has_its_number_of_seats(name: str, seats: int) -> None:
    assert len({seat.id for seat in layout(name).seats}) == len(layout(name).seats) == seats


@pytest.mark.parametrize(
    ("name", "seat"),
    [("multiplex", "F-12"), ("concert_hall", "Balcony-C-14"), ("stadium", "North-12-B-33")],
)
def test_seat_ids_are_readable(name: str, seat: str) -> None:
    assert seat in {s.id for s in layout(name).seats}
    for s in layout(name).seats:
        assert s.id.endswith(f"{s.row}-{s.number}")


def test_the_multiplex_has_rows_a_to_n() -> None:
    assert [row for _, row in rows(layout("multiplex"))] == list("ABCDEFGHIJKLMN")
    assert {c.name for c in layout("multiplex").categories} == {"Recliner", "Gold", "Silver"}


def test_sections() -> None:
    assert [*Counter(s.section for s in layout("concert_hall").seats)] == ["Stalls", "Balcony"]
    blocks = Counter(s.section for s in layout("stadium").seats)
    assert list(blocks)[:2] == ["North 1", "North 2"]
    assert len(blocks) == 48
    assert max(blocks.values()) < 2 * min(blocks.values())


@pytest.mark.parametrize("name", PLANS)
def test_every_category_has_seats_and_some_seats_are_accessible(name: str) -> None:
    of = layout(name)
    assert {c.name for c in of.categories} == {s.category for s in of.seats}
    assert 0 < sum(s.accessible for s in of.seats) < len(of.seats) / 20


@pytest.mark.parametrize("name", PLANS)
def test_no_two_seats_overlap(name: str) -> None:
    cells: dict[tuple[int, int], list[Seat]] = {}
    for seat in layout(name).seats:
        column, line = int(seat.x // 40), int(seat.y // 40)
        near = [s for dx in (-1, 0, 1) for dy in (-1, 0, 1) for s in cells.get((column + dx, line + dy), ())]
        for other in near:
            wide = "Recliner" in (seat.category, other.category)
            assert gap(seat, other) > SEAT_WIDTH + 2 + 10 * wide, (seat, other)
        cells.setdefault((column, line), []).append(seat)


@pytest.mark.parametrize("name", PLANS)
def test_neighbours_are_evenly_spaced_between_aisles(name: str) -> None:
    for (section, row), seats in rows(layout(name)).items():
        gaps = [gap(a, b) for a, b in pairwise(seats)]
        neighbours = [g for g in gaps if g < 1.5 * min(gaps)]
        assert max(neighbours) / min(neighbours) < 1.12, (section, row)
        assert len(gaps) - len(neighbours) <= 4, "an aisle or a few"


@pytest.mark.parametrize("name", PLANS)
def test_seats_of_a_row_are_numbered_from_one_and_have_one_category(name: str) -> None:
    for seats in rows(layout(name)).values():
        numbers = [int(s.number) for s in seats]
        assert numbers == list(range(1, len(seats) + 1))
        assert len({s.category for s in seats}) == 1


@pytest.mark.parametrize("name", PLANS)
def test_all_seats_lie_on_the_plan_and_shapes_mark_the_front(name: str) -> None:
    of = layout(name)
    assert all(20 < s.x < of.width - 20 and 20 < s.y < of.height - 20 for s in of.seats)
    words = {shape.text for shape in of.shapes if shape.kind == "text"}
    assert {"multiplex": "SCREEN", "concert_hall": "STAGE", "stadium": "PITCH"}[name] in words
    assert any(shape.kind == "polygon" for shape in of.shapes)


@pytest.mark.parametrize("name", ["multiplex", "concert_hall"])
def test_halls_are_symmetric(name: str) -> None:
    for seats in rows(layout(name)).values():
        for left, right in zip(seats, reversed(seats), strict=True):
            assert left.x + right.x == pytest.approx(layout(name).width, abs=2)
            assert left.y == pytest.approx(right.y, abs=0.1)


@pytest.mark.parametrize("name", PLANS)
def test_plans_are_deterministic(name: str) -> None:
    assert read_plan(PLANS[name]()).id == layout(name).id
    assert len(encode_layout(layout(name))) < 1_500_000


def test_there_are_theatres_in_nine_cities_of_three_regions() -> None:
    theatres = samples.theatres()
    assert len({t.id for t in theatres}) == len({t.city for t in theatres}) == 9
    assert all(ID.match(t.id) for t in theatres)
    assert {t.region for t in theatres} == {"north", "west", "south"}
    assert {"Delhi", "Mumbai", "Bengaluru"} <= {t.city for t in theatres}


def test_shows_start_today_and_tomorrow_in_indian_time() -> None:
    shows = samples.shows(TODAY)
    assert len({s.id for s in shows}) == len(shows)
    theatres = {t.id: t for t in samples.theatres()}
    for show in shows:
        start = datetime.fromisoformat(show.starts_at)
        assert start.utcoffset() == timedelta(hours=5.5)
        assert start.date() in (TODAY, TODAY + timedelta(days=1))
        assert ID.match(show.id)
        assert show.id == f"{show.region}-{show.theatre}-{start:%Y%m%d-%H%M}"
        assert theatres[show.theatre].region == show.region
        assert set(show.prices) == {c.name for c in layout(show.plan).categories}
        assert all(price > 0 for price in show.prices.values())
    assert {s.theatre for s in shows} == set(theatres)


def test_tomorrows_shows_keep_their_ids_and_titles() -> None:
    today = {s.id: s for s in samples.shows(TODAY)}
    tomorrow = {s.id: s for s in samples.shows(TODAY + timedelta(days=1))}
    both = today.keys() & tomorrow.keys()
    assert len(both) == len(today) / 2
    assert all(today[show] == tomorrow[show] for show in both)


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_mumbai_always_has_a_show_with_seat_f_12_ahead(hour: int) -> None:
    now = datetime(2026, 11, 23, hour, 59, tzinfo=samples.INDIA)
    mumbai = next(t.id for t in samples.theatres() if t.city == "Mumbai")
    ahead = [s for s in samples.shows(now.date()) if s.theatre == mumbai and datetime.fromisoformat(s.starts_at) > now]
    assert ahead
    assert all("F-12" in {seat.id for seat in layout(s.plan).seats} for s in ahead)


@pytest.fixture
async def west(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[LockMaster]:
    """An empty master of the west with a keeper at work."""
    region = Region("west", "Mumbai", Plain(master_server.url), {}, new_ledger(tmp_path / "west.db"))
    link = LockMaster(region)
    await link.command("FLUSHALL")
    payments = PaymentConfig("signed", environ={"TICKINGTICKETS_SIGNED_SECRET": "s" * 32})
    keeper = Keeper(Settings(Topology({"west": region}), "a secret of the tests", payments=payments), "west", "k")
    keeper.start()
    yield link
    await keeper.stop()
    await link.close()


async def test_seeding_declares_the_theatres_and_shows_of_a_region_once(west: LockMaster, tmp_path: Path) -> None:
    shows = [s for s in samples.shows(TODAY) if s.region == "west"]
    assert await samples.seed({"west": west}, TODAY) == 3 + 3 + len(shows)

    declarations = [decode_show(blob) for blob in await west.command("HVALS", keys.SHOWS)]
    found = {show.id: show for show in declarations}
    assert set(found) == {s.id for s in shows}
    assert {t.decode() for t in await west.command("HKEYS", keys.THEATRES)} == {s.theatre for s in shows}
    for show in shows:
        declared = found[show.id]
        assert (declared.title, declared.prices, declared.starts_at) == (show.title, show.prices, show.starts_at)
        assert (declared.admission, declared.fee) == (show.admission, show.fee)
        assert declared.layout == layout(show.plan).id
        assert await west.command("STRLEN", keys.seats(show.id)) == declared.seat_count
    blob = await west.command("GET", keys.layout(layout("stadium").id))
    assert decode_layout(blob) == layout("stadium")
    ledger = Ledger(f"sqlite+aiosqlite:///{tmp_path}/west.db")
    assert await ledger.layout_blob(layout("stadium").id) == blob
    await ledger.close()

    entries = await west.command("XINFO", "STREAM", keys.OUTBOX)
    assert await samples.seed({"west": west}, TODAY) == 0
    assert await west.command("XINFO", "STREAM", keys.OUTBOX) == entries


async def test_seeding_continues_after_an_interruption_and_adds_the_shows_of_the_next_day(west: LockMaster) -> None:
    await samples.seed({"west": west}, TODAY)
    lost = next(s for s in samples.shows(TODAY) if s.plan == "concert_hall" and s.region == "west")
    await west.command("HDEL", keys.SHOWS, lost.id)
    assert await samples.seed({"west": west}, TODAY) == 2  # the show, and its layout once more
    per_day = len([s for s in samples.shows(TODAY) if s.region == "west"]) // 2
    assert await samples.seed({"west": west}, TODAY + timedelta(days=1)) == 3 + per_day


def test_indian_time_is_ahead_of_utc() -> None:
    assert datetime(2026, 11, 23, 20, tzinfo=UTC).astimezone(samples.INDIA).date() == date(2026, 11, 24)
