"""The ops API for staff and guests: staff tokens, the audit log, sessions of a shop's customers, revocation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta, Struct

from realtime.clock import now_ms
from realtime.errors import BadRequest, Forbidden
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.staff import MAX_SUBJECT_LENGTH, Role, is_subject
from realtime.web import answers, ledger_answers, ops_answers
from realtime.web.gather import ask_for_rows
from realtime.web.identity import Identities
from realtime.web.routing import Route, idempotency_key, json_answer, read_query
from realtime.web.staff_access import PRINCIPAL
from realtime.wire.queries import AuditListed
from realtime.wire.requests import parse_json

OWNER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Customer(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /ops/sessions``: the shop's own id of its customer."""

    sub: Annotated[str, Meta(min_length=1, max_length=MAX_SUBJECT_LENGTH)]


class StaffApi:
    """Routes that ask the keepers of all regions."""

    def __init__(self, region: str, masters: Mapping[str, LockMaster], identities: Identities) -> None:
        """``region`` is the node's own, ``masters`` maps every region to its lock master."""
        self._region = region
        self._masters = masters
        self._identities = identities

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        operator = "operator"
        return [
            Route(
                "GET",
                "/api/v1/ops/me",
                self._me,
                "Whom your staff token names",
                None,
                operator,
                tuple(Role),
                result=ops_answers.Me,
            ),
            Route(
                "GET",
                "/api/v1/ops/staff",
                self._staff,
                "Staff tokens, newest first",
                None,
                operator,
                result=ledger_answers.StaffTokensListed,
            ),
            Route(
                "GET",
                "/api/v1/ops/audit",
                self._audit,
                "What staff did, newest first",
                None,
                operator,
                query=AuditListed,
                result=ledger_answers.AuditLog,
            ),
            Route(
                "POST",
                "/api/v1/ops/guests/{owner}/revoke",
                self._revoke,
                "Revoke a guest",
                None,
                operator,
                result=ledger_answers.RevokedGuest,
            ),
            Route(
                "POST",
                "/api/v1/ops/sessions",
                self._new_session,
                "The identity of a shop's customer",
                Customer,
                operator,
                (Role.SERVICE,),
                recorded=False,
                result=answers.Session,
            ),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        return json_answer({"name": principal.name, "role": principal.role.value, "theatre": principal.theatre})

    async def _staff(self, _request: web.Request) -> web.Response:
        rows, missing = await ask_for_rows(self._masters, "staff", {})
        rows.sort(key=lambda row: row["issued_at"], reverse=True)
        return json_answer({"tokens": rows, "missing": missing})

    async def _audit(self, request: web.Request) -> web.Response:
        """Answer with entries from before ``?before=`` (ms), ``?limit=`` at most."""
        ask = read_query(request, AuditListed)
        # The default is a little in the future, because a node whose clock is ahead may have written the newest entry.
        before = now_ms() + 3_600_000 if ask.before is UNSET else ask.before
        asked = {"before": before, "limit": ask.limit}
        rows, missing = await ask_for_rows(self._masters, "audit", asked)
        rows.sort(key=lambda row: row["at"], reverse=True)
        return json_answer({"entries": rows[: ask.limit], "missing": missing})

    async def _revoke(self, request: web.Request) -> web.Response:
        owner = request.match_info["owner"]
        if not OWNER.fullmatch(owner):
            raise BadRequest("This is not the id of an owner.")
        master = self._masters[self._region]
        return json_answer(await run_command(master, "guest_revoke", {"owner": owner}, idempotency_key(request)))

    async def _new_session(self, request: web.Request) -> web.Response:
        body = parse_json(Customer, await request.read())
        if not is_subject(body.sub):
            raise BadRequest("sub: the name of a customer, in printable characters.")
        owner = self._identities.of_customer(body.sub)
        if self._identities.is_revoked(owner):
            raise Forbidden("This customer was revoked.", reason="customer_revoked")
        return json_answer({"owner": owner, "token": self._identities.token(owner)})
