"""What of Socket.IO is spoken here: connect, disconnect and events with a name, in one namespace, as text.

The framework takes more: bytes that follow an event, as many and for as long as the client likes, answers to questions
that nobody asked, events that are no lists. It keeps what it can and stumbles over the rest. Here all that is passed
over; an event that misses its bytes is refused as any other.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from engineio.exceptions import UnknownPacketError
from socketio import packet


class Json:
    """JSON as the framework asks for it, by the fastest there is."""

    @staticmethod
    def dumps(value: object, **_spelling: object) -> str:
        """Return the shortest spelling."""
        return orjson.dumps(value).decode()

    loads = staticmethod(orjson.loads)


class Packet(packet.Packet):  # type: ignore[misc]
    """A packet as the framework makes it, without bytes: it neither takes them nor looks for them in what is sent."""

    uses_binary_events = False
    packet_type: int

    def __init__(self, *made_of: Any, encoded_packet: Any = None, **more: Any) -> None:
        """Make a packet, or read what a client sent."""
        super().__init__(*made_of, **more)
        if encoded_packet is not None:  # the framework would take nothing for an event
            self.decode(encoded_packet)

    def decode(self, encoded_packet: Any) -> None:
        """Read what a client sent; raises ``UnknownPacketError`` for all that means nothing here."""
        if not isinstance(encoded_packet, str):
            raise UnknownPacketError
        try:
            super().decode(encoded_packet)
        except ValueError as error:
            raise UnknownPacketError from error
        if self.packet_type == packet.BINARY_EVENT:
            self.packet_type = packet.EVENT  # to be refused; the bytes that follow are passed over
        if self.packet_type != packet.CONNECT and not self._is_for_us():
            raise UnknownPacketError

    def _is_for_us(self) -> bool:
        if self.namespace not in (None, "/"):
            return False
        if self.packet_type == packet.EVENT:
            return isinstance(self.data, list) and len(self.data) > 0 and isinstance(self.data[0], str)
        return bool(self.packet_type == packet.DISCONNECT)


def errors_of(framework: str) -> logging.Logger:
    """Return the logger of a framework with nothing but errors in it that are not just a client's nonsense."""
    logger = logging.getLogger(framework)
    logger.setLevel(logging.ERROR)
    logger.addFilter(_is_no_nonsense)
    return logger


def _is_no_nonsense(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if record.msg == "post request handler error":  # what engine.io can't read of long-polling
        return not isinstance(error, (ValueError, KeyError))
    return not isinstance(error, UnknownPacketError)
