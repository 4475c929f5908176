"""The ops API: declares theatres, layouts and shows, blocks seats, opens, pauses and closes sales.

Each route sends one command to a keeper of the owning region and returns the keeper's answer (``locks.commands``).
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web

from realtime import plans
from realtime.errors import BadRequest, ShowNotFound, TheatreNotFound
from realtime.feeds.directory import Directory
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import ID, SalesState, region_of
from realtime.web import ops_answers
from realtime.web.routing import Route, idempotency_key, json_answer, read_plan, read_query
from realtime.wire.layouts import encode_layout
from realtime.wire.queries import Short
from realtime.wire.requests import (
    BlockSeats,
    NewShow,
    NewTerms,
    NewTheatre,
    Reason,
    RepairRecord,
    UnblockSeats,
    parse_json,
)

T = TypeVar("T", bound=UnblockSeats)


class PlanImport(msgspec.Struct, frozen=True):
    """The query of ``POST /layouts``: a region other than the node's, a name other than the plan's."""

    region: Short = ""
    name: Reason = ""


class OpsApi:
    """The commands of operators."""

    def __init__(self, region: str, directory: Directory, masters: dict[str, LockMaster]) -> None:
        """``region`` is the node's own, ``masters`` maps every region to its lock master."""
        self._region = region
        self._directory = directory
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        operator = "operator"
        return [
            Route(
                "PUT",
                "/api/v1/theatres/{theatre}",
                self._declare_theatre,
                "Declare a theatre, or change its name and city",
                NewTheatre,
                operator,
                result=ops_answers.DeclaredTheatre,
            ),
            Route(
                "POST",
                "/api/v1/layouts",
                self._import_layout,
                "Import a seating plan into the region ?region= (default: the node's)",
                None,
                operator,
                query=PlanImport,
                result=ops_answers.ImportedLayout,
            ),
            Route(
                "POST",
                "/api/v1/shows",
                self._declare_show,
                "Declare a show",
                NewShow,
                operator,
                result=ops_answers.DeclaredShow,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/block",
                self._block_seats,
                "Take seats off sale",
                BlockSeats,
                operator,
                result=ops_answers.ChangedSeats,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/unblock",
                self._unblock_seats,
                "Put blocked seats back on sale",
                UnblockSeats,
                operator,
                result=ops_answers.ChangedSeats,
            ),
            Route(
                "GET",
                "/api/v1/ops/shows/{show}/blocks",
                self._get_blocks,
                "Blocked seats",
                None,
                operator,
                result=ops_answers.Blocks,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/terms",
                self._set_terms,
                "Change when seats are sold",
                NewTerms,
                operator,
                result=ops_answers.DeclaredShow,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/pause",
                self._pause_sales,
                "Pause sales",
                None,
                operator,
                result=ops_answers.ChangedSales,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/open",
                self._open_sales,
                "Open sales",
                None,
                operator,
                result=ops_answers.ChangedSales,
            ),
            Route(
                "POST",
                "/api/v1/ops/dead-letters/{region}/{letter}/retry",
                self._retry_dead_letter,
                "Process a dead letter again",
                None,
                operator,
                result=ops_answers.RetriedDeadLetter,
            ),
            Route(
                "POST",
                "/api/v1/ops/dead-letters/{region}/{letter}/refund",
                self._refund_dead_letter,
                "Return the payment of a dead letter",
                None,
                operator,
                result=ops_answers.RefundedDeadLetter,
            ),
            Route(
                "POST",
                "/api/v1/ops/records/repair",
                self._repair_record,
                "Write a record that can't be read again from the ledger; remove it if the ledger has none",
                RepairRecord,
                operator,
                result=ops_answers.RepairedRecord,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/close",
                self._close_sales,
                "Close sales",
                None,
                operator,
                result=ops_answers.ChangedSales,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/archive",
                self._archive_show,
                "Archive a show that is over or closed: it leaves the lock master, the ledger keeps it",
                None,
                operator,
                result=ops_answers.Archived,
            ),
        ]

    def _master(self, region: str) -> LockMaster:
        if region not in self._masters:
            raise BadRequest(f"There is no region {region[:16]!r}.")
        return self._masters[region]

    async def _declare_theatre(self, request: web.Request) -> web.Response:
        theatre_id = request.match_info["theatre"]
        if not ID.match(theatre_id):
            raise BadRequest("A theatre id consists of lower-case letters, digits and hyphens between them.")
        body = parse_json(NewTheatre, await request.read())
        command = {"id": theatre_id, "name": body.name, "city": body.city, "address": body.address}
        return json_answer(await run_command(self._master(body.region), "theatre", command, idempotency_key(request)))

    async def _import_layout(self, request: web.Request) -> web.Response:
        into = read_query(request, PlanImport)
        master = self._master(into.region or self._region)
        plan = await read_plan(request)
        layout, report = await asyncio.to_thread(plans.import_plan, plan, into.name)
        blob = await asyncio.to_thread(encode_layout, layout)
        done = await declare_layout(master, layout.id, blob, idempotency_key(request))
        return json_answer({**done, "report": report}, status=201)

    async def _declare_show(self, request: web.Request) -> web.Response:
        body = await request.read()
        ask = parse_json(NewShow, body)
        region = self._directory.region_of_theatre(ask.theatre)
        if region is None:
            raise TheatreNotFound()
        result = await run_command(self._master(region), "show", orjson.loads(body), idempotency_key(request))
        return json_answer(result, status=201)

    async def _block_seats(self, request: web.Request) -> web.Response:
        body = await self._seats_body(request, BlockSeats)
        # A keeper of the previous release does not know reasons.
        more = {"reason": body.reason} if body.reason else {}
        return await self._run_seat_command(request, "block", {"seats": body.seats, **more})

    async def _unblock_seats(self, request: web.Request) -> web.Response:
        body = await self._seats_body(request, UnblockSeats)
        return await self._run_seat_command(request, "unblock", {"seats": body.seats})

    async def _seats_body(self, request: web.Request, form: type[T]) -> T:
        return parse_json(form, await read_plan(request))

    async def _run_seat_command(self, request: web.Request, name: str, more: dict[str, Any]) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        command = {"show": show.id, **more}
        return json_answer(await run_command(self._masters[show.region], name, command, idempotency_key(request)))

    async def _get_blocks(self, request: web.Request) -> web.Response:
        """Answer with the blocked seats of a show, why each is blocked, and since when (ms)."""
        show = self._directory.show(request.match_info["show"])
        return json_answer({"blocks": await run_query(self._masters[show.region], "blocks", {"show": show.id})})

    async def _pause_sales(self, request: web.Request) -> web.Response:
        return await self._set_sales(request, SalesState.PAUSED)

    async def _open_sales(self, request: web.Request) -> web.Response:
        return await self._set_sales(request, SalesState.OPEN)

    async def _close_sales(self, request: web.Request) -> web.Response:
        return await self._set_sales(request, SalesState.CLOSED)

    async def _archive_show(self, request: web.Request) -> web.Response:
        # The region comes from the id, not from the directory, which lacks a show whose record can't be read: archiving
        # removes it.
        show = request.match_info["show"]
        master = self._masters.get(region_of(show))
        if master is None:
            raise ShowNotFound()
        return json_answer(await run_command(master, "archive", {"show": show}, idempotency_key(request)))

    async def _repair_record(self, request: web.Request) -> web.Response:
        body = parse_json(RepairRecord, await request.read())
        command = {"region": body.region, "kind": body.kind, "id": body.id}
        master = self._master(body.region)
        return json_answer(await run_command(master, "repair_record", command, idempotency_key(request)))

    async def _retry_dead_letter(self, request: web.Request) -> web.Response:
        return await self._run_on_dead_letter(request, "retry_dead_letter")

    async def _refund_dead_letter(self, request: web.Request) -> web.Response:
        return await self._run_on_dead_letter(request, "refund_dead_letter")

    async def _run_on_dead_letter(self, request: web.Request, name: str) -> web.Response:
        master = self._master(request.match_info["region"])
        command = {"id": request.match_info["letter"]}
        return json_answer(await run_command(master, name, command, idempotency_key(request)))

    async def _set_terms(self, request: web.Request) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        body = parse_json(NewTerms, await request.read())
        given = {name: getattr(body, name) for name in body.__struct_fields__ if getattr(body, name) is not None}
        command = {"show": show.id, **given}
        return json_answer(await run_command(self._masters[show.region], "terms", command, idempotency_key(request)))

    async def _set_sales(self, request: web.Request, sales: SalesState) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        command = {"show": show.id, "sales": sales.value}
        return json_answer(await run_command(self._masters[show.region], "sales", command, idempotency_key(request)))
