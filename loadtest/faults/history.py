"""What every client asked and was told, in order, with the time: one JSON object a line, in a file.

Times are ms since the epoch. ``k`` is the kind of a record, ``c`` the client, ``n`` the number of its request:

| k | further fields |
| --- | --- |
| ``conn`` | ``node``: connected; ``owner`` |
| ``ask`` | ``n``, ``e`` (event), ``p`` (payload) |
| ``told`` | ``n``, ``e``, ``a``: the answer |
| ``lost`` | ``n``, ``e``: no answer came; it may have happened or not |
| ``news`` | ``e``, ``p``: what the server sent by itself |
| ``fault`` | ``kind``, ``target``, ``region``, ``memory`` (may the master have forgotten something?), ``phase``:
  ``begin``, ``healed`` or ``back`` (with ``outage_ms``) |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from realtime.clock import now_ms

Record = dict[str, Any]


class History:
    """Writes the records of one run. ``close`` it before it is read."""

    def __init__(self, file: Path) -> None:
        """``file`` must not exist yet."""
        self.file = file
        self._out = file.open("xb")

    def add(self, k: str, **fields: Any) -> None:
        """Add a record of now."""
        self._out.write(orjson.dumps({"t": now_ms(), "k": k, **fields}, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Write out what is left."""
        self._out.close()


def read(file: Path) -> Iterator[Record]:
    """Yield the records of a run, one at a time."""
    with file.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)
