"""The commands that issue and revoke staff tokens, and revoke guests.

Each is in the ledger first, then on the master, from where all nodes read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import BadRequest, TheatreNotFound
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.model import ID, region_of
from realtime.staff import Role, StaffToken, is_meant, misnamed
from realtime.wire.requests import Id, parse_json


class _StaffBody(msgspec.Struct):
    id: Id
    name: Id
    role: Role
    issued_at: int
    expires_at: int
    theatre: str = ""


class _RevokeBody(msgspec.Struct):
    who: Id


class _GuestBody(msgspec.Struct):
    owner: Id


def still_valid_since() -> int:
    """Return the earliest time (ms) at which an identity that is still valid may have been revoked.

    The whole age of an identity counts, not that of one token: a node that did not know of the revocation may have
    renewed the token.
    """
    return now_ms() - limits.IDENTITY_MAX_AGE_S * 1000


class StaffCommands:
    """Carries out these commands of one region. Each may be repeated."""

    def __init__(self, region: str, ledger: Ledger, declare: Declarations) -> None:
        """All arguments belong to the same region."""
        self._region = region
        self._ledger = ledger
        self._declarations = declare
        self.verbs: dict[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "staff_revoke": self._revoke,
            "guest_revoke": self._revoke_guest,
        }

    async def add(self, body: bytes, entry: bytes) -> dict[str, Any]:
        """Add a staff token; ``entry`` is the command's. Raises ``BadRequest``, ``TheatreNotFound``, ``Fenced``."""
        ask = parse_json(_StaffBody, body)
        if region_of(ask.id) != self._region or not ID.match(ask.id):
            raise BadRequest(f"The id of a staff token begins with {self._region}-.")
        if why := misnamed(ask.name, ask.role, ask.theatre):
            raise BadRequest(f"{why}.")
        if ask.theatre and await self._ledger.theatre(self._region, ask.theatre) is None:
            raise TheatreNotFound()
        token = StaffToken(ask.id, ask.name, ask.role, ask.theatre, ask.issued_at, ask.expires_at)
        await self._ledger.save_staff_token(token)
        # A repeated command must not bring back a token that was revoked since.
        known = await self._ledger.staff_tokens()
        if any(each.id == token.id and not each.revoked_at for each in known):
            await self._declarations.add_staff_token(token.id, entry=entry)
        return {"token": asdict(token)}

    async def _revoke(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_RevokeBody, body)
        revoked = await self._ledger.revoke_staff_tokens(ask.who, now_ms())
        # All matching tokens, also those that were revoked before: the command may be repeated because the master was
        # not reached.
        known = await self._ledger.staff_tokens()
        await self._declarations.revoke_staff_tokens(
            token.id for token in known if token.revoked_at and is_meant(ask.who, token.id, token.name)
        )
        return {"revoked": revoked}

    async def _revoke_guest(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_GuestBody, body)
        await self._ledger.revoke_guest(ask.owner, now_ms())
        await self._declarations.revoke_guest(ask.owner)
        return {"owner": ask.owner}
