"""Fixtures of ``tests.read_path``."""

from tests.read_path import node, own_node, own_servers, shared_servers

__all__ = ["node", "own_node", "own_servers", "shared_servers"]
