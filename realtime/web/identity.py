"""Guest identities and hold ids. An identity is a random owner id in a signed token, which a client cannot forge.

All nodes share one secret: a token made by one node is accepted by every other. Hold ids are derived here from the
owner and the request id, so a repeated request names the same hold on the owning master, whichever node sends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from itsdangerous import BadData, URLSafeTimedSerializer

from realtime import limits
from realtime.errors import Unauthorized

OWNER_BYTES = 12


class Identities:
    """Makes and verifies identity tokens, and derives hold ids."""

    def __init__(self, secret: str, second_secret: str = "") -> None:
        """All nodes of an installation share ``secret``; tokens signed with ``second_secret`` are accepted, too."""
        # The library signs with the last key and accepts signatures of all.
        keys = [second_secret, secret] if second_secret else [secret]
        self._tokens = URLSafeTimedSerializer(keys, salt="identity")
        self._hold_key = hashlib.sha256(b"holds:" + secret.encode()).digest()

    @staticmethod
    def new() -> str:
        """Return a new guest's owner id."""
        return secrets.token_urlsafe(OWNER_BYTES)

    def token(self, owner: str) -> str:
        """Return a token for an owner, valid for ``limits.TOKEN_MAX_AGE_S``."""
        return str(self._tokens.dumps(owner))

    def owner(self, token: object) -> str:
        """Return the owner that a token was made for; raise ``Unauthorized`` if it is forged, expired or no token."""
        if not isinstance(token, str) or len(token) > 256 or not token.isascii():
            raise Unauthorized()
        try:
            return str(self._tokens.loads(token, max_age=limits.TOKEN_MAX_AGE_S))
        except BadData:
            raise Unauthorized() from None

    def hold_id(self, show: str, owner: str, request_id: str) -> str:
        """Return the id of the hold that this request of this owner makes. Without the secret it cannot be guessed."""
        text = "\n".join((show, owner, request_id)).encode()
        digest = hmac.digest(self._hold_key, text, "sha256")[:16]
        return f"{show}.h{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
