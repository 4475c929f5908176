"""What several kinds of runs measure: CPU time and memory of a process, percentiles of a few values."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_of(pid: int) -> float:
    """Return the CPU time (s) that all threads of a process have used so far, user and kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_of(pid: int) -> int:
    """Return the resident memory (bytes) of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that ``share`` (0..1) of all values lie below; NaN when there are none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else math.nan
