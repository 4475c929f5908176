"""Cuts and heals connections of one user, in a network namespace of the test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable

import pytest

from loadtest.faults import namespace

pytestmark = pytest.mark.skipif(not namespace.available(), reason="needs root, network namespaces and iproute2")
INSIDE, OUTSIDE = 7001, 7002
USER, OTHER = namespace.user_of("master west"), namespace.user_of("keeper west 2")


def in_namespace(work: Callable[[], None]) -> None:
    """Run ``work`` in a thread: only that thread enters the namespace."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            namespace.enter()
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class Pair:
    """A connection of a user to a server."""

    def __init__(self, server: socket.socket, user: int) -> None:
        self.client = socket.socket()
        # A socket has the user id of the process that has created it, until it is changed.
        os.fchown(self.client.fileno(), user, -1)
        self.client.settimeout(0.2)
        self.client.connect(server.getsockname())
        self.server, _address = server.accept()
        self.server.settimeout(0.2)

    def passes(self) -> tuple[bool, bool]:
        """Whether a request arrives, and whether an answer arrives."""
        return arrives(self.client, self.server), arrives(self.server, self.client)


def arrives(sender: socket.socket, receiver: socket.socket) -> bool:
    sender.send(b"x")
    try:
        return receiver.recv(10) != b""
    except TimeoutError:
        return False


@pytest.mark.parametrize("silent", [True, False])
def test_a_cut_separates_the_two_sides_in_both_directions_until_it_is_healed(silent: bool) -> None:
    def work() -> None:
        inside, outside = socket.create_server(("127.0.0.1", INSIDE)), socket.create_server(("127.0.0.1", OUTSIDE))
        within, across = Pair(inside, USER), Pair(outside, USER)
        to_inside, elsewhere = Pair(inside, OTHER), Pair(outside, OTHER)
        rules = namespace.cut([USER], INSIDE, [OUTSIDE], silent=silent)
        assert within.passes() == elsewhere.passes() == (True, True)
        assert across.passes() == to_inside.passes() == (False, False)
        for server, user in ((outside, USER), (inside, OTHER)):
            with pytest.raises(TimeoutError if silent else OSError, match="timed out" if silent else "unreachable"):
                Pair(server, user)
        assert Pair(inside, USER).passes() == Pair(outside, OTHER).passes() == (True, True)
        namespace.heal(rules)
        assert Pair(outside, USER).passes() == Pair(inside, OTHER).passes() == (True, True)
        across.client.settimeout(10)
        assert across.client.recv(10), "what was sent while it was cut arrives afterwards"

    in_namespace(work)


def test_a_cut_that_fails_half_way_leaves_nothing_cut() -> None:
    def work() -> None:
        with (
            socket.create_server(("127.0.0.1", INSIDE)) as inside,
            socket.create_server(("127.0.0.1", OUTSIDE)) as outside,
        ):
            to_inside, across = Pair(inside, OTHER), Pair(outside, USER)
            taken = f"pref 12 ipproto tcp sport {INSIDE} dport {to_inside.client.getsockname()[1]} unreachable"
            subprocess.run(["ip", "rule", "add", *taken.split()], check=True)
            with pytest.raises(subprocess.CalledProcessError):
                namespace.cut([USER], INSIDE, [OUTSIDE], silent=False)
            assert to_inside.passes() == across.passes() == (True, True)
            assert Pair(inside, OTHER).passes() == Pair(outside, USER).passes() == (True, True)

    in_namespace(work)


def test_only_the_thread_that_enters_is_in_the_namespace() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(server.getsockname(), timeout=1)

        in_namespace(work)
        socket.create_connection(server.getsockname(), timeout=1).close()
