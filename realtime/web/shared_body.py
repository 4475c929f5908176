"""Large answers for many clients at once: one copy in memory, written in small parts.

aiohttp itself copies a body and puts all of it into the connection's buffer, where it stays as long as the client reads
nothing. A request of 90 bytes would cost megabytes.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PART_BYTES = 16 * 1024
_INPUT_BYTES = 2048
MOST_GUNZIPPED = 50
"""How many decompressed answers may be sent at the same time; nearly every client reads gzip."""
KEPT_BYTES = 16 * 1024 * 1024
"""How many bytes of layouts a node caches, in addition to those that are being sent."""


class SharedBody(Payload):
    """The body of an answer; all its answers refer to the same bytes."""

    def __init__(self, data: bytes) -> None:
        """``data`` must not change."""
        super().__init__(data, content_type="application/json")
        self._data = data

    @property
    def size(self) -> int | None:
        """The length in bytes; None if it is not known before."""
        return len(self._data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._data.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body in parts, each when the client has read enough of those before."""
        view = memoryview(self._data)
        for start in range(0, len(view), PART_BYTES):
            await writer.write(view[start : start + PART_BYTES])
            await writer.drain()


def body_of(data: bytes) -> bytes | SharedBody:
    """Return the value for the ``body`` of an answer: shared if it is large."""
    return data if len(data) <= PART_BYTES else SharedBody(data)


class Blob:
    """Bytes that can have weak references."""

    __slots__ = ("__weakref__", "data")

    def __init__(self, data: bytes) -> None:
        """``data`` must not change."""
        self.data = data


class Blobs:
    """Immutable blobs by name: one copy of each while it is in use, and the last ``KEPT_BYTES`` beyond that."""

    def __init__(self, read: Callable[[str], Awaitable[bytes | None]]) -> None:
        """``read`` returns a blob by name, None if there is none."""
        self._read = read
        self._kept: OrderedDict[str, Blob] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Blob | None]] = {}
        self._in_use: WeakValueDictionary[str, Blob] = WeakValueDictionary()

    async def get(self, name: str) -> Blob | None:
        """Return a blob, None if there is none. Raises what ``read`` raises."""
        blob = self._in_use.get(name)
        if blob is None:
            blob = await self._read_once(name)
            if blob is None:
                return None
        self._kept[name] = blob
        self._kept.move_to_end(name)
        while sum(len(each.data) for each in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return blob

    async def _read_once(self, name: str) -> Blob | None:
        """Read a blob; further requests for it wait for the same reading."""
        reading = self._reading.get(name)
        if reading is None:
            reading = self._reading[name] = asyncio.get_running_loop().create_task(self._read_blob(name))
            reading.add_done_callback(lambda _task: self._reading.pop(name))
        return await asyncio.shield(reading)

    async def _read_blob(self, name: str) -> Blob | None:
        data = await self._read(name)
        return None if data is None else self._in_use.setdefault(name, Blob(data))


class BlobBody(SharedBody):
    """The body of an answer that keeps its blob in use until it is sent."""

    def __init__(self, blob: Blob) -> None:
        """All answers with this blob share its bytes."""
        super().__init__(blob.data)
        self._blob = blob


class GunzippedBody(BlobBody):
    """The body of an answer to a client that doesn't read gzip: decompressed while it is sent, part by part."""

    under_way = 0
    """How many are being sent, to all clients; each has a decompressor."""

    def __init__(self, blob: Blob) -> None:
        """``blob`` is gzipped."""
        super().__init__(blob)

    @property
    def size(self) -> None:
        """None: the length of what is sent is not known before."""
        return None

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body in parts, each when the client has read enough of those before."""
        GunzippedBody.under_way += 1
        try:
            await self._write_parts(writer)
        finally:
            GunzippedBody.under_way -= 1

    async def _write_parts(self, writer: AbstractStreamWriter) -> None:
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        view = memoryview(self._data)
        for start in range(0, len(view), _INPUT_BYTES):
            # Fed in small pieces, because the part of a piece that zlib has not consumed is copied for each client.
            rest: bytes | memoryview = view[start : start + _INPUT_BYTES]
            while rest:
                part = stream.decompress(rest, PART_BYTES)
                rest = stream.unconsumed_tail
                await writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)  # a client that reads as fast as this writes never makes it wait
        await writer.write(stream.flush())
