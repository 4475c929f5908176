"""Whom a load test may be aimed at, and what is there: checked before anybody comes."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from loadtest.crowd.plan import ShowPlan

PATIENCE_S = 5.0
MAX_URLS = 64


class TargetError(Exception):
    """The target can't be tested; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """Nodes that answered, the shows that the crowd comes for, and whether the demo payment service is there."""

    urls: list[str]
    shows: list[ShowPlan]
    demo_payments: bool


def checked_urls(urls: Sequence[str], owned: bool) -> list[str]:
    """Return the URLs without what follows their path's slash; raise ``TargetError`` for one that may not be tested."""
    if len(urls) > MAX_URLS:
        raise TargetError(f"at most {MAX_URLS} URLs")
    for url in urls:
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise TargetError(f"{url!r} is not the URL of a node, such as http://127.0.0.1:8000")
        if not owned and not _is_loopback(host):
            raise TargetError(f"{host} is not this machine; if it is yours to load, add --i-own-this-target")
    return list(dict.fromkeys(url.rstrip("/") for url in urls))


def _is_loopback(host: str) -> bool:
    # Names are not looked up: only localhost is sure to be this machine.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def look(urls: Sequence[str], wanted: Sequence[str], count: int, largest: bool = False) -> Target:
    """Ask every node for its shows; choose those that are ``wanted``, or the first ``count`` on sale.

    Raises ``TargetError`` for a node out of reach, an unknown show, or nothing on sale.
    """
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        listed = await asyncio.gather(*(_shows(http, url) for url in urls))
        configs = await asyncio.gather(*(_get(http, f"{url}/api/v1/config") for url in urls))
    common = set.intersection(*(set(shows) for shows in listed))
    for show in wanted:
        lacking = [url for url, shows in zip(urls, listed, strict=True) if show not in shows]
        if lacking:
            raise TargetError(f"{lacking[0]} has no show {show!r}")
    live = [show for show in listed[0].values() if show["id"] in common and show["status"] == "live"]
    if largest:
        live.sort(key=lambda show: -show["seat_count"])
    chosen = [listed[0][show] for show in dict.fromkeys(wanted)] or live[:count]
    if not chosen:
        raise TargetError("no show is on sale there")
    shows = [ShowPlan(each["id"], each["seat_count"], each["max_seats"], each["layout"]) for each in chosen]
    return Target(list(urls), shows, all(config["demo_payments"] for config in configs))


async def _shows(http: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    body = await _get(http, f"{url}/api/v1/shows")
    return {show["id"]: show for show in body["shows"]}


async def _get(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    where = url.partition("/api/")[0]
    try:
        async with http.get(url) as response:
            body = orjson.loads(await response.read())
            if response.status != 200 or not isinstance(body, dict):
                raise ValueError
            return body
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        text = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise TargetError(f"{where} can't be reached: {text}") from None
    except ValueError:
        raise TargetError(f"{where} answers, but not as a TickingTickets node") from None


async def operate(http: aiohttp.ClientSession, url: str, show: str, verb: str, key: str) -> str:
    """Do to a show what operators may (``pause``, ``open``); return why not, empty if it was done."""
    try:
        headers = {"Authorization": f"Bearer {key}"}
        async with http.post(f"{url}/api/v1/shows/{show}/{verb}", headers=headers) as response:
            body = orjson.loads(await response.read())
            return "" if response.status == 200 else str(body["error"]["message"])
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
        return str(error) or type(error).__name__


METRICS = {
    "process_resident_memory_bytes": "memory",
    "process_cpu_seconds_total": "cpu",
    "tickingtickets_viewers": "viewers",
    "tickingtickets_behind": "behind",
    "tickingtickets_connections": "connections",
}


async def metrics(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Read what we show of a node's ``/metrics``; empty when it has none."""
    try:
        async with http.get(f"{url}/metrics") as response:
            text = await response.text()
            if response.status != 200:
                return {}
        return {
            METRICS[sample.name]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in METRICS
        }
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return {}
