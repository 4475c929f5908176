"""Write the figures of fault runs into docs/reliability.md: ``scripts/fault_figures.py REPORT.json ...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
MARK = "<!-- figures -->"


def table(reports: list[dict[str, object]]) -> str:
    """Return the figures of some runs as Markdown, with a column for each run."""
    seeds = [str(report["seed"]) for report in reports]
    kinds = sorted({kind for report in reports for kind in report["faults"]})  # type: ignore[attr-defined]
    lines = [
        f"`python -m loadtest faults --minutes {reports[0]['minutes']:g} --buyers "
        f"{reports[0]['buyers_per_region']} --seed N --faults all` (buyers in each of three regions), "
        "on 2 shared cores:",
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
    row("checks", [sum(report["checks"].values()) for report in reports])  # type: ignore[attr-defined]
    row("violations", [len(report["violations"]) for report in reports])  # type: ignore[arg-type]
    lines += [
        "",
        "Each cell has the number of faults, the median and the longest outage in seconds. An outage is the time from",
        "the beginning of a fault until a client that retries is served; it includes the duration of the fault and of",
        "others at the same time.",
        "",
        "| fault | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
        "| --- |" + " --- |" * len(seeds),
    ]
    for kind in kinds:
        cells = []
        for report in reports:
            fault = report["faults"].get(kind)  # type: ignore[attr-defined]
            cells.append("" if fault is None else f"{fault['injected']}: {outage(fault)}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def outage(fault: dict[str, float | None]) -> str:
    """Return median and longest outage; probes give up after 90 s."""
    if fault["longest_outage_s"] is None:
        return "longest over 90"
    return f"{fault['median_outage_s']} / {fault['longest_outage_s']}"


def main() -> None:
    """Replace the table after the mark."""
    reports = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    text = PAGE.read_text()
    start = text.index(MARK) + len(MARK)
    end = text.index("\n`tests/loadtest/test_faults.py`")
    PAGE.write_text(text[:start] + "\n" + table(reports) + "\n" + text[end:])


if __name__ == "__main__":
    main()
