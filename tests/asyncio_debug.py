"""Debug mode of asyncio, for the test packages whose ``conftest.py`` imports the fixture."""

from __future__ import annotations

import asyncio
from asyncio import constants, format_helpers

import pytest

STACK_DEPTH = 2
"""Frames that debug mode keeps of each coroutine and future."""


@pytest.fixture(autouse=True)
async def asyncio_debug(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test's loop in debug mode: calls from other threads fail; a lost coroutine is reported with its place.

    Debug mode makes each callback several times slower, so tests with thousands of calls are marked ``crowd``. What
    costs most of it is left out: the stacks of callbacks, and looking for changes of source files at every frame.
    """
    if request.node.get_closest_marker("crowd") is None:
        monkeypatch.setattr(constants, "DEBUG_STACK_DEPTH", STACK_DEPTH)
        monkeypatch.setattr(format_helpers, "extract_stack", lambda *_: None)
        monkeypatch.setattr("linecache.checkcache", lambda *_: None)
        # Futures keep the whole stack otherwise. It shortens tracebacks in logs too, but not those of failed tests.
        monkeypatch.setattr("sys.tracebacklimit", STACK_DEPTH, raising=False)
        asyncio.get_running_loop().set_debug(True)
