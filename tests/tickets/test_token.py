"""The signed token: what a gate without a network accepts, and what it refuses."""

from __future__ import annotations

import base64
import random
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from realtime.tickets.code import derive_code
from realtime.tickets.token import (
    MAX_TOKEN_LENGTH,
    InvalidReason,
    PublicKeys,
    SigningKey,
    TicketClaims,
    TicketInvalid,
    derive_key,
    explicit_key,
    live_keys,
    public_jwk,
    sign,
    verify,
)
from tests.tickets.samples import CODE, SECRET

CLAIMS = TicketClaims("west-eros-hamlet-20261212", CODE, 4, date(2026, 12, 12))
WEST = derive_key(SECRET, "west")
KEYS = PublicKeys.of([WEST])

shows = st.from_regex(r"west-[a-z0-9]([a-z0-9-]{0,57}[a-z0-9])?", fullmatch=True)
claims = st.builds(
    TicketClaims,
    show=shows,
    code=st.builds(derive_code, st.binary(max_size=32), st.text(max_size=80)),
    seat_count=st.integers(1, 255),
    day=st.dates(date(1970, 1, 1), date(2149, 6, 6)),
)


def reason(token: str, keys: PublicKeys = KEYS) -> InvalidReason:
    with pytest.raises(TicketInvalid) as caught:
        verify(token, keys)
    return caught.value.reason


@given(claims)
def test_what_was_signed_is_read_back(wanted: TicketClaims) -> None:
    token = sign(wanted, WEST)
    assert len(token) <= MAX_TOKEN_LENGTH
    assert verify(token, KEYS) == wanted


def test_a_scanner_may_change_the_case_and_add_a_line_end() -> None:
    assert verify(sign(CLAIMS, WEST).lower() + "\r\n", KEYS) == CLAIMS


def test_the_same_ticket_gets_the_same_token() -> None:
    assert sign(CLAIMS, WEST) == sign(CLAIMS, derive_key(SECRET, "west"))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_token_is_refused(place: int, change: int) -> None:
    raw = bytearray(_bytes(sign(CLAIMS, WEST)))
    raw[place % len(raw)] ^= change
    with pytest.raises(TicketInvalid):
        verify(_token(bytes(raw)), KEYS)


def test_every_truncated_token_is_refused() -> None:
    token = sign(CLAIMS, WEST)
    for length in range(len(token)):
        with pytest.raises(TicketInvalid):
            verify(token[:length], KEYS)


@given(st.text(max_size=300) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=300))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TicketInvalid):
        verify(text, KEYS)


def test_the_reason_tells_foreign_codes_from_forgeries() -> None:
    assert reason("https://example.in/menu") is InvalidReason.MALFORMED
    assert reason("") is InvalidReason.MALFORMED
    assert reason("A" * 10_000_000) is InvalidReason.MALFORMED
    forged = bytearray(_bytes(sign(CLAIMS, WEST)))
    forged[4] = 9  # nine seats instead of four
    assert reason(_token(bytes(forged))) is InvalidReason.SIGNATURE
    later = bytearray(_bytes(sign(CLAIMS, WEST)))
    later[0] = 2
    assert reason(_token(bytes(later))) is InvalidReason.VERSION


def test_a_key_of_the_forger_is_no_key_of_the_region() -> None:
    forger = explicit_key(Ed25519PrivateKey.generate().private_bytes_raw(), "west", WEST.number)
    assert reason(sign(CLAIMS, forger)) is InvalidReason.SIGNATURE


def test_another_region_can_not_issue_tickets_for_this_one() -> None:
    with pytest.raises(ValueError, match="a key of south"):
        sign(CLAIMS, derive_key(SECRET, "south"))
    posing = explicit_key(derive_key(SECRET, "south").private.private_bytes_raw(), "west", WEST.number)
    assert reason(sign(CLAIMS, posing), PublicKeys.of([WEST, derive_key(SECRET, "south")])) is InvalidReason.SIGNATURE


def test_a_gate_without_the_regions_key_says_so() -> None:
    assert reason(sign(CLAIMS, WEST), PublicKeys.of([derive_key(SECRET, "south")])) is InvalidReason.UNKNOWN_KEY


def test_tickets_of_an_old_key_hold_until_it_is_retired() -> None:
    old, new = derive_key("an old secret", "west"), WEST
    both = PublicKeys.of(live_keys([SECRET, "an old secret", ""], ["west", "south"]))
    assert verify(sign(CLAIMS, old), both) == verify(sign(CLAIMS, new), both) == CLAIMS
    assert reason(sign(CLAIMS, old), PublicKeys.of([new])) is InvalidReason.UNKNOWN_KEY


def test_two_keys_may_have_one_number() -> None:
    namesake = explicit_key(bytes(32), "west", WEST.number)
    both = PublicKeys.from_jwks({"keys": [public_jwk(WEST), public_jwk(namesake)]})
    assert verify(sign(CLAIMS, WEST), both) == verify(sign(CLAIMS, namesake), both) == CLAIMS


def test_a_signature_made_for_another_purpose_is_no_ticket() -> None:
    content = _bytes(sign(CLAIMS, WEST))[:-64]
    assert reason(_token(content + WEST.private.sign(content))) is InvalidReason.SIGNATURE


def test_keys_differ_by_secret_and_region() -> None:
    keys = [WEST, derive_key(SECRET, "south"), derive_key("x", "west")]
    assert len({key.private.private_bytes_raw() for key in keys}) == 3
    assert [key.number for key in keys] == [43, 43, 102]
    assert WEST.private.private_bytes_raw().hex() == (
        "be5c99273f2772391be050dd8b2dc65e4aaccf3ddfe8e22cb6d48e8161632ab8"
    ), "derived keys must not change between releases: tickets in people's hands would be refused"


def test_a_gate_reads_the_published_keys() -> None:
    published = {"keys": [public_jwk(WEST), public_jwk(derive_key("x", "west"))]}
    assert published["keys"][0]["kid"] == f"west.{WEST.number}"
    assert "d" not in published["keys"][0]
    assert verify(sign(CLAIMS, WEST), PublicKeys.from_jwks(published)) == CLAIMS


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": [5]},
        {"keys": [{}]},
        {"keys": [public_jwk(WEST) | {"kid": "west"}]},
        {"keys": [public_jwk(WEST) | {"kid": "west.0"}]},
        {"keys": [public_jwk(WEST) | {"kid": "west.²"}]},
        {"keys": [public_jwk(WEST) | {"kid": 1}]},
        {"keys": [public_jwk(WEST) | {"x": "AAAA"}]},
        {"keys": [public_jwk(WEST) | {"crv": "Ed448"}]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "west.1"}]},
    ],
)
def test_what_is_no_key_set_is_refused(jwks: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        PublicKeys.from_jwks(jwks)


@pytest.mark.parametrize(
    "unfit",
    [
        TicketClaims("west-x", CODE, 0, CLAIMS.day),
        TicketClaims("west-x", CODE, 256, CLAIMS.day),
        TicketClaims("west-x", "AAAAAAAA", 1, CLAIMS.day),
        TicketClaims("west-x", CODE, 1, date(2150, 1, 1)),
        TicketClaims("west-é", CODE, 1, CLAIMS.day),
        TicketClaims("west-" + "x" * 60, CODE, 1, CLAIMS.day),
    ],
)
def test_claims_that_do_not_fit_are_not_signed(unfit: TicketClaims) -> None:
    with pytest.raises(ValueError, match="can't hold"):
        sign(unfit, WEST)


def test_a_key_does_not_show_its_secret() -> None:
    assert repr(WEST) == "SigningKey('west', 43)"
    for region, number in (("West", 1), ("west", 0), ("west", 256), ("", 1)):
        with pytest.raises(ValueError, match="ticket key"):
            SigningKey(region, number, WEST.private)


def test_random_bytes_are_refused() -> None:
    source = random.Random(7)
    for length in range(150):
        with pytest.raises(TicketInvalid):
            verify(_token(b"\1" + source.randbytes(length)), KEYS)


def _bytes(token: str) -> bytes:
    return base64.b32decode(token + "=" * (-len(token) % 8))


def _token(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")
