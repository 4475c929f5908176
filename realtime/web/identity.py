"""Who is asking. A guest identity is a random owner id in a signed token; a client can't make one up or borrow one.

The same secret on every node: a token made by one is read by all. Hold ids are made here too, from owner and
request id, so that a request asked twice names the same hold on the owning master, whichever nodes it went through.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from itsdangerous import BadSignature, URLSafeTimedSerializer

from realtime import limits
from realtime.errors import Unauthorized

OWNER_BYTES = 12


class Identities:
    """Makes and reads identity tokens; names holds."""

    def __init__(self, secret: str) -> None:
        """All nodes of an installation share ``secret``."""
        self._signer = URLSafeTimedSerializer(secret, salt="identity")
        self._hold_key = hashlib.sha256(b"holds:" + secret.encode()).digest()

    def new(self) -> tuple[str, str]:
        """Return a new guest's (owner, token)."""
        owner = secrets.token_urlsafe(OWNER_BYTES)
        return owner, self.token(owner)

    def token(self, owner: str) -> str:
        """Return a token for an owner, valid for ``limits.TOKEN_MAX_AGE_S``."""
        return str(self._signer.dumps(owner))

    def owner(self, token: object) -> str:
        """Return whose token this is; raise ``Unauthorized`` for anything that was not made here or is too old."""
        if not isinstance(token, str) or len(token) > 256:
            raise Unauthorized()
        try:
            return str(self._signer.loads(token, max_age=limits.TOKEN_MAX_AGE_S))
        except BadSignature:
            raise Unauthorized() from None

    def hold_id(self, show: str, owner: str, request_id: str) -> str:
        """Return the id of the hold that this request of this owner makes; it can't be guessed."""
        text = "\n".join((show, owner, request_id)).encode()
        digest = hmac.digest(self._hold_key, text, "sha256")[:16]
        return f"{show}.h{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
