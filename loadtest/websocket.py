"""WebSocket frames as a client reads and writes them (RFC 6455). No I/O: bytes in, messages out, in any chunks.

``realtime`` and the official clients use maintained libraries. Ten thousand clients in one process can't afford a
library's objects for each connection, and need very little of its function.
"""

from __future__ import annotations

import random

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The map of the largest layout has 67 kB. A server that sends more than this limit is not a TickingTickets node."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_CONTINUATION, _DATA, _CONTROL = 0, (TEXT, BINARY), (CLOSE, PING, PONG)
_FINAL = 0x80


class ProtocolError(Exception):
    """The server sent something that RFC 6455 does not allow it to send."""


def masked(opcode: int, payload: bytes) -> bytes:
    """Return one complete frame from client to server, masked with a random key as the RFC requires of clients."""
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    key = random.randbytes(4)
    stream = (key * (size // 4 + 1))[:size]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + key + body.to_bytes(size, "big")


class FrameReader:
    """Reassembles the bytes of a socket into messages ``(opcode, payload)``, control frames included."""

    __slots__ = ("_opcode", "_parts", "_rest", "_size")

    def __init__(self) -> None:
        """The first byte to be fed is the first of a frame."""
        self._rest = b""
        self._opcode = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the messages that ``data`` completes. Raises ``ProtocolError`` for what a server must not send."""
        size = len(data)
        # Fast path for the usual case: one short, complete text frame.
        if not self._rest and not self._opcode and size > 1 and data[0] == 0x81:
            if data[1] < 126 and size == data[1] + 2:
                return [(TEXT, data[2:])]
            if data[1] == 126 and size > 4 and size == int.from_bytes(data[2:4], "big") + 4:
                return [(TEXT, data[4:])]
        return self._read(self._rest + data if self._rest else data)

    def _read(self, data: bytes) -> list[tuple[int, bytes]]:
        messages: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= 2:
            start, size = at + 2, data[at + 1]
            if size & 0x80 or data[at] & 0x70:
                raise ProtocolError("a masked or extended frame")
            if size >= 126:
                start += 2 if size == 126 else 8
                if end < start:
                    break
                size = int.from_bytes(data[at + 2 : start], "big")
            if size + self._size > MAX_MESSAGE_BYTES:
                raise ProtocolError("a message above the size limit")
            if end - start < size:
                break
            message = self._frame(data[at] & 0x0F, bool(data[at] & _FINAL), data[start : start + size])
            if message is not None:
                messages.append(message)
            at = start + size
        self._rest = data[at:]
        return messages

    def _frame(self, opcode: int, final: bool, payload: bytes) -> tuple[int, bytes] | None:
        if opcode in _CONTROL:
            if not final or len(payload) > 125:
                raise ProtocolError("a fragmented control frame")
            return opcode, payload
        if opcode in _DATA:
            if self._opcode:
                raise ProtocolError("a message inside a fragmented one")
            if final:
                return opcode, payload
            self._opcode = opcode
        elif opcode != _CONTINUATION or not self._opcode:
            raise ProtocolError(f"a frame with opcode {opcode}")
        self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return None
        whole = self._opcode, b"".join(self._parts)
        self._opcode, self._parts, self._size = 0, [], 0
        return whole
