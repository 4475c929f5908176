"""The documents: what they link to and name exists, and what they list is complete."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from realtime import limits, settings, topology_file
from realtime.cli import cli
from realtime.plans import read_plan
from realtime.web import metrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
KINDS = ("tutorial", "how-to", "reference", "explanation")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_PATH = re.compile(r"`((?:realtime|tests|static|loadtest|scripts|docs)/[\w./-]+)`")
_MODULE = re.compile(r"`(realtime(?:\.\w+)+)`")
GLOSSARY = {
    word
    for line in (
        "abusive, guard, acceptor, acknowledge, attempt limiter, attempts, catch-up, claim, clock, commit batch",
        "confirming, conflation, conflict, dead letter, declare, difference, digest, direct queue, directory",
        "diverged, drifted, driver, epoch, expired, failover, fallback, fan-out, feed, fencing token, forget",
        "frame, functions loaded, gap, handshake, heartbeat, history, hold, hold fast path",
        "incarnation, index, invalidate, job, keeper, lagging, lapsed, lease, ledger, linger, listener, live",
        "lock master, lost, mark, master status, notice, outbox, override, owner, partition, pending connection",
        "pump, queued connection, rate limit, rebuild, reconcile, refund, region, reject, repair, replica",
        "replication id, replication status, resync, retake, room, sent, session manager, set status, settle",
        "since, snapshot, stale fencing token, status report, stuck, sweep, tick, token bucket, tombstone",
        "topology, turn, version, void, websocketconnection",
        "batch, box office, coded layout, configuration epoch, contradiction, delivery, erase, exempt, follow-ups",
        "gateway, generation, ground, halted, held back, identity, judge, level, leftover, link, mutant, open order",
        "payment service, peer, point, pressure, principal, prolong, reply, reserve, retention, revision, shop",
        "silence, slowed, story, target, tile, unreadable",
    )
    for word in line.split(", ")
}
"""Words that a reader of the code meets, in lower case."""


def _read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _ids(documents: list[Path]) -> list[str]:
    return [str(document.relative_to(ROOT)) for document in documents]


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=_ids(DOCUMENTS))
each_page = pytest.mark.parametrize("page", PAGES, ids=_ids(PAGES))


def _anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", _read(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _named(document: Path) -> Iterator[str]:
    # The changelog names what was there before.
    text = "" if document.name == "CHANGELOG.md" else _read(document)
    yield from _PATH.findall(text)
    for name in _MODULE.findall(text):
        path = name.replace(".", "/")
        module, _, member = path.rpartition("/")
        if (ROOT / f"{path}.py").exists():
            yield f"{path}.py"
        elif (ROOT / f"{module}.py").exists() and re.search(rf"\b{member}\b", _read(ROOT / f"{module}.py")):
            yield f"{module}.py"
        else:
            yield path


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", _read(document))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{link}: there is no such heading"


@each_document
def test_every_path_and_module_that_is_named_exists(document: Path) -> None:
    missing = [path for path in _named(document) if not (ROOT / path).exists()]
    assert missing == []


@each_page
def test_a_page_says_its_kind_and_is_in_the_index(page: Path) -> None:
    if page.name == "README.md":
        return
    assert re.search(rf"^\*Kind: ({'|'.join(KINDS)})\.", _read(page), re.MULTILINE), "it says no kind"
    assert f"({page.name})" in _read(DOCS / "README.md"), "the index lacks it"


def test_the_glossary_has_every_word() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", _read(DOCS / "glossary.md"), re.MULTILINE)
    words = {word.strip(" *`").lower() for row in rows for word in re.split(r",| \(", row)}
    assert GLOSSARY - words == set()


def test_what_the_glossary_names_is_in_the_code() -> None:
    names = set(re.findall(r"`(\w{4,})(?:\(\))?`", _read(DOCS / "glossary.md")))
    words = {
        word
        for folder in ("realtime", "static")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".lua", ".js") and "node_modules" not in path.parts
        for word in re.findall(r"\w{4,}", path.read_text(encoding="utf-8"))
    }
    assert names - words == set()


def test_the_settings_have_every_variable_and_every_field_of_a_topology() -> None:
    text = _read(DOCS / "settings.md")
    names = re.findall(r"``(TICKINGTICKETS_[\w<>]+)``", settings.__doc__ or "")
    assert len(names) > 5
    fields = {*topology_file._Form.__struct_fields__, *topology_file._RegionForm.__struct_fields__} - {
        "regions",
        "replicas",
    }
    assert [name for name in (*names, *fields) if f"`{name}`" not in text] == []


def test_the_example_of_a_topology_can_be_used() -> None:
    text = _read(ROOT / "topology.example.toml")
    assert topology_file.parse(text).regions.keys() == tomllib.loads(text)["regions"].keys()


def test_every_metric_of_a_node_is_listed() -> None:
    source = _read(ROOT / "realtime" / "web" / "metrics.py")
    names = {
        *metrics._GAUGES,
        *metrics._COUNTERS,
        *metrics._SALES,
        *_region_metrics(),
        *re.findall(r'"tickingtickets_(\w+)"', source),
    }
    text = _read(DOCS / "metrics.md")
    assert [name for name in names if not re.search(rf"`tickingtickets_{name}(_total)?[`{{]", text)] == []


def _region_metrics() -> list[str]:
    return [name for name, _text in metrics._REGION.values()]


def _commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def test_the_command_line_has_every_command() -> None:
    text = _read(DOCS / "cli.md")
    assert [command for command in _commands(cli) if f"`{command}" not in text] == []


def test_the_plan_of_the_tutorial_is_the_layout_that_the_tutorial_names() -> None:
    layout = read_plan((DOCS / "little-hall.json").read_bytes())
    assert f"layout {layout.id} in west: {layout.name}, {len(layout.seats)} seats" in _read(DOCS / "tutorial.md")


def test_the_limits_that_the_settings_name_are_those_of_the_code() -> None:
    text = _read(DOCS / "settings.md")
    for value in (
        f"{limits.DEFAULT_HOLD_S} s, {limits.MIN_HOLD_S} to {limits.MAX_HOLD_S} s per show",
        f"a burst of {limits.EVENT_BURST}, then {limits.EVENTS_PER_S:.0f} per second",
        f"a burst of {limits.ADDRESS_BURST:,}, then {limits.ADDRESS_PER_S:,.0f} per second",
        f"| {limits.RELAY_TIMEOUT_S} s |",
        f"{limits.HEAD_S:.0f} s and 16 KiB; {limits.BODY_S:.0f} s; {limits.PLAN_BODY_S:.0f} s",
        f"| {limits.ADDRESS_UNFINISHED} each; {limits.ADDRESS_HEADS}; "
        f"{limits.ADDRESS_IDLE}; {limits.ADDRESS_UNCONNECTED}; {limits.ADDRESS_POLLING:,}. ",
        f"| {limits.ADDRESS_BODIES}; {limits.BODIES}. ",
        f"| {limits.ADDRESS_WASTED} at once, then {limits.ADDRESS_WASTED_PER_S:.0f} a second",
        f"| {limits.OUTBOX_LIMIT:,} entries",
        f"| {limits.RELAY_QUEUE_CALLS:,};",
    ):
        assert value in text
