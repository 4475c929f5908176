"""The signed token in a ticket's QR code: a gate checks it with the region's public keys and no network. Pure.

A JWS of the same content has about 250 characters, in lower case too, and needs a QR code of 61 x 61 modules; this one
has about 165 in capitals and needs 45 x 45: a third larger modules for thermal printers and cheap cameras. Its bytes:

| bytes | content |
| --- | --- |
| 1 | layout version, 1 |
| 1 | key number, 1 to 255 |
| 2 | day of the show in India: days since 1970-01-01, big endian |
| 1 | number of seats |
| 8 | ticket code, ASCII |
| n | show id, ASCII, 1 to 64 bytes; it begins with its region |
| 64 | Ed25519 signature (RFC 8032) over ``DOMAIN`` and all bytes before the signature |

as base32 (RFC 4648) without padding: upper-case letters and digits, QR's compact alphanumeric mode. Region and code
name the booking. A valid token proves that the region issued the ticket; whether it was cancelled or used since, only
the region knows. A reissued or exchanged ticket has the same code.

A region's key and its number are derived from the installation's secret. During a rotation the keys of both secrets are
live. Afterwards tickets of the old secret are refused for an unknown key, not as forged. Two secrets have the same
number in one case of 255, so each key with the number is tried.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwk import KeyParameters, OKPKey

from realtime import limits, model
from realtime.tickets import code as ticket_code
from realtime.tickets.text import in_india

DOMAIN = b"tickingtickets ticket v1\0"
"""Signed in front of the content: a signature made for another purpose is no ticket."""
VERSION = 1
MAX_KEY_NUMBER = 255
_KEY_NUMBERS = {str(number) for number in range(1, MAX_KEY_NUMBER + 1)}
_HEAD = struct.Struct(">BBHB8s")
_SIGNATURE_BYTES = 64
_MIN_BYTES = _HEAD.size + 1 + _SIGNATURE_BYTES
_MAX_BYTES = _HEAD.size + limits.MAX_ID_LENGTH + _SIGNATURE_BYTES
MAX_TOKEN_LENGTH = -(-_MAX_BYTES * 8 // 5)
"""Characters of the longest token."""
_EPOCH = date(1970, 1, 1)


class InvalidReason(StrEnum):
    """Why a token is not accepted."""

    MALFORMED = "malformed"
    """No ticket: another kind of QR code, or damaged."""
    VERSION = "version"
    """Written in a layout that this release does not know."""
    UNKNOWN_KEY = "unknown_key"
    """Signed by a region or with a key that the verifier does not have."""
    SIGNATURE = "signature"
    """Forged or altered."""


class TicketInvalid(ValueError):
    """The token is not accepted; ``reason`` says why."""

    def __init__(self, reason: InvalidReason) -> None:
        """Keep the reason."""
        super().__init__(f"ticket token: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """What a token states. ``day`` is the day on which the show starts, in India."""

    show: str
    code: str
    seat_count: int
    day: date


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of a region."""

    region: str
    number: int
    private: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not model.REGION.match(self.region) or not 1 <= self.number <= MAX_KEY_NUMBER:
            raise ValueError(f"ticket key {self.number} of region {self.region!r}")

    def __repr__(self) -> str:
        return f"SigningKey({self.region!r}, {self.number})"


def derive_key(secret: str, region: str) -> SigningKey:
    """Return a region's key and its number, derived from the installation's secret; both are always the same.

    HKDF (RFC 5869) with SHA-256 and no salt; ``info`` is ``tickingtickets ticket key number`` for the number, and
    ``tickingtickets ticket key <region> <number>`` for the key. Raises ``ValueError`` for a malformed region.
    """

    def derived(info: str, length: int) -> bytes:
        return HKDF(SHA256(), length, None, info.encode()).derive(secret.encode())

    number = 1 + derived("tickingtickets ticket key number", 1)[0] % MAX_KEY_NUMBER
    return explicit_key(derived(f"tickingtickets ticket key {region} {number}", 32), region, number)


def live_keys(secrets: Iterable[str], regions: Collection[str]) -> list[SigningKey]:
    """Return the keys of all regions under each secret: two during a rotation. An empty secret is none."""
    return [derive_key(secret, region) for secret in secrets if secret for region in regions]


def explicit_key(seed: bytes, region: str, number: int) -> SigningKey:
    """Return a region's key from the 32 bytes of an Ed25519 private key, made elsewhere. Raises ``ValueError``."""
    return SigningKey(region, number, Ed25519PrivateKey.from_private_bytes(seed))


def public_jwk(key: SigningKey) -> dict[str, Any]:
    """Return the public key as a JWK (RFC 8037); ``kid`` is ``<region>.<number>``."""
    parameters: KeyParameters = {"kid": f"{key.region}.{key.number}", "alg": "EdDSA", "use": "sig"}
    return dict(OKPKey.import_key(key.private.public_key(), parameters).as_dict(private=False))


class PublicKeys:
    """The public keys that a verifier trusts."""

    def __init__(self, keys: Iterable[tuple[str, int, Ed25519PublicKey]]) -> None:
        """Trust these keys, each with its region and number."""
        self._keys: dict[tuple[str, int], list[Ed25519PublicKey]] = {}
        for region, number, key in keys:
            self._keys.setdefault((region, number), []).append(key)

    @classmethod
    def of(cls, keys: Iterable[SigningKey]) -> PublicKeys:
        """Return the public halves of signing keys."""
        return cls((key.region, key.number, key.private.public_key()) for key in keys)

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> PublicKeys:
        """Read a JWK set (``{"keys": [...]}``) of ``public_jwk`` entries; raise ``ValueError`` if it is malformed."""
        try:
            return cls(_read_jwk(entry) for entry in jwks["keys"])
        except (JoseError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a JWK set of ticket keys: {error}") from None

    def get(self, region: str, number: int) -> Sequence[Ed25519PublicKey]:
        """Return a region's keys with a number."""
        return self._keys.get((region, number), ())


def sign_ticket(show: str, code: str, seat_count: int, starts_at: datetime, key: SigningKey) -> str:
    """Return the token of a ticket for a show that starts at ``starts_at``.

    Raises ``ValueError`` as ``sign`` does: for a day before 1970 or after 6 June 2149, among others.
    """
    return sign(TicketClaims(show, code, seat_count, in_india(starts_at).date()), key)


def sign(claims: TicketClaims, key: SigningKey) -> str:
    """Return the token for a ticket; the same claims and key give the same token.

    Raises ``ValueError`` for claims that the layout can't hold, or a key of another region than the show's.
    """
    if model.region_of(claims.show) != key.region:
        raise ValueError(f"a key of {key.region} for the show {claims.show!r}")
    content = _encode(claims, key.number)
    if _decode(content) != claims:
        raise ValueError("claims that a ticket token can't hold")
    return base64.b32encode(content + key.private.sign(DOMAIN + content)).decode().rstrip("=")


def verify(token: str, keys: PublicKeys) -> TicketClaims:
    """Return what a scanned token states, in upper or lower case; raise ``TicketInvalid``.

    Nothing in the result is unsigned. Day, show and theatre may be others than the gate's: the caller compares them.
    """
    raw = _bytes_of(token)
    content, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    claims = _decode(content)
    if claims is None:
        raise TicketInvalid(InvalidReason.MALFORMED)
    trusted = keys.get(model.region_of(claims.show), content[1])
    if not trusted:
        raise TicketInvalid(InvalidReason.UNKNOWN_KEY)
    if not any(_has_signed(key, DOMAIN + content, signature) for key in trusted):
        raise TicketInvalid(InvalidReason.SIGNATURE)
    return claims


def _has_signed(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _read_jwk(entry: Any) -> tuple[str, int, Ed25519PublicKey]:
    """Return region, number and key of one JWK. The caller catches what a malformed one raises."""
    region, _, number = entry["kid"].rpartition(".")
    public = OKPKey.import_key(entry).public_key
    if not isinstance(public, Ed25519PublicKey) or not model.REGION.match(region) or number not in _KEY_NUMBERS:
        raise ValueError(f"the JWK {entry['kid']!r} is no ticket key")
    return region, int(number), public


def _bytes_of(token: str) -> bytes:
    """Return the bytes of a token of a plausible size and known version."""
    text = token.strip()
    if not text.isascii() or len(text) > MAX_TOKEN_LENGTH:
        raise TicketInvalid(InvalidReason.MALFORMED)
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error:
        raise TicketInvalid(InvalidReason.MALFORMED) from None
    if len(raw) > _SIGNATURE_BYTES and raw[0] != VERSION:
        raise TicketInvalid(InvalidReason.VERSION)
    if not _MIN_BYTES <= len(raw) <= _MAX_BYTES:
        raise TicketInvalid(InvalidReason.MALFORMED)
    return raw


def _encode(claims: TicketClaims, key_number: int) -> bytes:
    day = (claims.day - _EPOCH) // timedelta(days=1)
    try:
        head = _HEAD.pack(VERSION, key_number, day, claims.seat_count, claims.code.encode("ascii"))
        return head + claims.show.encode("ascii")
    except (struct.error, UnicodeEncodeError) as error:
        raise ValueError(f"claims that a ticket token can't hold: {error}") from None


def _decode(content: bytes) -> TicketClaims | None:
    """Return the claims in unsigned content, or None if one is malformed."""
    _, _, day, seat_count, code = _HEAD.unpack_from(content)
    show = content[_HEAD.size :]
    if not (code.isascii() and show.isascii()):
        return None
    claims = TicketClaims(show.decode(), code.decode(), seat_count, _EPOCH + timedelta(days=day))
    fits = model.ID.match(claims.show) and ticket_code.is_code(claims.code) and seat_count
    return claims if fits else None
