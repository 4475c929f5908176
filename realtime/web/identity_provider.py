"""The public keys of an external identity provider, read from its JWKS URL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any

import aiohttp
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact

from realtime import topology
from realtime.errors import RegionUnavailable
from realtime.staff import TokenInvalid

log = logging.getLogger(__name__)
KEPT_S = 600.0
"""The keys are read again after this time ..."""
AGAIN_S = 30.0
"""... and for a token with an unknown key, but not more often than this: the provider may have new ones."""
TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024


class IdentityProvider:
    """The keys of one provider. While the provider is unreachable, the keys that were read before stay valid."""

    def __init__(self, known: topology.IdentityProvider) -> None:
        """Only tokens of ``known.issuer`` for ``known.audience`` are accepted."""
        self.issuer = known.issuer
        self.audience = known.audience
        self._url = known.jwks
        self._keys: KeySet | None = None
        self._kids: set[str] = set()
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def keys_for(self, token: str) -> KeySet:
        """Return the keys to verify a token with; raise ``TokenInvalid`` if none of them can have signed it.

        Raises ``RegionUnavailable`` if the provider has never been reached, because the token can't be checked then.
        """
        try:
            kid = str(extract_compact(token.encode()).headers().get("kid", ""))
        except (JoseError, ValueError, TypeError):
            raise TokenInvalid("malformed") from None
        async with self._asking:
            age_s = asyncio.get_running_loop().time() - self._asked_at
            if age_s > KEPT_S or (age_s > AGAIN_S and (self._keys is None or kid not in self._kids)):
                await self._read()
        if self._keys is None:
            raise RegionUnavailable("The identity provider can't be reached at the moment. Try again in a few seconds.")
        if kid not in self._kids:
            raise TokenInvalid("signed with an unknown key")
        return self._keys

    async def _read(self) -> None:
        self._asked_at = asyncio.get_running_loop().time()
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(self._url) as answer:
                answer.raise_for_status()
                body = b""
                async for part in answer.content.iter_chunked(MAX_BYTES):
                    body += part
                    if len(body) > MAX_BYTES:
                        raise ValueError("too large")
            keys = _known(orjson.loads(body)["keys"])
            self._keys, self._kids = keys, {str(key.kid) for key in keys.keys}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError, KeyError, JoseError) as error:
            log.warning("the identity provider's keys can't be read: %s", type(error).__name__)


def _known(entries: Iterable[Any]) -> KeySet:
    """Return the readable keys of a set; the others are ignored, as RFC 7517, section 5, requires.

    Raises ``ValueError`` if there is none.
    """
    found = []
    for entry in entries:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, JoseError):
            found += KeySet.import_key_set({"keys": [entry]}).keys
    if not found:
        raise ValueError("no key that can be read")
    return KeySet(found)
