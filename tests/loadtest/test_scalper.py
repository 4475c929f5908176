"""A scalper at one address of a running cluster gets the limit of that address; buyers at others are not disturbed."""

from __future__ import annotations

import asyncio
import re

from click.testing import CliRunner

from loadtest.cli import main
from realtime.dev.cluster import Cluster
from tests.cluster import grid, map_of_master, new_show, node_urls


def test_fresh_identities_on_several_nodes_get_one_limit_and_release_what_they_held(cluster: Cluster) -> None:
    show = asyncio.run(new_show(cluster, layout=grid(15, 20)))
    nodes = [word for url in node_urls(cluster) for word in ("--url", url)]
    sizes = ["--connections", "40", "--buyers", "10", "--seconds", "3", "--slower-ms", "2000"]
    done = CliRunner().invoke(main, ["scalper", *nodes, "--show", show, *sizes])
    assert done.exit_code == 0, done.output
    figures = re.search(r"^scalper +([\d,]+) +(\d+) +(\d+) .*address_limit ([\d,]+)", done.output, re.MULTILINE)
    assert figures and (figures[2], figures[3]) == ("5", "50"), done.output
    assert asyncio.run(map_of_master(cluster, show))[2] == "0" * 300
    strict = CliRunner().invoke(main, ["scalper", *nodes, "--show", show, *sizes, "--limit", "40", "--seconds", "1"])
    assert strict.exit_code == 1 and "held 50 seats; the limit of an address is 40" in strict.output
