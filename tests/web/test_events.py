"""What the events of a node do with many connections of one identity, and with kiosks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from realtime.errors import RegionUnavailable
from realtime.transport.budget import Budget
from realtime.transport.server import SocketServer
from realtime.web.events import Events, _Client
from realtime.web.staff_access import Kiosk

SHOW, THEATRE, ADDRESS = "west-s", "west-hall", "192.0.2.1"


def events(fanout: Any = None, kiosk: Any = None) -> Events:
    """Events that no client has; what a test does not need is missing."""
    stub: Any = SimpleNamespace(fanout=fanout, declared_show=lambda _show: SimpleNamespace(theatre=THEATRE))
    return Events(SocketServer().sio, stub, stub, stub, stub, stub, kiosk)


async def test_a_notice_to_one_identity_with_thousands_of_connections_lets_others_have_their_turns() -> None:
    turns, turns_at = 0, list[int]()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    fanout = SimpleNamespace(send=lambda _sid, _packet: turns_at.append(turns))
    node = events(fanout)
    node._sids_of_owner["asha"] = {f"s{n}" for n in range(3_000)}
    running = asyncio.create_task(others())
    node.on_notice({"hold": f"{SHOW}.hxxxxxxxxxxxxxxxxxxxxxx", "owner": "asha", "kind": "expired"})
    await node.close()
    running.cancel()
    assert len(turns_at) == 3_000
    assert max(turns_at.count(turn) for turn in set(turns_at)) <= 100


async def test_a_kiosk_is_one_again_once_its_token_can_be_verified() -> None:
    """While its register can't be read, holds count for its address. A token that is wrong is not asked about again."""
    answers: list[Any] = [RegionUnavailable(), Kiosk(THEATRE, "1"), Kiosk("south-hall", "1"), None]

    async def kiosk_of(_address: str, token: str) -> Kiosk | None:
        assert token == "a token"
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    node = events(kiosk=kiosk_of)
    client = _Client("asha", ADDRESS, "a token", Budget(0.0))
    assert [await node._kiosk_of(client, SHOW) for _ in range(5)] == ["", "1", "", "", ""]
    assert not answers
