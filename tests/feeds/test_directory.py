"""The directory under faults: lost messages, slow servers, unusable layouts, theatres that two regions declare."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest

from realtime import keys
from realtime.errors import RegionUnavailable, TheatreConflict
from realtime.feeds import directory as directory_module
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.locks.master import LockMaster
from realtime.model import Theatre
from realtime.topology import Region, Topology
from realtime.wire.layouts import encode_layout
from realtime.wire.shows import encode_show, encode_theatre
from tests.cluster import until
from tests.read_path import LAYOUT, SHOW, Node, Servers, known, mark_reconciled


async def knows(node: Node, show_id: str) -> None:
    async def there() -> bool:
        return any(show.id == show_id for show in node.directory.shows())

    await until(there)


async def test_a_declaration_whose_message_was_lost_is_found(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "READ_AGAIN_S", 0.3)
    await until(known(node))
    new = replace(SHOW, id="west-silent")
    await node.locks.master.command("HSET", keys.SHOWS, new.id, encode_show(new))
    await knows(node, new.id)


async def test_a_read_that_failed_is_repeated(own_node: Node, own_servers: Servers) -> None:
    await until(known(own_node))
    own_servers.near.process.send_signal(signal.SIGSTOP)
    new = replace(SHOW, id="west-slow")
    await own_node.locks.master.command("HSET", keys.SHOWS, new.id, encode_show(new))
    # As if its message had come just before the server froze.
    own_node.directory.on_directory(own_node.feed, {"show": new.id})
    reading = own_node.directory._reading["west"]
    await asyncio.wait([reading], timeout=1.5)
    assert not reading.done()
    own_servers.near.process.send_signal(signal.SIGCONT)
    await knows(own_node, new.id)


async def test_a_layout_that_many_ask_for_at_once_is_loaded_once(node: Node) -> None:
    await until(known(node))
    found = await asyncio.gather(*(node.directory.seat_ids(SHOW) for _ in range(20)))
    assert all(each is found[0] for each in found)


async def test_a_show_without_a_usable_layout_is_unavailable_until_it_is_replaced(node: Node) -> None:
    await until(known(node))
    other = replace(SHOW, id="west-other", layout="a" * 32)
    for blob in (b"", b"{}", encode_layout(LAYOUT)[:100], encode_layout(LAYOUT)):
        await node.locks.master.command("SET", keys.layout(other.layout), blob)
        await node.locks.master.command("WAIT", 2, 1000)
        with pytest.raises(RegionUnavailable):
            await node.directory.seat_ids(other)
    assert (await node.directory.seat_ids(SHOW)).ids == tuple(seat.id for seat in LAYOUT.seats)
    await node.locks.master.command("DEL", keys.layout(SHOW.layout))
    node.directory._layouts.clear()
    await node.locks.master.command("WAIT", 2, 1000)
    with pytest.raises(RegionUnavailable):
        await node.directory.seat_ids(SHOW)
    await node.locks.master.command("SET", keys.layout(SHOW.layout), encode_layout(LAYOUT))
    await node.locks.master.command("WAIT", 2, 1000)
    assert (await node.directory.seat_ids(SHOW)).ids == tuple(seat.id for seat in LAYOUT.seats)


async def test_a_conflict_ends_when_one_region_no_longer_declares_the_theatre(
    node: Node, shared_servers: Servers, own_servers: Servers
) -> None:
    south = Region("south", "Bengaluru", own_servers.region.master, {}, "")
    other = LockMaster(south)
    rival = Theatre("gateway", "Gateway", "Mumbai", "south")
    await other.command("HSET", keys.THEATRES, rival.id, encode_theatre(rival))
    await mark_reconciled(other)
    feeds = {"west": Feed(shared_servers.region, "west"), "south": Feed(south, "west")}
    directory = Directory(Topology({"west": shared_servers.region, "south": south}), feeds)
    for feed in feeds.values():
        feed.start()

    async def refused() -> bool:
        return directory.read_regions == set(feeds) and directory.shows() == []

    await until(refused)
    with pytest.raises(TheatreConflict):
        directory.show(SHOW.id)
    await other.command("HDEL", keys.THEATRES, rival.id)
    await other.command("PUBLISH", keys.DIRECTORY, b"{}")

    async def over() -> bool:
        return directory.shows() == [SHOW]

    await until(over)
    assert directory.show(SHOW.id) == SHOW
    await directory.close()
    await asyncio.gather(*(feed.close() for feed in feeds.values()))
    await other.close()


async def test_a_show_in_a_theatre_of_another_region_is_refused(node: Node) -> None:
    await until(known(node))
    rival_topology = Topology(
        {
            "west": Region("west", "", node.feed._master, {}, ""),
            "south": Region("south", "", node.feed._master, {}, "", ("gateway",)),
        }
    )
    directory = Directory(rival_topology, {})
    directory._shows[SHOW.id] = SHOW
    with pytest.raises(TheatreConflict):
        directory.show(SHOW.id)
    assert directory.shows() == []
