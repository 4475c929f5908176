"""Distributes the files of tests among the processes of a parallel run, so that few start the shared cluster."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parent.parent


class FewClusters(LoadScopeScheduling):  # type: ignore[misc]
    """Half of the processes take the files that use the shared cluster first, the others take them last.

    A cluster costs fifteen seconds of CPU time to start and a seventh of a core as long as it runs.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = int(node.gateway.id.removeprefix("gw")) < self.numnodes // 2
        scope = next((scope for scope in self.workqueue if _uses_cluster(scope) == wanted), None)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


@cache
def _uses_cluster(scope: str) -> bool:
    """Tell by its text: the process that distributes the files does not import them."""
    return "cluster: Cluster" in (ROOT / scope.partition("::")[0]).read_text(encoding="utf-8")
