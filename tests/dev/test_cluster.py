"""The embedded cluster: ports in use, one cluster per folder, a second start with the same data, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.dev import valkey
from realtime.dev.cluster import Cluster, ClusterError
from realtime.dev.plan import ClusterPlan, plan
from tests.cluster import Client, new_show, node_urls, until


def test_every_server_of_fifteen_nodes_has_a_port_of_its_own() -> None:
    whole = plan(Path("var"), nodes_per_region=5, wan=True)
    assert whole.nodes == {
        "north": list(range(8001, 8006)),
        "west": list(range(8006, 8011)),
        "south": list(range(8011, 8016)),
    }
    assert plan(Path("var")).nodes == {"north": [8001], "west": [8002], "south": [8003]}
    ports = [port for port, _purpose in whole.ports()]
    assert len(ports) == len(set(ports)) == 15 + 3 + 9 + 6 + 3  # nodes, masters, replicas, relays, bank and mailbox


def test_free_ports_are_never_returned_twice_and_nobody_listens_on_them() -> None:
    first = valkey.free_port()
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # already in use by another program, which serves the same purpose
            taken.bind((valkey.HOST, first + 1))
        ports = [valkey.free_port() for _ in range(50)]
    assert first not in ports and first + 1 not in ports and len(set(ports)) == 50
    assert max(ports) < 32_768  # the first port that systems give to outgoing connections


def test_two_processes_never_get_ports_of_the_same_block() -> None:
    claim = valkey.free_port()
    first = claim - (claim - valkey._PORTS.start) % valkey._BLOCK
    script = f"""
from realtime.dev import valkey
valkey._PORTS = range({first}, {first + valkey._BLOCK})
print(valkey.free_port())
"""
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert other.returncode != 0 and other.stdout == ""
    assert "other processes have reserved all ports" in other.stderr


async def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    cluster = Cluster(plan(tmp_path, port=valkey.free_port))
    port = cluster.plan.nodes["west"][0]
    with socket.socket() as taken:
        taken.bind((valkey.HOST, port))
        taken.listen()
        with pytest.raises(ClusterError, match=rf"port {port} on 127.0.0.1, needed for a node of west, is in use"):
            await cluster.start()
    assert cluster.children == {}
    await cluster.stop()


def small(folder: Path) -> ClusterPlan:
    return plan(folder, regions=("west",), port=valkey.free_port)


async def test_a_second_start_continues_with_the_data_and_fresh_deletes_it(tmp_path: Path) -> None:
    first = Cluster(small(tmp_path))
    await first.start(sample_data=False)
    rival = Cluster(small(tmp_path))
    with pytest.raises(ClusterError, match="another cluster uses"):
        await rival.start()
    show = await new_show(first, "west")
    buyer = await Client.connect(node_urls(first)[0])
    assert (await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["ok"]
    await buyer.close()
    await first.stop()
    assert not any(child.running for child in first.children.values())

    second = Cluster(small(tmp_path))
    await second.start(sample_data=False)
    viewer = await Client.connect(node_urls(second)[0])
    assert (await viewer.call("show:watch", {"show": show}))["ok"]
    assert viewer.status(show, 0) == "held"
    await viewer.close()
    await second.stop()

    third = Cluster(small(tmp_path))
    await third.start(sample_data=False, fresh=True)
    viewer = await Client.connect(node_urls(third)[0])
    assert (await viewer.call("show:watch", {"show": show}))["error"]["code"] == "show_not_found"
    await viewer.close()
    await third.stop()


async def test_a_process_that_ends_by_itself_is_restarted(tmp_path: Path) -> None:
    printed: list[str] = []
    cluster = Cluster(small(tmp_path), echo=printed.append)
    await cluster.start(sample_data=False)
    watching = asyncio.create_task(cluster.supervise())
    keeper = cluster.children["keeper west"]
    assert keeper.process is not None
    before = keeper.process.pid
    keeper.process.kill()

    async def another() -> bool:
        return keeper.running and keeper.process is not None and keeper.process.pid != before

    await until(another)
    assert any("keeper west ended with exit code -9; restarting it" in line for line in printed)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await cluster.stop()


async def test_up_starts_everything_and_a_signal_stops_everything(tmp_path: Path) -> None:
    """The command itself on its fixed ports. If one of them is in use, it must name it."""
    process = _up(tmp_path / "var")
    assert process.stdout is not None
    lines: list[str] = []
    started = await asyncio.to_thread(_read_until, process, "Ctrl-C stops everything.", lines)
    if not started:
        assert process.wait() == 1
        assert "is in use" in "".join(lines), lines
        pytest.fail(f"this test needs the fixed ports: {lines[-1]}")
    assert "http://127.0.0.1:8001/" in "".join(lines)
    viewer = await Client.connect("http://127.0.0.1:8003")
    await viewer.close()
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, 60)
    assert process.returncode == 0
    for port, purpose in plan(tmp_path, wan=True).ports():
        with socket.socket() as probe:
            assert probe.connect_ex((valkey.HOST, port)) != 0, f"{purpose} is still running"


def _up(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "realtime", "up", "--data", str(data), "--wan"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _read_until(process: subprocess.Popen[str], text: str, lines: list[str]) -> bool:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return True
    return False
