"""Erases the contacts of one person on an operator's command: in the ledger, in dead letters, and in the outbox.

An entry of the outbox that was appended before the command may be processed after it. Its contact is recorded as erased
now, so that the entry does not bring it back.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.contact import MAX_ADDRESS_LENGTH, Contact, decode_contact, phone_number
from realtime.errors import BadRequest
from realtime.keeper.outbox import stream_entries
from realtime.ledger import Ledger
from realtime.ledger.contacts import GivenContact, Whose
from realtime.locks.master import LockMaster
from realtime.model import PLAIN_TEXT, hold_of, is_booking_id, show_of
from realtime.wire.requests import parse_json

_Text = Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH, pattern=PLAIN_TEXT)]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    email: _Text = ""
    phone: _Text = ""
    booking: _Text = ""


class Erasure:
    """Erases contacts of one region."""

    def __init__(self, ledger: Ledger, master: LockMaster) -> None:
        """Both arguments belong to the same region."""
        self._ledger = ledger
        self._master = master

    async def erase(self, body: bytes) -> dict[str, Any]:
        """Erase the contacts that a command names; answer with how many there were. Idempotent.

        Raises ``BadRequest`` unless the command has exactly one of e-mail, phone and booking, in a valid form.
        """
        ask = parse_json(_Body, body)
        email, phone, booking = ask.email.strip(), ask.phone.strip(), ask.booking.strip()
        if sum(map(bool, (email, phone, booking))) != 1:
            raise BadRequest("Give one of email, phone and booking.")
        if booking and not is_booking_id(booking):
            raise BadRequest("booking is not the id of a booking.")
        try:
            Contact(email, phone)
        except ValueError as error:
            raise BadRequest(f"{error}.") from None
        whose = Whose(email, phone, hold_of(booking) if booking else "")
        erased = await self._ledger.erase_contacts(whose, now_ms(), await self._on_the_way(whose))
        return {"erased": erased + await self._strip_dead_letters(whose)}

    async def _on_the_way(self, whose: Whose) -> list[GivenContact]:
        """Return the matching contacts of entries that are not processed yet."""
        found = []
        async for _id, fields in stream_entries(self._master, keys.OUTBOX):
            contact, hold = _read(fields.get("contact", "")), fields.get("hold", "")
            if hold and contact is not None and _is_of(contact, hold, whose):
                found.append(GivenContact(hold, show_of(hold), contact, connect.count(fields.get("at"))))
        return found

    async def _strip_dead_letters(self, whose: Whose) -> int:
        """Replace each entry that has a matching contact by the same entry without it; return how many there were."""
        found = 0
        async for entry_id, fields in stream_entries(self._master, keys.DEAD_LETTERS):
            contact = _read(fields.pop("contact", ""))
            if contact is None or not _is_of(contact, fields.get("hold", ""), whose):
                continue
            await self._master.small_write("XADD", keys.DEAD_LETTERS, "*", *connect.flat(fields))
            await self._master.command("XDEL", keys.DEAD_LETTERS, entry_id)
            found += 1
        return found


def _read(text: str) -> Contact | None:
    try:
        return decode_contact(text)
    except msgspec.MsgspecError:
        return None


def _is_of(contact: Contact, hold: str, whose: Whose) -> bool:
    same_address = bool(whose.email) and contact.email.lower() == whose.email.lower()
    same_phone = bool(whose.phone and contact.phone) and phone_number(contact.phone) == phone_number(whose.phone)
    return same_address or same_phone or (hold == whose.hold != "")
