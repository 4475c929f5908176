"""Who is asking. A guest identity is a random owner id in a signed token; a client can't make one up or borrow one.

The same secret on every node: a token made by one is read by all. Hold ids are made here too, from owner and
request id, so that a request asked twice names the same hold on the owning master, whichever nodes it went through.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import orjson
from itsdangerous import BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from realtime import limits
from realtime.errors import Unauthorized

OWNER_BYTES = 12


class Identities:
    """Makes and reads identity tokens; names holds."""

    def __init__(self, secret: str) -> None:
        """All nodes of an installation share ``secret``."""
        # Tokens are those of the library's ``URLSafeTimedSerializer(secret, salt="identity")``, which would derive its
        # key anew and try to compress for each of them.
        key = hashlib.sha1(b"identity" + b"signer" + secret.encode()).digest()
        self._signer = TimestampSigner(key, key_derivation="none")
        self._hold_key = hashlib.sha256(b"holds:" + secret.encode()).digest()

    @staticmethod
    def new() -> str:
        """Return a new guest's owner id."""
        return secrets.token_urlsafe(OWNER_BYTES)

    def token(self, owner: str) -> str:
        """Return a token for an owner, valid for ``limits.TOKEN_MAX_AGE_S``."""
        return self._signer.sign(base64_encode(orjson.dumps(owner))).decode()

    def owner(self, token: object) -> str:
        """Return whose token this is; raise ``Unauthorized`` for anything that was not made here or is too old."""
        if not isinstance(token, str) or len(token) > 256 or not token.isascii():
            raise Unauthorized()
        try:
            return str(orjson.loads(base64_decode(self._signer.unsign(token, max_age=limits.TOKEN_MAX_AGE_S))))
        except BadSignature:
            raise Unauthorized() from None

    def hold_id(self, show: str, owner: str, request_id: str) -> str:
        """Return the id of the hold that this request of this owner makes; it can't be guessed."""
        text = "\n".join((show, owner, request_id)).encode()
        digest = hmac.digest(self._hold_key, text, "sha256")[:16]
        return f"{show}.h{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
