"""The operators' HTTP API: declares theatres, layouts and shows, blocks seats, opens and closes sales.

Each route is a command that the owning region's keeper carries out (``locks.commands``).
"""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from realtime import keys, limits, plans, wire
from realtime.errors import BadRequest, TheatreNotFound
from realtime.feeds.directory import Directory
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.model import ID, SalesState, region_of
from realtime.web.routing import Route, json_answer, read_up_to


class OpsApi:
    """The operators' commands; ``masters`` are those of all regions."""

    def __init__(self, region: str, directory: Directory, masters: dict[str, LockMaster]) -> None:
        """``region`` is the node's own."""
        self._region = region
        self._directory = directory
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        operator = "operator"
        return [
            Route("PUT", "/api/v1/theatres/{theatre}", self._theatre, "Declare a theatre", wire.NewTheatre, operator),
            Route("POST", "/api/v1/layouts", self._new_layout, "Import a seating plan for ?region=", None, operator),
            Route("POST", "/api/v1/shows", self._new_show, "Declare a show", wire.NewShow, operator),
            Route("POST", "/api/v1/shows/{show}/block", self._block, "Take seats off sale", wire.BlockSeats, operator),
            Route("POST", "/api/v1/shows/{show}/unblock", self._unblock, "Back on sale", wire.BlockSeats, operator),
            Route("POST", "/api/v1/shows/{show}/pause", self._pause, "Pause sales", None, operator),
            Route("POST", "/api/v1/shows/{show}/open", self._open, "Open sales", None, operator),
            Route("POST", "/api/v1/shows/{show}/close", self._close, "Close sales", None, operator),
        ]

    def _master(self, region: str) -> LockMaster:
        if region not in self._masters:
            raise BadRequest(f"There is no region {region[:16]!r}.")
        return self._masters[region]

    async def _theatre(self, request: web.Request) -> web.Response:
        theatre_id = request.match_info["theatre"]
        if not ID.match(theatre_id):
            raise BadRequest("A theatre's id is lower-case letters, digits and inner hyphens.")
        body = wire.parse_json(wire.NewTheatre, await request.read())
        command = {"id": theatre_id, "name": body.name, "city": body.city}
        return json_answer(await run_command(self._master(body.region), "theatre", command))

    async def _new_layout(self, request: web.Request) -> web.Response:
        master = self._master(request.query.get("region", self._region))
        plan = await read_up_to(request, limits.MAX_PLAN_BYTES)
        layout = await asyncio.to_thread(plans.read_plan, plan, request.query.get("name", ""))
        blob = await asyncio.to_thread(wire.encode_layout, layout)
        await master.command("SET", keys.layout(layout.id), blob)
        return json_answer(await run_command(master, "layout", {"id": layout.id}), status=201)

    async def _new_show(self, request: web.Request) -> web.Response:
        body = await request.read()
        ask = wire.parse_json(wire.NewShow, body)
        region = self._directory.region_of_theatre(ask.theatre)
        if region is None:
            raise TheatreNotFound()
        return json_answer(await run_command(self._master(region), "show", orjson.loads(body)), status=201)

    async def _block(self, request: web.Request) -> web.Response:
        return await self._seat_command(request, "block")

    async def _unblock(self, request: web.Request) -> web.Response:
        return await self._seat_command(request, "unblock")

    async def _seat_command(self, request: web.Request, name: str) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        body = wire.parse_json(wire.BlockSeats, await read_up_to(request, limits.MAX_PLAN_BYTES))
        command = {"show": show.id, "seats": body.seats}
        return json_answer(await run_command(self._masters[show.region], name, command))

    async def _pause(self, request: web.Request) -> web.Response:
        return await self._sales(request, SalesState.PAUSED)

    async def _open(self, request: web.Request) -> web.Response:
        return await self._sales(request, SalesState.OPEN)

    async def _close(self, request: web.Request) -> web.Response:
        return await self._sales(request, SalesState.CLOSED)

    async def _sales(self, request: web.Request, sales: SalesState) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        command = {"show": show.id, "sales": sales.value}
        return json_answer(await run_command(self._masters[region_of(show.id)], "sales", command))
