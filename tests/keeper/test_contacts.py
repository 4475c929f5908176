"""A contact on its way: in the outbox entry only, then in the ledger, until an operator erases it."""

from __future__ import annotations

import logging
from typing import cast

import msgspec
import pytest

from realtime import connect, keys
from realtime.contact import Contact, encode_contact
from realtime.errors import BadRequest
from realtime.keeper.erasure import Erasure
from realtime.ledger import Ledger
from realtime.locks.commands import run_command
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.model import booking_of
from tests.cluster import until

from .conftest import PRICE, SHOW, Place

ADDRESS = "asha@example.in"
CONTACT = Contact(ADDRESS, "+91 98765 43210", "Asha Kulkarni")


async def found_on_master(place: Place) -> list[str]:
    """Return the keys whose value contains the address or the name."""
    found = []
    for key in await place.master.command("KEYS", "*"):
        dump: bytes | None = await place.master.command("DUMP", key)
        kind = await place.master.command("TYPE", key)
        if dump is None or kind == b"none":
            continue  # it has ended since
        readers = {
            b"string": ("GET", key),
            b"hash": ("HGETALL", key),
            b"stream": ("XRANGE", key, "-", "+"),
            b"list": ("LRANGE", key, 0, -1),
            b"zset": ("ZRANGE", key, 0, -1),
            b"set": ("SMEMBERS", key),
        }
        value = str(await place.master.command(*readers[kind]))
        if ADDRESS in value or "Kulkarni" in value or ADDRESS.encode() in dump:
            found.append(key.decode())
    return found


async def test_a_contact_is_on_the_master_in_the_outbox_entry_and_nowhere_after_that(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await place.rest()
    hold = await place.hold("a", [1])
    await place.locks.order(hold, "a", "order_1", [1], PRICE, encode_contact(CONTACT))
    await place.locks.confirm(hold, "a", PaymentProof("paid a", PRICE, "order_1", contact=encode_contact(CONTACT)))
    assert await found_on_master(place) == [keys.OUTBOX]
    place.keeper("k2")

    async def recorded() -> bool:
        return await place.ledger.contact(hold) == CONTACT and int(await place.master.command("XLEN", keys.OUTBOX)) == 0

    await until(recorded)
    jobs = await place.master.command("KEYS", f"{keys.JOBS_PREFIX}:mail:*{booking_of(hold)}")
    assert len(jobs) == 1 and await found_on_master(place) == []
    assert ADDRESS not in caplog.text and "Kulkarni" not in caplog.text


async def test_a_page_that_comes_after_the_webhook_still_brings_the_contact(place: Place) -> None:
    hold = await place.confirm("a", [1])
    await until(place.booked)
    await place.locks.confirm(hold, "a", PaymentProof("paid a", PRICE, contact=encode_contact(CONTACT)))

    async def recorded() -> bool:
        return await place.ledger.contact(hold) == CONTACT

    await until(recorded)
    assert await place.booked() == {booking_of(hold): (1,)}


@pytest.mark.parametrize("order_last", [False, True])
async def test_the_contact_that_was_given_last_stays(place: Place, order_last: bool) -> None:
    """By the lock master's clock for both: an entry may be processed late, and a keeper's clock may be another."""
    await place.rest()
    hold = await place.hold("a", [1])
    common = {"hold": hold, "owner": "a", "order": "order_1", "seats": "1", "amount": str(PRICE)}
    later = encode_contact(Contact("later@example.in"))
    order = {**common, "kind": "order", "at": "1790000001000", "contact": encode_contact(CONTACT)}
    booking = {**common, "kind": "booking", "at": "1790000002000", "payment": "paid a", "contact": later}
    for entry in (booking, order) if order_last else (order, booking):
        await place.master.command("XADD", keys.OUTBOX, "*", *connect.flat(entry))
        place.keeper(f"of-{entry['kind']}")

        async def recorded() -> bool:
            return int(await place.master.command("XLEN", keys.OUTBOX)) == 0

        await until(recorded)
        await place.rest()
    assert await place.ledger.contact(hold) == Contact("later@example.in")


@pytest.mark.parametrize("contact_first", [False, True])
async def test_entries_that_are_processed_together_do_not_lose_the_contact(place: Place, contact_first: bool) -> None:
    await place.rest()
    hold, other = await place.hold("a", [1]), await place.hold("b", [2])
    contact = encode_contact(CONTACT)
    for given in (contact, "") if contact_first else ("", contact):
        await place.locks.order(hold, "a", "order_1", [1], PRICE, given, "reply")
        proof = PaymentProof("paid b", PRICE, contact=given, reply="reply", reply_if_booked=True)
        await place.locks.confirm(other, "b", proof)
    place.keeper("k2")

    async def recorded() -> bool:
        return int(await place.master.command("XLEN", keys.OUTBOX)) == 0

    await until(recorded)
    assert await place.ledger.contact(hold) == CONTACT and await place.ledger.contact(other) == CONTACT


async def test_the_contact_of_a_payment_that_is_returned_is_kept_for_the_mail_about_it(place: Place) -> None:
    hold = await place.hold("a", [1])
    await place.locks.release(hold, "a")
    with pytest.raises(Exception, match="released"):
        await place.locks.confirm(hold, "a", PaymentProof("paid a", PRICE, contact=encode_contact(CONTACT)))

    async def recorded() -> bool:
        return await place.ledger.contact(hold) == CONTACT

    await until(recorded)


async def test_an_entry_that_is_processed_after_an_erasure_does_not_bring_the_contact_back(place: Place) -> None:
    await place.rest()
    hold = await place.hold("a", [1])
    await place.locks.order(hold, "a", "order_1", [1], PRICE, encode_contact(CONTACT))
    read = ("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "a keeper that dies", "STREAMS", keys.OUTBOX, ">")
    assert len(connect.streams(await place.master.command(*read))[0][1]) == 1
    place.keeper("k2")
    assert await run_command(place.master, "erase_contacts", {"phone": " 098765-43210 "}) == {"erased": 1}
    await until(lambda: place.ledger.order("order_1"))
    assert await place.ledger.contact(hold) is None


@pytest.mark.parametrize(
    "person", [{"email": "asha"}, {"email": " "}, {"phone": "(98765) 43210"}, {"booking": "west-s"}]
)
async def test_an_erasure_that_can_find_nobody_is_refused(person: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await Erasure(cast(Ledger, None), cast(LockMaster, None)).erase(msgspec.json.encode(person))


async def test_an_operator_erases_a_person_also_in_dead_letters(place: Place) -> None:
    entry = ("kind", "nonsense", "hold", f"{SHOW}.hx", "contact", encode_contact(CONTACT))
    await place.master.command("XADD", keys.OUTBOX, "*", *entry)

    async def in_dead_letters() -> bool:
        return await found_on_master(place) == [keys.DEAD_LETTERS]

    await until(in_dead_letters)
    assert await run_command(place.master, "erase_contacts", {"email": ADDRESS.upper()}) == {"erased": 1}
    assert await found_on_master(place) == []
    assert int(await place.master.command("XLEN", keys.DEAD_LETTERS)) == 1
