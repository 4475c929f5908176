"""Viewers that stop reading while they go on asking: are they bounded, caught up, or closed?"""

from __future__ import annotations

from typing import Any

from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import Stage, Viewer


class SlowViewer(Viewer):
    """Joins, reads nothing for ``plan.stall_s`` but asks for the map every ``plan.ask_s``; then reads again."""

    measured = False

    def __init__(self, stage: Stage, number: int, show: ShowPlan) -> None:
        """As any viewer."""
        super().__init__(stage, number, show)
        self._stalled_at: float | None = None
        self._stalled: Any = None

    def _plan_next(self) -> None:
        if self._stalled_at is None and self.link is not None:
            self._stalled_at = self.stage.loop.time()
            self._stalled = self.link
            self.link.pause()
            self.stage.now.counts["stalled"] += 1
            self._ask()

    def _ask(self) -> None:
        assert self._stalled_at is not None
        if self.stage.loop.time() - self._stalled_at < self.stage.plan.stall_s and not self.stage.ending:
            self._stalled.ask("show:watch", {"show": self.show.id}, lambda _answer: None)
            self._timer = self.stage.loop.call_later(self.stage.plan.ask_s, self._ask)
        else:
            self._stalled.resume()
            self._timer = self.stage.loop.call_later(1.0, self._judge)

    def calm(self) -> None:
        """Read on, if it does not yet."""
        if self._stalled is not None and not self._stalled.is_over and self._timer is not None:
            self._timer.cancel()
            self._stalled.resume()
            self._judge()

    def _judge(self) -> None:
        self.stage.now.counts["reads again"] += 1
        self._stalled = None

    def left(self, link: Any, reason: str) -> None:
        """A connection is over; the one that stalled is counted once."""
        if link is self._stalled and reason and not self.stage.closing:
            self.stage.now.counts["closed while stalled"] += 1
        super().left(link, reason)
