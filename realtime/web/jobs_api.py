"""The ops API for what happens after a booking: jobs, webhooks, retries, the erasure of contacts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from aiohttp import web

from realtime.clock import now_ms
from realtime.errors import BadRequest, NotFound
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.model import region_of
from realtime.web import ledger_answers
from realtime.web.gather import ask_all, ask_for_rows
from realtime.web.routing import Route, idempotency_key, json_answer, read_query
from realtime.wire.queries import DeliveriesListed, JobsListed, Short
from realtime.wire.requests import parse_json


class InRegion(msgspec.Struct, frozen=True):
    """The query of ``POST /ops/jobs/{task}/retry``: only the task of this region."""

    region: Short = ""


class Erase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /ops/contacts/erase``; one of the fields is set."""

    email: str = ""
    phone: str = ""
    booking: str = ""


class JobsApi:
    """Routes that send queries or commands to the keepers of all regions."""

    def __init__(self, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        operator = "operator"
        return [
            Route(
                "GET",
                "/api/v1/ops/jobs",
                self._jobs,
                "Jobs by queue and state; failed jobs",
                None,
                operator,
                query=JobsListed,
                result=ledger_answers.Jobs,
            ),
            Route(
                "POST",
                "/api/v1/ops/jobs/{task}/retry",
                self._retry,
                "Try a failed job again",
                None,
                operator,
                query=InRegion,
                result=ledger_answers.RetriedTask,
            ),
            Route(
                "GET",
                "/api/v1/ops/webhooks",
                self._deliveries,
                "Webhooks and their attempts",
                None,
                operator,
                query=DeliveriesListed,
                result=ledger_answers.Deliveries,
            ),
            Route(
                "POST",
                "/api/v1/ops/contacts/erase",
                self._erase,
                "Erase the contacts of one person, in all regions",
                Erase,
                operator,
                private=True,
                result=ledger_answers.Erased,
            ),
        ]

    async def _jobs(self, request: web.Request) -> web.Response:
        limit = read_query(request, JobsListed).limit
        answers, missing = await ask_all(self._masters, "jobs", {"limit": limit})
        failed = [{**job, "region": region} for region, answer in answers.items() for job in answer["failed"]]
        failed.sort(key=lambda job: job["failed_at"], reverse=True)
        queues = {region: answer["queues"] for region, answer in answers.items()}
        return json_answer({"time": now_ms(), "queues": queues, "failed": failed[:limit], "missing": missing})

    async def _deliveries(self, request: web.Request) -> web.Response:
        """Return webhooks, newest first: of a ``booking``, in a ``state`` (open, done, failed), or all."""
        ask = read_query(request, DeliveriesListed)
        rows, missing = await ask_for_rows(self._masters, "deliveries", msgspec.to_builtins(ask))
        rows.sort(key=lambda row: row["created_at"], reverse=True)
        return json_answer({"time": now_ms(), "webhooks": rows[: ask.limit], "missing": missing})

    async def _retry(self, request: web.Request) -> web.Response:
        """Ask the region ``?region=``, or all regions, because the id of a task does not name its region."""
        task, key = request.match_info["task"], idempotency_key(request)
        region = read_query(request, InRegion).region
        regions = [region] if region else list(self._masters)
        if not set(regions) <= set(self._masters):
            raise BadRequest("There is no such region.")
        answers = await asyncio.gather(
            *(run_command(self._masters[name], "retry_task", {"id": task}, key) for name in regions),
            return_exceptions=True,
        )
        for name, answer in zip(regions, answers, strict=True):
            if isinstance(answer, dict):
                return json_answer({"task": {**answer["task"], "region": name}})
        # A region that did not answer may have the task.
        errors = [error for error in answers if isinstance(error, BaseException)]
        raise next((error for error in errors if not isinstance(error, NotFound)), errors[0])

    async def _erase(self, request: web.Request) -> web.Response:
        """Erase in all regions. Raises ``RegionUnavailable`` if one did not answer: repeat the request then."""
        body = parse_json(Erase, await request.read())
        command, key = msgspec.to_builtins(body), idempotency_key(request)
        masters = dict(self._masters)
        if body.booking:
            masters = {name: master for name, master in masters.items() if name == region_of(body.booking)}
        if not masters:
            raise BadRequest("booking is not the id of a booking.")
        answers = await asyncio.gather(
            *(run_command(master, "erase_contacts", command, key) for master in masters.values())
        )
        return json_answer({"erased": sum(answer["erased"] for answer in answers)})
