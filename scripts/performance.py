"""Write the figures of a benchmark run into docs/performance.md, and its plots into docs/images.

python -m loadtest bench --json run.json
python scripts/performance.py run.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from loadtest.bench import table  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 340, 64, 48, 40, 64
COLORS = ("#2563eb", "#d97706")
STYLE = "text{font:13px system-ui,sans-serif;fill:#334155}.t{font-weight:600;font-size:15px}"

Series = tuple[str, list[float]]


def plot(title: str, x_name: str, xs: Sequence[float], left: Series, right: Series) -> str:
    """Return an SVG with two lines over a logarithmic x axis, each with a y axis of its own that starts at zero."""
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def x_at(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [f'<text class="t" x="{LEFT}" y="22">{title}</text>']
    parts += [f'<text x="{x_at(x):.0f}" y="{HEIGHT - 26}" text-anchor="middle">{x:,.0f}</text>' for x in xs]
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{x_name}</text>')
    for side, ((name, values), color) in enumerate(zip((left, right), COLORS, strict=True)):
        top = _round_up(max(values))
        y_at = _scale(top)
        anchor, at = ("end", LEFT - 8) if side == 0 else ("start", WIDTH - RIGHT + 8)
        for tick in (0, 0.25, 0.5, 0.75, 1):
            y = y_at(top * tick)
            if side == 0:
                parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
            parts.append(f'<text x="{at}" y="{y + 4:.1f}" text-anchor="{anchor}" fill="{color}">{top * tick:g}</text>')
        line = " ".join(f"{x_at(x):.1f},{y_at(value):.1f}" for x, value in zip(xs, values, strict=True))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        dots = (
            f'<circle cx="{x_at(x):.1f}" cy="{y_at(v):.1f}" r="3.5" fill="{color}"/>'
            for x, v in zip(xs, values, strict=True)
        )
        parts += dots
        parts.append(f'<text x="{LEFT + 10}" y="{TOP + 18 + 18 * side}" style="fill:{color}">{name}</text>')
    body = "\n".join(parts)
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{title}</title>'
    return f'{frame}<style>{STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'


def _scale(top: float) -> Callable[[float], float]:
    return lambda value: HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)


def _round_up(value: float) -> float:
    step = 10 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * n for n in (1, 2, 4, 6, 8, 10) if step * n >= value)


def curves(run: dict[str, Any]) -> dict[str, str]:
    """Return the plots of a run, by file name."""
    viewers, rates = run["curves"]["viewers"], run["curves"]["rates"]

    def series(rows: list[dict[str, Any]]) -> tuple[Series, Series]:
        core = [row["core_percent"] for row in rows]
        return ("CPU of the node, % of a core", core), (
            "age of a change, p99, ms",
            [float(row["p99_ms"]) for row in rows],
        )

    storm = f"{viewers[0]['rate']:,.0f} changes a second, by number of viewers"
    crowd = f"{rates[0]['viewers']:,} viewers, by changes a second"
    return {
        "cost-by-viewers.svg": plot(storm, "viewers", [row["viewers"] for row in viewers], *series(viewers)),
        "cost-by-changes.svg": plot(crowd, "changes a second", [row["rate"] for row in rates], *series(rates)),
    }


def figures(run: dict[str, Any]) -> str:
    """Return the text between the markers of the page."""
    machine = run["machine"]
    about = (
        f"{run['at']}, {machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}, Python "
        f"{machine['python']}, Node.js {machine['node']}, load average {machine['load_before']:.1f} before the run; "
        "command: `make bench`."
    )
    missed = [
        f"{line.measure}: {line.ours:.3g} {line.unit}, target {line.target}"
        for line in table.lines(run)
        if line.met is False
    ]
    verdict = "Every target of the table was met." if not missed else "Not met in this run:\n\n- " + "\n- ".join(missed)
    return f"{about}\n\n{table.text(run)}\n\n{verdict}\n\n{capacity(run)}"


def capacity(run: dict[str, Any]) -> str:
    """Return what 15 nodes with one core each, in three regions, carry by the figures of a run."""
    storm, writes, nodes, regions = run["storm"], run["writes"], 15, 3
    # A node is planned to be at most 70 % busy: the rest answers joins, pollers and holds in time.
    viewers = int(storm["viewers"] * min(1.0, 70 / storm["core_percent"]))
    memory = viewers * run["joins"]["kib"] / 1024
    joins, pollers = 1e6 / run["joins"]["cpu_us"], run["http"]["unchanged"]["per_core_s"]
    alone, together = writes["function"]["alone"], writes["function"]["hold"]
    total = nodes * viewers
    return "\n".join(
        [
            "## What 15 nodes carry, calculated",
            "",
            f"Five nodes in each of three regions carry about {total // 1000 * 1000:,} viewers at worst: all "
            f"viewers of a node on one show with {storm['rate']:,.0f} changes a second, on a core like this one that "
            "is at most 70 % busy.",
            "",
            f"- viewers: {nodes} x {viewers:,} = {total:,}, which take {memory:,.0f} MB of memory on each node;",
            f"- joins: {nodes} x {joins:,.0f} a second if the nodes do nothing else, so that all viewers of a node "
            f"reconnect within {viewers / joins:.0f} s;",
            f"- pollers: {nodes} x {pollers:,.0f} requests a second if the nodes do nothing else;",
            f"- holds: {nodes} x {writes['holds']['per_core_s']:,.0f} a second at the nodes, and at the lock masters "
            f"(one core each) {regions} x {alone:,.0f} with one hold a call or {regions} x {together:,.0f} with 50. "
            "The lower of the two is the limit.",
            "",
            "This is arithmetic, not a measurement. Networks, TLS and slower cores reduce it.",
        ]
    )


def main() -> None:
    """Write the page and the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="what `python -m loadtest bench --json` wrote")
    run = json.loads(parser.parse_args().run.read_text())
    for name, picture in curves(run).items():
        (IMAGES / name).write_text(picture)
    begin, end = "<!-- figures -->\n", "<!-- /figures -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    PAGE.write_text(f"{before}{begin}\n{figures(run)}\n\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
