"""One child process of the embedded cluster: started with its log in a file, stopped kindly, restarted when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STOP_S = 15.0
"""How long a process may take to leave after SIGTERM."""


@dataclass(slots=True)
class Child:
    """A part of the cluster and its process, if it runs."""

    name: str
    args: list[str]
    folder: Path
    log: Path
    env: Mapping[str, str] | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    """When it was started last, as from ``time.monotonic()``."""
    rest_s: float = 0.0
    """How long it stays away when it ended by itself, before it is started again."""

    def start(self) -> None:
        """Start the process; does not wait until it is ready. The thread that calls must live as long as the process.

        (On Linux the kernel ends the process with SIGTERM when that thread is gone, so a killed ``up`` leaves nothing.)
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            # A session of its own: a Ctrl-C in the terminal reaches `up` alone, which stops the parts in order.
            self.process = subprocess.Popen(
                [*_dies_with_parent(), *self.args],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                # Python ignores SIGXFSZ, and so shall they: a file that can't grow is an error, not a death.
                restore_signals=False,
            )

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended, as ``subprocess`` tells it; None while it runs or before it was started."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is there."""
        if self.process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """End it the hard way and wait for it."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    async def stop(self) -> None:
        """End it the kind way, the hard way after ``STOP_S``."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self, lines: int = 12) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@functools.cache
def _dies_with_parent() -> tuple[str, ...]:
    """Return what goes before a command so that the kernel ends it when we are killed; nothing where that can't be.

    ``setpriv`` (util-linux) sets the signal and becomes the command, so the process id stays; a ``preexec_fn`` would
    run Python between fork and exec.
    """
    prefix = ("setpriv", "--pdeathsig", "TERM", "--")
    if shutil.which(prefix[0]) is None:
        return ()
    known = subprocess.run([*prefix, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return prefix if known.returncode == 0 else ()
