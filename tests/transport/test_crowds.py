"""A show with many viewers: snapshots are encoded once a version, and many changes become one frame a tick."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from realtime import limits
from realtime.rooms import state
from realtime.wire.maps import pack_seats
from tests.cluster import Client, until
from tests.read_path import SHOW, Node, hold_id, known, settled, viewer


def changes(client: Client) -> list[dict[str, Any]]:
    return [payload for event, payload in client.received if event == "seats:changed"]


async def test_a_snapshot_is_encoded_once_a_version_for_all_that_join(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[int] = []
    pack = pack_seats

    def count(statuses: bytes | bytearray) -> str:
        packed.append(len(statuses))
        return pack(statuses)

    monkeypatch.setattr(state, "pack_seats", count)
    crowd = [await viewer(node) for _ in range(8)]
    await asyncio.gather(*(client.call("show:watch", {"show": SHOW.id}) for client in crowd for _ in range(3)))
    assert packed == [SHOW.seat_count]
    await node.locks.hold(hold_id("a"), "a", [1, 2])
    await settled(node, crowd[0])
    assert packed == [SHOW.seat_count], "a change costs no snapshot"
    await asyncio.gather(*(client.call("show:watch", {"show": SHOW.id}) for client in crowd))
    assert packed == [SHOW.seat_count] * 2
    for client in crowd:
        await client.close()


async def test_the_first_change_is_sent_at_once_and_later_ones_wait_for_the_tick(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = [await viewer(node) for _ in range(4)]
    monkeypatch.setattr(limits, "TICK_MIN_MS", 3_600_000)
    monkeypatch.setattr(limits, "TICK_MAX_MS", 3_600_000)
    for number in range(30):
        await node.locks.hold(hold_id(f"n{number}"), f"o{number}", [number])
    room = node.rooms._rooms[SHOW.id]
    _epoch, version, _digest = await node.locks.digest(SHOW.id)

    async def all_here() -> bool:
        return room.state is not None and room.state.version == version and all(map(changes, crowd))

    await until(all_here)
    assert [len(changes(client)) for client in crowd] == [1] * 4
    assert changes(crowd[0])[0]["held"][0] == 0
    for client in crowd:
        await client.close()


async def test_after_many_changes_every_map_is_right_with_fewer_frames_than_changes(node: Node) -> None:
    crowd = [await viewer(node) for _ in range(6)]
    crowd.append(await viewer(node, ["polling"]))
    for round_ in range(4):
        await asyncio.gather(*(node.locks.hold(hold_id(f"{round_}x{n}"), f"o{round_}x{n}", [n]) for n in range(40)))
        await asyncio.gather(*(node.locks.release(hold_id(f"{round_}x{n}"), f"o{round_}x{n}") for n in range(40)))
    for client in crowd:
        await settled(node, client)
        heard = changes(client)
        assert 0 < len(heard) < 320
        assert all(one["version"] == two["from"] for one, two in pairwise(heard))
        await client.close()


async def test_watching_again_with_the_current_version_returns_no_changes(node: Node) -> None:
    client = await viewer(node)
    await until(known(node))
    epoch, version, _ = client.maps[SHOW.id]
    ack = await client.sio.call("show:watch", {"show": SHOW.id, "since": {"epoch": epoch, "version": version}})
    assert "seats" not in ack and ack["changes"] == {"from": version}
    await client.close()
