"""Reads a QR code on a page as a scanner would."""

from __future__ import annotations

import base64

import zxingcpp
from playwright.async_api import Page

SIDE = 400
DRAWN = """async ([selector, side]) => {
    const svg = document.querySelector(selector).cloneNode(true);
    svg.setAttribute("width", side);
    svg.setAttribute("height", side);
    const image = new Image(side, side);
    image.src = "data:image/svg+xml;base64," + btoa(new XMLSerializer().serializeToString(svg));
    await image.decode();
    const pen = new OffscreenCanvas(side, side).getContext("2d");
    pen.drawImage(image, 0, 0, side, side);
    const { data } = pen.getImageData(0, 0, side, side);
    return btoa(Array.from({ length: side * side }, (_, n) => String.fromCharCode(data[4 * n])).join(""));
}"""


async def scanned(page: Page, selector: str = "svg.qr") -> str:
    """Return the text of the first code that is there, or appears."""
    await page.wait_for_selector(selector)
    pixels = base64.b64decode(await page.evaluate(DRAWN, [selector, SIDE]))
    (found,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (SIDE, SIDE)))
    return str(found.text)
