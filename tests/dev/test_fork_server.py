"""Forks of the fork server: like processes of their own, and ended with the process that started them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from realtime.dev import fork_server
from realtime.dev.fork_server import LOST, Fork
from tests.cluster import until
from tests.dev.test_process import gone

REPORT = """
import json, os, sys
print(json.dumps({
    "argv": sys.argv[1:], "name": __name__, "folder": os.getcwd(), "env": dict(os.environ), "nice": os.nice(0),
    "leader": os.getsid(0) == os.getpid(), "input": sys.stdin.read(), "files": len(os.listdir("/proc/self/fd")),
}))
"""
ASLEEP = "import time; print('awake', flush=True); time.sleep(600)"


def fork(folder: Path, code: str, *args: str, nice: int = 0, **env: str) -> Fork:
    (folder / "part.py").write_text(code)
    return Fork("part", ["part", *args], folder, folder / "part.log", env, nice)


async def awake(folder: Path) -> bool:
    log = folder / "part.log"
    return await asyncio.to_thread(log.exists) and "awake" in await asyncio.to_thread(log.read_text)


def test_a_fork_is_a_process_of_its_own_with_only_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "part.log").write_text("before\n")
    part = fork(tmp_path, REPORT, "--port", "1", nice=7, ONLY="this")
    assert part.wait(30) == 0
    before, report = (tmp_path / "part.log").read_text().splitlines()
    assert before == "before"
    assert json.loads(report) == {
        "argv": ["--port", "1"],
        "name": "__main__",
        "folder": str(tmp_path),
        "env": {"ONLY": "this"},
        "nice": os.nice(0) + 7,
        "leader": True,
        "input": "",
        "files": 4,  # input, output, errors, and the folder that is listed
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another user")
def test_a_fork_may_run_as_another_user_who_can_use_the_files_of_root(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    code = f"import os; print(os.getuid(), os.geteuid(), open({str(secret)!r}).read())"
    (tmp_path / "part.py").write_text(code)
    part = Fork("part", ["part"], tmp_path, tmp_path / "part.log", {}, user=123_456)
    assert part.wait(30) == 0
    assert (tmp_path / "part.log").read_text() == "123456 123456 of root\n"


def test_the_exit_code_is_that_of_the_module(tmp_path: Path) -> None:
    part = fork(tmp_path, "import sys; sys.exit('no memory left')")
    assert part.wait(30) == 1
    assert part.poll() == part.returncode == 1
    assert (tmp_path / "part.log").read_text() == "no memory left\n"
    failed = fork(tmp_path, "1 / 0")
    assert failed.wait(30) == 1
    assert "ZeroDivisionError" in (tmp_path / "part.log").read_text()
    failed.send_signal(signal.SIGTERM)  # it has ended


async def test_signals_reach_it(tmp_path: Path) -> None:
    part = fork(tmp_path, ASLEEP)
    await until(partial(awake, tmp_path))
    assert part.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        part.wait(0.01)
    part.send_signal(signal.SIGTERM)
    assert part.wait(30) == -signal.SIGTERM
    part = fork(tmp_path, ASLEEP)
    part.kill()
    assert part.wait(30) == -signal.SIGKILL


async def test_every_end_is_reported_when_many_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("import sys; sys.exit(int(sys.argv[1]))")
    log = tmp_path / "part.log"
    parts = [Fork("part", ["part", str(number)], tmp_path, log, {}) for number in range(40)]
    assert [part.wait(30) for part in parts] == list(range(40))


def test_a_fork_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from realtime.dev.fork_server import Fork
folder = Path({str(tmp_path)!r})
print(Fork("part", ["part"], folder, folder / "part.log", {{}}).pid, flush=True)
time.sleep(600)
"""
    (tmp_path / "part.py").write_text(ASLEEP)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    asyncio.run(until(partial(awake, tmp_path)))
    parent.kill()
    parent.wait()
    asyncio.run(until(partial(gone, pid)))


async def test_a_fork_server_that_has_ended_is_started_again(tmp_path: Path) -> None:
    part = fork(tmp_path, ASLEEP)
    await until(partial(awake, tmp_path))
    server = fork_server._server._process
    assert server is not None
    server.kill()
    assert await asyncio.to_thread(part.wait, 30) == LOST
    await until(partial(gone, part.pid))
    assert fork(tmp_path, "pass").wait(30) == 0
