"""WebSocket frames (RFC 6455): finished frames to write, and aiohttp's parser to read them. No I/O."""

from __future__ import annotations

from typing import Any

from realtime.transport.guard import WebSocketDataQueue, WebSocketReader

TEXT, BINARY, CLOSE, PONG = 0x81, 0x82, 0x88, 0x8A
"""First bytes of unfragmented frames: the FIN bit and the opcode."""


def frame_of(data: bytes, opcode: int = TEXT) -> bytes:
    """Return an unmasked, unfragmented frame (section 5.2); ``opcode`` is one of the constants above."""
    size = len(data)
    if size < 126:
        return bytes((opcode, size)) + data
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + data


class FrameSink(WebSocketDataQueue):  # type: ignore[misc]
    """Receives the messages of one call of aiohttp's parser. All connections of a server share one sink.

    Sharing is safe because a connection takes the messages out before anything else runs (``data_received`` does not
    await). The compiled parser accepts only a subclass of aiohttp's queue, hence the base class.
    """

    def __init__(self) -> None:
        """The queue's own loop and protocol are for readers that wait; this one has none."""
        super().__init__(None, 1, loop=None)
        self.messages: list[Any] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:
        """Add a message; the parser calls this."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, *_cause: BaseException) -> None:
        """Store why the parser could not read; the parser calls this."""
        self.error = exc

    def reader(self, max_message_bytes: int) -> Any:
        """Return a parser for one connection that writes here; it refuses larger messages with close code 1009."""
        return WebSocketReader(self, max_message_bytes, compress=False, decode_text=True)
