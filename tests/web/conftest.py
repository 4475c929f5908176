"""Fixtures of ``tests.read_path``."""

from tests.read_path import own_node, own_servers

__all__ = ["own_node", "own_servers"]
