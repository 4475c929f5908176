"""What operators see at ``/ops``: the whole installation, and each show with its holds and its log. Reads only.

Everything is read near this node: nodes and keepers write their records on their own region's master, functions note
what happens in a show beside its seats, and the replicas carry both here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.errors import BadRequest, RegionUnavailable
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.model import Show, show_of
from realtime.settings import Settings
from realtime.web.routing import Route, json_answer

MOST_HOLDS = 500
"""Holds of a show that are listed, those that lapse first."""
MOST_DEADLINES = 20_000
PAGE = 500
"""Events of a log in one answer."""


class OpsView:
    """The operators' reading verbs."""

    def __init__(self, settings: Settings, region: str, directory: Directory, feeds: Mapping[str, Feed]) -> None:
        """``region`` is the node's own."""
        self._regions = settings.topology.regions
        self._region = region
        self._directory = directory
        self._feeds = feeds

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route("GET", "/api/v1/ops", self.overview, "The whole installation now", None, "operator"),
            Route("GET", "/api/v1/ops/shows/{show}", self.show, "The live holds of a show", None, "operator"),
            Route("GET", "/api/v1/ops/shows/{show}/log", self.log, "What happened in a show", None, "operator"),
        ]

    async def overview(self, _request: web.Request) -> web.Response:
        """All regions: in reach or not, their nodes and keepers as they last told, ``age_ms`` ago."""
        return json_answer(
            {
                "time": now_ms(),
                "region": self._region,
                "regions": [await self._overview(name, feed) for name, feed in self._feeds.items()],
            }
        )

    async def _overview(self, name: str, feed: Feed) -> dict[str, Any]:
        shows = [show for show in self._directory.shows() if show.region == name]
        return {
            "name": name,
            "label": self._regions[name].label,
            "live": feed.live,
            "since": None if feed.live else feed.stale_since,
            "lag_ms": feed.lag_ms,
            "shows": len(shows),
            "nodes": await _records(feed, keys.NODES),
            "keepers": await _records(feed, keys.KEEPERS),
        }

    async def show(self, request: web.Request) -> web.Response:
        """One show: its holds that are live, those that lapse first come first; ages and deadlines in ms."""
        show = self._directory.show(request.match_info["show"])
        feed = self._feeds[show.region]
        return json_answer({"show": show.id, "time": now_ms(), "holds": await self._holds(feed, show)})

    async def _holds(self, feed: Feed, show: Show) -> list[dict[str, Any]]:
        due = await feed.command("ZRANGE", keys.DEADLINES, 0, MOST_DEADLINES - 1)
        held = [hold for hold in (member.decode() for member in due) if show_of(hold) == show.id]
        waiting = await feed.command("XREVRANGE", keys.OUTBOX, "+", "-", "COUNT", PAGE)
        paid = (connect.text_fields(fields) for _id, fields in waiting)
        confirming = [fields["hold"] for fields in paid if fields.get("kind") == "booking"]
        wanted = [*(hold for hold in confirming if show_of(hold) == show.id), *held][:MOST_HOLDS]
        if not wanted:
            return []
        records = await feed.command("HMGET", keys.holds(show.id), *wanted)
        found = [(hold, orjson.loads(record)) for hold, record in zip(wanted, records, strict=True) if record]
        return [
            {"id": hold, "state": r["state"], "seats": r["seats"], "expires_at": r["expires_at"]}
            for hold, r in found
            if r["state"] in ("held", "confirming")
        ]

    async def log(self, request: web.Request) -> web.Response:
        """What happened in a show, the newest first, up to ``count`` (500) events before the id ``before``."""
        show = self._directory.show(request.match_info["show"])
        before = request.query.get("before", "")
        count = request.query.get("count", str(PAGE))
        if not count.isdigit() or not 1 <= int(count) <= PAGE:
            raise BadRequest(f"count is a number from 1 to {PAGE}.")
        if before and not all(part.isdigit() and len(part) < 20 for part in before.split("-", 1)):
            raise BadRequest("before is the id of an event.")
        end = f"({before}" if before else "+"
        entries = await self._feeds[show.region].command("XREVRANGE", keys.log(show.id), end, "-", "COUNT", int(count))
        return json_answer({"show": show.id, "events": [_event(entry) for entry in entries]})


async def _records(feed: Feed, key: str) -> list[dict[str, Any]]:
    try:
        reply = await feed.command("HGETALL", key)
    except RegionUnavailable:
        return []
    now = now_ms()
    told = ({"name": name.decode(), **orjson.loads(record)} for name, record in connect.pairs(reply))
    # However old: what was last heard of a region out of reach is better than nothing, and says how old it is. Keepers
    # drop who is gone for good.
    return sorted(({**each, "age_ms": max(0, now - each["time"])} for each in told), key=lambda each: each["name"])


def _event(entry: Any) -> dict[str, Any]:
    entry_id, fields = entry[0].decode(), connect.text_fields(entry[1])
    change = orjson.loads(fields["change"]) if fields["change"] else {}
    return {
        "id": entry_id,
        "time": int(entry_id.partition("-")[0]),
        "kind": fields["kind"],
        "hold": fields["hold"],
        **{name: change[name] for name in ("version", "free", "held", "sold", "blocked", "epoch") if name in change},
    }
