"""Contacts of buyers, by hold: written with an order or a booking, erased by an operator, deleted after a time.

A contact belongs to the hold, not to its booking, because a buyer whose seats could not be booked is notified of the
refund.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.contact import Contact, phone_forms, phone_number
from realtime.ledger import schema
from realtime.ledger.database import insert_new, parts, read_rows
from realtime.ledger.fencing import Fencing

_EMPTY = {"email": "", "phone": "", "name": ""}


@dataclass(frozen=True, slots=True)
class GivenContact:
    """A contact that came with an order or a payment of a hold, with the time (ms) by the lock master's clock."""

    hold: str
    show_id: str
    contact: Contact
    at: int


@dataclass(frozen=True, slots=True)
class Whose:
    """The person whose contacts are erased. One field is set; it is compared as in ``holds_of_person``."""

    email: str = ""
    phone: str = ""
    hold: str = ""


class Contacts(Fencing):
    """Reads, erases and deletes contacts."""

    async def contact(self, hold: str) -> Contact | None:
        """Return the contact of a hold, None if none was given or it was erased."""
        table = schema.contacts
        async with self.snapshot() as connection:
            row = (await connection.execute(select(table).where(table.c.hold_id == hold))).one_or_none()
        if row is None or row.erased_at is not None:
            return None
        return Contact(row.email, row.phone, row.name, row.locale)

    async def erase_contacts(self, whose: Whose, at: int, on_the_way: Sequence[GivenContact] = ()) -> int:
        """Erase the contacts of one person; return how many there were. Nothing writes them again. Idempotent.

        ``on_the_way`` are contacts of this person in entries that are not recorded yet.
        """
        if sum(map(bool, (whose.email, whose.phone, whose.hold))) != 1:
            raise ValueError("one of email, phone and hold")
        table = schema.contacts
        async with self.transaction() as connection:
            await save_contacts(connection, on_the_way)
            holds = [whose.hold] if whose.hold else await holds_of_person(connection, whose.email, whose.phone)
            count = 0
            for some in parts(holds):
                erase = update(table).where(table.c.erased_at.is_(None), table.c.hold_id.in_(some))
                count += (await connection.execute(erase.values(**_EMPTY, erased_at=at))).rowcount
            await self.advance(connection)
            return count

    async def delete_old_contacts(self, shows_before: int, unpaid_before: int) -> int:
        """Delete contacts and ticket files that are not needed any more; return how many contacts were deleted.

        These are contacts and ticket files of shows that started before ``shows_before`` (ms), and contacts that were
        given before ``unpaid_before`` (ms) for holds that nobody has paid for.
        """
        contacts, files, bookings = schema.contacts, schema.ticket_files, schema.bookings
        paid = exists().where(schema.payments.c.hold_id == contacts.c.hold_id)
        async with self.transaction() as connection:
            over = await _over(connection, shows_before)
            unpaid = and_(contacts.c.given_at < unpaid_before, ~paid)
            deleted = (await connection.execute(delete(contacts).where(unpaid))).rowcount
            for some in parts(over):
                gone = await connection.execute(delete(contacts).where(contacts.c.show_id.in_(some)))
                deleted += gone.rowcount
                of_shows = select(bookings.c.id).where(bookings.c.show_id.in_(some))
                await connection.execute(delete(files).where(files.c.booking_id.in_(of_shows)))
            return deleted


async def _over(connection: AsyncConnection, before: int) -> list[str]:
    """Return the shows that started before a time and have contacts or ticket files. Other shows add no cost."""
    shows, bookings = schema.shows, schema.bookings
    with_files = select(bookings.c.show_id).join(schema.ticket_files, schema.ticket_files.c.booking_id == bookings.c.id)
    kept = union(select(schema.contacts.c.show_id), with_files).subquery()
    found = select(shows.c.id, shows.c.starts_at).join(kept, kept.c.show_id == shows.c.id)
    starts = read_rows(await connection.execute(found), _start)
    return [show for show, at in starts if at < before]


def _start(row: Any) -> tuple[str, float]:
    return row.id, datetime.fromisoformat(row.starts_at).timestamp() * 1000


# --- in the transaction of the caller -------------------------------------------------------------------------------
async def holds_of_person(connection: AsyncConnection, email: str = "", phone: str = "") -> list[str]:
    """Return the holds with a contact of this address or phone number, the newest first.

    Addresses are compared without case, numbers by their digits, however they are written.
    """
    table = schema.contacts
    number = phone_number(phone)
    if email:
        wanted = schema.email_lower == email.lower()
    elif not number:
        return []
    else:
        wanted = schema.phone_digits.in_(phone_forms(number))
    query = select(table.c.hold_id, table.c.phone).where(wanted).order_by(table.c.given_at.desc())
    rows = await connection.execute(query)
    # The digits alone do not show whether the number began with a +.
    return [row.hold_id for row in rows if email or phone_number(row.phone) == number]


async def save_contacts(connection: AsyncConnection, given: Iterable[GivenContact]) -> None:
    """Record contacts. The one that was given last for a hold is kept, in any order; erased ones stay erased.

    Of those of one millisecond the last of ``given`` is kept.
    """
    table = schema.contacts
    rows = [
        {
            "hold_id": each.hold,
            "show_id": each.show_id,
            "email": each.contact.email,
            "phone": each.contact.phone,
            "name": each.contact.name,
            "locale": each.contact.locale,
            "given_at": each.at,
        }
        for each in given
    ]
    if not rows:
        return
    await connection.execute(insert_new(connection, table), rows)
    older = (table.c.hold_id == bindparam("hold"), table.c.erased_at.is_(None), table.c.given_at <= bindparam("at"))
    changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != "hold_id"}
    newer = [
        {"hold": row["hold_id"], "at": row["given_at"], **{f"new_{name}": row[name] for name in changed}}
        for row in rows
    ]
    await connection.execute(update(table).where(*older).values(**changed), newer)


async def holds_with_address(connection: AsyncConnection, holds: Sequence[str]) -> set[str]:
    """Return those of some holds whose contact has an e-mail address."""
    table = schema.contacts
    query = select(table.c.hold_id).where(table.c.hold_id.in_(holds), table.c.email != "")
    return set((await connection.execute(query)).scalars())
