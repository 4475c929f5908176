"""Opens a show's page in Chromium with a throttled CPU, and measures its frames."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page, async_playwright

from loadtest.frames.arrival import task_s

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
    """A screen: width and height in CSS pixels, and device pixels per CSS pixel."""

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
    """Figures of one measurement: frames a second, and times in ms."""

    fps: float
    p50: float
    p95: float
    worst: float
    cpu: float
    """CPU time of the page's main thread for each frame, at the full speed of this machine."""

    @classmethod
    def of(cls, times: list[float], cpu_s: float) -> Frames:
        """Return the figures for frames that began at ``times`` (ms)."""
        gaps = sorted(b - a for a, b in itertools.pairwise(times))
        return cls(
            fps=1000 * len(gaps) / sum(gaps),
            p50=gaps[len(gaps) // 2],
            p95=gaps[int(len(gaps) * 0.95)],
            worst=gaps[-1],
            cpu=1000 * cpu_s / len(gaps),
        )


class Viewer:
    """A page with a show's seat map."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        """Use ``open_viewer`` to make one."""
        self.page = page
        self.cdp = cdp
        self.throttle = 1.0

    @property
    async def center(self) -> tuple[float, float]:
        """The center of the map in CSS pixels."""
        box = await self.page.locator("seat-map .field").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    async def first_paint(self) -> tuple[float, float]:
        """Return when the first seats were painted and when the last byte of the plan arrived (ms)."""
        first, last = await self.page.evaluate(_FIRST)
        return float(first), float(last)

    async def wait_until_painted(self) -> None:
        """Wait until everything in the viewport is painted."""
        await self.page.wait_for_function(_READY)

    async def zoom(self, factor: float) -> None:
        """Show the whole plan, then zoom in by ``factor`` unless it is 0."""
        await self.page.click("seat-map .zoomFit")
        await self.page.wait_for_timeout(400)  # duration of the animation
        if factor:
            await self.page.evaluate("(by) => document.querySelector('seat-map').zoomBy(by)", factor)
            await self.page.wait_for_timeout(400)
        await self.wait_until_painted()

    @contextlib.asynccontextmanager
    async def measuring(self, found: list[Frames]) -> AsyncIterator[None]:
        """Measure the frames during the context, and append the figures to ``found``."""
        await self.page.evaluate(_BEGIN)
        before = await task_s(self.cdp)
        yield
        cpu = await task_s(self.cdp) - before
        times = await self.page.evaluate("window.frameTimes()")
        # Chromium throttles by keeping the thread busy: only this share of its CPU time was work.
        found.append(Frames.of(times, cpu / self.throttle))


def find_chromium() -> str:
    """Return the path of Chromium; raises ``FileNotFoundError``."""
    found = filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-headless-shell")))
    binary = next(found, None)
    if binary is None:
        raise FileNotFoundError("Chromium is not installed: run `make packages`")
    return binary


@contextlib.asynccontextmanager
async def open_viewer(url: str, device: Device, throttle: float) -> AsyncIterator[Viewer]:
    """Open a show's page with its CPU slowed down by ``throttle`` from the start; yield it when all is painted."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
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
        await found.wait_until_painted()
        yield found
        await browser.close()
