"""One child process of the embedded cluster: started with its log in a file, stopped with SIGTERM, restartable."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.dev.fork_server import Fork

STOP_S = 15.0
"""How long a process may take to end after SIGTERM."""


@dataclass(slots=True)
class Child:
    """A part of the cluster and, while it runs, its process."""

    name: str
    args: list[str]
    folder: Path
    log: Path
    env: Mapping[str, str] | None = None
    module: Sequence[str] = ()
    """A module of ours and its arguments: a fork runs them in place of ``args``."""
    nice: int = 0
    """How much less important than others a fork is."""
    user: int | None = None
    """The user that a fork runs as; None: this process's."""
    process: subprocess.Popen[bytes] | Fork | None = None
    started_at: float = 0.0
    """When it was last started, by ``time.monotonic()``."""
    min_back_off_s: float = 0.0
    """How long the supervisor waits at least before it restarts the process."""

    def start(self) -> None:
        """Start the process. Does not wait until it is ready.

        The calling thread must live as long as the process: on Linux the kernel sends the process SIGTERM when that
        thread ends, so that a killed ``up`` leaves no processes behind.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started_at = time.monotonic()
        if self.module:
            env = self.env or os.environ
            self.process = Fork(self.name, self.module, self.folder, self.log, env, self.nice, self.user)
            return
        with self.log.open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches only `up`, which stops the parts in order.
            self.process = subprocess.Popen(
                [*_dies_with_parent(), *self.args],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # Python ignores SIGXFSZ and the child inherits that: a file that can't grow gives an error (EFBIG)
                # instead of a signal that ends the process.
                restore_signals=False,
            )

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self.process is not None and self.process.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code as ``subprocess`` returns it; None while it runs and before it is started."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is running."""
        if self.process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    async def stop(self) -> None:
        """Send SIGTERM and wait for the end; send SIGKILL after ``STOP_S``. Also stops a frozen process."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@functools.cache
def _dies_with_parent() -> tuple[str, ...]:
    """Return the prefix for a command with which the kernel ends it when we are killed; empty if not supported.

    ``setpriv`` (util-linux) sets the parent-death signal and then executes the command under the same process id. A
    ``preexec_fn`` would run Python between fork and exec, which is not safe with threads.
    """
    prefix = ("setpriv", "--pdeathsig", "TERM", "--")
    if shutil.which(prefix[0]) is None:
        return ()
    trial = subprocess.run([*prefix, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return prefix if trial.returncode == 0 else ()
