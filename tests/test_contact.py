"""What a buyer may leave to be reached with, and what is refused without being repeated."""

from __future__ import annotations

import pytest

from realtime.contact import Contact, decode_contact, encode_contact
from realtime.errors import BadRequest
from realtime.wire.requests import ConfirmHold, OrderHold, parse

HOLD = {"hold": "west-s.h1", "payment": "p"}


@pytest.mark.parametrize(
    "contact",
    [
        {},
        {"email": "asha.kulkarni+hall@example.co.in"},
        {"phone": "+91 98765-43210", "locale": "hi"},
        {"phone": "022 2649 1234"},
        {"name": "आशा कुलकर्णी", "email": "a@b.in"},
        {"name": "क्\u200dष"},
        {"name": "José-Luis O'Brien, Jr."},
    ],
)
def test_what_people_are_called_and_reached_with_is_taken_and_comes_back(contact: dict[str, str]) -> None:
    taken = parse(ConfirmHold, {**HOLD, "contact": contact}).contact
    assert taken == Contact(**contact)  # type: ignore[arg-type]
    assert decode_contact(encode_contact(taken)) == (taken if contact else None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "asha"),
        ("email", "asha@"),
        ("email", "asha@example.in, b@example.in"),
        ("email", "Asha <asha@example.in>"),
        ("email", "asha@example.in\r\nBcc: all@example.in"),
        ("email", "आशा@example.in"),
        ("email", f"{'a' * 250}@example.in"),
        ("email", 7),
        ("phone", "call me"),
        ("phone", "12345"),
        ("phone", "+" + "1" * 16),
        ("phone", "٠١٢٣٤٥٦٧٨٩"),
        ("phone", "98765\n43210"),
        ("name", "Asha\x00"),
        ("name", "Asha\r\nBcc: x"),
        ("name", "Asha\u202eahsA"),
        ("name", "Asha\u2066"),
        ("name", "Asha\u2028"),
        ("name", "Asha\ufeff"),
        ("name", " Asha"),
        ("name", "A" * 101),
        ("locale", "fr"),
        ("mail", "asha@example.in"),
    ],
)
def test_what_could_harm_a_mail_or_a_page_is_refused_and_not_repeated(field: str, value: object) -> None:
    for kind, more in ((ConfirmHold, HOLD), (OrderHold, {"hold": "west-s.h1"})):
        with pytest.raises(BadRequest) as refused:
            parse(kind, {**more, "contact": {field: value}})
        assert field in refused.value.message
        assert not (isinstance(value, str) and len(value) > 3 and field != "mail" and value in refused.value.message)
