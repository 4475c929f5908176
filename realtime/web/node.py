"""The long-lived parts of a node, from the feeds of all regions to the events of clients, and their start and end.

A node keeps no state of its own: any node serves any show of any region, and any client can move to another node and
continue with its holds there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.payments.factory import payment_service
from realtime.rooms.rooms import Rooms
from realtime.settings import Settings
from realtime.staff import StaffTokens
from realtime.topology import TopologyError
from realtime.transport.admission import Admission
from realtime.transport.client_address import ClientAddresses
from realtime.transport.server import SocketServer
from realtime.web import memory, pages
from realtime.web.address_keys import AddressKeys
from realtime.web.box_office import BoxOffice
from realtime.web.challenge import Pressure, make_challenge
from realtime.web.checkout import Checkout
from realtime.web.events import Events
from realtime.web.identity import Identities
from realtime.web.identity_provider import IdentityProvider
from realtime.web.layouts_api import LayoutsApi
from realtime.web.revoked_guests import RevokedGuests
from realtime.web.routing import refusal
from realtime.web.staff_access import Register, StaffAccess
from realtime.web.status_report import StatusReporter
from realtime.web.viewer_counts import ViewerCounts

log = logging.getLogger(__name__)


class _NoticeForwarder(Listener):
    """Forwards the keepers' notices about holds and bookings from the feeds to the events."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def on_notice(self, feed: Feed, notice: dict[str, Any]) -> None:
        self._events.on_notice(notice)


class Node:
    """The parts of one node. They do nothing until ``running`` is entered."""

    def __init__(self, settings: Settings, region: str) -> None:
        """Must be called in the loop that will serve the node.

        Raises ``TopologyError`` if the region is not in the topology or the payment service can't be loaded.
        """
        topology = settings.topology
        if region not in topology.regions:
            raise TopologyError(f"there is no region {region} in the topology; there are {', '.join(topology.regions)}")
        self.settings = settings
        self.region = region
        self.origins = [*topology.page_origins, *topology.origins]
        self.payments = payment_service(settings.payments)
        if self.payments.is_demo:
            log.warning("payments: %s takes no real money, so every booking is free", self.payments.name)
        self.server = SocketServer(
            origins=self.origins or None,
            addresses=ClientAddresses(topology.proxies),
            admission=Admission(topology.connections_per_address or None),
            make_refusal=partial(refusal, headers=pages.common_headers(topology.page_origins)),
        )
        regions = topology.regions.items()
        password = settings.redis_password
        self.feeds = {name: Feed(each, region, password) for name, each in regions}
        self.masters = {name: LockMaster(each, password, reconciled_only=True) for name, each in regions}
        self.locks = {name: SeatLocks(master, topology.limits) for name, master in self.masters.items()}
        self.directory = Directory(topology, self.feeds)
        self.layouts = LayoutsApi(self.directory)
        self.rooms = Rooms(self.server.fanout, self.feeds)
        self.revoked_guests = RevokedGuests(self.feeds)
        self.identities = Identities(settings.secret, settings.second_secret, self.revoked_guests)
        self.access = StaffAccess(
            settings.operator_key,
            StaffTokens(settings.secrets),
            Register(self.feeds),
            IdentityProvider(topology.staff) if topology.staff.jwks else None,
            self.masters[region],
        )
        self._make_sales()

    def _make_sales(self) -> None:
        topology = self.settings.topology
        made = [make_challenge(topology.challenge, secret) for secret in self.settings.secrets]
        challenges = [each for each in made if each is not None]
        pressure = Pressure(challenges[0], topology.challenge, challenges[1:]) if challenges else None
        self.address_keys = AddressKeys(self.settings.secret, topology.limits.shared_networks, topology.proxies)
        self.office = BoxOffice(self.directory, self.locks, self.identities, self.address_keys, pressure)
        self.checkout = Checkout(
            self.directory, self.locks, self.payments, self.origins, self.office.count_booking, self.address_keys
        )
        self.events = Events(
            self.server.sio,
            self.identities,
            self.directory,
            self.rooms,
            self.office,
            self.checkout,
            self.access.kiosk,
        )
        for feed in self.feeds.values():
            feed.listeners.append(_NoticeForwarder(self.events))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect to all regions and run the node's tasks for the time of the context; close everything at its end.

        The context begins when the directories of all regions are read, or after ``limits.START_S``.
        """
        # Every viewer is a set of long-lived objects. With the default thresholds the garbage collector scans all of
        # them again and again while a crowd joins.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        for feed in self.feeds.values():
            feed.start()
        # Connect now, so that the first buyer does not wait for a handshake across India. Errors are ignored: a master
        # that is unreachable now is tried again with the next call.
        await asyncio.gather(*(master.command("PING") for master in self.masters.values()), return_exceptions=True)
        # Before its directory is read, a region's shows would be reported as unavailable although the region is fine.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.directory.complete(), limits.START_S)
        report = StatusReporter(self.masters[self.region], self.rooms, self.feeds, self.events, self.office)
        tasks = [
            asyncio.create_task(report.run(), name="status_report"),
            asyncio.create_task(ViewerCounts(self.masters, self.rooms).run(), name="viewer_counts"),
            asyncio.create_task(memory.give_back(), name="give_back_memory"),
            asyncio.create_task(self.revoked_guests.run(self.events.disconnect_owner), name="revoked_guests"),
            asyncio.create_task(self.layouts.run(), name="code_layouts"),
        ]
        yield
        await cancel_all(*tasks)
        await self._close()

    async def _close(self) -> None:
        await self.server.close()
        await self.events.close()
        await self.layouts.close()
        await self.rooms.close()
        await self.directory.close()
        await asyncio.gather(*(feed.close() for feed in self.feeds.values()))
        await asyncio.gather(*(master.close() for master in self.masters.values()))
        await self.payments.close()
