"""Compares the hold function with a bare one that only does SETRANGE, HINCRBY and PUBLISH, on one master."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis

from loadtest.bench.peers import Bench, Row
from loadtest.measures import cpu_of
from realtime import keys, limits
from realtime.dev import valkey
from realtime.locks import library
from realtime.locks.hold_batcher import MAX_HOLDS_PER_CALL
from realtime.topology import HoldLimits

CALLS = 60_000
DEPTH = 512
"""Holds in one pipeline, about as many as a busy node sends."""
BARE = """#!lua name=bare
redis.register_function('bare_hold', function(keys, args)
  redis.call('SETRANGE', keys[1], args[1], '11')
  local version = redis.call('HINCRBY', keys[2], 'version', 1)
  redis.call('PUBLISH', keys[3], '{"version":' .. version .. ',"held":[' .. args[1] .. ']}')
  return version
end)
"""


def hold_function(bench: Bench, calls: int = CALLS) -> Row:
    """Return holds a second of the master's CPU: ``bare``, ``hold`` (50 holds a call) and ``alone`` (one hold a call).

    ``share`` and ``alone_share`` are ratios to ``bare``.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = valkey.start(Path(folder))
        try:
            server.wait_ready()
            if bench.server_core is not None:
                os.sched_setaffinity(server.process.pid, {bench.server_core})
            client = PipelineClient(server.port)
            client.call([("FUNCTION", "LOAD", library.source()), ("FUNCTION", "LOAD", BARE)])
            bare = [("FCALL", "bare_hold", 3, "seats", "meta", "changes", 2 * n) for n in range(calls)]
            client.call([("SET", "seats", "0" * 2 * calls)])
            row: Row = {}
            work: Sequence[tuple[object, ...]]
            for name, work, together in (
                ("bare", bare, 1),
                ("hold", _holds(client, "west-together", calls, MAX_HOLDS_PER_CALL), MAX_HOLDS_PER_CALL),
                ("alone", _holds(client, "west-alone", calls, 1), 1),
            ):
                before = cpu_of(server.process.pid)
                replies = client.call(work, DEPTH // together)
                row[name] = calls / max(cpu_of(server.process.pid) - before, 0.01)
                if name != "bare" and any(each[0] != b"ok" for reply in replies for each in reply[1]):
                    raise RuntimeError(f"a hold was refused: {replies[-1]}")
            return {**row, "share": row["hold"] / row["bare"], "alone_share": row["alone"] / row["bare"]}
        finally:
            server.kill()


def _holds(client: PipelineClient, show: str, count: int, together: int) -> list[tuple[object, ...]]:
    """Declare a show; return the calls that hold all its seats in pairs, with ``together`` holds a call.

    Each buyer has an identity and a network address of their own.
    """
    names = keys.show(show)
    client.call([("FCALL", "tt_declare", len(names), *names, "e1", 2 * count, "open", 480_000, 10, 1)])
    bounds = HoldLimits()
    head = ("FCALL", "tt_holds_from", len(names), *names, bounds.holds_per_owner, limits.ENDED_KEEP_MS)
    head += (bounds.seats_per_address, int(bounds.rest_s * 1000))
    return [
        (*head, *(part for n in range(start, start + together)
                  for part in (f"{show}.h{n:0>22}", f"owner-{n:0>10}", f"{2 * n},{2 * n + 1}", f"home-{n:0>11}")))
        for start in range(0, count, together)
    ]  # fmt: skip


class PipelineClient:
    """One blocking connection that sends prepared pipelines."""

    def __init__(self, port: int) -> None:
        """Connect to a server on this machine."""
        self._socket = socket.create_connection((valkey.HOST, port))

    def call(self, commands: Sequence[tuple[object, ...]], depth: int = DEPTH) -> list[list[Any]]:
        """Send commands, ``depth`` at a time; return the replies. Raises the first error reply."""
        replies: list[list[Any]] = []
        packed = [
            hiredis.pack_command(tuple(str(part) for part in command))  # type: ignore[arg-type]
            for command in commands
        ]
        for start in range(0, len(packed), depth):
            batch = packed[start : start + depth]
            self._socket.sendall(b"".join(batch))
            reader = hiredis.Reader()
            for _ in batch:
                while (reply := reader.gets()) is False:
                    reader.feed(self._socket.recv(1 << 20))
                if isinstance(reply, Exception):
                    raise reply
                replies.append(reply)
        return replies
