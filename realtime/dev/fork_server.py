"""Starts our own processes as forks of one process that has imported the code: the fork server.

A new interpreter takes more than a second of CPU time to import a node, a keeper or a worker; a fork takes some
milliseconds. The fork server has a single thread and is not supervised: it ends with the process that started it, and
its forks end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

MODULES = (
    "alembic.operations",
    "alembic.runtime.migration",
    "alembic.script",
    "realtime.cli.keeper",
    "realtime.cli.node",
    "realtime.cli.worker",
    "realtime.dev.bank.app",
    "realtime.dev.mailbox.server",
)
"""What the fork server imports. A keeper imports alembic, which takes as long as the rest, when it opens its ledger."""
LOST = 255
"""The exit code of a process whose fork server has ended."""
_COMM_BYTES = 15
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS = 1, 28
_NO_SETUID_FIXUP = 1 << 2
"""The secure bit with which a process keeps its capabilities when its user changes."""


class Fork:
    """A process that runs a module of ours, with the methods of ``subprocess.Popen`` that are used of it.

    It has a session of its own and no input. When this process ends, in whatever way, it gets SIGTERM (on Linux).
    """

    def __init__(
        self,
        name: str,
        module: Sequence[str],
        folder: Path,
        log: Path,
        env: Mapping[str, str],
        nice: int = 0,
        user: int | None = None,
    ) -> None:
        """Start ``module`` (its name and its arguments) in ``folder``. Its output is added to the file ``log``.

        ``user`` is the id of a user that it runs as, with root's capabilities; only root, on Linux, can give one.
        """
        self.name = name
        self.returncode: int | None = None
        """The exit code as ``poll`` has returned it."""
        self._polling = threading.Lock()
        self._end, tell_end = os.pipe()
        try:
            with log.open("ab") as output:
                request = {
                    "name": name,
                    "module": list(module),
                    "folder": str(folder),
                    "env": dict(env),
                    "nice": nice,
                    "user": user,
                }
                self.pid = _server.fork(request, tell_end, output.fileno())
        finally:
            os.close(tell_end)

    def __del__(self) -> None:
        os.close(self._end)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, ``LOST`` if nobody knows it; None while the process runs."""
        return self._poll(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, at most ``timeout`` s; return the exit code. Raises ``subprocess.TimeoutExpired``."""
        code = self._poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.name, timeout or 0)
        return code

    def _poll(self, timeout: float | None) -> int | None:
        if self.returncode is None and wait([self._end], timeout):
            with self._polling:
                if self.returncode is None:
                    self.returncode = int(os.read(self._end, 16) or LOST)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process is running."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, if the process is running."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The fork server of this process, as its client: started with the first fork."""

    def __init__(self) -> None:
        self._requests = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it is not running. Does not wait until it has imported the code."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._socket is not None:
            self._socket.close()
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            # It ends when its socket is closed. The session of its own keeps Ctrl-C from it, as from every part.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )

    def fork(self, request: dict[str, Any], tell_end: int, output: int) -> int:
        """Have a process forked; return its id. Raises ``OSError`` if the fork server ends meanwhile.

        Its exit code is written to the file descriptor ``tell_end``; its output goes to ``output``.
        """
        with self._requests:
            self.start()
            assert self._socket is not None, "it was started"
            line = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(self._socket, [line], [tell_end, output])
            self._socket.sendall(line[sent:])
            answer = self._socket.recv(16)
        if not answer:
            raise ConnectionError("the fork server has ended")
        return int(answer)


_server = ForkServer()
start = _server.start


# --- in the fork server ----------------------------------------------------------------------------------------------
def main() -> None:
    """Serve requests until the client's socket is closed; in a fork: run the module that was asked for."""
    client = socket.socket(fileno=int(sys.argv[1]))
    for module in MODULES:
        import_module(module)
    # Forks share the memory of what was imported for as long as no garbage collection writes to it.
    gc.collect()
    gc.freeze()
    request = _serve(client)
    if request is not None:
        sys.argv = request["module"]
        runpy.run_module(request["module"][0], run_name="__main__", alter_sys=True)


def _serve(client: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Return the request in the fork, and None in the fork server at its end."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ends: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([client.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _tell_ends(ends)
        if client.fileno() not in ready:
            continue
        line, files, _, _ = socket.recv_fds(client, 65_536, 2)
        while line and not line.endswith(b"\n"):
            line += client.recv(65_536)
        if not line:
            return None
        server = os.getpid()
        pid = os.fork()
        tell_end, output = files
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            client.close()
            request: dict[str, Any] = json.loads(line)
            _become(request, output, server)
            os.closerange(3, max(wake, woken, output, *ends.values(), tell_end) + 1)
            return request
        os.close(output)
        ends[pid] = tell_end
        client.sendall(str(pid).encode())


def _tell_ends(ends: dict[int, int]) -> None:
    """Write the exit codes of the forks that have ended to their pipes."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            end = ends.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(end, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(end)


def _become(request: dict[str, Any], output: int, server: int) -> None:
    """Take on what ``Fork`` promises of the process."""
    os.setsid()
    os.nice(request["nice"])
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        Path("/proc/self/comm").write_text(request["name"][:_COMM_BYTES])  # the name in `ps` and `top`
        if (user := request["user"]) is not None:
            prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP)
            os.setgroups([])
            os.setresuid(user, user, user)
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # last: the kernel forgets it when the user changes
        if os.getppid() != server:
            os.kill(os.getpid(), signal.SIGTERM)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]  # as `python -m` does
    os.environ.clear()
    os.environ.update(request["env"])


if __name__ == "__main__":
    main()
