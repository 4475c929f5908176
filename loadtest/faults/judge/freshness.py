"""Checks what viewers receive: versions only rise, and changes arrive in time, or the map is called stale."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from loadtest.faults.judge.losses import Losses
from loadtest.faults.judge.verdict import Verdict
from realtime.model import region_of

RISING = "a viewer's versions only rise within an epoch"
FRESH = "a viewer receives changes in time, or that its map is stale"
DRIFT = "no map has to be corrected"
STALE = "a map is called stale while its region is gone"
STALE_MS = 8_000
"""A viewer is notified within this time that the region of its show is out of reach."""
FRESH_MS = 15_000
"""A viewer receives a change within this time. A fault lasts up to 6 s, a feed needs 3 s to notice the silence and
some seconds to find another server; a viewer whose connection is lost starts anew."""


@dataclass(slots=True)
class _Watch:
    """What a client knows of one show over its present connection. Times in ms."""

    epoch: str
    version: int
    received_at: float
    stale: bool
    joined_at: float
    stale_at: float = -math.inf
    """When it was last called stale."""
    expected_since: float | None = None
    """Since when somebody was answered a change that this client has not received."""


class Freshness:
    """What every client has received about every show that it watches. Call its methods in the order of the history."""

    def __init__(self, verdict: Verdict) -> None:
        """Violations go to ``verdict``."""
        self._verdict = verdict
        self._watches: defaultdict[str, dict[str, _Watch]] = defaultdict(dict)
        """By show, then client."""
        self._gone: dict[str, float] = {}
        """Since when a region is out of reach."""
        self._corrections: list[tuple[str, float, str]] = []
        """For every change its region and time (ms), and the text of the violation if it was a correction."""

    def on_connection(self, client: str, at: float) -> None:
        """A client connected or lost its connection: it receives nothing until it watches again."""
        for show, watches in self._watches.items():
            watch = watches.pop(client, None)
            if watch is not None:
                self._end_expectation(client, show, watch, at)

    def on_watch(self, client: str, answer: dict[str, Any], at: float) -> None:
        """A client was answered a show's map, or the changes since its version."""
        watches = self._watches[answer["show"]]
        before = watches.get(client)
        if before is not None:
            self._check_version(client, before, answer)
            self._end_expectation(client, answer["show"], before, at)
        stale = answer.get("status") == "stale"
        watches[client] = _Watch(answer["epoch"], answer["version"], at, stale, at)

    def on_change(self, client: str, change: dict[str, Any], at: float) -> None:
        """A client received ``seats:changed``."""
        watch = self._watches[change["show"]].get(client)
        if watch is None:
            return
        self._check_version(client, watch, change)
        corrects = change["epoch"] == watch.epoch and change.get("from") == change["version"]
        text = f"{client} was sent a correction of {change['show']} at version {change['version']}"
        self._corrections.append((region_of(change["show"]), at, text if corrects else ""))
        watch.epoch, watch.version = change["epoch"], change["version"]
        self._end_expectation(client, change["show"], watch, at)

    def on_status(self, client: str, status: dict[str, Any], at: float) -> None:
        """A client received ``show:status``."""
        watch = self._watches[status["show"]].get(client)
        if watch is None:
            return
        if status["status"] == "stale":
            self._end_expectation(client, status["show"], watch, at)
            watch.stale, watch.stale_at = True, at
        elif watch.stale:
            watch.stale = False
            watch.received_at = at

    def on_region(self, region: str, gone: bool, at: float) -> None:
        """All servers of a region were lost, or are back."""
        if gone:
            self._gone[region] = at
            return
        since = self._gone.pop(region, at)
        if at - since < STALE_MS:
            return
        for show, watches in self._watches.items():
            for client, watch in watches.items():
                if region_of(show) == region and watch.joined_at < since:
                    text = f"{client} was not notified for {at - since:.0f} ms that {show} was stale"
                    self._verdict.check(STALE, watch.stale or watch.stale_at >= since, text)

    def on_hold(self, show: str, requested_at: float, at: float) -> None:
        """Somebody was answered that seats are held: every client that watches the show must receive it."""
        for watch in self._watches[show].values():
            if not watch.stale and watch.expected_since is None and watch.received_at < requested_at:
                watch.expected_since = at

    def finish(self, at: float, losses: Losses) -> None:
        """The history ends at ``at`` (ms). A map may be corrected while its master recovers from a loss of data."""
        for region, changed_at, text in self._corrections:
            self._verdict.check(DRIFT, not text or losses.overlap(region, changed_at - FRESH_MS, changed_at), text)
        for show, watches in self._watches.items():
            for client, watch in watches.items():
                self._end_expectation(client, show, watch, at)

    def _end_expectation(self, client: str, show: str, watch: _Watch, at: float) -> None:
        """A client received something about a show, or can't any more: nothing is expected after this."""
        if watch.expected_since is not None:
            late_ms = at - watch.expected_since
            text = f"{client} received nothing of {show} for {late_ms:.0f} ms after a change, not even that it is stale"
            self._verdict.check(FRESH, late_ms <= FRESH_MS, text)
        watch.expected_since = None
        watch.received_at = at

    def _check_version(self, client: str, watch: _Watch, message: dict[str, Any]) -> None:
        text = f"{client} had {message['show']} at version {watch.version} and received {message['version']}"
        good = message["epoch"] != watch.epoch or message["version"] >= watch.version
        self._verdict.check(RISING, good, text)
