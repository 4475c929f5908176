"""Distributes the files of tests among the processes of a parallel run, so that few start the shared cluster."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parent.parent


CLUSTERS = 4
"""How many processes may start a shared cluster, which has more than twenty processes, beside a browser."""


class FewClusters(LoadScopeScheduling):  # type: ignore[misc]
    """One of the processes takes the files that use the shared cluster first, a few take them last, the others never.

    With its browser, a test of the pages keeps one of two cores busy; the other files mostly wait. More clusters than
    ``CLUSTERS`` would keep slow cores so busy that their tests, which have time-outs, fail.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = node.gateway.id == "gw0"
        scope = next((scope for scope in self.workqueue if _uses_cluster(scope) == wanted), None)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        number = int(node.gateway.id.removeprefix("gw"))
        if number >= CLUSTERS and not node.shutting_down and all(map(_uses_cluster, self.workqueue)):
            node.shutdown()  # as every process when there is nothing left
        else:
            super()._reschedule(node)


@cache
def _uses_cluster(scope: str) -> bool:
    """Tell by the text of its tests: the process that distributes the files does not import them."""
    text = (ROOT / scope.partition("::")[0]).read_text(encoding="utf-8")
    return re.search(r"def test_\w+\([^)]*\bcluster: Cluster", text) is not None
