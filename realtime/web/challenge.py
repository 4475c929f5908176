"""Challenges: work or a puzzle that a client has to solve before it may hold seats while demand is very high.

The topology chooses it (``[challenge]``): ``altcha``, proof of work, or ``package.module:factory`` of your own code:
``factory(secret: str, options: Mapping[str, object]) -> Challenge``.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import parse_qs

import msgspec
from altcha.v1 import ChallengeOptions, Payload, create_challenge, verify_solution
from msgspec import Meta

from realtime import keys, limits
from realtime.errors import ChallengeRequired, RateLimited
from realtime.locks.master import LockMaster
from realtime.topology import ChallengeTerms, TopologyError
from realtime.web.rate_limits import RateLimits

SOLVE_S = 300
"""How long a client may take to solve a challenge, and how long a solved one is remembered."""
DEFAULT_MAX_NUMBER = 50_000
"""The most hashes of a proof of work (on average half of it): about a second in a browser."""


class Challenge(Protocol):
    """Makes challenges and checks solutions. Nodes with the same secret accept each other's."""

    def issue(self, bound_to: str) -> dict[str, Any]:
        """Return a challenge for the client as JSON; its solution is valid for ``bound_to`` only."""

    def solved(self, solution: str, bound_to: str) -> str | None:
        """Return the id of the challenge that a solution solves, None if it solves none."""


class _Solution(msgspec.Struct):
    algorithm: Literal["SHA-256"]
    challenge: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    number: Annotated[int, Meta(ge=0, le=10**9)]
    salt: Annotated[str, Meta(max_length=512)]
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Altcha:
    """Proof of work in the form of altcha.org, version 1 with SHA-256."""

    def __init__(self, secret: str, options: Mapping[str, object]) -> None:
        """``options`` may have ``max_number``, the most hashes."""
        self._key = f"challenge:{secret}"
        most = options.get("max_number", DEFAULT_MAX_NUMBER)
        if not isinstance(most, int) or not 1 <= most <= 10_000_000 or set(options) - {"max_number"}:
            raise TopologyError("challenge: altcha takes max_number, from 1 to 10,000,000, and nothing else")
        self._most = most

    def issue(self, bound_to: str) -> dict[str, Any]:
        """Return ``algorithm, challenge, salt, signature, maxnumber``."""
        expires = datetime.now(UTC) + timedelta(seconds=SOLVE_S)
        made = create_challenge(
            ChallengeOptions(max_number=self._most, hmac_key=self._key, expires=expires, params={"for": bound_to})
        )
        return {
            "algorithm": made.algorithm,
            "challenge": made.challenge,
            "salt": made.salt,
            "signature": made.signature,
            "maxnumber": self._most,
        }

    def solved(self, solution: str, bound_to: str) -> str | None:
        """Return the text of the challenge, which is also its id."""
        try:
            known = msgspec.json.decode(base64.b64decode(solution, validate=True), type=_Solution)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            return None
        accepted, _why = verify_solution(
            Payload(known.algorithm, known.challenge, known.number, known.salt, known.signature), self._key
        )
        bound = parse_qs(known.salt.partition("?")[2]).get("for")
        return known.challenge if accepted and bound == [bound_to] else None


def make_challenge(terms: ChallengeTerms, secret: str) -> Challenge | None:
    """Return the challenge that the topology names, None without one; raises ``TopologyError``."""
    if not terms.service:
        return None
    if terms.service == "altcha":
        return Altcha(secret, terms.options)
    module, _, factory = terms.service.partition(":")
    try:
        make: Callable[[str, Mapping[str, object]], Challenge] = getattr(import_module(module), factory)
    except (ImportError, AttributeError, ValueError):
        text = f"challenge.service: {terms.service!r} is neither altcha nor package.module:factory"
        raise TopologyError(text) from None
    return make(secret, terms.options)


class Pressure:
    """Asks for a challenge while one address or one show gets more holds than people make.

    Each node counts for itself. A solved challenge is used once: the owning master remembers it.
    """

    def __init__(self, challenge: Challenge, terms: ChallengeTerms, also: Sequence[Challenge] = ()) -> None:
        """``terms`` say how many holds are allowed without a challenge.

        Solutions of the challenge ``also`` are accepted too, because other nodes issue it while the secret is rotated.
        """
        self._challenge = challenge
        self._all = (challenge, *also)
        per_address, per_show = terms.address_holds_per_minute, terms.show_holds_per_s
        self._addresses = RateLimits(per_address, per_address / 60)
        self._shows = RateLimits(max(1, int(per_show)), per_show)

    async def check_hold(
        self, master: LockMaster, show: str, owner: str, hold_id: str, address: str, solution: str | None
    ) -> None:
        """Return if the hold may be requested; otherwise raise ``ChallengeRequired`` (details ``challenge``).

        ``address`` is the name of the network address, "" for one that is exempt.
        """
        now = asyncio.get_running_loop().time()
        bound_to = f"{show} {owner}"
        if solution is not None:
            solved = next((known for each in self._all if (known := each.solved(solution, bound_to))), None)
            if solved is not None and await self._is_first_use(master, solved, hold_id):
                return
            raise ChallengeRequired(challenge=self._challenge.issue(bound_to))
        try:
            if address:
                self._addresses.take(address, now)
            self._shows.take(show, now)
        except RateLimited:
            raise ChallengeRequired(challenge=self._challenge.issue(bound_to)) from None

    async def _is_first_use(self, master: LockMaster, challenge: str, hold_id: str) -> bool:
        """Return whether a solution is used for the first time, or again for the same hold, whose answer was lost."""
        key = keys.solved_challenge(challenge)
        if await master.command("SET", key, hold_id, "NX", "EX", SOLVE_S + limits.DEFAULT_HOLD_S):
            return True
        return bool(await master.command("GET", key) == hold_id.encode())
