"""The ops API of figures: viewers, holds and sales by show and hour, of all regions, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from realtime.clock import now_ms
from realtime.errors import BadRequest, NotFound
from realtime.locks.master import LockMaster
from realtime.model import region_of
from realtime.web import ledger_answers
from realtime.web.gather import ask_all
from realtime.web.routing import Route, json_answer, read_query
from realtime.wire.queries import Ms, Short

INDIA = ZoneInfo("Asia/Kolkata")
DAY_MS = 24 * 3600 * 1000
DEFAULT_DAYS = 7
MAX_DAYS = 366
COLUMNS = (
    "hour",
    "region",
    "show",
    "viewers",
    "holds",
    "conflicts",
    "bookings",
    "seats",
    "revenue",
    "cancelled",
    "refunds",
    "refunded",
    "orders",
    "paid_orders",
    "pay_ms",
    "admitted",
)


class Figures(msgspec.Struct, frozen=True):
    """The query of ``GET /ops/analytics``: a range of hours, one show or all, and the format."""

    since: Ms | UnsetType = UNSET
    until: Ms | UnsetType = UNSET
    show: Short = ""
    format: Literal["json", "csv"] = "json"


class AnalyticsApi:
    """The route of figures."""

    def __init__(self, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route(
                "GET",
                "/api/v1/ops/analytics",
                self._figures,
                "Figures by show and hour; JSON or CSV",
                None,
                "operator",
                answers=("application/json", "text/csv"),
                query=Figures,
                result=ledger_answers.Hours,
            )
        ]

    async def _figures(self, request: web.Request) -> web.Response:
        """Return the hours that begin in ``since`` <= t < ``until`` (ms), by default the last seven days."""
        ask = read_query(request, Figures)
        until = now_ms() if ask.until is UNSET else ask.until
        since = max(0, until - DEFAULT_DAYS * DAY_MS) if ask.since is UNSET else ask.since
        if until - since > MAX_DAYS * DAY_MS:
            raise BadRequest(f"Ask for at most {MAX_DAYS} days.")
        show, named = ask.show, region_of(ask.show)
        masters = {name: master for name, master in self._masters.items() if not show or name == named}
        if not masters:
            raise NotFound("There is no show with this id.")
        answers, missing = await ask_all(masters, "figures", {"since": since, "until": until, "show": show})
        rows = [{**row, "region": region} for region, found in answers.items() for row in found]
        rows.sort(key=lambda row: (row["hour"], row["show"]))
        if ask.format == "csv":
            return _csv(rows, missing)
        return json_answer({"time": now_ms(), "since": since, "until": until, "hours": rows, "missing": missing})


def _csv(rows: list[dict[str, Any]], missing: list[str]) -> web.Response:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        hour = datetime.fromtimestamp(row["hour"] / 1000, INDIA).isoformat(timespec="minutes")
        # A keeper of the previous release leaves out figures that it does not know.
        writer.writerow([hour, *("" if row.get(name) is None else row[name] for name in COLUMNS[1:])])
    headers = {
        "Content-Disposition": 'attachment; filename="analytics.csv"',
        "Cache-Control": "no-store",
        "X-Missing-Regions": ", ".join(missing),
    }
    return web.Response(text=text.getvalue(), content_type="text/csv", headers=headers)
