"""The fault tester against an installation that runs already."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from loadtest.cli import main
from realtime.dev.cluster import Cluster


def test_a_running_installation_can_be_tested(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKINGTICKETS_SECRET", "0123456789abcdef")
    file = cluster.topology_file("north")
    command = ["faults", "--topology", str(file), "--minutes", "0.1", "--buyers", "3", "--seed", "1"]
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 0, ended.output
    assert "PASSED" in ended.output
