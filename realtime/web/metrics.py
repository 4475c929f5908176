"""``/metrics`` in the Prometheus text format. All counts are kept by other parts and only read here."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed
from realtime.rooms.rooms import Rooms
from realtime.transport.server import SocketServer
from realtime.web.attempts import AttemptLimiter
from realtime.web.box_office import BoxOffice
from realtime.web.events import Events
from realtime.web.status_report import read_reports

_GAUGES = {
    "rooms": "Shows with at least one viewer on this node",
    "viewers": "Viewers of all rooms on this node",
    "lagging": "Viewers that read too slowly and get no changes until their buffer has drained",
    "unreadable_maps": "Maps of rooms that can't be read at present; the log says why",
}
_COUNTERS = {
    "gaps": "Version gaps and diverged maps that were fixed by reading the seats again",
    "frames": "Frames sent to viewers",
    "bytes": "Bytes of the frames sent to viewers",
}
_SALES = {
    "holds": "Holds granted through this node",
    "conflicts": "Holds refused because seats were taken",
    "bookings": "Bookings acknowledged through this node",
}

_REGION = {
    "outbox": ("outbox_entries", "Entries that no keeper has processed yet"),
    "oldest_ms": ("outbox_oldest_ms", "Age of the oldest of them"),
    "dead_letters": ("dead_letters", "Entries that no keeper could process"),
    "halted": ("halted", "1 while nothing is sold until an operator acts: the ledger has lost commits"),
    "damaged_shows": ("damaged_shows", "Shows that were damaged on the lock master and are rebuilt"),
    "contradictions": ("payment_contradictions", "Payments about which the payment service contradicts the ledger"),
    "jobs_not_added": ("jobs_not_added", "Jobs that their queue has refused; they are added later"),
    "misconfigured": ("master_misconfigured", "Settings of the lock master that can lose data"),
    "clock_offset_ms": ("clock_offset_ms", "The lock master's clock minus the keeper's"),
    "open_orders": ("open_orders", "Orders that nobody has paid, and that the gateway is asked about"),
    "oldest_order_ms": ("open_order_oldest_ms", "Age of the oldest of them"),
}
"""The metrics of a region from its keepers' status reports: field, metric, help text."""
_REFUND_STATES = ("promised", "sent", "failed")
_CONFLICT_KINDS = ("twice", "cancelled", "lease_over")


class _Region(Collector):
    """The newest status report of a region's keepers. Each report has the figures of the whole region."""

    def __init__(self, region: str, feed: Feed) -> None:
        self._region = region
        self._feed = feed
        self._report: dict[str, Any] = {}

    async def read(self) -> None:
        """Read the reports from the replica near this node; while that is unreachable, there are none."""
        self._report = {}
        with contextlib.suppress(RegionUnavailable):
            reply = await self._feed.command("HGETALL", keys.KEEPERS)
            self._report = max(read_reports(reply), key=lambda report: report["time"], default={})

    def collect(self) -> Iterator[Metric]:
        for field, (name, text) in _REGION.items():
            gauge = GaugeMetricFamily(f"tickingtickets_{name}", text, labels=["owner"])
            if isinstance(self._report.get(field), int | float):
                gauge.add_metric([self._region], self._report[field])
            yield gauge
        yield self._by_kind("unfinished_refunds", "Refunds that are not done", "refunds", "state", _REFUND_STATES)
        text = "Admissions of the last 24 hours that contradict the ledger"
        yield self._by_kind("gate_conflicts", text, "gate_conflicts", "kind", _CONFLICT_KINDS)

    def _by_kind(self, name: str, text: str, field: str, label: str, kinds: tuple[str, ...]) -> Metric:
        gauge = GaugeMetricFamily(f"tickingtickets_{name}", text, labels=["owner", label])
        if isinstance(self._report.get(field), dict):
            for kind in kinds:
                if isinstance(count := self._report[field].get(kind, 0), int | float):
                    gauge.add_metric([self._region, kind], count)
        return gauge


class _Node(Collector):
    def __init__(
        self,
        rooms: Rooms,
        feeds: Mapping[str, Feed],
        events: Events,
        office: BoxOffice,
        attempts: Mapping[str, AttemptLimiter],
        server: SocketServer,
    ) -> None:
        self._rooms = rooms
        self._feeds = feeds
        self._events = events
        self._office = office
        self._attempts = attempts
        self._server = server

    def collect(self) -> Iterator[Metric]:
        stats = self._rooms.stats()
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"tickingtickets_{name}", text, value=stats[name])
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tickingtickets_{name}", text, value=stats[name])
        connected = self._events.connections
        yield GaugeMetricFamily("tickingtickets_connections", "Socket.IO clients of this node", value=connected)
        for name, text in _SALES.items():
            sales = CounterMetricFamily(f"tickingtickets_{name}", text, labels=["owner"])
            for region, counts in self._office.sales.items():
                sales.add_metric([region], counts[name])
            yield sales
        live = GaugeMetricFamily("tickingtickets_feed_live", "1 while a region is reachable", labels=["owner"])
        lag = GaugeMetricFamily(
            "tickingtickets_feed_lag_ms",
            "Age of the last heartbeat when it arrived; includes the difference between the clocks",
            labels=["owner"],
        )
        moves = CounterMetricFamily(
            "tickingtickets_feed_moves", "Times that a feed switched to another server", labels=["owner"]
        )
        for name, feed in self._feeds.items():
            live.add_metric([name], float(feed.live))
            if feed.lag_ms is not None:
                lag.add_metric([name], feed.lag_ms)
            moves.add_metric([name], feed.moves)
        yield live
        yield lag
        yield moves
        yield self._wrong_secrets()
        yield from self._connections()
        yield self._transport()

    def _wrong_secrets(self) -> Metric:
        wrong = CounterMetricFamily(
            "tickingtickets_wrong_secrets",
            "Wrong secrets that were sent",
            labels=["kind"],
        )
        for kind, attempts in self._attempts.items():
            wrong.add_metric([kind], attempts.wrong)
        return wrong

    def _connections(self) -> Iterator[Metric]:
        admission = self._server.admission
        yield GaugeMetricFamily("tickingtickets_open_connections", "Connections of this node", value=admission.open)
        yield CounterMetricFamily(
            "tickingtickets_refused_connections",
            "Connections refused because the node, or their address, had too many",
            value=admission.refused,
        )
        ended = CounterMetricFamily(
            "tickingtickets_ended_by_limit", "Connections closed for newer ones of their address", labels=["kind"]
        )
        for kind, oldest in admission.bounded.items():
            ended.add_metric([kind], oldest.ended)
        yield ended

    def _transport(self) -> Metric:
        fast = GaugeMetricFamily(
            "tickingtickets_fast_transport",
            "1 when this node uses its own transport; 0 for each part of the frameworks that keeps it from that",
            labels=["missing"],
        )
        for part in self._server.missing:
            fast.add_metric([part], 0)
        if not self._server.missing:
            fast.add_metric([""], 1)
        return fast


def handler(
    region: str,
    rooms: Rooms,
    feeds: Mapping[str, Feed],
    events: Events,
    office: BoxOffice,
    attempts: Mapping[str, AttemptLimiter],
    server: SocketServer,
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler of ``/metrics``; ``region`` is the node's, ``attempts`` counts wrong secrets by their kind,
    ``server`` has the connections.
    """
    registry = CollectorRegistry()
    own = _Region(region, feeds[region])
    registry.register(own)
    registry.register(_Node(rooms, feeds, events, office, attempts, server))
    ProcessCollector(registry=registry)  # memory and CPU time of this process, on systems with /proc

    async def serve(_request: web.Request) -> web.Response:
        await own.read()
        return web.Response(body=generate_latest(registry), content_type="text/plain", charset="utf-8")

    return serve
