"""One child process of the embedded cluster: started with its log in a file, stopped kindly, restarted when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
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
    rest_s: float = 0.0
    """How long it stays away when it ended by itself, before it is started again."""

    def start(self) -> None:
        """Start the process; does not wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A session of its own: a Ctrl-C in the terminal reaches `up` alone, which stops the parts in order.
            self.process = subprocess.Popen(
                self.args,
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

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

    def last_words(self, lines: int = 12) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""
