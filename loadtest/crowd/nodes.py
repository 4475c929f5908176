"""What a run reads from nodes and asks of them over HTTP: shows, configuration, metrics, pausing and opening sales."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from loadtest.crowd.plan import ShowPlan
from loadtest.target import TargetError

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """Nodes that answered, the shows for the crowd, and whether the demo payment service is available."""

    urls: list[str]
    shows: list[ShowPlan]
    demo_payments: bool


async def read_target(urls: Sequence[str], wanted: Sequence[str], count: int, largest: bool = False) -> Target:
    """Read every node's shows; select those that are ``wanted``, or the first ``count`` on sale (or ``largest``).

    Raises ``TargetError`` for an unreachable node, an unknown show, or nothing on sale.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
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
        raise TargetError("no show is on sale on these nodes")
    shows = [ShowPlan(each["id"], each["seat_count"], each["max_seats"], each["layout"]) for each in chosen]
    return Target(list(urls), shows, all(config["demo_payments"] for config in configs))


async def _shows(http: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    body = await _get(http, f"{url}/api/v1/shows")
    return {show["id"]: show for show in body["shows"]}


async def _get(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    node = url.partition("/api/")[0]
    try:
        async with http.get(url) as response:
            body = orjson.loads(await response.read())
            if response.status != 200 or not isinstance(body, dict):
                raise ValueError
            return body
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        text = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise TargetError(f"{node} can't be reached: {text}") from None
    except ValueError:
        raise TargetError(f"{node} answers, but not as a TickingTickets node") from None


async def operate(http: aiohttp.ClientSession, url: str, show: str, verb: str, key: str) -> str:
    """Send an operator's ``pause`` or ``open`` for a show; return the reason of a failure, empty on success."""
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
    "tickingtickets_behind": "lagging",
    "tickingtickets_connections": "connections",
}


async def read_metrics(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Read the reported part of a node's ``/metrics``; empty if there is none."""
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
