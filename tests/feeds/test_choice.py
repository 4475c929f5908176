"""Which server a feed reads from, and when it makes its listeners read again: each rule by itself, without servers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime import keys, limits
from realtime.feeds import feed as feed_module
from realtime.feeds import replica as replica_module
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.feeds.liveness import Liveness
from realtime.feeds.replica import ReplicationStatus
from realtime.feeds.subscription import LeaveServer, Subscription
from realtime.topology import Plain, Region

MASTER = ReplicationStatus("a" * 40, master=True, linked=True)
PROMOTED = ReplicationStatus("b" * 40, master=True, linked=True)
REPLICA = ReplicationStatus("a" * 40, master=False, linked=True)
UNLINKED = ReplicationStatus("a" * 40, master=False, linked=False)
FOREIGN = ReplicationStatus("b" * 40, master=False, linked=True)


class Server:
    """A replica and its subscription, as far as these rules look at them."""

    def __init__(self, status: ReplicationStatus | None) -> None:
        self.status = status

    async def replication_status(self) -> ReplicationStatus:
        if self.status is None:
            raise OSError
        return self.status


class Reads(Listener):
    """Counts how often listeners are made to read again."""

    def __init__(self) -> None:
        self.count = 0

    def on_connected(self, feed: Feed) -> None:
        self.count += 1


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """A feed that is not started, of a region whose master answers, with a subscription that works."""
    each = Feed(Region("west", "Mumbai", Plain("redis://127.0.0.1:1"), {}, ""), "west")
    each.listeners.append(Reads())
    master_is(monkeypatch, MASTER)

    async def ping(_pubsub: Any) -> None:
        pass

    monkeypatch.setattr(each._subscription, "ping", ping)
    return each


def master_is(monkeypatch: pytest.MonkeyPatch, status: ReplicationStatus | None) -> None:
    async def ask(*_where: Any) -> ReplicationStatus | None:
        return status

    monkeypatch.setattr(feed_module, "master_status", ask)


def reads(feed: Feed) -> int:
    (listener,) = feed.listeners
    assert isinstance(listener, Reads)
    return listener.count


def as_any(server: Server) -> Any:
    return server


# --- which server -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "master", "live"),
    [(REPLICA, MASTER, True), (MASTER, MASTER, True), (REPLICA, None, False), (UNLINKED, None, False)],
    ids=["linked replica", "the master", "no master", "unlinked replica, no master"],
)
async def test_a_server_with_the_master_s_data_is_used(
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    status: ReplicationStatus,
    master: ReplicationStatus | None,
    live: bool,
) -> None:
    master_is(monkeypatch, master)
    assert await feed._check_usable(as_any(Server(status))) == (status, live)


@pytest.mark.parametrize(
    ("status", "master"),
    [(FOREIGN, MASTER), (UNLINKED, MASTER), (PROMOTED, MASTER), (PROMOTED, None)],
    ids=["replica of another master", "unlinked replica", "another master", "a master, while the region's is silent"],
)
async def test_a_server_with_other_data_is_not_used(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, status: ReplicationStatus, master: ReplicationStatus | None
) -> None:
    master_is(monkeypatch, master)
    with pytest.raises(LeaveServer):
        await feed._check_usable(as_any(Server(status)))


# --- staying with it ----------------------------------------------------------------------------------------------
async def test_a_replica_that_begins_to_follow_another_master_is_left(feed: Feed) -> None:
    with pytest.raises(LeaveServer):
        await feed._check_status(as_any(Server(FOREIGN)), REPLICA)
    assert reads(feed) == 0


async def test_a_replica_that_was_linked_again_or_to_a_promoted_master_is_read_again(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await feed._check_status(as_any(Server(REPLICA)), UNLINKED) == REPLICA
    assert reads(feed) == 1
    master_is(monkeypatch, PROMOTED)
    assert await feed._check_status(as_any(Server(FOREIGN)), REPLICA) == FOREIGN
    assert reads(feed) == 2


async def test_a_replica_that_has_not_changed_is_not_read_again(feed: Feed) -> None:
    for status in (REPLICA, UNLINKED, None):
        assert await feed._check_status(as_any(Server(status)), REPLICA) == (status or REPLICA)
    assert reads(feed) == 0


# --- silence ------------------------------------------------------------------------------------------------------
async def test_a_silence_of_the_keepers_alone_changes_nothing(feed: Feed) -> None:
    feed._liveness.set_live(True)
    await feed._explain_silence(as_any(Server(REPLICA)), as_any(Server(None)))
    assert (feed.live, reads(feed)) == (True, 0)


async def test_while_the_master_is_silent_maps_are_stale_and_read_again_after_it(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed._liveness.set_live(True)
    master_is(monkeypatch, None)
    await feed._explain_silence(as_any(Server(UNLINKED)), as_any(Server(None)))
    assert (feed.live, feed.stale_since > 0, reads(feed)) == (False, True, 0)
    master_is(monkeypatch, MASTER)
    await feed._explain_silence(as_any(Server(REPLICA)), as_any(Server(None)))
    assert (feed.live, feed.stale_since, reads(feed)) == (True, 0, 1)


async def test_a_replica_that_has_lost_a_living_master_is_left(feed: Feed) -> None:
    with pytest.raises(LeaveServer):
        await feed._explain_silence(as_any(Server(UNLINKED)), as_any(Server(None)))


async def test_a_server_whose_subscription_does_not_answer_is_left(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_answer(_pubsub: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(feed._subscription, "ping", no_answer)
    with pytest.raises(TimeoutError):
        await feed._explain_silence(as_any(Server(REPLICA)), as_any(Server(None)))


def test_a_heartbeat_after_a_long_silence_means_that_messages_may_be_lost() -> None:
    now_s = 100.0
    changes: list[bool] = []
    liveness = Liveness(lambda: changes.append(True), clock=lambda: now_s)
    liveness.restart_silence()
    now_s += 2 * limits.HEARTBEAT_MS / 1000
    assert not liveness.heartbeat()
    now_s += 2.1 * limits.HEARTBEAT_MS / 1000
    assert liveness.heartbeat()
    assert not liveness.heartbeat(), "a silence counts once"
    assert changes == [True], "it became live, once"


async def test_after_a_heartbeat_that_ends_a_silence_listeners_read_again(feed: Feed) -> None:
    feed._replica = as_any(Server(REPLICA))
    feed._liveness.restart_silence()
    feed.heartbeat_arrived({"time": 0})
    assert reads(feed) == 0
    feed._liveness._heard -= 60
    feed.heartbeat_arrived({"time": 0})
    assert reads(feed) == 1


def test_maps_of_an_unreachable_region_are_as_of_the_last_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    liveness = Liveness(lambda: None)
    for at, step in (
        (1_000, liveness.heartbeat),
        (2_000, liveness.heartbeat),
        (9_000, lambda: liveness.set_live(False)),
    ):
        monkeypatch.setattr("realtime.feeds.liveness.now_ms", lambda at=at: at)
        step()
    assert (liveness.stale_since, liveness.losses) == (2_000, 1)


# --- what is missing ----------------------------------------------------------------------------------------------
MARK = b"run." + b"a" * 40 + b" nonce.0 1"
NEWER = b"run." + b"a" * 40 + b" nonce.0 2"
OF_ANOTHER = b"run." + b"b" * 40 + b" nonce.0 1"


class MarkedServer(Server):
    """A replica with these marks of a reconciliation, one after the other."""

    def __init__(self, *marks: bytes | None) -> None:
        super().__init__(REPLICA)
        self._marks = list(marks)

    async def command(self, *args: str | int) -> bytes | None:
        return self._marks.pop(0) if args == ("GET", keys.RECONCILED) else b"reply"


@pytest.mark.parametrize(
    ("before", "after", "proved"),
    [
        (MARK, MARK, True),
        (MARK, None, False),
        (None, MARK, False),
        (MARK, NEWER, False),
        (OF_ANOTHER, OF_ANOTHER, False),
    ],
    ids=["reconciled", "not any more", "not yet", "again meanwhile", "in another incarnation"],
)
async def test_what_is_missing_proves_nothing_unless_the_master_was_reconciled_all_the_time(
    feed: Feed, before: bytes | None, after: bytes | None, proved: bool
) -> None:
    feed._replica = as_any(MarkedServer(before, after))
    assert await feed.command_proved("HGET", "key", "field") == (b"reply", proved)


# --- copies -------------------------------------------------------------------------------------------------------
class Info:
    """A server that reports its backlog."""

    def __init__(self, **backlog: int) -> None:
        self._backlog = {f"repl_backlog_{name}": value for name, value in backlog.items()}

    async def info(self, _section: str) -> dict[str, Any]:
        link = {"role": "slave", "master_link_status": "up", "master_replid": "a" * 40, "master_repl_offset": 900}
        return link | self._backlog


@pytest.mark.parametrize(("kept", "copied"), [(100, True), (1_000, False)], ids=["begun anew", "full"])
async def test_a_backlog_that_is_full_says_nothing_about_a_copy(kept: int, copied: bool) -> None:
    server: Any = Info(histlen=kept, size=1_000, first_byte_offset=800)
    before = ReplicationStatus("a" * 40, master=False, linked=True, offset=700, kept_from=1)
    assert (await replica_module._replication_status(server)).copied_since(before) is copied


async def test_only_servers_that_are_nearer_than_the_present_one_are_asked(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed._replicas = [Plain(f"redis://127.0.0.1:{port}") for port in (1, 2, 3)]
    asked: list[Plain] = []

    async def ask(server: Plain, _password: str) -> ReplicationStatus:
        asked.append(server)
        return REPLICA

    monkeypatch.setattr(feed_module, "replication_status_of", ask)
    assert await feed._nearer_usable(1)
    assert asked == feed._replicas[:1]


# --- the subscription ---------------------------------------------------------------------------------------------
class PubSub:
    """A subscription that receives given messages and then nothing."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)

    async def get_message(self, timeout: float) -> dict[str, Any] | None:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.sleep(timeout)
        return None


async def test_a_subscription_that_was_made_anew_by_the_client_library_means_that_messages_are_lost() -> None:
    received: list[tuple[str, bytes]] = []
    subscription = Subscription("west", lambda channel, data: received.append((channel, data)))
    again: dict[str, Any] = {"type": "subscribe", "channel": keys.HEARTBEAT.encode(), "data": 1}
    change: dict[str, Any] = {"type": "message", "channel": keys.changes("west-s").encode(), "data": b"{}"}
    pubsub: Any = PubSub(change, again)
    with pytest.raises(LeaveServer):
        await asyncio.wait_for(subscription.receive(pubsub), 1)
    assert received == [(keys.changes("west-s"), b"{}")]


async def test_a_reader_goes_on_when_the_server_has_confirmed_its_subscription() -> None:
    class Unconfirmed(PubSub):
        async def subscribe(self, *_channels: str) -> None:
            """Send the command."""

    unconfirmed: Any = Unconfirmed()
    subscription = Subscription("west", lambda _channel, _data: None)
    subscription.use(unconfirmed)
    reader = asyncio.create_task(subscription.subscribe("west-s"))
    done, _ = await asyncio.wait([reader], timeout=0.05)
    assert not done
    subscription._process({"type": "subscribe", "channel": keys.changes("west-s").encode()})
    await asyncio.wait_for(reader, 5)
