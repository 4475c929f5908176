"""The read-only part of the ops API, behind the page ``/ops``: the whole installation, the holds and log of a show.

Every read goes to a replica near this node. Nodes and keepers write their status reports on the master of their own
region, the Lua functions log what happens in a show next to its seats, and replication brings both to every region.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import orjson
from aiohttp import web
from msgspec import Meta

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.locks.answers import decode_record
from realtime.locks.report_ages import ReportAges
from realtime.model import HoldState, Show, show_of
from realtime.settings import Settings
from realtime.web import ops_answers
from realtime.web.routing import Route, json_answer, read_query
from realtime.web.status_report import read_reports

_LIVE = (HoldState.HELD, HoldState.CONFIRMING)
_INCIDENT = ("kind", "about", "state", "by", "detail")
_DEAD_LETTER = ("kind", "hold", "payment", "amount", "reason")
MOST_HOLDS = 500
"""The most holds of a show in one answer, soonest deadline first."""
MOST_DEADLINES = 20_000
"""How many deadlines of a region are searched for those holds."""
PAGE = 500
"""The most events of a log in one answer."""
EVENT_ID = r"^(?=.*[1-9])[0-9]{1,19}(-[0-9]{1,19})?$"
"""An id of a stream; ``0-0`` is the id of no entry."""


class LogPart(msgspec.Struct, frozen=True):
    """The query of a log: up to ``count`` events from before the event ``before``."""

    before: Annotated[str, Meta(pattern=EVENT_ID, description="the id of an event")] = ""
    count: Annotated[int, Meta(ge=1, le=PAGE)] = PAGE


class OpsView:
    """What operators can read."""

    def __init__(self, settings: Settings, region: str, directory: Directory, feeds: Mapping[str, Feed]) -> None:
        """``region`` is the node's own."""
        self._regions = settings.topology.regions
        self._region = region
        self._directory = directory
        self._feeds = feeds
        self._ages = defaultdict[tuple[str, str], ReportAges](ReportAges)

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route(
                "GET",
                "/api/v1/ops",
                self._get_overview,
                "The state of the installation",
                None,
                "operator",
                result=ops_answers.Overview,
            ),
            Route(
                "GET",
                "/api/v1/ops/incidents",
                self._get_incidents,
                "What went wrong lately",
                None,
                "operator",
                result=ops_answers.Incidents,
            ),
            Route(
                "GET",
                "/api/v1/ops/dead-letters",
                self._get_dead_letters,
                "Dead letters",
                None,
                "operator",
                result=ops_answers.DeadLetters,
            ),
            Route(
                "GET",
                "/api/v1/ops/shows/{show}",
                self._get_holds,
                "The live holds of a show",
                None,
                "operator",
                result=ops_answers.HoldsOfShow,
            ),
            Route(
                "GET",
                "/api/v1/ops/shows/{show}/log",
                self._get_log,
                "The log of a show",
                None,
                "operator",
                query=LogPart,
                result=ops_answers.ShowLog,
            ),
        ]

    async def _get_overview(self, _request: web.Request) -> web.Response:
        """Answer with all regions: whether each is reachable, and the last status report of its nodes and keepers."""
        return json_answer(
            {
                "time": now_ms(),
                "region": self._region,
                "regions": [await self._overview_of(name, feed) for name, feed in self._feeds.items()],
            }
        )

    async def _overview_of(self, name: str, feed: Feed) -> dict[str, Any]:
        shows = [show for show in self._directory.shows() if show.region == name]
        return {
            "name": name,
            "label": self._regions[name].label,
            "live": feed.live,
            "since": None if feed.live else feed.stale_since,
            "lag_ms": feed.lag_ms,
            "shows": len(shows),
            "unreadable": [asdict(each) for each in self._directory.unreadable(name)],
            "nodes": await self._status_reports(feed, keys.NODES),
            "keepers": await self._status_reports(feed, keys.KEEPERS),
        }

    async def _status_reports(self, feed: Feed, key: str) -> list[dict[str, Any]]:
        """Return the last reports of a region's nodes or keepers with their age, also old ones.

        Operators want to see what an unreachable region last reported; keepers delete the reports of processes that are
        gone. A process with a wrong clock seems too old, or too young, in the first answer at most.
        """
        try:
            reply = await feed.command("HGETALL", key)
        except RegionUnavailable:
            return []
        ages = self._ages[feed.region, key].look(dict(connect.pairs(reply)), time.monotonic())
        by_name = {name.decode(errors="replace"): age for name, age in ages.items()}
        now = now_ms()
        return sorted(
            (
                {**each, "age_ms": round(by_name[each["name"]].by_clocks((now - each["time"]) / 1000) * 1000)}
                for each in read_reports(reply)
            ),
            key=lambda each: each["name"],
        )

    async def _get_incidents(self, _request: web.Request) -> web.Response:
        """Answer with what went wrong, the newest first; ``missing`` names the regions that do not answer."""
        answers = await asyncio.gather(*(_incidents(feed) for feed in self._feeds.values()))
        found = [each for answer in answers for each in answer or ()]
        found.sort(key=lambda each: (each["at"], each["id"]), reverse=True)
        return json_answer({"incidents": found[: limits.INCIDENTS_LISTED], "missing": self._missing(answers)})

    async def _get_dead_letters(self, _request: web.Request) -> web.Response:
        """Answer with the entries that no keeper could process: up to ``PAGE`` of each region, oldest first.

        ``missing`` names the regions that do not answer.
        """
        answers = await asyncio.gather(*(_dead_letters(feed) for feed in self._feeds.values()))
        found = [each for answer in answers for each in answer or ()]
        return json_answer({"dead_letters": found, "missing": self._missing(answers)})

    def _missing(self, answers: Sequence[object]) -> list[str]:
        """Return the regions whose answer is None; answers are in the order of the feeds."""
        return [name for name, answer in zip(self._feeds, answers, strict=True) if answer is None]

    async def _get_holds(self, request: web.Request) -> web.Response:
        """Answer with the live holds of a show: first those being booked, then by deadline. Times are ms."""
        show = self._directory.show(request.match_info["show"])
        feed = self._feeds[show.region]
        return json_answer({"show": show.id, "time": now_ms(), "holds": await _live_holds(feed, show)})

    async def _get_log(self, request: web.Request) -> web.Response:
        """Answer with the log of a show, newest first: up to ``count`` (500) events before the id ``before``."""
        show = self._directory.show(request.match_info["show"])
        part = read_query(request, LogPart)
        end = f"({part.before}" if part.before else "+"
        entries = await self._feeds[show.region].command("XREVRANGE", keys.log(show.id), end, "-", "COUNT", part.count)
        events = [event for event in map(_event, entries) if event is not None]
        return json_answer({"show": show.id, "events": events})


async def _incidents(feed: Feed) -> list[dict[str, Any]] | None:
    """Return the incidents that a region's processes recorded; None while none of its servers answers."""
    entries = await _entries(feed, "XREVRANGE", keys.INCIDENTS, "+", "-", "COUNT", limits.INCIDENTS_LISTED)
    if entries is None:
        return None
    return [
        {"id": entry_id, "seen_from": feed.region, "at": connect.count(fields.get("at")), **_known(fields, _INCIDENT)}
        for entry_id, fields in entries
    ]


async def _dead_letters(feed: Feed) -> list[dict[str, Any]] | None:
    """Return the dead letters of a region; None while none of its servers answers."""
    entries = await _entries(feed, "XRANGE", keys.DEAD_LETTERS, "-", "+", "COUNT", PAGE)
    if entries is None:
        return None
    return [{"region": feed.region, "id": entry_id, **_known(fields, _DEAD_LETTER)} for entry_id, fields in entries]


async def _entries(feed: Feed, *command: str | int) -> list[tuple[str, dict[str, str]]] | None:
    """Return the ids and fields that a command reads from a stream; None while no server of the region answers."""
    try:
        entries = await feed.command(*command)
    except RegionUnavailable:
        return None
    return [(entry_id.decode(), connect.text_fields(flat)) for entry_id, flat in entries]


def _known(fields: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: fields.get(name, "") for name in names}


async def _live_holds(feed: Feed, show: Show) -> list[dict[str, Any]]:
    due = await feed.command("ZRANGE", keys.DEADLINES, 0, MOST_DEADLINES - 1)
    held = [hold for hold in (member.decode(errors="replace") for member in due) if show_of(hold) == show.id]
    # A hold that is being booked has no deadline any more, so it is searched for in the outbox.
    outbox = await feed.command("XREVRANGE", keys.OUTBOX, "+", "-", "COUNT", PAGE)
    unrecorded = (connect.text_fields(fields) for _id, fields in outbox)
    confirming = [fields.get("hold", "") for fields in unrecorded if fields.get("kind") == "booking"]
    wanted = [*(hold for hold in confirming if show_of(hold) == show.id), *held][:MOST_HOLDS]
    if not wanted:
        return []
    records = await feed.command("HMGET", keys.holds(show.id), *wanted)
    found = []
    for hold, blob in zip(wanted, records, strict=True):
        with contextlib.suppress(msgspec.MsgspecError):  # keepers rebuild a show whose records can't be read
            record = decode_record(blob or b"")
            if record.state in _LIVE:
                known = {"state": record.state.value, "seats": record.seats, "expires_at": record.expires_at}
                found.append({"id": hold, **known})
    return found


def _event(entry: Any) -> dict[str, Any] | None:
    """Return an event of a log; None for one that can't be read."""
    entry_id, fields = entry[0].decode(), connect.text_fields(entry[1])
    try:
        change = orjson.loads(fields.get("change") or b"{}")
    except ValueError:
        return None
    if not isinstance(change, dict):
        return None
    return {
        "id": entry_id,
        "time": int(entry_id.partition("-")[0]),
        "kind": fields.get("kind", ""),
        "hold": fields.get("hold", ""),
        **{name: change[name] for name in ("version", "free", "held", "sold", "blocked", "epoch") if name in change},
    }
