"""The benchmarks run with a few viewers for a moment: every figure is there and every answer right. Not their speed."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loadtest.bench import programs, table
from loadtest.cli.bench import bench
from loadtest.cli.lapses import lapses
from loadtest.cli.recovery import recovery
from tests.programs import find_program


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    find_program("gcc", "cc", "gcc", "clang")
    target = tmp_path_factory.mktemp("bench") / "run.json"
    done = CliRunner().invoke(bench, ["--quick", "--no-node", "--json", str(target)])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(target.read_text())
    assert table.text(found) in done.output
    return found


def test_every_server_delivers_what_it_sends(run: dict[str, Any]) -> None:
    for case in run["fan_out"]:
        assert set(case["kinds"]) == {"floor", "ours", "emit"}
        for figures in case["kinds"].values():
            assert figures["delivered"] > 0 and figures["saturated"] > 0


def test_every_viewer_gets_the_last_version_of_a_storm(run: dict[str, Any]) -> None:
    for storm in (*run["curves"]["viewers"], *run["curves"]["rates"]):
        assert storm["converged"] and storm["fewest_frames"] > 0 and storm["lost"] == 0


def test_pollers_and_holders_are_served(run: dict[str, Any]) -> None:
    assert not run["http"]["body"]["wrong"] and not run["http"]["unchanged"]["wrong"]
    assert run["http"]["unchanged"]["bytes"] < run["http"]["body"]["bytes"]
    assert run["writes"]["holds"]["refused"] == 0 and run["writes"]["holds"]["per_s"] > 0


def test_the_table_has_a_figure_for_every_measure(run: dict[str, Any]) -> None:
    lines = table.lines(run)
    assert all(math.isfinite(line.ours) for line in lines)
    assert {line.measure.partition(",")[0].partition(":")[0] for line in lines} >= {
        "CPU a message",
        "saturation",
        "memory an idle viewer",
        "HTTP pollers",
        "hold function",
    }
    text = table.text(run).splitlines()
    assert len({len(row) for row in text}) == 1 and len(text) == len(lines) + 2


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(programs.Missing, match="C compiler"):
        programs.build(tmp_path)


def test_a_recovery_is_timed_with_and_without_the_data_of_the_master() -> None:
    done = CliRunner().invoke(recovery, ["--archived", "20", "--halls", "2", "--stadiums", "1", "--seats", "400"])
    assert done.exit_code == 0, done.output
    assert "data kept: first hold after" in done.output
    assert "data lost: first hold after" in done.output
    for name in ("block", "unblock", "check"):
        assert re.search(rf"^{name}: longest call \d+\.\d ms$", done.output, re.MULTILINE)


def test_lapses_are_timed_on_the_map_of_a_node() -> None:
    done = CliRunner().invoke(lapses, ["--holds", "300"])
    assert done.exit_code == 0, done.output
    assert re.match(r"300 holds that lapsed together: all free on the map after \d+\.\d\d s", done.output)
