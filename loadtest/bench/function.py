"""The hold function against a bare one that only does SETRANGE, HINCRBY and PUBLISH, pipelined alike, on one master."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import hiredis

from loadtest.bench.peers import Bench, Row
from loadtest.bench.programs import cpu_of
from realtime import keys, limits
from realtime.dev import valkey
from realtime.locks.master import LIBRARY

SHOW = "west-bench"
CALLS = 20_000
DEPTH = 512
"""Calls in one pipeline, as a node has them."""
BARE = """#!lua name=bare
redis.register_function('bare_hold', function(keys, args)
  redis.call('SETRANGE', keys[1], args[1], '11')
  local version = redis.call('HINCRBY', keys[2], 'version', 1)
  redis.call('PUBLISH', keys[3], '{"version":' .. version .. ',"held":[' .. args[1] .. ']}')
  return version
end)
"""


def hold_function(bench: Bench, calls: int = CALLS) -> Row:
    """Return calls a second of the master's CPU, for both."""
    with tempfile.TemporaryDirectory() as folder:
        server = valkey.start(Path(folder))
        try:
            server.wait_ready()
            if bench.server_core is not None:
                os.sched_setaffinity(server.process.pid, {bench.server_core})
            link = Link(server.port)
            link.call([("FUNCTION", "LOAD", LIBRARY.read_text()), ("FUNCTION", "LOAD", BARE)])
            ours = keys.show(SHOW)
            declare = ("FCALL", "tt_declare", len(ours), *ours, "e1", 2 * calls, "open", 480_000, 10, 1)
            link.call([declare, ("SET", "seats", "0" * 2 * calls)])
            terms = (limits.MAX_HOLDS_PER_OWNER, limits.ENDED_KEEP_MS)
            held = [("FCALL", "tt_hold", len(ours), *ours, *_pair(n), *terms) for n in range(calls)]
            bare = [("FCALL", "bare_hold", 3, "seats", "meta", "changes", 2 * n) for n in range(calls)]
            row: Row = {}
            work: Sequence[tuple[object, ...]]
            for name, work in (("bare", bare), ("hold", held)):
                before = cpu_of(server.process.pid)
                replies = link.call(work)
                row[name] = calls / max(cpu_of(server.process.pid) - before, 0.01)
                if name == "hold" and any(reply[0] != b"ok" for reply in replies):
                    raise RuntimeError(f"a hold was refused: {replies[-1]}")
            return {**row, "share": row["hold"] / row["bare"]}
        finally:
            server.kill()


def _pair(n: int) -> tuple[str, str, str]:
    return f"{SHOW}.h{n:0>22}", f"owner-{n:0>10}", f"{2 * n},{2 * n + 1}"


class Link:
    """One connection that sends finished pipelines."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection((valkey.HOST, port))

    def call(self, commands: Sequence[tuple[object, ...]]) -> list[list[bytes]]:
        """Send commands, ``DEPTH`` at a time; return the replies. Raises what the server refuses."""
        replies: list[list[bytes]] = []
        packed = [
            hiredis.pack_command(tuple(str(part) for part in command))  # type: ignore[arg-type]
            for command in commands
        ]
        for start in range(0, len(packed), DEPTH):
            batch = packed[start : start + DEPTH]
            self._socket.sendall(b"".join(batch))
            reader = hiredis.Reader()
            for _ in batch:
                while (reply := reader.gets()) is False:
                    reader.feed(self._socket.recv(1 << 20))
                if isinstance(reply, Exception):
                    raise reply
                replies.append(reply)
        return replies
