"""The table of a run: our figures beside those of the other servers, with ratios and targets. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NONE = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of the table. ``met`` says whether ``target`` is met; None without a target."""

    measure: str
    ours: float
    unit: str
    emit: float | None = None
    node: float | None = None
    floor: float | None = None
    target: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        """Return the cells of the line."""
        ratio = [NONE if not other else f"{self.ours / other:.2f}" for other in (self.node, self.floor)]
        verdict = "" if self.met is None else " yes" if self.met else " **NO**"
        peers = [_figure(value) for value in (self.ours, self.emit, self.node, self.floor)]
        return [f"{self.measure} ({self.unit})", *peers, *ratio, f"{self.target}{verdict}"]


HEAD = ["measure", "ours", "plain emit", "Node.js", "floor", "ours/Node.js", "ours/floor", "target"]


def _figure(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def lines(run: dict[str, Any]) -> list[Line]:
    """Return all lines for a run."""
    return [*_fan_out(run), *_joins(run), *_node(run)]


def _fan_out(run: dict[str, Any]) -> Iterator[Line]:
    for case in run["fan_out"]:
        kinds = case["kinds"]

        def of(name: str, kinds: dict[str, Any] = kinds) -> dict[str, Any]:
            return {kind: kinds[kind][name] for kind in ("emit", "node", "floor") if kind in kinds}

        where = f"{case['viewers']:,} viewers"
        ours, at = kinds["ours"], f"{where} at {case['rate']:g} Hz"
        us, most = of("us"), of("saturated")
        ratios = [ours["us"] / us["node"] <= 0.6] if "node" in us else []
        met = all([*ratios, ours["us"] / us["floor"] <= 1.5])
        yield Line(f"CPU a message, {at}", ours["us"], "us", **us, target="<= 0.6 Node.js, <= 1.5 floor", met=met)
        yield Line(f"delivered p99, {at}", ours["p99_ms"], "ms", **of("p99_ms"))
        more = ours["saturated"] > most["node"] if "node" in most else None
        yield Line(f"saturation, {where}", ours["saturated"], "messages/s", **most, target="> Node.js", met=more)


def _joins(run: dict[str, Any]) -> Iterator[Line]:
    joins = next((case for case in run["fan_out"] if case["viewers"] == run["joins"]["viewers"]), None)
    peers: dict[str, Any] = {} if joins is None else joins["kinds"]
    ours = run["joins"]

    def peer(name: str) -> dict[str, Any]:
        return {kind: peers[kind]["joins"][name] for kind in ("emit", "node") if kind in peers}

    seconds, kib = peer("seconds"), peer("kib")
    fast = ours["seconds"] <= seconds["node"] if "node" in seconds else None
    small = ours["kib"] / kib["node"] <= 1.2 if "node" in kib else None
    count = f"{ours['viewers']:,}"
    yield Line(
        f"time to join for {count} viewers (ours: with the snapshot)",
        ours["seconds"],
        "s",
        **seconds,
        target="<= Node.js",
        met=fast,
    )
    yield Line("CPU a join", ours["cpu_us"], "us", **peer("cpu_us"))
    cheaper = ours["catchup"]["cpu_us"] < ours["cpu_us"]
    yield Line("CPU a refresh with `since`", ours["catchup"]["cpu_us"], "us", target="< a join", met=cheaper)
    met = ours["leave_us"] < ours["cpu_us"]
    yield Line("CPU a leave, when all leave at the same time", ours["leave_us"], "us", target="< a join", met=met)
    yield Line("memory an idle viewer", ours["kib"], "KiB", **kib, target="<= 1.2 Node.js", met=small)


def _node(run: dict[str, Any]) -> Iterator[Line]:
    storm, single, http, writes = run["storm"], run["single"], run["http"], run["writes"]
    at = f"storm of {storm['rate']:,.0f} changes/s, {storm['viewers']:,} viewers"
    core = storm["core_percent"]
    yield Line(f"{at}: CPU of the node", core, "% of a core", target="< 100", met=core < 100)
    age = storm["p99_ms"]
    yield Line(f"{at}: age of a change p99", age, "ms", target="<= 300", met=age <= 300 and storm["converged"])
    yield Line(f"{at}: frames a viewer", storm["frames_per_s"], "1/s", target="<= 20", met=storm["frames_per_s"] <= 20)
    extra = single["viewer_p50_ms"] - single["replica_p50_ms"]
    yield Line("a single change: from ack to viewer, less replication, p50", extra, "ms", target="<= 5", met=extra <= 5)
    for name, what in (("unchanged", "304"), ("body", "shared body")):
        rate = http[name]["per_core_s"]
        met = rate >= 3000 and not http[name]["wrong"]
        yield Line(f"HTTP pollers, {what}", rate, "requests/s a core", target=">= 3,000", met=met)
    rate = writes["holds"]["per_core_s"]
    yield Line("holds of two seats through one node", rate, "1/s a core", target=">= 2,000", met=rate >= 2000)
    share = writes["function"]["share"] * 100
    yield Line("hold function, 50 holds a call / bare function", share, "%", target=">= 30", met=share >= 30)
    yield Line("hold function, one hold a call / bare function", writes["function"]["alone_share"] * 100, "%")


def text(run: dict[str, Any]) -> str:
    """Return the table as Markdown, its columns aligned for a terminal."""
    rows = [HEAD, *(line.cells() for line in lines(run))]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines_of_cells = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines_of_cells[0], rule, *lines_of_cells[1:]])
