"""Debug mode of asyncio, for the test packages whose ``conftest.py`` imports the fixture."""

from __future__ import annotations

import asyncio
from asyncio import constants

import pytest

STACK_DEPTH = 4
"""Frames that debug mode keeps of each callback and future. All of them would double the CPU time of these tests."""


@pytest.fixture(autouse=True)
async def asyncio_debug(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test's loop in debug mode: calls from other threads fail; a lost coroutine is reported with its place.

    Debug mode makes each callback several times slower, so tests with thousands of calls are marked ``crowd``.
    """
    if request.node.get_closest_marker("crowd") is None:
        monkeypatch.setattr(constants, "DEBUG_STACK_DEPTH", STACK_DEPTH)
        # Futures keep the whole stack otherwise. It shortens tracebacks in logs too, but not those of failed tests.
        monkeypatch.setattr("sys.tracebacklimit", STACK_DEPTH, raising=False)
        asyncio.get_running_loop().set_debug(True)
