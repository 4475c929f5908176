"""Child processes: restarted with exponential back-off, and ended when their parent is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from realtime.dev.process import Child
from realtime.dev.supervisor import MAX_BACK_OFF_S, MIN_BACK_OFF_S, STABLE_S, Supervisor
from tests.cluster import until


def child(folder: Path, *args: str) -> Child:
    return Child("part", [sys.executable, "-c", *args], folder, folder / "part.log")


async def ended(part: Child) -> None:
    assert part.process is not None
    await asyncio.to_thread(part.process.wait)


async def test_a_process_that_keeps_ending_is_restarted_with_exponential_back_off(tmp_path: Path) -> None:
    printed: list[str] = []
    part = child(tmp_path, "import sys; sys.exit('no memory left')")
    supervisor = Supervisor({"part": part}, set(), printed.append)
    part.start()
    now = part.started_at
    back_offs: list[float] = []
    for _ in range(9):
        await ended(part)
        before = part.process
        supervisor.look(now)
        back_offs.append(min(MIN_BACK_OFF_S * 2 ** len(back_offs), MAX_BACK_OFF_S))
        supervisor.look(now + back_offs[-1] - 0.01)
        assert part.process is before, "too early"
        now += back_offs[-1]
        supervisor.look(now)
        assert part.process is not before, "too late"
        part.started_at = now
    assert back_offs[-1] == MAX_BACK_OFF_S
    assert "part ended with exit code 1; restarting it in 0.5 s" in printed[0]
    assert "no memory left" in printed[1]

    await ended(part)
    part.started_at = now - STABLE_S
    supervisor.look(now)
    assert f"in {MIN_BACK_OFF_S:g} s" in printed[-2], "the back-off starts again after a stable run"


async def test_a_paused_process_is_not_restarted(tmp_path: Path) -> None:
    printed: list[str] = []
    part = child(tmp_path, "pass")
    supervisor = Supervisor({"part": part}, {"part"}, printed.append)
    part.start()
    await ended(part)
    before = part.process
    supervisor.look(0)
    supervisor.look(MAX_BACK_OFF_S)
    assert part.process is before
    assert not printed


PARENT = """
import sys, time
from pathlib import Path
from realtime.dev.process import Child
folder = Path(sys.argv[1])
child = Child("part", ["sleep", "600"], folder, folder / "part.log")
child.start()
print(child.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals exist on Linux only")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        # The parent-death signal is set when the program itself runs, not yet in the process that starts it.
        asyncio.run(until(partial(_is, "sleep", pid)))
        parent.kill()
        parent.wait()
        asyncio.run(until(partial(gone, pid)))
    finally:
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _is(program: str, pid: int) -> bool:
    return await asyncio.to_thread(Path(f"/proc/{pid}/comm").read_text) == f"{program}\n"


async def gone(pid: int) -> bool:
    return await asyncio.to_thread(_ended, Path(f"/proc/{pid}/stat"))


def _ended(stat: Path) -> bool:
    # A zombie, which has ended but whose parent has not waited for it, counts as gone.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    return True
