"""Runs the fault test on mutants: copies of the product, each broken by one patch of ``broken/``.

A mutant is *found* if its run breaks a promise. One that is not found shows that a check or a fault is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtest.faults.schedule import Kind

PATCHES = Path(__file__).parent / "broken"
ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns(".*", "node_modules", "dist", "tests", "docs", "__pycache__", "*.egg-info")
CHOSEN_FAULTS = {
    "stale-never-sent": (
        Kind.LOSE_REGION,
        Kind.KILL_SENTINEL,
        Kind.KILL_KEEPER,
        Kind.KILL_REPLICA,
        Kind.KILL_WORKER,
        Kind.CUT_FEED,
        Kind.LOCK_LEDGER,
        Kind.CUT_LEDGER,
    ),
}
"""Kinds of faults with which a mutant is run instead of the usual ones. For a lost region: those that cut off no viewer
of another region, because only viewers who stay connected are checked."""
RUN_S = 600


@dataclass(frozen=True, slots=True)
class Result:
    """What the run of one mutant found: the broken rules, or the end of its output if it gave no report."""

    name: str
    rules: Sequence[str]
    output: str = ""

    @property
    def found(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.rules)


def names() -> list[str]:
    """Return the names of all mutants."""
    return sorted(patch.stem for patch in PATCHES.glob("*.patch"))


def run_all(chosen: Sequence[str], minutes: float, seed: int, buyers: int, say: Callable[[str], None]) -> list[Result]:
    """Run the chosen mutants one after the other; each takes a minute more than ``minutes``, or less if it fails."""
    results = []
    for name in chosen:
        say(f"{name} ...")
        result = _run(name, ["--minutes", str(minutes), "--seed", str(seed), "--buyers", str(buyers)])
        verdict = "found by " + ", ".join(result.rules) if result.found else "NOT FOUND"
        say(f"{name}: {'DID NOT RUN: ' + result.output if result.output else verdict}")
        results.append(result)
    return results


def _run(name: str, options: Sequence[str]) -> Result:
    with tempfile.TemporaryDirectory(prefix="tickingtickets-mutant-") as folder:
        copy, report = Path(folder) / "copy", Path(folder) / "report.json"
        shutil.copytree(ROOT, copy, ignore=IGNORED)
        # From inside the copy: `git apply` refuses paths outside the folder it is called in.
        subprocess.run(["git", "apply", str(PATCHES / f"{name}.patch")], cwd=copy, check=True)
        kinds = ",".join(kind.option for kind in CHOSEN_FAULTS.get(name, ()))
        command = [sys.executable, "-m", "loadtest", "faults", *options, "--json", str(report)]
        try:
            ended = subprocess.run(
                [*command, *(("--faults", kinds) if kinds else ())],
                cwd=copy,
                capture_output=True,
                text=True,
                check=False,
                timeout=RUN_S,
            )
        except subprocess.TimeoutExpired:
            return Result(name, (f"the run ends within {RUN_S} s",))
        if not report.exists():
            return Result(name, (), (ended.stdout + ended.stderr)[-1500:])
        violations = orjson.loads(report.read_bytes())["violations"]
        return Result(name, sorted({violation["rule"] for violation in violations}))
