"""Measures the frames of every device and gesture, on a cluster of its own with a large hall."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession

from loadtest.frames import gestures
from loadtest.frames.browser import DEVICES, Device, Frames, Viewer, open_viewer
from loadtest.frames.halls import REGION, declare_shows
from loadtest.frames.storm import storm
from loadtest.installation import Installation, own_cluster
from realtime.locks.seats import SeatLocks

NEAR = 24.0
"""A zoom factor at which seats show their numbers."""
Gesture = Callable[[CDPSession, tuple[float, float], float], Awaitable[None]]
Say = Callable[[str], None]

MEASUREMENTS: tuple[tuple[str, Gesture, float, bool], ...] = (
    ("pan, whole plan", gestures.drag, 0, False),
    ("pan, half-way", gestures.drag, 5, False),
    ("pan, near", gestures.drag, NEAR, False),
    ("zoom by wheel", gestures.wheel, 0, False),
    ("zoom by pinch", gestures.pinch, 0, False),
    ("storm, whole plan", gestures.rest, 0, True),
    ("storm, near", gestures.rest, NEAR, True),
    ("storm, while panning", gestures.drag, 5, True),
)
"""Name, gesture, zoom factor (0: the whole plan), and whether other people change seats meanwhile."""


async def measure(
    folder: Path, devices: Sequence[str], seats: int, throttle: float, seconds: float, rate: float, say: Say
) -> list[dict[str, Any]]:
    """Return a row of figures for each device and measurement, in the hall of so many ``seats``."""
    rows: list[dict[str, Any]] = []
    async with own_cluster(folder, REGION) as cluster, Installation.of_cluster(cluster.plan).masters() as masters:
        node = cluster.plan.node_urls(REGION)[0]
        show = (await declare_shows(node, masters[REGION]))[seats]
        locks = SeatLocks(masters[REGION])
        for name in devices:
            rows += await _on_device(node, show, seats, DEVICES[name], locks, throttle, seconds, rate, say)
    return rows


async def _on_device(
    node: str,
    show: str,
    seats: int,
    device: Device,
    locks: SeatLocks,
    throttle: float,
    seconds: float,
    rate: float,
    say: Say,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    say(f"\n{device.name}, {device.width} x {device.height} at {device.dpr:g}x")
    say(f"{'':24}{'frames/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'worst':>9}{'CPU ms a frame':>17}")
    async with open_viewer(f"{node}/shows/{show}", device, throttle) as page:
        first, last = await page.first_paint()
        say(f"{'first seats painted':24}{first:>9.0f} ms; last byte of the plan after {last:.0f} ms")
        rows.append({"device": device.name, "work": "first paint", "first_seats_ms": first, "last_byte_ms": last})
        for name, gesture, zoom, changing in MEASUREMENTS:
            await page.zoom(zoom)
            changes = storm(locks, show, seats, rate) if changing else contextlib.nullcontext()
            async with changes:
                found = await _measure_gesture(page, gesture, seconds)
            say(f"{name:24}{found.fps:>9.1f}{found.p50:>9.1f}{found.p95:>9.1f}{found.worst:>9.1f}{found.cpu:>17.2f}")
            rows.append({"device": device.name, "work": name, **asdict(found)})
    return rows


async def _measure_gesture(page: Viewer, gesture: Gesture, seconds: float) -> Frames:
    found: list[Frames] = []
    center = await page.center
    async with page.measuring(found):
        await gesture(page.cdp, center, seconds)
    return found[0]
