"""Records every request, answer and event of every client, in order and with the time, in a file of JSON lines.

Times are ms since the epoch. ``k`` is the kind of a record, ``c`` the client, ``n`` the number of its request:

| k | further fields |
| --- | --- |
| ``connected`` | ``node``, ``owner`` |
| ``disconnected`` | the connection was lost or closed |
| ``request`` | ``n``, ``e`` (event), ``p`` (payload) |
| ``answer`` | ``n``, ``e``, ``a``: the answer |
| ``no_answer`` | ``n``, ``e``: no answer arrived; the request may have been carried out or not |
| ``event`` | ``e``, ``p``: sent by the server without a request |
| ``paying`` | ``hold``, ``seats``: the bank is asked for the money from now on; its answer may be lost |
| ``paid`` | ``hold``, ``seats``, ``payment`` (the bank's id), ``proof`` (what the buyer sends) |
| ``fault`` | ``kind``, ``target``, ``region``, ``loses_data`` (may the master have lost data that only it had?),
  ``phase``: ``begin``, ``healed`` or ``recovered`` (with ``outage_ms``) |
| ``cut_off`` | ``region``, ``target``, ``master``, ``written_ms``: how long after the beginning of a partition the
  master that was cut off was still written to |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from realtime.clock import now_ms

Record = dict[str, Any]


class History:
    """Writes the records of one run. ``close`` it before the file is read."""

    def __init__(self, file: Path) -> None:
        """``file`` must not exist yet."""
        self.file = file
        self._out = file.open("xb")

    def add(self, k: str, **fields: Any) -> None:
        """Add a record with the current time."""
        self._out.write(orjson.dumps({"t": now_ms(), "k": k, **fields}, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Flush and close the file."""
        self._out.close()


def read(file: Path) -> Iterator[Record]:
    """Yield the records of a run, one at a time."""
    with file.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)
