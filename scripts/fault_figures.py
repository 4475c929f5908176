"""Write the figures of fault runs into docs/reliability.md: ``scripts/fault_figures.py REPORT.json ...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
MARK = "<!-- figures -->"


def table(reports: list[dict[str, object]]) -> str:
    """Return the figures of some runs as Markdown: one column a run."""
    seeds = [str(report["seed"]) for report in reports]
    kinds = sorted({kind for report in reports for kind in report["faults"]})  # type: ignore[attr-defined]
    lines = [
        f"`python -m loadtest faults --minutes {reports[0]['minutes']:g} --buyers "
        f"{reports[0]['buyers_per_region']} --seed N` (buyers in each of three regions), on 2 shared cores:",
        "",
        "| | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
        "| --- |" + " --- |" * len(seeds),
        "| verdict | " + " | ".join("passed" if report["passed"] else "FAILED" for report in reports) + " |",
    ]

    def row(name: str, values: list[object]) -> None:
        lines.append(f"| {name} | " + " | ".join(f"{value:,}" for value in values) + " |")

    row("faults injected", [sum(f["injected"] for f in r["faults"].values()) for r in reports])  # type: ignore[attr-defined]
    for what, name in (
        ("holds", "holds acknowledged"),
        ("bookings", "bookings acknowledged"),
        ("seats_sold", "seats sold"),
    ):
        row(name, [report["counts"][what] for report in reports])  # type: ignore[index]
    row("checks done", [sum(report["checks"].values()) for report in reports])  # type: ignore[attr-defined]
    row("promises broken", [len(report["violations"]) for report in reports])  # type: ignore[arg-type]
    lines += [
        "",
        "How long a fault was felt, by somebody who tried again and again from its beginning (so the fault's own",
        "duration counts, and other faults of the moment too): times injected, median and longest outage in seconds.",
        "",
        "| fault | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
        "| --- |" + " --- |" * len(seeds),
    ]
    for kind in kinds:
        cells = []
        for report in reports:
            fault = report["faults"].get(kind)  # type: ignore[attr-defined]
            cells.append("" if fault is None else f"{fault['injected']}: {felt(fault)}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def felt(fault: dict[str, float | None]) -> str:
    """Return median and longest outage; the one who tried gives up after 90 s."""
    if fault["longest_outage_s"] is None:
        return "over 90 at the longest"
    return f"{fault['median_outage_s']} / {fault['longest_outage_s']}"


def main() -> None:
    """Put the table after the mark, in place of the one that is there."""
    reports = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    text = PAGE.read_text()
    start = text.index(MARK) + len(MARK)
    end = text.index("\n`tests/loadtest/test_faults.py`")
    PAGE.write_text(text[:start] + "\n" + table(reports) + "\n" + text[end:])


if __name__ == "__main__":
    main()
