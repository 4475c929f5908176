"""Which Socket.IO packets are accepted from clients: connect, disconnect and named events, in one namespace, as text.

The framework accepts more: binary attachments without bound, acknowledgements that nobody waits for, events that are
not lists. It keeps some of that for as long as the connection lives and fails on the rest later. This packet class
refuses all of it when it is decoded; ``protocol`` decides what follows.
(``fanout.Packet`` is another thing: one event in all the forms in which it is sent.)
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from realtime.transport.guard import (
    SIO_ACK,
    SIO_BINARY_ACK,
    SIO_BINARY_EVENT,
    SIO_CONNECT,
    SIO_DISCONNECT,
    SIO_EVENT,
    SocketPacket,
    UnknownPacketError,
)

_OTHER_SCRIPT = re.compile(r'[^[{"]*[^\x00-\x7f]')
"""A packet with other characters than ASCII before its JSON. The framework would read digits of any script there."""
CATCH_ALL = "*"
"""The framework's name for the handler of unknown events, which it would call without the name of the event."""


class Json:
    """The JSON module that the framework is given: orjson with the standard library's function names."""

    @staticmethod
    def dumps(value: object, **_options: object) -> str:
        """Return compact JSON; options such as ``separators`` are ignored."""
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a header that the framework quotes may contain what is no Unicode
            return json.dumps(value)

    loads = staticmethod(orjson.loads)


class IgnoredPacketError(UnknownPacketError):  # type: ignore[misc]
    """A packet that the protocol allows and that nothing here waits for: an acknowledgement, or binary data."""


class StrictPacket(SocketPacket):  # type: ignore[misc]
    """The framework's packet without binary data: not accepted from clients, and not searched for in what is sent."""

    uses_binary_events = False
    packet_type: int

    def __init__(self, *fields: Any, encoded_packet: Any = None, **named: Any) -> None:
        """Make a packet from its fields, or decode one; raises as ``decode``."""
        super().__init__(*fields, **named)
        if encoded_packet is not None:  # the framework's class would make an event of an empty string
            self.decode(encoded_packet)

    def decode(self, encoded_packet: Any) -> None:
        """Decode a packet from a client.

        Raises ``IgnoredPacketError`` for what may be passed over, ``UnknownPacketError`` for what breaks the protocol.
        An event with binary data is decoded as an event without: its handler refuses the placeholders in it.
        """
        if isinstance(encoded_packet, bytes):
            raise IgnoredPacketError
        if not isinstance(encoded_packet, str) or _OTHER_SCRIPT.match(encoded_packet):
            raise UnknownPacketError
        try:
            super().decode(encoded_packet)
        except ValueError as error:
            raise UnknownPacketError from error
        if self.packet_type in (SIO_ACK, SIO_BINARY_ACK):
            raise IgnoredPacketError
        if self.packet_type == SIO_BINARY_EVENT:
            self.packet_type = SIO_EVENT
        if self.packet_type != SIO_CONNECT and not self._is_accepted():
            raise UnknownPacketError

    def _is_accepted(self) -> bool:
        if self.namespace not in (None, "/"):
            return False
        if self.packet_type == SIO_EVENT:
            is_named = isinstance(self.data, list) and len(self.data) > 0 and isinstance(self.data[0], str)
            return is_named and self.data[0] != CATCH_ALL
        return bool(self.packet_type == SIO_DISCONNECT)
