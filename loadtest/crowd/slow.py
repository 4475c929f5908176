"""Viewers that stop reading while they go on sending requests: does the node bound, catch up, or close them?"""

from __future__ import annotations

from loadtest.connection import Connection
from loadtest.crowd.context import WorkerContext
from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import Viewer


class SlowViewer(Viewer):
    """Joins, reads nothing for ``plan.stall_s`` but requests the map every ``plan.ask_s``; then reads again."""

    measured = False

    def __init__(self, context: WorkerContext, number: int, show: ShowPlan) -> None:
        """As for any viewer."""
        super().__init__(context, number, show)
        self._stalled_at: float | None = None
        self._stalled: Connection | None = None

    def _plan_next(self) -> None:
        if self._stalled_at is None and self.connection is not None:
            self._stalled_at = self.context.loop.time()
            self._stalled = self.connection
            self.connection.pause()
            self.context.bin.counts["stalled"] += 1
            self._request_map()

    def _request_map(self) -> None:
        assert self._stalled_at is not None and self._stalled is not None
        if self.context.loop.time() - self._stalled_at < self.context.plan.stall_s and not self.context.ending:
            self._stalled.request("show:watch", {"show": self.show.id}, lambda _answer: None)
            self._timer = self.context.loop.call_later(self.context.plan.ask_s, self._request_map)
        else:
            self._stalled.resume()
            self._timer = self.context.loop.call_later(1.0, self._count_survival)

    def stop_actions(self) -> None:
        """Read again, if it does not yet."""
        if self._stalled is not None and not self._stalled.is_closed and self._timer is not None:
            self._timer.cancel()
            self._stalled.resume()
            self._count_survival()

    def _count_survival(self) -> None:
        self.context.bin.counts["reads again"] += 1
        self._stalled = None

    def on_closed(self, connection: Connection, reason: str) -> None:
        """A connection has ended; the one that stalled is counted once."""
        if connection is self._stalled and reason and not self.context.closing:
            self.context.bin.counts["closed while stalled"] += 1
        super().on_closed(connection, reason)
