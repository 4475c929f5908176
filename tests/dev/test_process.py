"""Children: restarted ever more patiently, and gone when their parent is killed."""

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
from realtime.dev.supervisor import FIRST_PAUSE_S, LONGEST_PAUSE_S, SETTLED_S, Supervisor
from tests.cluster import until


def child(folder: Path, *args: str) -> Child:
    return Child("part", [sys.executable, "-c", *args], folder, folder / "part.log")


async def ended(mortal: Child) -> None:
    assert mortal.process is not None
    await asyncio.to_thread(mortal.process.wait)


async def test_what_keeps_dying_is_started_ever_more_seldom(tmp_path: Path) -> None:
    said: list[str] = []
    mortal = child(tmp_path, "import sys; sys.exit('no memory left')")
    supervisor = Supervisor({"part": mortal}, set(), said.append)
    mortal.start()
    now = mortal.started_at
    pauses: list[float] = []
    for _ in range(9):
        await ended(mortal)
        before = mortal.process
        supervisor.look(now)
        pause = FIRST_PAUSE_S * 2 ** len(pauses)
        pauses.append(min(pause, LONGEST_PAUSE_S))
        supervisor.look(now + pauses[-1] - 0.01)
        assert mortal.process is before, "too early"
        now += pauses[-1]
        supervisor.look(now)
        assert mortal.process is not before, "too late"
        mortal.started_at = now
    assert pauses[-1] == LONGEST_PAUSE_S
    assert "part ended with 1; starting it again in 0.5 s" in said[0]
    assert "no memory left" in said[1]

    await ended(mortal)
    mortal.started_at = now - SETTLED_S
    supervisor.look(now)
    assert f"in {FIRST_PAUSE_S:g} s" in said[-2], "it had been well for long"


async def test_what_is_to_rest_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    mortal = child(tmp_path, "pass")
    resting = {"part"}
    supervisor = Supervisor({"part": mortal}, resting, said.append)
    mortal.start()
    await ended(mortal)
    before = mortal.process
    supervisor.look(0)
    supervisor.look(LONGEST_PAUSE_S)
    assert mortal.process is before
    assert not said


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        # Only the program itself is bound to its parent; what starts it is not yet.
        asyncio.run(until(partial(_is, "sleep", pid)))
        parent.kill()
        parent.wait()
        asyncio.run(until(partial(_gone, pid)))
    finally:
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _is(program: str, pid: int) -> bool:
    return await asyncio.to_thread(Path(f"/proc/{pid}/comm").read_text) == f"{program}\n"


async def _gone(pid: int) -> bool:
    return await asyncio.to_thread(_ended, Path(f"/proc/{pid}/stat"))


def _ended(stat: Path) -> bool:
    # One that has ended and that nobody waits for is gone, too.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    return True
