"""WebSocket frames (RFC 6455): finished frames to write, and a strict reader of a client's frames. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""The opcodes (section 5.2)."""
OK, PROTOCOL_ERROR, INVALID_TEXT, POLICY_VIOLATION, TOO_LARGE = 1000, 1002, 1007, 1008, 1009
"""The close codes that a server sends here (section 7.4.1)."""
_FIN, _RESERVED, _MASKED, _CONTROL = 0x80, 0x70, 0x80, 0x8
_HEAD = 2
"""Bytes of the shortest frame's head, without the masking key."""
_KEY = 4
_MOST_CONTROL_BYTES = 125
_CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015)))
"""Those that a client may send, apart from the 3000s and 4000s, which belong to applications."""


def frame_of(data: bytes, opcode: int = TEXT) -> bytes:
    """Return an unmasked, unfragmented frame (section 5.2); ``opcode`` is one of the constants above."""
    size = len(data)
    first = _FIN | opcode
    if size < 126:
        return bytes((first, size)) + data
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + data
    return bytes((first, 127)) + size.to_bytes(8, "big") + data


class FrameError(Exception):
    """The client broke RFC 6455; ``code`` is the close code that tells it so."""

    def __init__(self, code: int) -> None:
        """``code`` is one of the constants above."""
        super().__init__(code)
        self.code = code


class FrameReader:
    """Reads the frames of one client. It keeps at most one message and one frame, both within the limit."""

    __slots__ = ("_buffer", "_message", "_most", "_needed", "_opcode")

    def __init__(self, max_message_bytes: int) -> None:
        """A message of exactly ``max_message_bytes`` is accepted."""
        self._most = max_message_bytes
        self._buffer: bytearray | None = None
        """The beginning of a frame that has not arrived completely."""
        self._needed = 0
        """How much the buffer must hold before it is looked at again."""
        self._opcode = CONTINUATION
        """The opcode of the message whose fragments are being collected; CONTINUATION while there is none."""
        self._message: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[tuple[int, str | bytes]]:
        """Yield ``(opcode, payload)`` of each frame that ``data`` completes; the payload of TEXT is a string.

        A fragment of a message that is not complete yet is yielded as ``(CONTINUATION, b"")``, so that the caller can
        count every frame; the last fragment as the whole message. Raises ``FrameError``. Call it again only when all
        frames were taken, and never after an error.
        """
        if self._buffer is not None:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            data, self._buffer = bytes(self._buffer), None
        at = 0
        while (frame := self._frame_at(data, at)) is not None:
            opcode, final, start, end = frame
            at = end
            yield self._received(opcode, final, _unmasked(data[start - _KEY : start], data[start:end]))
        if at < len(data):
            self._buffer = bytearray(data[at:])

    def _frame_at(self, data: bytes, at: int) -> tuple[int, bool, int, int] | None:
        """Return opcode, FIN bit, and the first and last offset of a frame's payload; None if more must arrive."""
        self._needed = _HEAD
        if len(data) - at < _HEAD:
            return None
        first, second = data[at], data[at + 1]
        opcode, final, size = first & 0xF, bool(first & _FIN), second & 0x7F
        if first & _RESERVED or not second & _MASKED:
            raise FrameError(PROTOCOL_ERROR)
        start = at + _HEAD + _KEY
        if size >= 126:
            long = 2 if size == 126 else 8
            start += long
            self._needed = _HEAD + long
            if len(data) - at < self._needed:
                return None
            size = int.from_bytes(data[at + _HEAD : at + _HEAD + long], "big")
            if size < (126 if long == 2 else 1 << 16):
                raise FrameError(PROTOCOL_ERROR)  # the shortest form of the length must be used
        self._check(opcode, final, size)
        self._needed = start + size - at
        return (opcode, final, start, start + size) if len(data) - at >= self._needed else None

    def _check(self, opcode: int, final: bool, size: int) -> None:
        """Raise ``FrameError`` for a frame that is not allowed here, before its payload has arrived."""
        if opcode & _CONTROL:
            if opcode > PONG or not final or size > _MOST_CONTROL_BYTES:
                raise FrameError(PROTOCOL_ERROR)
            return
        if opcode > BINARY or (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise FrameError(PROTOCOL_ERROR)
        if size + len(self._message or b"") > self._most:
            raise FrameError(TOO_LARGE)

    def _received(self, opcode: int, final: bool, payload: bytes) -> tuple[int, str | bytes]:
        if opcode == CLOSE:
            _check_close(payload)
        if opcode & _CONTROL:
            return opcode, payload
        if not final or opcode == CONTINUATION:
            if self._message is None:
                self._opcode, self._message = opcode, bytearray()
            self._message += payload
            if not final:
                return CONTINUATION, b""
            opcode, payload = self._opcode, bytes(self._message)
            self._opcode, self._message = CONTINUATION, None
        return opcode, _text_of(payload) if opcode == TEXT else payload


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 0
    if code not in _CLOSE_CODES and not 3000 <= code < 5000:
        raise FrameError(PROTOCOL_ERROR)
    _text_of(payload[2:])


def _text_of(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_TEXT) from None


def _unmasked(key: bytes, payload: bytes) -> bytes:
    """Return a payload without its mask (section 5.3). One operation on long integers runs at C speed."""
    size = len(payload)
    if not size or key == b"\0\0\0\0":
        return payload
    stream = (key * (size // _KEY + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")
