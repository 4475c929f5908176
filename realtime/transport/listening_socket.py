"""Accepts the connections of a listening socket, in a fair queue of the addresses that they come from.

The kernel has one queue for all new connections. uvloop takes one out of it in each iteration, so somebody else would
wait behind all that one address has opened. Here the kernel's queue is emptied at once, which costs little. What costs
a node more, from the transport to the answer, waits in the fair queue, and in the kernel until something has arrived:
else hundreds of connections that have taken their turns in silence could all begin to send in one iteration.
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
from realtime.transport.admission import Admission, Closable, ConnectionSlot
from realtime.transport.client_address import ClientAddresses
from realtime.transport.limited_log import LimitedLog

limited_log = LimitedLog(logging.getLogger(__name__))
ACCEPTS = 512
"""Connections that are accepted in one iteration of the loop."""
PAUSE_S = 1.0
"""Pause after a failure of the kernel to accept, such as too many open files."""
MakeProtocol = Callable[[ConnectionSlot], asyncio.Protocol]


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
        self._silent: set[_Silent] = set()
        self._loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        # Accepted connections inherit all three. Linux would receive 6 MB for a connection before it is read, and write
        # up to 4 MB for a client that reads nothing: time that others wait for, and memory. It doubles both numbers.
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, limits.KERNEL_RECEIVE_BYTES // 2)
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, limits.KERNEL_SEND_BYTES // 2)
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
        self.close_silent()
        await asyncio.gather(*self._opening)

    def close_silent(self) -> None:
        """Close the connections on which nothing has arrived."""
        for each in tuple(self._silent):
            each.close()

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
            slot = self._admission.admit(address, is_proxy)
            if slot is None:
                accepted.close()
            else:
                self._queue(accepted, slot)

    def _queue(self, accepted: sockets.socket, slot: ConnectionSlot) -> None:
        """Open an accepted socket when it is its address's turn. Once bytes arrive, a silent one comes here again."""
        if slot.is_proxy:  # its connections are many clients'
            self._open(accepted, slot)
        else:
            self._admission.opening.add(slot.address, functools.partial(self._open, accepted, slot))

    def _open(self, accepted: sockets.socket, slot: ConnectionSlot) -> None:
        """Make a connection of an accepted socket whose turn it is; wait beside the queue if nothing has arrived."""
        arrived = None if self._socket.fileno() < 0 else _arrived(accepted)
        if not arrived:
            self._admission.opening.cost_nothing()
            if arrived is None:
                accepted.close()
                slot.leave()
            else:
                _Silent(accepted, slot, self._silent, self._admission, self._queue)
            return
        task = self._loop.create_task(self._connect(accepted, slot))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: sockets.socket, slot: ConnectionSlot) -> None:
        """Give an accepted connection its transport and protocol; the protocol has the slot from then on."""
        accepted.setblocking(False)
        made = functools.partial(self._make_protocol, slot)
        try:
            await self._loop.connect_accepted_socket(made, accepted)
        except OSError:  # the client is gone
            slot.leave()
            with contextlib.suppress(OSError):
                accepted.close()


class _Silent(Closable):
    """An accepted connection on which nothing has arrived yet."""

    __slots__ = ("_accepted", "_admission", "_all", "_begin", "_slot", "_timer")

    def __init__(
        self,
        accepted: sockets.socket,
        slot: ConnectionSlot,
        all_: set[_Silent],
        admission: Admission,
        begin: Callable[[sockets.socket, ConnectionSlot], None],
    ) -> None:
        """Wait ``limits.FIRST_REQUEST_S`` for the first bytes, then give socket and slot to ``begin``."""
        loop = asyncio.get_running_loop()
        self._accepted, self._slot, self._all, self._admission, self._begin = accepted, slot, all_, admission, begin
        self._timer = loop.call_later(limits.FIRST_REQUEST_S, self.expire)
        loop.add_reader(accepted.fileno(), self._arrived)
        all_.add(self)
        if not slot.is_proxy:
            admission.silent.add(self, slot.address, loop.time())

    def _arrived(self) -> None:
        self._end()
        self._begin(self._accepted, self._slot)

    def expire(self) -> None:
        """Close the connection, and count it as wasted."""
        self._slot.count_waste(asyncio.get_running_loop().time())
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._end()
        self._accepted.close()
        self._slot.leave()

    def _end(self) -> None:
        self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._accepted.fileno())
        self._all.discard(self)
        self._admission.silent.discard(self, self._slot.address)


def _arrived(accepted: sockets.socket) -> bool | None:
    """Tell whether a client has sent something; None if it has closed its connection, or lost it."""
    try:
        return True if accepted.recv(1, sockets.MSG_PEEK | sockets.MSG_DONTWAIT) else None
    except BlockingIOError:
        return False
    except OSError:
        return None
