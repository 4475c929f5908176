"""Cuts processes on loopback off from each other, in a network namespace that only this run and its servers use.

The kernel's policy routing knows the user id of who sends and the port of who receives. So each process that may be cut
off runs as a user of its own (``as_user``), and ``cut`` adds rules that route what one side sends to the other nowhere.
Connections that are open stay open and pass nothing. IPv4 and TCP only. Needs Linux, root, util-linux and iproute2.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_FIRST_USER = 100_000
_SETUP = (
    "link set lo up",
    # By default the table `local` comes before all other rules.
    "rule add pref 100 lookup local",
    "rule del pref 0",
    # Nobody reads from this device, so what is routed to it is lost.
    "tuntap add mode tun name nowhere",
    "link set nowhere up",
    "route add 127.0.0.0/8 dev nowhere table 99",
)
_ROUTE_LOOPBACK = Path("/proc/sys/net/ipv4/conf/nowhere/route_localnet")
"""Unless this is 1, packets from 127.0.0.1 may not leave through that device, and connecting fails at once."""
_SILENT = "lookup 99"
_REFUSED = "unreachable"
_CAPABILITIES = "+dac_override,+fowner"
"""With these a user of a part can use the files of root."""


@functools.cache
def available() -> bool:
    """Return whether this machine and this user can have such a namespace."""
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("unshare", "ip", "setpriv", "sh")):
        return False
    commands = [
        *(f"ip {line}" for line in _SETUP),
        f"echo 1 > {_ROUTE_LOOPBACK}",
        " ".join(as_user(_FIRST_USER, ["true"])),
    ]
    trial = subprocess.run(["unshare", "--net", "sh", "-ec", "\n".join(commands)], capture_output=True, check=False)
    return trial.returncode == 0


def enter() -> None:
    """Move this thread, and whatever it starts from now on, into a namespace with nothing but loopback.

    Raises ``OSError`` where a namespace is not ``available``.
    """
    # os.unshare exists since Python 3.12.
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace can't be made")
    _ip(_SETUP)
    _ROUTE_LOOPBACK.write_text("1")


def user_of(name: str) -> int:
    """Return the user id of a part; the same name has the same one."""
    return _FIRST_USER + zlib.crc32(name.encode()) % 1_000_000


def as_user(user: int, command: Sequence[str]) -> list[str]:
    """Return a command that runs ``command`` as the user of a part, with access to the files of root.

    Like the command of every part it ends with its parent: the kernel forgets that when the user changes.
    """
    capabilities = [f"--inh-caps={_CAPABILITIES}", f"--ambient-caps={_CAPABILITIES}"]
    # Without the secure bit, access(2) would ignore the capabilities.
    options = [f"--reuid={user}", "--clear-groups", "--securebits=+no_setuid_fixup"]
    return ["setpriv", *options, *capabilities, "--pdeathsig", "TERM", "--", *command]


def cut(users: Collection[int], inside: int, outside: Collection[int], *, silent: bool) -> list[str]:
    """Cut ``users`` off from the servers on the ports ``outside``, and all others off from the server on ``inside``.

    New connections get no answer if ``silent``, and fail at once otherwise. Returns what ``heal`` needs. Raises
    ``CalledProcessError`` if a rule can't be added; then none is left.
    """
    lost = _SILENT if silent else _REFUSED
    rules = [f"pref 10 uidrange {user}-{user} ipproto tcp dport {inside} lookup local" for user in users]
    rules += [f"pref 11 ipproto tcp dport {inside} {lost}"]
    rules += [f"pref 11 uidrange {user}-{user} ipproto tcp dport {port} {lost}" for user in users for port in outside]
    answers: dict[str, None] = {}  # a port may be used by two sockets, one of which is closing
    try:
        _ip(f"rule add {rule}" for rule in rules)
        # Answers: no connection can be added any more, so they are those that are open now.
        for client, server, user in _connections():
            if (user in users and server in outside) or (user not in users and server == inside):
                answers[f"pref 12 ipproto tcp sport {server} dport {client} {lost}"] = None
        _ip(f"rule add {rule}" for rule in answers)
    except subprocess.CalledProcessError:
        with contextlib.suppress(subprocess.CalledProcessError):  # some were not added
            heal([*rules, *answers])
        raise
    return [*rules, *answers]


def heal(rules: Sequence[str]) -> None:
    """Remove the rules of a ``cut``."""
    _ip(f"rule del {rule}" for rule in rules)


def _connections() -> list[tuple[int, int, int]]:
    """Return the port, the other end's port and the user of every TCP socket."""
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
    return [(_port(row[1]), _port(row[2]), int(row[7])) for row in rows]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _ip(commands: Iterable[str]) -> None:
    # -force: the other commands are carried out too.
    subprocess.run(
        ["ip", "-force", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True, capture_output=True
    )
