"""Staff: roles, and the signed tokens with which people and programs show who they are; a shop's customers. Pure.

A token is a JWT (RFC 7519) with ``sub`` (the name), ``role``, ``theatre`` (kiosks), ``jti``, ``iat`` and ``exp``. Those
of this installation are signed with an Ed25519 key that is derived from its secret, so every node verifies them without
asking anybody; whether one was revoked since is in the register (``keys.STAFF``). Those of an external identity
provider are verified with the provider's public keys.
"""

from __future__ import annotations

import re
import secrets as random_module
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from realtime.model import ID, region_of

ISSUER = "tickingtickets"
ALGORITHM = "Ed25519"
EXTERNAL_ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256"]
MAX_TOKEN_LENGTH = 4096
MAX_NAME_LENGTH = 64
MAX_SUBJECT_LENGTH = 256
MAX_DAYS = 400
LEEWAY_S = 30
"""By how much the clocks of nodes and of a provider may differ."""


class Role(StrEnum):
    """What a person or program may do; docs/staff.md lists the routes of each role."""

    OPERATOR = "operator"
    """Everything."""
    GATE = "gate"
    """Checks tickets at the entrance."""
    KIOSK = "kiosk"
    """A screen in the foyer of one theatre."""
    SERVICE = "service"
    """The back end of a shop."""


OF_A_THEATRE = frozenset({Role.GATE, Role.KIOSK})
"""The roles whose tokens may be bound to one theatre. With another role, a token would allow more than it seems to."""
TOKEN_ID = re.compile(r"[a-z][a-z0-9]{0,15}-[0-9a-f]{16}\Z")
"""The form of an id that ``new_token_id`` returns. No name may have this form, so that an id means one token only."""


class TokenInvalid(Exception):
    """The token is malformed, forged, expired, or not for staff.

    The message is for the log, and quotes nothing of the token.
    """


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated person or program. ``token`` is the id of the token, "" for the operator key."""

    name: str
    role: Role
    theatre: str = ""
    token: str = ""
    external: bool = False
    """The token is of an external identity provider, so it is not in the register."""


@dataclass(frozen=True, slots=True)
class StaffToken:
    """A token that was issued here, as the register has it. Times are ms since the epoch; 0: not revoked."""

    id: str
    name: str
    role: Role
    theatre: str
    issued_at: int
    expires_at: int
    revoked_at: int = 0


def misnamed(name: str, role: Role, theatre: str) -> str:
    """Return why a token with this name, role and theatre is not allowed; "" if it is."""
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        return f"a name has 1 to {MAX_NAME_LENGTH} printable characters"
    if TOKEN_ID.match(name):
        return "this name would be taken for the id of a token"
    return misplaced(role, theatre)


def misplaced(role: Role, theatre: str) -> str:
    """Return why a token with this role and theatre is not allowed; "" if it is."""
    if role is Role.KIOSK and not theatre:
        return "a kiosk needs a theatre"
    if theatre and role not in OF_A_THEATRE:
        return f"a theatre is for the roles {' and '.join(sorted(OF_A_THEATRE))} only; {role} is for all theatres"
    return ""


def is_meant(who: str, token_id: str, name: str) -> bool:
    """Return whether ``who`` means a token: its id, or the name of its bearer, which is no id."""
    return who == token_id or (who == name and not TOKEN_ID.match(who))


def new_token_id(region: str) -> str:
    """Return the id of a new token, which begins with the region whose ledger has it."""
    return f"{region}-{random_module.token_hex(8)}"


class StaffTokens:
    """Signs and verifies the tokens of this installation."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Sign with a key of the first secret; accept those of all (two during a rotation)."""
        self._keys = [_derived_key(secret) for secret in secrets if secret]

    def sign(self, token: StaffToken) -> str:
        """Return the JWT of a token."""
        claims = {
            "iss": ISSUER,
            "sub": token.name,
            "role": token.role.value,
            "jti": token.id,
            "iat": token.issued_at // 1000,
            "exp": token.expires_at // 1000,
        }
        if token.theatre:
            claims["theatre"] = token.theatre
        return jwt.encode({"alg": ALGORITHM, "typ": "JWT"}, claims, self._keys[0], algorithms=[ALGORITHM])

    def read(self, text: str, now_s: int) -> Principal:
        """Return whom a token names; raise ``TokenInvalid``. Does not check whether the token was revoked."""
        for key in self._keys:
            try:
                claims = jwt.decode(text, key, algorithms=[ALGORITHM]).claims
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            principal = _principal(claims, now_s, ISSUER, None, external=False)
            if not ID.match(principal.token):
                raise TokenInvalid("no jti")
            return principal
        raise TokenInvalid("not signed by this installation")


def read_external(text: str, keys: KeySet, issuer: str, audience: str, now_s: int) -> Principal:
    """Return whom a token of an external provider names; raise ``TokenInvalid``."""
    return _principal(_external_claims(text, keys), now_s, issuer, audience, external=True)


def read_customer(text: str, keys: KeySet, issuer: str, audience: str, now_s: int) -> str:
    """Return the ``sub`` of a shop's token for one of its customers; raise ``TokenInvalid``."""
    claims = _external_claims(text, keys)
    _validate(claims, now_s, issuer, audience)
    if not is_subject(claims["sub"]):
        raise TokenInvalid("sub is no customer")
    return str(claims["sub"])


def is_subject(text: object) -> bool:
    """Return whether a text may name a shop's customer."""
    return isinstance(text, str) and 1 <= len(text) <= MAX_SUBJECT_LENGTH and text.isprintable()


def _external_claims(text: str, keys: KeySet) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            # Providers still write "EdDSA", which RFC 9864 has split.
            warnings.simplefilter("ignore")
            return jwt.decode(text, keys, algorithms=EXTERNAL_ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenInvalid(type(error).__name__) from None


def region_of_token(token_id: str) -> str:
    """Return the region whose register has a token."""
    return region_of(token_id)


def _validate(claims: dict[str, Any], now_s: int, issuer: str, audience: str | None) -> None:
    options: dict[str, Any] = {
        "iss": {"essential": True, "value": issuer},
        "sub": {"essential": True},
        "exp": {"essential": True},
    }
    if audience is not None:
        options["aud"] = {"essential": True, "value": audience}
    try:
        jwt.JWTClaimsRegistry(now=now_s, leeway=LEEWAY_S, **options).validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise TokenInvalid(type(error).__name__) from None


def _principal(claims: dict[str, Any], now_s: int, issuer: str, audience: str | None, *, external: bool) -> Principal:
    _validate(claims, now_s, issuer, audience)
    try:
        name, role, theatre = claims["sub"], Role(str(claims.get("role"))), claims.get("theatre", "")
    except ValueError:
        raise TokenInvalid("role is no role") from None
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise TokenInvalid("sub is no name")
    if not isinstance(theatre, str) or (theatre and not ID.match(theatre)):
        raise TokenInvalid("theatre is no theatre's id")
    if reason := misplaced(role, theatre):
        raise TokenInvalid(reason)
    return Principal(name, role, theatre, str(claims.get("jti", "")), external)


def _derived_key(secret: str) -> OKPKey:
    seed = HKDF(SHA256(), 32, None, b"tickingtickets staff key").derive(secret.encode())
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
