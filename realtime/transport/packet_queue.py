"""The queue of an engine.io session while its client polls: it counts the bytes that wait."""

from __future__ import annotations

import asyncio
from typing import Any

from realtime import limits

PACKET_BYTES = 256
"""Memory of a packet without its text."""


class PacketQueue(asyncio.Queue[Any]):
    """Replaces the framework's queue. ``_put`` and ``_get`` are asyncio's methods for subclasses."""

    def __init__(self) -> None:
        """Without a bound: callers ask for ``bytes`` first, or wait in ``drained``."""
        super().__init__()
        self.bytes = 0
        """About how much memory the packets take that wait."""
        self._drained: asyncio.Future[bool] | None = None
        """Of the one request that waits for that; None while none does."""
        self._given_up = False

    def _put(self, packet: Any) -> None:
        super()._put(packet)
        self.bytes += _size(packet)

    def _get(self) -> Any:
        packet = super()._get()
        self.bytes -= _size(packet)
        if self.bytes <= limits.VIEWER_UNSENT_BYTES:
            self._wake(True)
        return packet

    def has(self, packet_type: int) -> bool:
        """Tell whether a packet of a type waits; looks at each."""
        return any(packet is not None and packet.packet_type == packet_type for packet in self._queue)  # type: ignore[attr-defined]

    async def drained(self) -> bool:
        """Wait until the client has fetched all but ``limits.VIEWER_UNSENT_BYTES``; only one request may wait.

        Return False if that takes longer than ``limits.VIEWER_STUCK_S``, or the session has ended.
        """
        if self._given_up or self.bytes <= limits.VIEWER_UNSENT_BYTES:
            return not self._given_up
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limits.VIEWER_STUCK_S):
                return await self._drained
        except TimeoutError:
            return False
        finally:
            self._drained = None

    def give_up(self) -> None:
        """Let nothing wait any more: the session has ended."""
        self._given_up = True
        self._wake(False)

    def _wake(self, is_drained: bool) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(is_drained)


def _size(packet: Any) -> int:
    text = None if packet is None else packet.data
    if not isinstance(text, str):  # the end of the queue, or a packet of the framework's without one
        return PACKET_BYTES
    return PACKET_BYTES + (len(text) if text.isascii() else 4 * len(text))
