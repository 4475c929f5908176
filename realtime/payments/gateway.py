"""HTTP to a payment gateway: bounded in time and size, every answer validated, every failure typed; for any gateway.

A call ends in one of three ways: the validated answer; ``Rejected``, the gateway's definite refusal (a 4xx with its
words); or ``PaymentUnavailable``, when it is not known whether the gateway did anything. Nothing is retried here: the
callers know which calls may be repeated, and wait between attempts. (aiohttp itself repeats a GET, and nothing else,
once when a kept connection turns out to be closed.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from realtime.errors import PaymentUnavailable
from realtime.payments.errors import NoAnswer, rate_limited, unavailable

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_S = 8.0
MAX_RETRY_AFTER_S = 3600
T = TypeVar("T")
U = TypeVar("U")


class Rejected(Exception):
    """The gateway refuses the request: HTTP status, its error code, and its description for the log."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(f"{status} {code}: {description}")
        self.status = status
        self.code = code
        self.description = description


class GatewayClient:
    """The connections of one process to one gateway. Redirects are not followed: they would carry credentials away."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        headers: Mapping[str, str],
    ) -> None:
        """Take the gateway's address and the headers that authenticate this installation."""
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None
        self._logged: set[str] = set()
        """The reasons for which there were no answers since the last one."""

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send one request and return its answer, checked against ``answer``.

        Raise ``Rejected`` for a definite refusal (4xx), ``PaymentRateLimited`` for 429, and ``PaymentUnavailable`` for
        everything after which it is not known what the gateway did, wrong credentials (401, 403) included. A reason is
        logged once until the gateway answers again: its orders are asked about by the hundred.
        """
        try:
            found = await self._call(method, path, answer, body, query, headers)
        except PaymentUnavailable as error:
            reason = error.details["reason"]
            if reason not in self._logged and reason != NoAnswer.BUSY:
                self._logged.add(reason)
                cause = "; ".join(getattr(error, "__notes__", ()))
                log.warning("payment gateway: %s: %s %s%s", reason, method, path, cause and f": {cause}")
            raise
        except Rejected:
            self._logged.clear()
            raise
        self._logged.clear()
        return found

    async def _call(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: Mapping[str, object] | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> T:
        data = None if body is None else msgspec.json.encode(body)
        extra = {**(headers or {}), **({"Content-Type": "application/json"} if data is not None else {})}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._connected().request(
                    method, self._base + path, data=data, params=query, headers=extra, allow_redirects=False
                ) as response,
            ):
                blob = await _bounded(response)
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise unavailable(NoAnswer.TIMEOUT) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unavailable(NoAnswer.UNREACHABLE, str(error)) from error
        if 200 <= status < 300:
            return _decoded(blob, answer)
        raise _failure(status, retry_after, blob)

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connected(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that it is made in.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    blob = bytearray()
    async for chunk in response.content.iter_any():
        blob += chunk
        if len(blob) > MAX_ANSWER_BYTES:
            response.close()
            raise unavailable(NoAnswer.BAD_ANSWER)
    return bytes(blob)


def _decoded(blob: bytes, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(blob, type=answer)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _unavailable(NoAnswer.BAD_ANSWER, f"an answer that is not of the documented form: {error}") from None


def _unavailable(reason: NoAnswer, cause: str) -> PaymentUnavailable:
    """Return the error to raise, with its cause for the log."""
    error = unavailable(reason)
    error.add_note(cause)
    return error


class _Error(msgspec.Struct):
    code: str | None = None
    description: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


def _failure(status: int, retry_after: str, blob: bytes) -> Exception:
    if status == 429:
        return rate_limited(_retry_after_ms(retry_after))
    if status in (401, 403):
        return _unavailable(NoAnswer.CREDENTIALS, f"{status}: the key of this installation is not accepted")
    if status == 409:
        return unavailable(NoAnswer.BUSY)
    if status >= 500 or status < 400:
        return _unavailable(NoAnswer.GATEWAY_ERROR, str(status))
    with contextlib.suppress(msgspec.MsgspecError, RecursionError):
        error = msgspec.json.decode(blob, type=_ErrorBody).error
        return Rejected(status, (error.code or "")[:100], (error.description or "")[:500])
    # A 4xx without the gateway's own words may come from a proxy in between: it says nothing about the payment.
    return _unavailable(NoAnswer.BAD_ANSWER, f"{status} without an error object")


def _retry_after_ms(header: str) -> int | None:
    if not (header.isascii() and header.isdigit() and len(header) < 10):
        return None
    return min(int(header), MAX_RETRY_AFTER_S) * 1000


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Run two calls at the same time; the first failure cancels the other call and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(first), group.create_task(second)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return one.result(), two.result()
