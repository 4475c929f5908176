"""The ops API of staff: who has which token, what was done, and whom a token names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from realtime.clock import now_ms
from realtime.errors import BadRequest, RegionUnavailable
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.staff import Role
from realtime.web.routing import Route, json_answer
from realtime.web.staff_access import PRINCIPAL

MAX_LISTED = 500


class StaffApi:
    """Routes that ask the keepers of all regions."""

    def __init__(self, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        operator = "operator"
        return [
            Route("GET", "/api/v1/ops/me", self._me, "Whom your staff token names", None, operator, tuple(Role)),
            Route("GET", "/api/v1/ops/staff", self._staff, "Staff tokens, newest first", None, operator),
            Route("GET", "/api/v1/ops/audit", self._audit, "What staff did, newest first", None, operator),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        return json_answer({"name": principal.name, "role": principal.role.value, "theatre": principal.theatre})

    async def _staff(self, _request: web.Request) -> web.Response:
        rows, missing = await self._ask_all("staff", {})
        rows.sort(key=lambda row: row["issued_at"], reverse=True)
        return json_answer({"tokens": rows, "missing": missing})

    async def _audit(self, request: web.Request) -> web.Response:
        """Answer with entries from before ``?before=`` (ms), ``?limit=`` at most."""
        limit = _number(request, "limit", 100)
        if not 1 <= limit <= MAX_LISTED:
            raise BadRequest(f"limit is a number from 1 to {MAX_LISTED}.")
        # A node whose clock is a little ahead may have written the newest entry.
        rows, missing = await self._ask_all(
            "audit", {"before": _number(request, "before", now_ms() + 3_600_000), "limit": limit}
        )
        rows.sort(key=lambda row: row["at"], reverse=True)
        return json_answer({"entries": rows[:limit], "missing": missing})

    async def _ask_all(self, query: str, body: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the rows of all regions, and the regions that gave none."""
        answers = await asyncio.gather(
            *(run_query(master, query, body) for master in self._masters.values()), return_exceptions=True
        )
        rows: list[dict[str, Any]] = []
        missing: list[str] = []
        for region, answer in zip(self._masters, answers, strict=True):
            if isinstance(answer, RegionUnavailable):
                missing.append(region)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                rows += [{**row, "region": region} for row in answer]
        return rows, missing


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest(f"{name} is a number.")
    return int(text)
