"""Accepts the connections of a listening socket, in a fair queue of the addresses that they come from.

The kernel has one queue for all new connections. uvloop takes one out of it in each iteration, so somebody else would
wait behind all that one address has opened. Here the kernel's queue is emptied at once, which costs little. What costs
a node more, from the transport to the answer, waits in the fair queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import socket as sockets
from collections.abc import Callable

from realtime import limits
from realtime.transport.admission import Admission, Ticket
from realtime.transport.client_address import ClientAddresses
from realtime.transport.limited_log import LimitedLog

limited_log = LimitedLog(logging.getLogger(__name__))
ACCEPTS = 512
"""Connections that are accepted in one iteration of the loop."""
PAUSE_S = 1.0
"""Pause after a failure of the kernel to accept, such as too many open files."""
MakeProtocol = Callable[[Ticket], asyncio.Protocol]


class ListeningSocket:
    """Accepts the connections of one socket while it is open."""

    def __init__(
        self,
        bound: int,
        backlog: int,
        make_protocol: MakeProtocol,
        addresses: ClientAddresses,
        admission: Admission,
    ) -> None:
        """Listen on the socket with the descriptor ``bound``, of which a copy is made; raises ``OSError``."""
        self._socket = sockets.socket(fileno=os.dup(bound))
        self._make_protocol = make_protocol
        self._addresses = addresses
        self._admission = admission
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        # Accepted connections inherit both. Linux would receive 6 MB for a connection before it is read.
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, limits.KERNEL_RECEIVE_BYTES // 2)  # it doubles
        self._socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        try:
            self._socket.listen(backlog)
        except OSError:
            self._socket.close()
            raise
        self._start()

    def _start(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    async def close(self) -> None:
        """Accept nothing more."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        await asyncio.gather(*self._opening)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                accepted, peer = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                limited_log.warning("no connection can be accepted for a second", error)
                self._loop.remove_reader(self._socket.fileno())
                self._loop.call_later(PAUSE_S, self._start)
                return
            host = str(peer[0])
            address, is_proxy = self._addresses.of_peer(host)
            ticket = self._admission.admit(address, is_proxy)
            if ticket is None:
                accepted.close()
            elif ticket.is_proxy:  # its connections are many clients'
                self._open(accepted, ticket)
            else:
                self._admission.opening.add(address, functools.partial(self._open, accepted, ticket))

    def _open(self, accepted: sockets.socket, ticket: Ticket) -> None:
        if self._socket.fileno() < 0 or _is_gone(accepted):
            accepted.close()
            ticket.leave()
            self._admission.opening.cost_nothing()
            return
        task = self._loop.create_task(self._connect(accepted, ticket))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: sockets.socket, ticket: Ticket) -> None:
        """Give an accepted connection its transport and protocol; the protocol has the ticket from then on."""
        accepted.setblocking(False)
        made = functools.partial(self._make_protocol, ticket)
        try:
            await self._loop.connect_accepted_socket(made, accepted)
        except OSError:  # the client is gone
            ticket.leave()
            with contextlib.suppress(OSError):
                accepted.close()


def _is_gone(accepted: sockets.socket) -> bool:
    """Tell whether a client has closed its connection without a request, while it waited."""
    try:
        return not accepted.recv(1, sockets.MSG_PEEK | sockets.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
