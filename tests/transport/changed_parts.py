"""Runs the command line with one part of the frameworks removed or changed: ``python -m ... PART ARGUMENTS``.

Each change stands for another version of a framework: it still works by itself, but not as ``guard`` expects. Without
arguments, it serves: for each line of its input, a list of JSON with a file for the output, variables of the
environment, the part and the arguments, it forks such a command line, and prints the process id. What is imported
before, for all of them, takes most of a node's start.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

import aiohttp.base_protocol
import aiohttp.http
import aiohttp.web_protocol
import aiohttp.web_request
import aiohttp.web_server
import aiohttp.web_urldispatcher
import engineio.async_drivers.aiohttp
import engineio.async_socket
import engineio.packet
import socketio
import socketio.packet

HEAVY = ("bullmq", "cryptography.hazmat.primitives.asymmetric.ec", "joserfc.jwt", "prometheus_client", "sqlalchemy.orm")
"""Packages that a node imports beside these frameworks; none of them imports code of ours."""


def _other_version(distribution: str) -> Callable[[], None]:
    def change() -> None:
        real = metadata.version

        def version(distribution_name: str) -> str:
            return "99.0.0" if distribution_name == distribution else real(distribution_name)

        metadata.version = version

    return change


def _removed(owner: Any, name: str) -> Callable[[], None]:
    return lambda: delattr(owner, name)


def _replaced(owner: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(owner, name, value)


def _one_more_parameter(owner: Any, name: str) -> Callable[[], None]:
    """Give a method another parameter, which its callers need not pass."""
    real = getattr(owner, name)
    if inspect.iscoroutinefunction(real):

        async def method(self: Any, *args: Any, new_parameter: Any = None, **named: Any) -> Any:
            return await real(self, *args, **named)

        return _replaced(owner, name, method)

    def plain_method(self: Any, *args: Any, new_parameter: Any = None, **named: Any) -> Any:
        return real(self, *args, **named)

    return _replaced(owner, name, plain_method)


def _as_function(module: Any, name: str) -> Callable[[], None]:
    """Replace a class by a function that makes instances of it."""
    real = getattr(module, name)

    def make(*args: Any, **named: Any) -> Any:
        return real(*args, **named)

    make.json = getattr(real, "json", None)  # type: ignore[attr-defined]
    return _replaced(module, name, make)


class OtherParser:
    """An HTTP parser with another constructor."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol


class OtherDescriptor:
    """An attribute that is computed, but not by ``property``."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else instance._protocol


async def _translate_request(request: Any) -> Any:
    return _TRANSLATE(request)


_DRIVER: Any = engineio.async_drivers.aiohttp
_TRANSLATE = _DRIVER._async["translate_request"]
_SOCKET = engineio.async_socket.AsyncSocket
_SEND_PING = _SOCKET._send_ping


def _change_translate_request() -> None:
    _DRIVER._async["translate_request"] = _translate_request


def _change_queue() -> None:
    """Let a plain queue write to its list itself."""
    real = asyncio.Queue.put_nowait

    def put_nowait(self: Any, item: Any) -> None:
        if isinstance(self, asyncio.LifoQueue | asyncio.PriorityQueue) or self.full():
            real(self, item)
            return
        self._queue.append(item)
        self._unfinished_tasks += 1
        self._finished.clear()
        self._wakeup_next(self._getters)

    asyncio.Queue.put_nowait = put_nowait  # type: ignore[method-assign]


def _change_server() -> None:
    real = aiohttp.web_server.Server.__init__

    def init(self: Any, *args: Any, **named: Any) -> None:
        real(self, *args, **named)
        self._kwargs = {**self._kwargs, "tcp_keepalive": True}

    aiohttp.web_server.Server.__init__ = init  # type: ignore[method-assign]


def _change_socket_server() -> None:
    real = socketio.AsyncServer.__init__

    def init(self: Any, *args: Any, **named: Any) -> None:
        real(self, *args, **named)
        self.packet_class = type("DerivedPacket", (self.packet_class,), {})

    socketio.AsyncServer.__init__ = init


CHANGES: dict[str, Callable[[], None]] = {
    "aiohttp.version": _other_version("aiohttp"),
    "engineio.version": _other_version("python-engineio"),
    "socketio.version": _other_version("python-socketio"),
    "uvloop.version": _other_version("uvloop"),
    "asyncio.Queue": _change_queue,
    "aiohttp.HttpRequestParser": _replaced(aiohttp.http, "HttpRequestParser", OtherParser),
    "aiohttp.BaseProtocol": _removed(aiohttp.base_protocol, "BaseProtocol"),
    "aiohttp.RequestHandler": _one_more_parameter(aiohttp.web_protocol.RequestHandler, "connection_lost"),
    "aiohttp.Server": _change_server,
    "aiohttp.SystemRoute": _removed(aiohttp.web_urldispatcher, "SystemRoute"),
    "aiohttp.Request.protocol": _replaced(aiohttp.web_request.BaseRequest, "protocol", OtherDescriptor()),
    "engineio.AsyncServer": _one_more_parameter(engineio.AsyncServer, "start_background_task"),
    "engineio.AsyncServer.reason": _replaced(engineio.AsyncServer.reason, "TRANSPORT_CLOSE", 4),
    "engineio.translate_request": _change_translate_request,
    "engineio.WebSocket": _one_more_parameter(_DRIVER.WebSocket, "__call__"),
    "engineio.AsyncSocket": _one_more_parameter(_SOCKET, "schedule_ping"),
    "engineio.AsyncSocket._send_ping": _replaced(_SOCKET, "_send_ping", lambda self: _SEND_PING(self)),
    "engineio.AsyncSocket.handle_post_request": _one_more_parameter(_SOCKET, "handle_post_request"),
    "engineio.AsyncSocket.receive": _one_more_parameter(_SOCKET, "receive"),
    "engineio.AsyncSocket.close": _one_more_parameter(_SOCKET, "close"),
    "engineio.Packet": _as_function(engineio.packet, "Packet"),
    "engineio.exceptions": _removed(engineio.exceptions, "UnknownPacketError"),
    "socketio.Packet": _one_more_parameter(socketio.packet.Packet, "decode"),
    "socketio.AsyncManager": _one_more_parameter(socketio.AsyncManager, "eio_sid_from_sid"),
    "socketio.AsyncServer": _change_socket_server,
}


def run(part: str, *arguments: str) -> None:
    """Change a part, then run the command line."""
    CHANGES[part]()
    from realtime.cli import main

    sys.argv = ["tickingtickets", *arguments]
    main()


def serve() -> None:
    """Fork a command line for each line of the input. Ends with the input, and returns only in forks."""
    for module in HEAVY:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets ended forks by itself
    while line := sys.stdin.readline():
        log, environment, *command = json.loads(line)
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.environ.update(environment)
            run(*command)
            break
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(*sys.argv[1:])
    else:
        serve()
