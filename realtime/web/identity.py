"""Guest identities and hold ids. An identity is a random owner id in a signed token, which a client cannot forge.

All nodes share one secret: a token made by one node is accepted by every other. Hold ids are derived here from the
owner and the request id, so a repeated request names the same hold on the owning master, whichever node sends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Container

import orjson
from itsdangerous import BadData, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import Unauthorized
from realtime.model import DATED_OWNER_LENGTH

OWNER_BYTES = 12
_DAY_MS = 86_400_000
_DAY_BYTES = 3
_CUSTOMER_LENGTH = 25


class _Tokens(URLSafeTimedSerializer):
    def dump_payload(self, obj: object) -> bytes:
        """Return the payload in the library's coding, without its attempt to compress a few bytes."""
        return bytes(base64_encode(orjson.dumps(obj)))


class Identities:
    """Makes and verifies identity tokens, and derives hold ids."""

    def __init__(self, secret: str, second_secret: str = "", revoked: Container[str] = ()) -> None:
        """All nodes of an installation share ``secret``; tokens signed with ``second_secret`` are accepted too.

        ``revoked`` contains the owners whose tokens are not accepted any more.
        """
        self._revoked = revoked
        # The library signs with the last key and accepts signatures of all.
        keys = [second_secret, secret] if second_secret else [secret]
        self._tokens = _Tokens(keys, salt="identity")
        self._hold_key = hashlib.sha256(b"holds:" + secret.encode()).digest()

    @staticmethod
    def new() -> str:
        """Return a new guest's owner id, which begins with the day on which it is made."""
        day = (now_ms() // _DAY_MS).to_bytes(_DAY_BYTES, "big")
        return base64.urlsafe_b64encode(day + secrets.token_bytes(OWNER_BYTES)).decode()

    @staticmethod
    def of_customer(subject: str) -> str:
        """Return the owner id of a shop's customer; the same customer always has the same one."""
        digest = hashlib.sha256(f"tickingtickets customer\n{subject}".encode()).digest()[:18]
        return f"s{base64.urlsafe_b64encode(digest).decode()}"

    def is_revoked(self, owner: str) -> bool:
        """Return whether tokens of an owner are not accepted any more, because an operator has revoked the owner."""
        return owner in self._revoked

    def token(self, owner: str) -> str:
        """Return a token for an owner, valid for ``limits.TOKEN_MAX_AGE_S``."""
        return str(self._tokens.dumps(owner))

    def renewed(self, token: str, owner: str) -> str:
        """Return the token that an owner who has connected with ``token`` should use from now on.

        A guest gets a new token. A shop's customer keeps ``token``: a customer's id has no age, so the token is valid
        for a fixed time from when the shop last confirmed the customer, however often it is used.
        """
        return token if len(owner) == _CUSTOMER_LENGTH else self.token(owner)

    def owner(self, token: object) -> str:
        """Return the owner that a token was made for.

        Raises ``Unauthorized`` if the token is malformed, forged or expired, or if its owner is too old or revoked.
        """
        if not isinstance(token, str) or len(token) > 256 or not token.isascii():
            raise Unauthorized()
        try:
            owner = str(self._tokens.loads(token, max_age=limits.TOKEN_MAX_AGE_S))
        except BadData:
            raise Unauthorized() from None
        if self.is_revoked(owner) or _age_s(owner) > limits.IDENTITY_MAX_AGE_S:
            raise Unauthorized()
        return owner

    def hold_id(self, show: str, owner: str, request_id: str) -> str:
        """Return the id of the hold that this request of this owner makes. Without the secret it cannot be guessed."""
        text = "\n".join((show, owner, request_id)).encode()
        digest = hmac.digest(self._hold_key, text, "sha256")[:16]
        return f"{show}.h{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _age_s(owner: str) -> int:
    """Return how old an identity is (s, whole days); 0 if its id does not tell."""
    if len(owner) != DATED_OWNER_LENGTH:
        return 0
    born = int.from_bytes(base64.urlsafe_b64decode(owner)[:_DAY_BYTES], "big")
    return (now_ms() // _DAY_MS - born) * 86_400
