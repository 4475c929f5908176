"""Named points at which tests of faults stop a keeper, as a pause of its machine would.

``TICKINGTICKETS_STOP_AT=name,name`` stops the process (SIGSTOP) the first time it reaches each of the named points;
SIGCONT lets it go on. Without the variable the points cost nothing.
"""

from __future__ import annotations

import functools
import os
import signal

POINTS = (
    "reconcile_token_read",
    "reconcile_token_begun",
    "reconcile_fenced",
    "reconcile_declared",
    "rebuild_suspended",
    "rebuild_read",
    "rebuild_written",
    "record_committed",
    "record_settled",
    "exchange_reserved",
    "exchange_recorded",
)
"""In the order in which they are reached; tests/keeper/test_stopped_keepers.py stops a keeper at each of them."""


def reach(point: str) -> None:
    """Stop here if the environment asks for it."""
    if point in _stop_at():
        _stop_at().discard(point)
        os.kill(os.getpid(), signal.SIGSTOP)


@functools.cache
def _stop_at() -> set[str]:
    # Read at the first call, not at import: a fork of the embedded cluster gets its environment after the import.
    return {name for name in os.environ.get("TICKINGTICKETS_STOP_AT", "").split(",") if name}
