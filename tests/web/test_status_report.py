"""The status report of a node."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from realtime import keys
from realtime.feeds.feed import Feed
from realtime.topology import Plain, Region
from realtime.web.status_report import DELAYED_MS, StatusReporter


@pytest.mark.parametrize("wrong_s", [-5.0, 5.0])
async def test_a_node_whose_clock_is_wrong_takes_no_map_for_delayed_and_one_that_is_for_it(
    wrong_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, written = time.time, list[Any]()

    async def command(*args: Any) -> None:
        written.append(args)

    async def time_ms() -> int:
        return int(right() * 1000)

    region = Region("west", "Mumbai", Plain("redis://127.0.0.1:1"), {}, "")
    feed, master = Feed(region, "west"), SimpleNamespace(region="west", command=command, time_ms=time_ms)
    sums = SimpleNamespace(stats=lambda: dict.fromkeys(("viewers", "rooms", "lagging", "frames", "gaps"), 0))
    events, office = SimpleNamespace(connections=0), SimpleNamespace(sales={})
    made: Any = (master, sums, {"west": feed}, events, office)
    reporter = StatusReporter(*made)
    monkeypatch.setattr(time, "time", lambda: right() + wrong_s)
    await reporter._write()
    assert written[0][:2] == ("HSET", keys.NODES)
    for late_ms in (0, 3_000):
        feed.heartbeat_arrived({"time": right() * 1000 - late_ms})
        assert feed.lag_ms is not None and (feed.lag_ms > DELAYED_MS) is (late_ms > DELAYED_MS)
