"""Chromium with a throttled CPU, and a meter for its frames."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page, async_playwright

ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
_BEGIN = """() => {
    const times = [];
    let on = true;
    const frame = (now) => { times.push(now); if (on) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    window.frameTimes = () => { on = false; return times; };
}"""
_READY = "() => document.querySelector('seat-map').painted"
_FIRST = """async () => {
    const first = performance.getEntriesByName('seat-map:first-seats')[0]?.startTime ?? 0;
    const [layout] = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/layouts/'));
    return [first, layout?.responseEnd ?? 0];
}"""


@dataclass(frozen=True, slots=True)
class Device:
    """A screen: CSS pixels, and device pixels for each of them."""

    name: str
    width: int
    height: int
    dpr: float


DEVICES = {
    "desktop": Device("desktop", 1280, 800, 1),
    "phone": Device("phone", 360, 740, 2),
}


@dataclass(frozen=True, slots=True)
class Frames:
    """Figures of one measurement, ms."""

    fps: float
    p50: float
    p95: float
    worst: float
    cpu: float
    """Time that the page's main thread worked for a frame, at full speed of this machine."""

    @classmethod
    def of(cls, times: list[float], cpu_s: float) -> Frames:
        """From the times (ms) at which frames began."""
        gaps = sorted(b - a for a, b in itertools.pairwise(times))
        return cls(
            fps=1000 * len(gaps) / sum(gaps),
            p50=gaps[len(gaps) // 2],
            p95=gaps[int(len(gaps) * 0.95)],
            worst=gaps[-1],
            cpu=1000 * cpu_s / len(gaps),
        )


class Viewer:
    """A page with a show's map."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        """Made by ``viewer``."""
        self.page = page
        self.cdp = cdp
        self.throttle = 1.0

    @property
    async def middle(self) -> tuple[float, float]:
        """Return the middle of the map, CSS pixels."""
        box = await self.page.locator("seat-map .field").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    async def first_paint(self) -> tuple[float, float]:
        """Return when the first seats were painted and when the last byte of the plan was there, ms."""
        first, last = await self.page.evaluate(_FIRST)
        return float(first), float(last)

    async def settle(self) -> None:
        """Wait until everything in sight is painted."""
        await self.page.wait_for_function(_READY)

    async def zoom(self, factor: float) -> None:
        """Come nearer, or go back to the whole plan with 0."""
        await self.page.click("seat-map .zoomFit")
        await self.page.wait_for_timeout(400)  # the glide
        if factor:
            await self.page.evaluate("(by) => document.querySelector('seat-map').zoomBy(by)", factor)
            await self.page.wait_for_timeout(400)
        await self.settle()

    @contextlib.asynccontextmanager
    async def metering(self, found: list[Frames]) -> AsyncIterator[None]:
        """Measure the frames during the context; the figures are appended to ``found``."""
        await self.page.evaluate(_BEGIN)
        before = await self._worked_s()
        yield
        cpu = await self._worked_s() - before
        times = await self.page.evaluate("window.frameTimes()")
        # A throttled thread is kept busy in between; what it really worked is that much less.
        found.append(Frames.of(times, cpu / self.throttle))

    async def _worked_s(self) -> float:
        metrics = (await self.cdp.send("Performance.getMetrics"))["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


@contextlib.asynccontextmanager
async def viewer(url: str, device: Device, throttle: float) -> AsyncIterator[Viewer]:
    """Open a show's page, slowed down by ``throttle`` from before its first byte; ready when all is painted."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        raise FileNotFoundError("there is no Chromium: run `make browser`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=ARGS)
        context = await browser.new_context(
            viewport={"width": device.width, "height": device.height},
            device_scale_factor=device.dpr,
            has_touch=device.name == "phone",
        )
        page = await context.new_page()
        cdp = await context.new_cdp_session(page)
        found = Viewer(page, cdp)
        await cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        await cdp.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        found.throttle = throttle
        await page.goto(url)
        await page.wait_for_selector("html[data-ready]", timeout=120_000)
        await found.settle()
        yield found
        await browser.close()
