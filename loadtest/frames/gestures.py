"""Gestures of a viewer, sent through the browser's input at 60 events a second."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from playwright.async_api import CDPSession

RATE_S = 1 / 60
Point = tuple[float, float]


async def rest(cdp: CDPSession, center: Point, seconds: float) -> None:
    """Do nothing, while a storm of other people's changes is measured."""
    await asyncio.sleep(seconds)


async def drag(cdp: CDPSession, center: Point, seconds: float) -> None:
    """Drag the map around in loops."""
    x, y = center
    await _mouse(cdp, "mousePressed", x, y)
    await _repeat(seconds, lambda n: _mouse(cdp, "mouseMoved", x + 250 * math.sin(n / 25), y + 130 * math.sin(n / 17)))
    await _mouse(cdp, "mouseReleased", x, y)


async def wheel(cdp: CDPSession, center: Point, seconds: float) -> None:
    """Zoom in and out by the wheel, for a second and a half each."""
    x, y = center

    def turn(n: int) -> Awaitable[object]:
        by = -10 if (n // 90) % 2 == 0 else 10
        event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by}
        return cdp.send("Input.dispatchMouseEvent", event)

    await _repeat(seconds, turn)


async def pinch(cdp: CDPSession, center: Point, seconds: float) -> None:
    """Zoom in and out with two fingers."""
    x, y = center

    def touch(kind: str, far: float) -> Awaitable[object]:
        fingers = [{"x": x - far, "y": y - far / 2, "id": 0}, {"x": x + far, "y": y + far / 2, "id": 1}]
        return cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers if far else []})

    await touch("touchStart", 40)
    await _repeat(seconds, lambda n: touch("touchMove", 90 - 50 * math.cos(n / 40)))
    await touch("touchEnd", 0)


async def _repeat(seconds: float, act: Callable[[int], Awaitable[object]]) -> None:
    """Call ``act`` 60 times a second, without waiting for the page to process the event."""

    async def one(n: int) -> None:
        await act(n)

    end = time.monotonic() + seconds
    acts: list[asyncio.Task[None]] = []
    while time.monotonic() < end:
        acts.append(asyncio.create_task(one(len(acts))))
        await asyncio.sleep(RATE_S)
    await asyncio.gather(*acts)


async def _mouse(cdp: CDPSession, kind: str, x: float, y: float) -> None:
    event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
    await cdp.send("Input.dispatchMouseEvent", event)
