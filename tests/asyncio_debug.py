"""Debug mode of asyncio, for the test packages whose ``conftest.py`` imports the fixture."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(autouse=True)
async def asyncio_debug(request: pytest.FixtureRequest) -> None:
    """Run each test's loop in debug mode: calls from other threads fail; a lost coroutine is reported with its place.

    Debug mode makes each callback several times slower, so tests with thousands of calls are marked ``crowd``.
    """
    if request.node.get_closest_marker("crowd") is None:
        asyncio.get_running_loop().set_debug(True)
