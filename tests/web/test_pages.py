"""How the pages are delivered: codings, caching, bundles and their sources."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import brotli
import orjson
import pytest

from realtime.dev.cluster import Cluster
from realtime.web import bundle
from realtime.web.encodings import choose, matches
from tests.cluster import Client, new_show, node_urls, until

STATIC = Path(__file__).parents[2] / "static"
MAX_EMBED_BYTES = 45_000
"""Of ``<seat-map>`` with the Socket.IO client, in brotli."""


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;Q=0.5 , x-unknown", "gzip"),
        ("br;q=0.1, gzip;q=1.0", "gzip"),
        ("br;q=0, gzip;q=0.000", "identity"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0, gzip;q=0.2", "gzip"),
        ("x-gzip", "gzip"),
        ("br;q=high", "identity"),
        ("deflate", "identity"),
        ("*;q=0", "identity"),
    ],
)
def test_the_best_coding_that_a_client_accepts_is_chosen(accepted: str | None, coding: str) -> None:
    assert choose(accepted, ["br", "gzip", "identity"]) == coding


def test_a_coding_that_is_not_there_is_not_chosen() -> None:
    assert choose("br, gzip;q=0.3", ["gzip", "identity"]) == "gzip"
    assert choose("br", ["gzip", "identity"]) == "identity"


@pytest.mark.parametrize(("condition", "same"), [("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True)])
def test_an_entity_tag_is_compared_with_each_of_a_list(condition: str, same: bool) -> None:
    assert matches(condition, '"a"') is same
    assert matches("*", '"a"') and not matches('"b"', '"a"')


def test_bundles_are_not_used_after_a_source_has_changed(tmp_path: Path) -> None:
    static = tmp_path / "static"
    shutil.copytree(STATIC, static)
    found = bundle.load(static)
    assert found is not None
    assert len(found.embed.content["br"]) <= MAX_EMBED_BYTES
    for asset in found.files.values():
        assert brotli.decompress(asset.content["br"]) == asset.content["identity"]
        assert gzip.decompress(asset.content["gzip"]) == asset.content["identity"]
    (static / "seat-map" / "live.js").write_text("// changed\n")
    assert bundle.load(static) is None
    shutil.rmtree(static / "built")
    assert bundle.load(static) is None


async def test_a_page_names_files_that_browsers_keep_for_good(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    async with aiohttp.ClientSession(node_urls(cluster)[0], auto_decompress=False) as browser:
        for page in ("/", f"/shows/{show}", "/kiosk", "/kiosk/west-x", "/ops", "/ops/shows/west-x"):
            async with browser.get(page, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Cache-Control"] == "no-cache"
                assert answer.headers["Content-Encoding"] == "gzip"
                html = gzip.decompress(await answer.read()).decode()
            same = {"If-None-Match": answer.headers["ETag"]}
            async with browser.get(page, headers=same) as answer:
                assert answer.status == 304
            files = set(re.findall(r'(?:src|href)="(/static/\S+\.(?:js|css))"', html))
            # A style sheet and a module; of a show also one that loads the plan early, and two that they share.
            assert len(files) <= (5 if page.startswith("/shows/") else 3)
            for file in files:
                async with browser.get(file, headers={"Accept-Encoding": "gzip, br"}) as answer:
                    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                    assert "Accept-Encoding" in answer.headers["Vary"]
                    assert answer.headers["Content-Encoding"] == "br"
                    packed = brotli.decompress(await answer.read())
                async with browser.get(file, headers={"Accept-Encoding": "identity"}) as answer:
                    assert "Content-Encoding" not in answer.headers
                    assert await answer.read() == packed


async def test_files_are_answered_as_the_conditions_of_a_request_say(cluster: Cluster) -> None:
    """Pages, files with and without a bundle: by their entity tags alone, since none of them has a date."""
    long_ago = "Thu, 01 Jan 1970 00:00:00 GMT"
    async with aiohttp.ClientSession(node_urls(cluster)[0]) as browser:
        for file in ("/", "/static/icon.svg", "/static/seat-map/seat-map.js", "/sw.js"):
            async with browser.get(file) as answer:
                tag, whole = answer.headers["ETag"], await answer.read()
            for name, value, status in (
                ("If-Match", tag, 200),
                ("If-Match", "*", 200),
                ("If-Match", '"other"', 412),
                ("If-Match", f"W/{tag}", 412),
                ("If-None-Match", f'"other", W/{tag}', 304),
                ("If-None-Match", '"other"', 200),
                ("If-Unmodified-Since", long_ago, 200),
                ("If-Modified-Since", long_ago, 200),
                ("Range", "bytes=0-3", 200),
            ):
                async with browser.get(file, headers={name: value}) as answer:
                    body = await answer.read()
                    assert answer.status == status, (file, name, value)
                    if status == 412:
                        assert orjson.loads(body)["error"]["code"] == "bad_request"
                    else:
                        assert answer.headers["ETag"] == tag and body == (whole if status == 200 else b"")


async def test_the_element_for_other_sites_is_one_file_at_the_address_of_every_release(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(node_urls(cluster)[0]) as shop:
        async with shop.get("/static/seat-map/seat-map.js") as answer:
            assert "max-age=600" in answer.headers["Cache-Control"]
            module = await answer.text()
        assert "import " not in module and "customElements.define" in module
        on_demand = set(re.findall(r'import\("([^"]+)"\)', module))
        assert on_demand
        for file in on_demand:
            async with shop.get(file) as answer:
                assert answer.status == 200
        async with shop.get("/static/built/none-of-this.js") as answer:
            assert answer.status == 404


async def test_the_page_of_a_show_contains_what_it_would_ask_for_first(cluster: Cluster) -> None:
    show = await new_show(cluster, title="</script><b>")
    async with aiohttp.ClientSession(node_urls(cluster)[0]) as browser:

        async def given() -> dict[str, Any]:
            async with browser.get(f"/shows/{show}") as answer:
                html = await answer.text()
            (data,) = re.findall(r'<script type="application/json" id="given">(.*)</script>\n', html)
            assert "<" not in data
            (layout,) = re.findall(r'<link rel="preload" as="fetch" crossorigin href="(\S+)" />', html)
            async with browser.get(layout) as answer:
                assert answer.status == 200 and "immutable" in answer.headers["Cache-Control"]
                assert (await answer.read()).startswith(b"TTL1")
            found: dict[str, Any] = orjson.loads(data)
            return found

        async def asked(path: str) -> dict[str, Any]:
            async with browser.get(path) as answer:
                found: dict[str, Any] = await answer.json()
                return found

        first = await given()
        assert first["config"] == await asked("/api/v1/config")
        assert first["show"] == await asked(f"/api/v1/shows/{show}")
        seats = await asked(f"/api/v1/shows/{show}/seats")
        assert {**first["seats"], "layout": seats["layout"]} == seats
        buyer = await Client.connect(node_urls(cluster)[0])
        assert (await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["ok"]
        await until(lambda: _version(given, first["seats"]["version"] + 1))
        await buyer.close()


async def _version(given: Callable[[], Awaitable[dict[str, Any]]], wanted: int) -> bool:
    return bool((await given())["seats"]["version"] == wanted)


async def test_a_layout_that_nobody_has_is_not_found_in_any_form(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(node_urls(cluster)[0]) as browser:
        for path in ("/api/v1/layouts/none", "/api/v1/layouts/none/rows/1"):
            async with browser.get(path, headers={"If-None-Match": "*"}) as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["code"] == "layout_not_found"


async def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(cluster: Cluster) -> None:
    node = node_urls(cluster)[0]
    async with aiohttp.ClientSession() as session:
        asked = {"Accept": "text/html,*/*", "If-Match": '"of another page"'}
        async with session.get(f"{node}/nowhere", headers=asked) as page:
            assert page.status == 404
            assert "Page not found" in await page.text()
        for address, accept in ((f"{node}/nowhere", "*/*"), (f"{node}/api/v1/nowhere", "text/html")):
            async with session.get(address, headers={"Accept": accept}) as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["code"] == "not_found"


async def test_the_page_of_an_unknown_show_is_not_found(cluster: Cluster) -> None:
    known = await new_show(cluster, "west")
    async with aiohttp.ClientSession(node_urls(cluster)[0]) as session:
        for show, status in ((known, 200), ("west-nothing", 404), ("nowhere-1", 404), ("x", 404)):
            async with session.get(f"/shows/{show}", headers={"Accept": "text/html"}) as page:
                assert page.status == status
                assert "<seat-map" in await page.text()
        async with session.get("/shows/west-nothing", headers={"If-None-Match": "*"}) as page:
            assert page.status == 404


def test_every_text_that_a_page_names_is_in_its_bundle() -> None:
    built = bundle.load(STATIC)
    assert built is not None
    for name, page in built.pages.items():
        scripts = re.findall(r'<script type="module" src="/static/built/([^"]+)"', page)
        code = "".join(built.files[script].content["identity"].decode() for script in scripts)
        for text in re.findall(r'data-t="(\w+)"', page):
            assert re.search(rf"\b{text}:", code), f"{name} shows {text}"
