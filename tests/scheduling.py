"""Distributes the files of tests among the processes of a parallel run, so that few start the shared cluster."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parent.parent


class FewClusters(LoadScopeScheduling):  # type: ignore[misc]
    """One of the processes takes the files that use the shared cluster first, the others take them last.

    With its browser, a test of the pages keeps one of two cores busy; the other files mostly wait.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = node.gateway.id == "gw0"
        scope = next((scope for scope in self.workqueue if _uses_cluster(scope) == wanted), None)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


@cache
def _uses_cluster(scope: str) -> bool:
    """Tell by the text of its tests: the process that distributes the files does not import them."""
    text = (ROOT / scope.partition("::")[0]).read_text(encoding="utf-8")
    return re.search(r"def test_\w+\([^)]*\bcluster: Cluster", text) is not None
