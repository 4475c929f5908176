"""One run: a cluster with a stadium, a browser for each device, the measurements one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import CDPSession

from loadtest.faults.place import Place
from loadtest.frames import gestures
from loadtest.frames.browser import DEVICES, Device, Frames, Viewer, viewer
from loadtest.frames.storm import storm
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.locks.seats import SeatLocks

REGION = "west"
SEATS = 60_000
NEAR = 24.0
"""How much nearer than the whole plan seats carry their numbers."""
Gesture = Callable[[CDPSession, tuple[float, float], float], Awaitable[None]]
Say = Callable[[str], None]

WORK: tuple[tuple[str, Gesture, float, bool], ...] = (
    ("pan, whole plan", gestures.drag, 0, False),
    ("pan, half-way", gestures.drag, 5, False),
    ("pan, near", gestures.drag, NEAR, False),
    ("zoom by wheel", gestures.wheel, 0, False),
    ("zoom by pinch", gestures.pinch, 0, False),
    ("storm, whole plan", gestures.rest, 0, True),
    ("storm, near", gestures.rest, NEAR, True),
    ("storm, while panning", gestures.drag, 5, True),
)
"""What is measured: name, gesture, how near first, and whether others change seats meanwhile."""


async def measure(
    folder: Path, devices: Sequence[str], throttle: float, seconds: float, rate: float, say: Say
) -> list[dict[str, Any]]:
    """Return a row of figures for each device and measurement."""
    where = plan(folder, regions=(REGION,), port=valkey.free_port)
    cluster = Cluster(where, say=lambda _line: None)
    await cluster.start()
    rows: list[dict[str, Any]] = []
    try:
        node = where.node_urls(REGION)[0]
        show = await _stadium(node)
        async with Place.of_cluster(where).masters() as masters:
            locks = SeatLocks(masters[REGION])
            for name in devices:
                rows += await _on_device(node, show, DEVICES[name], locks, throttle, seconds, rate, say)
    finally:
        await cluster.stop()
    return rows


async def _on_device(
    node: str, show: str, device: Device, locks: SeatLocks, throttle: float, seconds: float, rate: float, say: Say
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    say(f"\n{device.name}, {device.width} x {device.height} at {device.dpr:g}x")
    say(f"{'':24}{'frames/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'worst':>9}{'CPU ms a frame':>17}")
    async with viewer(f"{node}/shows/{show}", device, throttle) as page:
        first, last = await page.first_paint()
        say(f"{'first seats painted':24}{first:>9.0f} ms; last byte of the plan after {last:.0f} ms")
        rows.append({"device": device.name, "work": "first paint", "first_seats_ms": first, "last_byte_ms": last})
        for name, gesture, near, stormy in WORK:
            await page.zoom(near)
            blowing = storm(locks, show, SEATS, rate) if stormy else contextlib.nullcontext()
            async with blowing:
                found = await _one(page, gesture, seconds)
            say(f"{name:24}{found.fps:>9.1f}{found.p50:>9.1f}{found.p95:>9.1f}{found.worst:>9.1f}{found.cpu:>17.2f}")
            rows.append({"device": device.name, "work": name, **asdict(found)})
    return rows


async def _one(page: Viewer, gesture: Gesture, seconds: float) -> Frames:
    found: list[Frames] = []
    middle = await page.middle
    async with page.metering(found):
        await gesture(page.cdp, middle, seconds)
    return found[0]


async def _stadium(node: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{node}/api/v1/shows") as answer:
        shows = (await answer.json())["shows"]
    return str(next(show["id"] for show in shows if show["seat_count"] == SEATS))
