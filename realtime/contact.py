"""The contact of a buyer: checked at the edge, carried in an outbox entry, stored in the ledger. Pure.

It is personal data, and must not be in a log, notice, event, job or error message (docs/privacy.md).
"""

from __future__ import annotations

import unicodedata
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_ADDRESS_LENGTH = 254
"""RFC 5321 allows no longer path."""
MAX_PHONE_LENGTH = 20
MAX_NAME_LENGTH = 100
INDIA, NATIONAL_DIGITS = "91", 10
"""India's country code, and the digits of its numbers without it."""
_JOINERS = "\u200c\u200d"
"""Format characters that Devanagari needs; every other control, format and unassigned character is refused."""


class AddressInvalid(ValueError):
    """A mail address can't be used; trying again does not help. The message does not contain the address."""


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a buyer can be reached; fields that were not given are "". ``locale`` is the language of mails and tickets.

    Raises ``ValueError`` (which msgspec turns into its ``ValidationError``) for a malformed field; the message names
    the field and does not repeat its content.
    """

    email: Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH)] = ""
    phone: Annotated[str, Meta(max_length=MAX_PHONE_LENGTH)] = ""
    name: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)] = ""
    locale: Literal["en", "hi"] = "en"

    def __post_init__(self) -> None:
        if self.email:
            try:
                check_address(self.email)
            except AddressInvalid as error:
                raise ValueError(f"email is {error}") from None
        if self.phone and not _is_phone(self.phone):
            raise ValueError("phone is 6 to 15 digits, with + before them and spaces or hyphens between them allowed")
        if self.name and not _is_name(self.name):
            raise ValueError("name has characters that no name has")

    @property
    def is_given(self) -> bool:
        """Whether any field but the language was given."""
        return bool(self.email or self.phone or self.name)


def encode_contact(contact: Contact | None) -> str:
    """Return the JSON that an outbox entry carries, "" if nothing was given."""
    return msgspec.json.encode(contact).decode() if contact is not None and contact.is_given else ""


def decode_contact(text: str) -> Contact | None:
    """Return what ``encode_contact`` wrote, None for "". Raises ``msgspec.MsgspecError``."""
    return msgspec.json.decode(text, type=Contact) if text else None


def check_address(address: str) -> None:
    """Raise ``AddressInvalid`` unless the text is one plain ASCII mail address without a display name."""
    try:
        parsed = Address(addr_spec=address)
    except (ValueError, IndexError, MessageError):
        raise AddressInvalid("not a mail address") from None
    plain = address.isascii() and address.isprintable() and " " not in address and len(address) <= MAX_ADDRESS_LENGTH
    if not plain or parsed.addr_spec != address or not parsed.username or not parsed.domain:
        raise AddressInvalid("not a mail address that this server can write to")


def phone_number(text: str) -> str:
    """Return the digits of a phone number in one form: with the country's code, which is India's if none is given."""
    digits = _digits(text)
    if text.startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    national = digits.removeprefix("0")
    return INDIA + national if len(national) == NATIONAL_DIGITS else digits


def phone_forms(number: str) -> list[str]:
    """Return the forms of digits for which ``phone_number`` returns ``number``."""
    forms = [number, f"00{number}"]
    national = number.removeprefix(INDIA)
    if len(national) == NATIONAL_DIGITS and national != number:
        forms += [national, f"0{national}"]
    return forms


def _digits(phone: str) -> str:
    return phone.removeprefix("+").replace(" ", "").replace("-", "")


def _is_phone(text: str) -> bool:
    digits = _digits(text)
    return digits.isascii() and digits.isdigit() and 6 <= len(digits) <= 15


def _is_name(text: str) -> bool:
    return text == text.strip() and all(
        character in _JOINERS or unicodedata.category(character)[0] not in "CZ" or character == " "
        for character in text
    )
