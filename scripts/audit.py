"""Ask the public indexes for known vulnerabilities of everything installed: Python packages, and those of the pages.

Exit code 1: a vulnerability is known; 3: an index can't be reached, so not everything was looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOUND, NOT_ASKED = 1, 3


def audit_python() -> tuple[list[str], int]:
    """Return the vulnerabilities of the pinned Python packages, and how many packages the index did not know."""
    command = [str(Path(sys.executable).parent / "pip-audit"), "-r", "constraints.txt", "--no-deps", "--disable-pip"]
    ended = subprocess.run([*command, "-f", "json"], cwd=ROOT, capture_output=True, text=True, check=False)
    packages = json.loads(ended.stdout)["dependencies"] if ended.stdout else [{"skip_reason": ended.stderr}]
    found = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'no release'}"
        for each in packages
        for known in each.get("vulns", ())
    ]
    return found, sum("skip_reason" in each for each in packages)


def audit_pages() -> tuple[list[str], int]:
    """Return the vulnerabilities of the pages' npm packages, and 1 if the index did not answer."""
    command = ["bash", "scripts/npm.sh", "audit", "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        report = json.loads(ended.stdout)["vulnerabilities"]
    except (ValueError, KeyError):
        return [], 1
    return [f"{name}: {each['severity']}, {each['range']}" for name, each in report.items()], 0


def main() -> int:
    """Print what is known; return the exit code."""
    found = unasked = 0
    for what, audit in (("Python packages", audit_python), ("packages of the pages", audit_pages)):
        vulnerabilities, missing = audit()
        print(f"{what}: {len(vulnerabilities)} known vulnerabilities", *vulnerabilities, sep="\n  ")
        if missing:
            print(f"{what}: NOT ALL LOOKED UP: the index of advisories did not answer", file=sys.stderr)
        found += len(vulnerabilities)
        unasked += missing
    return FOUND if found else NOT_ASKED if unasked else 0


if __name__ == "__main__":
    raise SystemExit(main())
