"""A Socket.IO server on aiohttp: with this package's transport, or, if ``guard`` finds a part missing, without it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import socketio
from aiohttp import web

from realtime import limits
from realtime.transport import driver, guard, protocol
from realtime.transport.acceptor import ACCEPTOR, Acceptor
from realtime.transport.admission import Admission
from realtime.transport.client_address import ADDRESSES, ClientAddresses
from realtime.transport.fanout import DirectFanout, Fanout
from realtime.transport.framework_logs import errors_only
from realtime.transport.packets import Json, StrictPacket
from realtime.transport.plain_fanout import PlainFanout
from realtime.transport.refusal import MakeRefusal, without_body
from realtime.transport.session_manager import SessionManager

log = logging.getLogger(__name__)
_NO_PROXIES = ClientAddresses()


class SocketServer:
    """One server: ``sio`` for handlers of events, ``fanout`` for sending. Make it in the loop that serves it."""

    def __init__(
        self,
        *,
        origins: Sequence[str] | None = None,
        ping_interval_s: float = 20,
        ping_timeout_s: float = 20,
        max_message_bytes: int = limits.MAX_EVENT_BYTES,
        addresses: ClientAddresses = _NO_PROXIES,
        admission: Admission | None = None,
        make_refusal: MakeRefusal = without_body,
    ) -> None:
        """``origins``: those whose pages may connect; None: only the server's own.

        ``make_refusal`` makes the answers to requests that don't reach the application.
        """
        self._addresses = addresses
        self.admission = admission = admission or Admission()
        self.missing = guard.missing_parts()
        """Parts of the frameworks that are not as expected; empty when this package's transport is in use."""
        options = {
            "async_mode": "aiohttp",
            "cors_allowed_origins": origins,
            "ping_interval": ping_interval_s,
            "ping_timeout": ping_timeout_s,
            "max_http_buffer_size": max_message_bytes,
            "http_compression": False,
            "json": Json,
            "logger": errors_only("socketio.server"),
            "engineio_logger": errors_only("engineio.server"),
        }
        self.fanout: Fanout
        self._acceptor: Acceptor | None = None
        if self.missing:
            log.warning("the fast transport is off; not as expected: %s", ", ".join(self.missing))
            self.sio = socketio.AsyncServer(**options)
            self.fanout = PlainFanout(self.sio)
        else:
            # ``protocol`` answers each event in a task, and bounds how many of them a connection has.
            self.sio = socketio.AsyncServer(
                client_manager=SessionManager(), serializer=StrictPacket, async_handlers=False, **options
            )
            driver.install(self.sio.eio, admission.polling)
            protocol.install(self.sio, addresses, admission)
            self.fanout = DirectFanout(self.sio)
            self._acceptor = Acceptor(self.sio.eio, addresses, admission, make_refusal)

    def attach(self, app: web.Application) -> None:
        """Serve Socket.IO as a part of an application; serve that with ``acceptor.serving``."""
        self.sio.attach(app)
        app[ADDRESSES] = self._addresses
        if self._acceptor is not None:
            app[ACCEPTOR] = self._acceptor

    async def close(self) -> None:
        """Close what has no session yet, and stop the framework's background tasks.

        The connections of sessions stay open: close ``fanout`` afterwards, which ends them.
        """
        if self._acceptor is not None:
            self._acceptor.close()
        await self.sio.shutdown()
