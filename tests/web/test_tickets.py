"""Tickets on a running system: an owner's bookings, the PDF with its code, and the gate's check without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import make_mocked_request
from click.testing import CliRunner

from realtime import topology_file
from realtime.cli import cli
from realtime.clock import now_ms
from realtime.dev.cluster import Cluster
from realtime.errors import BookingNotFound
from realtime.feeds.directory import Directory
from realtime.locks.master import LockMaster
from realtime.model import booking_of, hold_of, show_of
from realtime.settings import Settings
from realtime.tickets.code import normalise
from realtime.web.address_keys import AddressKeys
from realtime.web.buyers import Buyers
from realtime.web.tickets_api import TicketsApi
from tests.cluster import Client, entries_added, new_show, node_urls, pay, pay_order, until
from tests.tickets.pages import qr_codes
from tests.tickets.samples import BOOKING, CODE


async def booked(cluster: Cluster, region: str = "west", **terms: Any) -> tuple[str, str]:
    """Book two seats; return the owner's token and the booking."""
    show = await new_show(cluster, region, **terms)
    buyer = await Client.connect(node_urls(cluster)[0])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1", "A-2"], "request_id": "1"})
    payment = await pay(node_urls(cluster)[0], held["hold"]["id"])
    answer = await buyer.call("seats:confirm", {"hold": held["hold"]["id"], "payment": payment})
    assert answer["booking"]["state"] == "booked"
    await buyer.close()
    return buyer.token, answer["booking"]["id"]


async def get(cluster: Cluster, path: str, key: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{node_urls(cluster)[2]}/api/v1{path}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return answer.status, await answer.read()


async def test_an_owner_lists_bookings_with_code_seats_and_prices(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    status, body = await get(cluster, "/bookings", owner)
    assert status == 200
    listed: dict[str, Any] = orjson.loads(body)
    (only,) = listed["bookings"]
    assert (only["id"], only["amount"], only["prices"]["total"]) == (booking, 90_000, 90_000)
    assert [seat["id"] for seat in only["seats"]] == ["A-1", "A-2"]
    assert normalise(only["code"]) and listed["missing"] == []
    assert abs(listed["server_time"] - now_ms()) < 60_000


@pytest.mark.parametrize(("paper", "lang"), [("a4", "en"), ("roll", "hi")])
async def test_the_code_on_a_ticket_is_verified_without_a_network(
    cluster: Cluster, tmp_path: Path, paper: str, lang: str
) -> None:
    owner, booking = await booked(cluster, "south")
    status, pdf = await get(cluster, f"/bookings/{booking}/ticket.pdf?paper={paper}&lang={lang}", owner)
    assert status == 200 and pdf.startswith(b"%PDF")
    (code,) = qr_codes(pdf, dots_per_mm=8)
    _status, keys = await get(cluster, "/tickets/keys", owner)
    file = tmp_path / "keys.json"
    file.write_bytes(keys)
    checked = CliRunner().invoke(cli, ["verify", code.text, "--keys", str(file)])
    assert checked.exit_code == 0 and "2 seats of south-" in checked.output, checked.output
    forged = code.text[:-8] + ("A" * 8 if code.text[-8:] != "A" * 8 else "B" * 8)
    assert CliRunner().invoke(cli, ["verify", forged, "--keys", str(file)]).exit_code == 1


async def test_a_ticket_is_for_its_owner_and_operators_only(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    stranger, _other = await booked(cluster)
    assert (await get(cluster, f"/bookings/{booking}/ticket.pdf", stranger))[0] == 404
    assert (await get(cluster, f"/ops/bookings/{booking}/ticket.pdf", owner))[0] == 403
    assert (await get(cluster, f"/ops/bookings/{booking}/ticket.pdf", cluster.secrets["OPERATOR_KEY"]))[0] == 200
    assert (await get(cluster, f"/bookings/{booking}/ticket.pdf?paper=a5", owner))[0] == 400
    assert (await get(cluster, f"/bookings/{booking[:-1]}x/ticket.pdf", owner))[0] == 404


async def test_a_link_shows_the_ticket_on_another_device_until_it_is_cancelled(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    (listed,) = orjson.loads((await get(cluster, "/bookings", owner))[1])["bookings"]
    assert listed["link"].startswith(f"{cluster.plan.node_urls('west')[0]}/tickets#t=")
    link = listed["link"].partition("#t=")[2]

    status, body = await get(cluster, "/tickets/linked", link)
    answer = orjson.loads(body)
    opened = answer["booking"]
    assert abs(answer["server_time"] - now_ms()) < 60_000
    assert (status, opened) == (200, {name: value for name, value in listed.items() if name != "owner"})
    status, pdf = await get(cluster, "/tickets/linked.pdf?lang=hi", link)
    assert status == 200 and [code.text for code in qr_codes(pdf, dots_per_mm=8)] == [listed["ticket"]]
    assert (await get(cluster, "/tickets/linked", link))[0] == 200, "it opens more than once"

    forged = link[:-4] + ("AAAA" if link[-4:] != "AAAA" else "BBBB")
    for key in (forged, owner, cluster.secrets["OPERATOR_KEY"], ""):
        status, body = await get(cluster, "/tickets/linked", key)
        assert (status, orjson.loads(body)["error"]["code"]) == (403, "link_invalid")
    assert (await post(cluster, f"/bookings/{booking}/cancel", link))[0] == 401
    assert (await get(cluster, "/bookings", link))[0] == 401

    assert (await post(cluster, f"/bookings/{booking}/cancel", owner))[0] == 200
    opened = orjson.loads((await get(cluster, "/tickets/linked", link))[1])["booking"]
    assert (opened["state"], opened["ticket"], opened["link"]) == ("cancelled", None, "")
    status, body = await get(cluster, "/tickets/linked.pdf", link)
    assert (status, orjson.loads(body)["error"]["code"]) == (410, "booking_cancelled")


async def test_a_link_is_revoked_alone_by_the_owner_or_an_operator(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    stranger, _other = await booked(cluster)

    async def link(of: str) -> str:
        (listed,) = orjson.loads((await get(cluster, "/bookings", of))[1])["bookings"]
        return str(listed["link"].partition("#t=")[2])

    async def opens(token: str) -> bool:
        statuses = {(await get(cluster, path, token))[0] for path in ("/tickets/linked", "/tickets/linked.pdf")}
        assert len(statuses) == 1
        return statuses == {200}

    first, kept = await link(owner), await link(stranger)
    path = f"/bookings/{booking}/revoke-links"
    assert (await post(cluster, path, stranger))[1]["error"]["code"] == "booking_not_found"
    assert await opens(first)
    assert await post(cluster, path, owner) == (200, {"booking": booking})
    second = await link(owner)
    assert [await opens(token) for token in (first, second, kept)] == [False, True, True]
    assert (await get(cluster, f"/bookings/{booking}/ticket.pdf", owner))[0] == 200
    assert (await post(cluster, f"/ops{path}", owner))[0] == 403
    assert (await post(cluster, f"/ops{path}", cluster.secrets["OPERATOR_KEY"]))[0] == 200
    assert [await opens(token) for token in (first, second, await link(owner))] == [False, False, True]
    story = orjson.loads((await get(cluster, f"/ops/bookings/{booking}", cluster.secrets["OPERATOR_KEY"]))[1])
    assert story["booking"]["links_revoked_at"] > 0


async def post(cluster: Cluster, path: str, token: str, body: Any = None, key: str = "") -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    url = f"{node_urls(cluster)[1]}/api/v1{path}"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
        return answer.status, await answer.json()


async def test_an_owner_cancels_a_booking_and_its_seats_are_sold_again(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    stranger, _other = await booked(cluster)
    show = show_of(booking)
    viewer = await Client.connect(node_urls(cluster)[2])
    await viewer.call("show:watch", {"show": show})
    buyer = await Client.connect(node_urls(cluster)[0], token=owner)
    assert (await post(cluster, f"/bookings/{booking}/cancel", stranger))[1]["error"]["code"] == "booking_not_found"

    status, done = await post(cluster, f"/bookings/{booking}/cancel", owner)
    assert (status, done["booking"]["state"], done["refund"]["amount"]) == (200, "cancelled", 90_000)

    async def free() -> bool:
        return viewer.status(show, 0) == viewer.status(show, 1) == "free"

    await until(free)
    heard = (await buyer.hears("booking:settled"))["booking"]
    assert (heard["id"], heard["state"], heard["seats"]) == (booking, "cancelled", ["A-1", "A-2"])
    assert (await post(cluster, f"/bookings/{booking}/cancel", owner))[1]["booking"] == done["booking"]
    (listed,) = orjson.loads((await get(cluster, "/bookings", owner))[1])["bookings"]
    assert (listed["state"], len(listed["seats"])) == ("cancelled", 2)
    seen = orjson.loads((await get(cluster, f"/bookings/{booking}", owner))[1])
    assert seen["booking"]["state"] == "cancelled"
    status, body = await get(cluster, f"/bookings/{booking}/ticket.pdf", owner)
    assert (status, orjson.loads(body)["error"]["code"]) == (410, "booking_cancelled")

    held = await viewer.call("seats:hold", {"show": show, "seats": ["A-1", "A-2"], "request_id": "1"})
    payment = await pay(node_urls(cluster)[0], held["hold"]["id"])
    again = await viewer.call("seats:confirm", {"hold": held["hold"]["id"], "payment": payment})
    assert again["booking"]["state"] == "booked"

    async def returned() -> bool:
        _status, body = await get(cluster, f"/holds/{hold_of(booking)}/refunds", owner)
        return [(each["state"], each["reason"]) for each in orjson.loads(body)["refunds"]] == [("done", "cancelled")]

    await until(returned)
    await buyer.close()
    await viewer.close()


async def test_a_booking_of_an_archived_show_is_read_and_cancelled_as_before(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    stranger, _other = await booked(cluster)
    show, operator = show_of(booking), cluster.secrets["OPERATOR_KEY"]
    seen = await get(cluster, f"/bookings/{booking}", owner)
    assert seen[0] == 200
    for command in ("close", "archive"):
        assert (await post(cluster, f"/shows/{show}/{command}", operator))[0] == 200
    # While nodes still know the show, and afterwards.
    assert await get(cluster, f"/bookings/{booking}", owner) == seen

    async def gone() -> bool:
        return (await get(cluster, f"/shows/{show}", owner))[0] == 404

    await until(gone)
    assert await get(cluster, f"/bookings/{booking}", owner) == seen
    for key, asked in ((stranger, booking), (owner, f"{booking[:-1]}x"), (owner, "nothing"), (owner, f"{show}.bx")):
        status, body = await get(cluster, f"/bookings/{asked}", key)
        assert (status, orjson.loads(body)["error"]["code"]) == (404, "booking_not_found")
    (listed,) = orjson.loads((await get(cluster, "/bookings", owner))[1])["bookings"]
    link = listed["link"].partition("#t=")[2]
    for path, key in (
        (f"/bookings?booking={booking}", owner),
        (f"/bookings/{booking}/ticket.pdf", owner),
        ("/tickets/linked", link),
        ("/tickets/linked.pdf", link),
        (f"/ops/bookings/{booking}", operator),
        (f"/holds/{hold_of(booking)}/refunds", owner),
    ):
        assert (await get(cluster, path, key))[0] == 200, path
    status, refused = await post(cluster, f"/ops/bookings/{booking}/exchange", operator, {"seats": ["B-1", "B-2"]})
    assert (status, "archived" in refused["error"]["message"]) == (400, True)

    buyer = await Client.connect(node_urls(cluster)[0], token=owner)
    assert (await post(cluster, f"/bookings/{booking}/cancel", owner))[0] == 200
    heard = (await buyer.hears("booking:settled"))["booking"]
    assert (heard["id"], heard["state"]) == (booking, "cancelled")
    body = orjson.loads((await get(cluster, f"/bookings/{booking}", owner))[1])
    assert body["booking"]["state"] == "cancelled"
    await buyer.close()


async def test_commands_about_no_booking_of_ones_own_are_not_sent(cluster: Cluster) -> None:
    """What is sent goes through the outbox and the ledger, as bookings do."""
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[0])
    stranger = await Client.connect(node_urls(cluster)[1])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    hold = held["hold"]["id"]
    order = (await buyer.call("seats:order", {"hold": hold}))["order"]["id"]
    payment = await pay_order(cluster, order, webhooks="never")
    assert (await buyer.call("seats:confirm", {"hold": hold, "payment": payment}))["booking"]["state"] == "booked"
    async with cluster.masters() as masters:
        before = await entries_added(masters["west"])
        for number in range(10):
            booking = booking_of(hold if number % 2 else f"{hold[:-4]}{number:04}")
            path = f"/bookings/{booking}/{'cancel' if number < 6 else 'revoke-links'}"
            status, refused = await post(cluster, path, stranger.token, key=f"c{number}")
            assert (status, refused["error"]["code"]) == (404, "booking_not_found")
            status, body = await get(cluster, f"/commands/c{number}", stranger.token)
            assert (status, orjson.loads(body)["error"]["code"]) == (404, "command_not_found")
        assert await entries_added(masters["west"]) == before
    await buyer.close()
    await stranger.close()


async def test_after_the_deadline_only_operators_cancel(cluster: Cluster) -> None:
    owner, booking = await booked(cluster, cancel_until="2026-01-01T00:00:00+05:30")
    status, refused = await post(cluster, f"/bookings/{booking}/cancel", owner)
    assert (status, refused["error"]["code"]) == (409, "cancel_too_late")
    assert refused["error"]["cancel_until"] == 1767205800000
    assert (await get(cluster, f"/bookings/{booking}/ticket.pdf", owner))[0] == 200
    assert (await post(cluster, f"/ops/bookings/{booking}/cancel", owner))[0] == 403
    status, done = await post(cluster, f"/ops/bookings/{booking}/cancel", cluster.secrets["OPERATOR_KEY"])
    assert (status, done["booking"]["cancelled_by"]) == (200, "operator")
    assert (await post(cluster, f"/ops/bookings/{booking[:-1]}x/cancel", cluster.secrets["OPERATOR_KEY"]))[0] == 404


async def test_a_booking_that_can_not_be_read_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(topology_file.parse("[regions.west]\nmaster = 'redis://127.0.0.1:1'\n"), "x" * 32)
    buyers, directory = Buyers({}, AddressKeys("x" * 32, [])), Directory(settings.topology, {})
    masters = {"west": LockMaster(settings.topology.regions["west"])}
    api = TicketsApi(settings, directory, masters, buyers, lambda _request: "me")
    texts = dict.fromkeys(("title", "theatre", "city", "address"), "x")
    seat = {"id": "A-1", "section": "Stalls", "row": "A", "number": "1", "category": "Gold"}
    start = "2030-01-01T18:30:00+05:30"
    sound: dict[str, Any] = {
        **texts,
        "id": BOOKING,
        "code": CODE,
        "owner": "me",
        "show": show_of(BOOKING),
        "starts_at": start,
    }
    sound |= {"booked_at": 1, "amount": 1, "seats": [seat]}
    damaged: list[dict[str, Any]] = [{"prices": {"x": 1}}, {"starts_at": "soon"}, {"seats": [{}]}, {"booked_at": -1}]

    async def ask_all(*_asked: object) -> tuple[dict[str, Any], list[str]]:
        return {"west": [{**sound, **each} for each in (*damaged, {})]}, []

    monkeypatch.setattr(buyers, "ask_all", ask_all)
    answer = await api._list(make_mocked_request("GET", "/"))
    assert [each["id"] for each in orjson.loads(cast("bytes", answer.body))["bookings"]] == [BOOKING]


@pytest.mark.parametrize("start", ["2150-01-01T18:30:00+05:30", "9999-12-31T23:00:00+00:00"])
async def test_a_show_on_a_day_that_no_ticket_can_state_has_no_ticket_and_hides_no_booking(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier releases took such a show; it stays in the ledger."""
    settings = Settings(topology_file.parse("[regions.west]\nmaster = 'redis://127.0.0.1:1'\n"), "x" * 32)
    api = TicketsApi(
        settings,
        Directory(settings.topology, {}),
        {"west": LockMaster(settings.topology.regions["west"])},
        Buyers({}, AddressKeys("x" * 32, [])),
        lambda _request: "me",
    )
    seat = {"id": "A-1", "section": "Stalls", "row": "A", "number": "1", "category": "Gold"}
    texts = dict.fromkeys(("title", "theatre", "city", "address"), "x")
    late = {**texts, "id": BOOKING, "code": CODE, "owner": "me", "show": show_of(BOOKING), "starts_at": start}

    async def found(_booking: str, _ask: object = None) -> dict[str, Any]:
        return {**late, "booked_at": 1, "amount": 1, "seats": [seat]}

    monkeypatch.setattr(api, "_found", found)
    with pytest.raises(BookingNotFound, match="no ticket can state"):
        await api._ticket(make_mocked_request("GET", "/", match_info={"booking": BOOKING}))
    assert api._tickets.listed(await found(BOOKING))["ticket"] is None
