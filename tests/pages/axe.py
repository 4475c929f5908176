"""axe-core on a page of a browser: what it finds against WCAG 2.2 AA and its own good practices."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Page

SOURCE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
_EVERYTHING = {"type": "tag", "values": TAGS}
_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules of these tags that a colour scheme can break."""
_RUN = """async (options) => {
    const { violations } = await window.axe.run(options.within ?? document, {
        resultTypes: ["violations"],
        runOnly: options.rules,
    });
    const place = ({ target, failureSummary: why }) => ({ at: target.flat(2).join(" > "), why });
    return violations.map(({ id: rule, impact, help, nodes }) => ({ rule, impact, help, where: nodes.map(place) }));
}"""


async def violations(
    page: Page, *, within: str | None = None, rules: Mapping[str, Any] = _EVERYTHING
) -> list[dict[str, Any]]:
    """Run axe-core on the page as it is now, open shadow trees included, and return what it finds; ``[]`` is good.

    ``within`` is a CSS selector of the part to look at; default: the whole page. ``rules`` are axe-core's ``runOnly``.
    Each violation has ``rule``, ``impact``, ``help`` and ``where`` (``at``, a path of selectors, and ``why``). The
    script comes in through the debugger's own connection, so the page's Content-Security-Policy stays as it is.
    """
    if not await page.evaluate("typeof window.axe === 'object'"):
        await page.evaluate(_source())
    found: list[dict[str, Any]] = await page.evaluate(_RUN, {"within": within, "rules": dict(rules)})
    return found


async def violations_in_both_schemes(page: Page) -> list[dict[str, Any]]:
    """Return what ``violations`` finds in light and, by the rules about colours, in dark; each has its ``scheme``."""
    await page.emulate_media(color_scheme="light")
    found = [{"scheme": "light", **each} for each in await violations(page)]
    await page.emulate_media(color_scheme="dark")
    return found + [{"scheme": "dark", **each} for each in await violations(page, rules=_COLOURS)]


@functools.cache
def _source() -> str:
    assert SOURCE.exists(), "axe-core is missing: run `make install`"
    return SOURCE.read_text(encoding="utf-8")
