"""The queue ``webhooks``: sends events to the shop's systems, signed as in Standard Webhooks, in order.

The events of one hold reach a target in the order in which they happened: before its own delivery, a job makes the
earlier ones that are still open. A delivery that has not succeeded for a day is given up, and later ones go on. If a
worker dies after the target has answered and before that is in the ledger, the event is delivered again under the same
``webhook-id``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import aiohttp
from bullmq import UnrecoverableError
from standardwebhooks import Webhook

from realtime.clock import now_ms
from realtime.ledger import Ledger
from realtime.ledger.rows import TaskRow
from realtime.ledger.webhooks import Attempt, Delivery, DeliveryState
from realtime.topology import WebhookTarget
from realtime.workers.claims import carry_out
from realtime.workers.public_addresses import AddressRefused, public_socket

DELIVERY_S = 15.0
"""How long a target may take to answer."""


class NotDelivered(Exception):
    """The target did not accept the event; it is tried again."""


class Webhooks:
    """Delivers the events of one region."""

    def __init__(
        self, ledger: Ledger, targets: Mapping[str, WebhookTarget], secrets: Mapping[str, tuple[str, ...]]
    ) -> None:
        """``secrets`` has those of each target: deliveries are signed with all of them, while they are rotated.

        Raises ``ValueError`` for a malformed secret.
        """
        self._ledger = ledger
        self._targets = targets
        self._signers = {name: [Webhook(secret) for secret in some] for name, some in secrets.items()}
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def deliver(self, task: TaskRow) -> str:
        """Deliver the event of a task, and before it earlier open ones about the same hold or show.

        Raises ``NotDelivered`` or ``NotDoneYet`` if it must be tried again, ``UnrecoverableError`` if it was given up.
        """
        delivery = await self._ledger.delivery(task.id)
        if delivery is None:
            raise UnrecoverableError(f"the ledger has no delivery {task.id}")
        for earlier in await self._ledger.open_deliveries_before(delivery):
            with contextlib.suppress(UnrecoverableError):  # it was given up, so that later ones can go on
                await carry_out(self._ledger, earlier.id, partial(self._deliver, earlier))
        if delivery.state is DeliveryState.FAILED:
            raise UnrecoverableError(f"{delivery.id} was given up: {delivery.detail}")
        if delivery.state is DeliveryState.OPEN:
            await self._deliver(delivery)
        return delivery.type

    async def _deliver(self, delivery: Delivery) -> str:
        """Make one attempt; return the type of the event."""
        began = time.monotonic()
        status, detail = await self._post(delivery)
        duration_ms = int((time.monotonic() - began) * 1000)
        delivered = 200 <= status < 300
        now = now_ms()
        state = DeliveryState.DONE if delivered else DeliveryState.OPEN
        if not delivered and now >= delivery.give_up_at:
            state = DeliveryState.FAILED
        await self._ledger.record_attempt(delivery.id, Attempt(now, status, duration_ms, detail), state)
        if state is DeliveryState.FAILED:
            raise UnrecoverableError(f"{delivery.id} is given up: {detail}")
        if not delivered:
            raise NotDelivered(f"{delivery.id}: {detail}")
        return delivery.type

    async def _post(self, delivery: Delivery) -> tuple[int, str]:
        """Send one event; return the HTTP status (0 for none) and what happened, without any text of the target."""
        target = self._targets.get(delivery.target)
        if target is None or delivery.target not in self._signers:
            return 0, "the target is not in the topology, or has no secret"
        try:
            async with self._session(target.private).post(
                target.url, data=delivery.body, headers=self._headers(delivery), allow_redirects=False
            ) as answer:
                return answer.status, f"HTTP {answer.status}"
        except TimeoutError:
            return 0, f"no answer in {DELIVERY_S:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(getattr(error, "os_error", None), AddressRefused)
            return 0, "not a public address" if refused else type(error).__name__

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        now = datetime.now(UTC)
        text = delivery.body.decode()
        signatures = [signer.sign(delivery.event, now, text) for signer in self._signers[delivery.target]]
        return {
            "Content-Type": "application/json",
            "User-Agent": "TickingTickets",
            "webhook-id": delivery.event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _session(self, private: bool) -> aiohttp.ClientSession:
        if private not in self._sessions:
            self._sessions[private] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=None if private else public_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=DELIVERY_S),
            )
        return self._sessions[private]
