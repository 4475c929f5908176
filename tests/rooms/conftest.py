"""Fixtures of ``tests.read_path``; asyncio's debug mode."""

from tests.asyncio_debug import asyncio_debug
from tests.read_path import node, own_node, own_servers, shared_servers

__all__ = ["asyncio_debug", "node", "own_node", "own_servers", "shared_servers"]
