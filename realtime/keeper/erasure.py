"""Erases the contacts of one person, on an operator's command: in the ledger and in dead letters."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.contact import MAX_ADDRESS_LENGTH, Contact, decode_contact, phone_number
from realtime.errors import BadRequest
from realtime.ledger import Ledger
from realtime.ledger.contacts import Whose
from realtime.locks.master import LockMaster
from realtime.model import PLAIN_TEXT, hold_of, is_booking_id
from realtime.wire.requests import parse_json

_Text = Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH, pattern=PLAIN_TEXT)]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    email: _Text = ""
    phone: _Text = ""
    booking: _Text = ""


class Erasure:
    """Erases contacts of one region."""

    def __init__(self, ledger: Ledger, master: LockMaster) -> None:
        """Both of the same region."""
        self._ledger = ledger
        self._master = master

    async def erase(self, body: bytes) -> dict[str, Any]:
        """Erase the contacts that a command names; answer with how many there were. Idempotent.

        Raises ``BadRequest`` unless the command names a person in one way.
        """
        ask = parse_json(_Body, body)
        if sum(map(bool, (ask.email, ask.phone, ask.booking))) != 1:
            raise BadRequest("Give one of email, phone and booking.")
        if ask.booking and not is_booking_id(ask.booking):
            raise BadRequest("booking is not the id of a booking.")
        whose = Whose(ask.email, ask.phone, hold_of(ask.booking) if ask.booking else "")
        erased = await self._ledger.erase_contacts(whose, now_ms())
        return {"erased": erased + await self._strip_dead_letters(whose)}

    async def _strip_dead_letters(self, whose: Whose) -> int:
        """Replace the entries that carry such a contact by the same without it; return how many there were."""
        found = 0
        for entry_id, flat in await self._master.command("XRANGE", keys.DEAD_LETTERS, "-", "+"):
            fields = connect.text_fields(flat)
            contact = _read(fields.pop("contact", ""))
            if contact is None or not _is_of(contact, fields.get("hold", ""), whose):
                continue
            await self._master.command("XADD", keys.DEAD_LETTERS, "*", *connect.flat(fields))
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
