"""Access of staff: identifies who sends a request, checks the role, and records what was done.

A request carries the operator key or a staff token as ``Authorization: Bearer``. Answers to wrong ones are slowed down,
answers to right ones never are (``attempts``).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import Forbidden, RateLimited, RegionUnavailable, TicketError
from realtime.feeds.feed import Feed
from realtime.locks.audit import append_audit
from realtime.locks.master import LockMaster
from realtime.staff import (
    MAX_TOKEN_LENGTH,
    Principal,
    Role,
    StaffTokens,
    TokenInvalid,
    read_external,
    region_of_token,
)
from realtime.transport.client_address import client_address
from realtime.web.attempts import AttemptLimiter, is_secret
from realtime.web.identity_provider import IdentityProvider
from realtime.web.rate_limits import RateLimits
from realtime.web.routing import READS, UNREADABLE, Handler, secret_in

log = logging.getLogger(__name__)
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "Via")
"""Headers that balancers add to a request."""
OPERATOR_KEY = Principal("operator key", Role.OPERATOR)
REGISTER_KEPT_S = 2.0
"""For how long a node trusts what it has read about a token in the register."""
REGISTER_SIZE = 10_000
REFUSALS_RECORDED = 60
"""The most refusals because of a role that a node records for one name in an hour."""
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
"""The key under which a request has its sender."""
DETAIL: web.RequestKey[str] = web.RequestKey("audit detail", str)
"""The key under which a handler puts what the audit log gets instead of a body with secrets or personal data."""
UNCHANGED: web.RequestKey[bool] = web.RequestKey("unchanged", bool)
"""Set by a handler if a request that could change something has changed nothing, so that it is not recorded."""


@dataclass(frozen=True, slots=True)
class Kiosk:
    """A screen in the foyer of a theatre; ``id`` distinguishes it from other kiosks."""

    theatre: str
    id: str


class Register:
    """Which tokens are not revoked, read from the replicas near this node."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` maps every region to its feed; the id of a token begins with its region."""
        self._feeds = feeds
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def has(self, token_id: str) -> bool:
        """Return whether a token is registered and not revoked.

        A revocation takes effect within ``REGISTER_KEPT_S`` plus the replication lag. While the token's region is
        unreachable, or its master is not reconciled and may lack tokens, the last answer counts; raises
        ``RegionUnavailable`` if there is none.
        """
        now = time.monotonic()
        read_at, before = self._known.get(token_id, (float("-inf"), False))
        if now - read_at < REGISTER_KEPT_S:
            return before
        feed = self._feeds.get(region_of_token(token_id))
        if feed is None:
            return False
        try:
            known, is_proof = await feed.command_proved("HEXISTS", keys.STAFF, token_id)
            live = bool(known)
            if not live and not is_proof:
                raise RegionUnavailable(region=feed.region)
        except RegionUnavailable:
            if read_at == float("-inf"):
                raise
            return before
        self._known[token_id] = (now, live)
        self._known.move_to_end(token_id)
        if len(self._known) > REGISTER_SIZE:
            self._known.popitem(last=False)
        return live


class StaffAccess:
    """Identifies who sends a request, refuses those whose role does not allow it, records what the others did."""

    def __init__(
        self,
        operator_key: str,
        tokens: StaffTokens,
        register: Register,
        provider: IdentityProvider | None,
        audit_to: LockMaster,
    ) -> None:
        """Without an ``operator_key``, only tokens give access; ``audit_to`` is the master of the node's own region."""
        self._operator_key = operator_key
        self._tokens = tokens
        self._register = register
        self._provider = provider
        self._audit_to = audit_to
        self._refusals = RateLimits(REFUSALS_RECORDED, REFUSALS_RECORDED / 3600)
        self.attempts = AttemptLimiter("staff keys or tokens", limits.KEY_ATTEMPTS, limits.KEY_FORGIVE_S)

    async def principal(self, caller: str, authorization: str, now: float) -> Principal:
        """Return who sends a request; raise ``Forbidden``, ``RateLimited`` or ``RegionUnavailable``.

        ``now`` is monotonic (s).
        """
        given = secret_in(authorization)
        if self._operator_key and is_secret(given, self._operator_key):
            self.attempts.forgive(caller)
            return OPERATOR_KEY
        # A request without a key is not an attempt at guessing, and is not counted.
        if not given:
            raise Forbidden()
        principal = await self._by_token(given)
        if principal is None:
            await self.attempts.count_wrong(caller, given, now)
            raise Forbidden()
        self.attempts.forgive(caller)
        return principal

    async def kiosk(self, caller: str, token: str) -> Kiosk | None:
        """Return the kiosk that a token names; None if it names none now, which counts as a wrong token.

        Raises ``RegionUnavailable`` while it is not known whether the token is valid.
        """
        try:
            principal = await self.principal(caller, token, asyncio.get_running_loop().time())
        except RegionUnavailable:
            raise
        except TicketError:
            return None
        if principal.role is not Role.KIOSK:
            return None
        # A provider's token is new each time, so its name identifies the kiosk; names of our own tokens may be shared.
        return Kiosk(principal.theatre, principal.name if principal.external else principal.token)

    async def _by_token(self, given: str) -> Principal | None:
        if given.count(".") != 2 or len(given) > MAX_TOKEN_LENGTH or not given.isascii():
            return None
        try:
            principal = self._tokens.read(given, now_ms() // 1000)
        except TokenInvalid:
            return await self._by_provider(given)
        if not await self._register.has(principal.token):
            raise Forbidden("This staff token was revoked.", reason="revoked")
        return principal

    async def _by_provider(self, given: str) -> Principal | None:
        if self._provider is None:
            return None
        try:
            found = await self._provider.keys_for(given)
            return read_external(given, found, self._provider.issuer, self._provider.audience, now_ms() // 1000)
        except TokenInvalid as error:
            log.debug("a token of the identity provider is not accepted: %s", error)
            return None

    def require_metrics_key(self, handler: Handler, metrics_key: str) -> Handler:
        """Return ``handler``, restricted to this machine, to operators, and to those who send ``metrics_key``."""
        behind_role = self.require_role(handler)

        async def guarded(request: web.Request) -> web.StreamResponse:
            given = secret_in(request.headers.get("Authorization", ""))
            if _is_from_here(request) or (metrics_key and is_secret(given, metrics_key)):
                return await handler(request)
            return await behind_role(request)

        return guarded

    def require_role(self, handler: Handler, *roles: Role, private: bool = False, recorded: bool = True) -> Handler:
        """Return ``handler``, restricted to operators and these roles; what they change or print is recorded.

        The body of a request is recorded too, or what its handler has put into ``DETAIL``; if it is ``private`` and has
        no ``DETAIL``, the body is left out. Refusals because of the role are recorded, up to a limit.
        """
        allowed = {Role.OPERATOR, *roles}

        async def guarded(request: web.Request) -> web.StreamResponse:
            address = client_address(request)
            now = asyncio.get_running_loop().time()
            principal = await self.principal(address, request.headers.get("Authorization", ""), now)
            request[PRINCIPAL] = principal
            if principal.role not in allowed:
                # Bounded, because a program with the wrong role may ask without end, and the outbox is shared by all.
                with contextlib.suppress(RateLimited):
                    self._refusals.take(principal.name, now)
                    await self._record(request, principal, address, 403)
                raise Forbidden(f"The role {principal.role.value} may not do this.", reason="role")
            try:
                answer = await handler(request)
            except ConnectionError:  # the request did not arrive completely, so nothing was done
                raise
            except Exception as error:  # whatever the error is, something may have been done
                if recorded and request.method not in READS:
                    await self._record(request, principal, address, _status_of(error))
                raise
            changes = request.method not in READS and UNCHANGED not in request
            if recorded and (changes or answer.content_type == "application/pdf"):
                detail = request.get(DETAIL) or ("" if private else await _beginning(request))
                await self._record(request, principal, address, answer.status, detail)
            return answer

        return guarded

    async def _record(
        self, request: web.Request, principal: Principal, address: str, status: int, detail: str = ""
    ) -> None:
        resource = request.match_info.route.resource
        action = f"{request.method} {resource.canonical if resource is not None else request.path}"
        log.info("staff: %r (%s) from %r: %r %d", principal.name, principal.role.value, address, request.path, status)
        try:
            await append_audit(
                self._audit_to, principal, action, request.path, address=address, detail=detail, status=status
            )
        except TicketError as error:
            log.error("not recorded in the audit log: %r %r: %s", principal.name, action, error.code)


async def _beginning(request: web.Request) -> str:
    """Return the beginning of the body, if the handler has read it as a whole; otherwise "".

    A body that the handler did not read may never arrive, or be too large, so the record does not wait for it.
    """
    if not request.content.at_eof():
        return ""
    return (await request.read())[: limits.MAX_AUDIT_DETAIL].decode(errors="replace")


def _status_of(error: Exception) -> int:
    """Return the status with which ``routing.errors`` answers an error of a handler."""
    if isinstance(error, TicketError | web.HTTPException):
        return error.status
    return RegionUnavailable.status if isinstance(error, UNREADABLE) else TicketError.status


def _is_from_here(request: web.Request) -> bool:
    """Return whether the request is from a process on this machine, and not forwarded by a balancer."""
    try:
        local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
    return local and not any(name in request.headers for name in _FORWARDED)
