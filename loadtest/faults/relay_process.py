"""A relay in a process of its own: in the runner's, whose clients keep it busy, it would delay every byte."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.dev.relay import Relay

STOP_S = 10.0
"""How long the process may take to end."""


class RelayProcess:
    """The methods of ``Relay`` that cause and heal faults, for a relay that ends with this object or this process."""

    def __init__(self, port: int, target: Path) -> None:
        """Listen on ``port`` and forward to a Unix socket; raises ``RuntimeError`` if that is impossible."""
        self.port = port
        command = [sys.executable, "-m", __name__, str(port), str(target)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None, "it is a pipe"
        if not self._process.stdout.readline():
            raise RuntimeError(f"no relay listens on port {port}")

    def cut(self) -> None:
        """See ``Relay.cut``."""
        self._tell("cut")

    def restore(self) -> None:
        """See ``Relay.restore``."""
        self._tell("restore")

    def slow_down(self, ms: float) -> None:
        """See ``Relay.slow_down``."""
        self._tell("slow_down", ms=ms)

    def block(self, *, there: bool = True, back: bool = True) -> None:
        """See ``Relay.block``."""
        self._tell("block", there=there, back=back)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.close()
        self._process.wait(STOP_S)

    def _tell(self, method: str, **arguments: Any) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()


async def _serve(port: int, target: Path) -> None:
    """Run the relay until the input ends; each line of it is a method of the relay and its arguments."""
    relay = Relay(port, target, (0.0, 0.0))
    await relay.start()
    print("listening", flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    methods: dict[str, Callable[..., None]] = {
        "cut": relay.cut,
        "restore": relay.restore,
        "slow_down": relay.slow_down,
        "block": relay.block,
    }

    def call(method: str, arguments: dict[str, Any]) -> None:
        methods[method](**arguments)

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(call, *json.loads(line))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()
    await relay.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
