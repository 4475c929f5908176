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
    """Return an SVG: two lines over a logarithmic x axis, each with an axis of its own from zero."""
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
    """Return the plots of a run by file name."""
    viewers, rates = run["curves"]["viewers"], run["curves"]["rates"]

    def series(rows: list[dict[str, Any]]) -> tuple[Series, Series]:
        core = [row["core_percent"] for row in rows]
        return ("the node, % of a core", core), ("age of a change p99, ms", [float(row["p99_ms"]) for row in rows])

    storm = f"{viewers[0]['rate']:,.0f} changes a second before more and more viewers"
    crowd = f"{rates[0]['viewers']:,} viewers of a show that sells faster and faster"
    return {
        "cost-by-viewers.svg": plot(storm, "viewers", [row["viewers"] for row in viewers], *series(viewers)),
        "cost-by-changes.svg": plot(crowd, "changes a second", [row["rate"] for row in rates], *series(rates)),
    }


def figures(run: dict[str, Any]) -> str:
    """Return what stands between the markers of the page."""
    machine = run["machine"]
    about = (
        f"{run['at']}, {machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}, Python "
        f"{machine['python']}, Node.js {machine['node']}, load average {machine['load_before']:.1f} before the run; "
        "command: `make bench`."
    )
    missed = [
        f"{line.measure}: {line.ours:.3g} {line.unit}, wanted {line.target}"
        for line in table.lines(run)
        if line.met is False
    ]
    verdict = (
        "Every target of the table was reached."
        if not missed
        else "Not reached in this run:\n\n- " + "\n- ".join(missed)
    )
    return f"{about}\n\n{table.text(run)}\n\n{verdict}\n\n{on_paper(run)}"


def on_paper(run: dict[str, Any]) -> str:
    """Return what an installation of 15 nodes, one core each, in three regions carries, worked out from a run."""
    storm, writes, nodes, regions = run["storm"], run["writes"], 15, 3
    # A node shall not be busier than 70 % of its core: what is left answers joins, pollers and holds in time.
    viewers = int(storm["viewers"] * min(1.0, 70 / storm["core_percent"]))
    memory = viewers * run["joins"]["kib"] / 1024
    return "\n".join(
        [
            "## What 15 nodes carry, on paper",
            "",
            f"Five nodes in each of three regions, a core like this one each, in the worst case (all its viewers on "
            f"one show with {storm['rate']:,.0f} changes a second) at most 70 % busy:",
            "",
            f"- viewers: {nodes} x {viewers:,} = {nodes * viewers:,}, with {memory:,.0f} MB of memory a node for them;",
            f"- joins: {nodes} x {1e6 / run['joins']['cpu_us']:,.0f} a second, if nodes do nothing else: a full house "
            f"that comes back at once is in after {viewers * run['joins']['cpu_us'] / 1e6:.0f} s;",
            f"- pollers: {nodes} x {run['http']['unchanged']['per_core_s']:,.0f} requests a second, likewise;",
            f"- holds: {nodes} x {writes['holds']['per_core_s']:,.0f} a second at the nodes, and {regions} x "
            f"{writes['function']['alone']:,.0f} at the lock masters, one core each, if none come together "
            f"({writes['function']['hold']:,.0f} if 50 do): the lesser counts.",
            "",
            "This is arithmetic, not a measurement: a network, TLS in front and slower cores take their share.",
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
