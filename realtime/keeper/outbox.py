"""The outbox stream as a keeper reads it: its own unfinished entries, then those of dead keepers, then new ones."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from realtime import connect, keys, limits
from realtime.errors import RegionUnavailable
from realtime.locks.master import LockMaster

BLOCK_MS = 1_000
CLAIM_IDLE_MS = 3_000
"""After this time without an acknowledgement, another keeper may claim an entry."""
CLAIM_EVERY_S = 1.0
PAGE = 500
"""How many entries are read at once when the whole stream is read."""
CONSUMER_GONE_MS = 60_000
"""A consumer that has not read for this long belongs to a keeper that has ended: a live one reads every second."""
RETRY_S = 0.5
"""The pause before entries of a show that can't be written now are tried again."""
_TIMEOUT_S = 2.0
"""The time-out of one reply, including ``BLOCK_MS``. After it the master is located again, because it may hang."""


class _Subject(msgspec.Struct):
    show: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its id in the stream and its fields, all text."""

    id: bytes
    fields: dict[str, str]

    @property
    def kind(self) -> str:
        """One of the kinds in ``keeper.entries``, "" if the entry has none."""
        return self.fields.get("kind", "")


class Outbox:
    """Reads as one consumer of the keepers' group. Connection faults are redis-py's errors."""

    def __init__(self, master: LockMaster, consumer: str) -> None:
        """``consumer`` is the name of the keeper, unique among the keepers of the region."""
        self._master = master
        self._consumer = consumer
        self._redis: Redis | None = None
        self._generation = 0
        self._claim_at = 0.0
        self._claim_from = b"0-0"
        """Where the next claim starts: thousands of entries of live keepers may come before any that can be claimed."""
        self._retry_at = 0.0
        """When this keeper reads its own unacknowledged entries again; never while it has none."""
        self._after = b"0"
        self._has_taken_over = False
        """Whether ``take_over`` has claimed entries that ``read`` has not returned yet."""

    async def _prepare(self) -> None:
        # From the beginning of the stream: entries may have been appended before the first keeper started.
        try:
            await self._master.small_write("XGROUP", "CREATE", keys.OUTBOX, keys.OUTBOX_GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def read(self) -> list[Entry]:
        """Return up to ``limits.KEEPER_BATCH`` entries for this keeper; none if there are none within ``BLOCK_MS``."""
        redis = await self.open()
        entries = await self._read(redis)
        if entries:
            await self._same_master()
        return entries

    async def _read(self, redis: Redis) -> list[Entry]:
        entries = await self._read_own(redis)
        if not entries and time.monotonic() >= self._claim_at:
            self._claim_at = time.monotonic() + CLAIM_EVERY_S
            claimed = await redis.execute_command(  # type: ignore[no-untyped-call]
                "XAUTOCLAIM",
                keys.OUTBOX,
                keys.OUTBOX_GROUP,
                self._consumer,
                CLAIM_IDLE_MS,
                self._claim_from,
                "COUNT",
                limits.KEEPER_BATCH,
            )
            self._claim_from = claimed[0]
            entries = _entries(claimed[1])
        return entries or await self._group_read(redis, ">", BLOCK_MS)

    async def _read_own(self, redis: Redis) -> list[Entry]:
        """Return entries that this keeper has read before and not acknowledged, unless it is too early to try again."""
        if self._has_taken_over:
            self._has_taken_over, self._retry_at, self._after = False, 0.0, b"0"
        if time.monotonic() < self._retry_at:
            return []
        entries = await self._group_read(redis, self._after, None)
        if not entries:
            self._retry_at = math.inf if self._after == b"0" else time.monotonic() + RETRY_S
            self._after = b"0"
        return entries

    def wait_with(self, entries: Sequence[Entry]) -> None:
        """Leave entries for later whose shows can't be written now; ``read`` goes on with the entries after them."""
        if entries:
            self._after = max((entry.id for entry in entries), key=_order)
            self._retry_at = min(self._retry_at, time.monotonic())

    async def _group_read(self, redis: Redis, start: str | bytes, block_ms: int | None) -> list[Entry]:
        reply: Any = await redis.xreadgroup(
            keys.OUTBOX_GROUP, self._consumer, {keys.OUTBOX: start}, count=limits.KEEPER_BATCH, block=block_ms
        )
        if not reply:
            return []
        # RESP3 answers {stream: [entries]}, RESP2 [[stream, entries]].
        found = next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1]
        return _entries(found)

    async def acknowledge(self, entries: list[Entry]) -> None:
        """Acknowledge and delete entries."""
        ids = [entry.id for entry in entries]
        if ids:
            await self._same_master()
            # One after the other, the deletion first. If it is refused, or a failover loses the second command, no
            # entry is left that is acknowledged, and so never processed, but not deleted. XAUTOCLAIM removes a deleted
            # entry from the group.
            await self._master.command("XDEL", keys.OUTBOX, *ids)
            await self._master.command("XACK", keys.OUTBOX, keys.OUTBOX_GROUP, *ids)

    async def move_to_dead_letters(self, entry: Entry, reason: str) -> None:
        """Move an entry that can't be processed to the dead letters, with its reason."""
        added = ("entry_id", entry.id, "reason", reason[:500])
        await self._master.small_write("XADD", keys.DEAD_LETTERS, "*", *connect.flat(entry.fields), *added)
        await self.acknowledge([entry])

    async def has_earlier_command(self, entry: Entry) -> bool:
        """Return whether a command about the same show, theatre or other thing came before this one and is unfinished.

        Another keeper may have read the earlier one. Operators' commands about one thing are carried out in order.
        """
        subject = _subject_of_command(entry.fields)
        start = b"-"
        while subject:
            found = await self._master.command("XRANGE", keys.OUTBOX, start, b"(" + entry.id, "COUNT", PAGE)
            if any(_subject_of_command(connect.text_fields(fields)) == subject for _id, fields in found):
                return True
            if len(found) < PAGE:
                break
            start = b"(" + found[-1][0]
        return False

    async def take_over(self, live: Collection[str]) -> None:
        """Claim entries of keepers that are not in ``live`` (names), and remove their consumers once they have none.

        ``read`` claims entries that have been idle for some time by the master's clock. If that clock was set back, the
        entries of a dead keeper seem to have been read just now; this method claims them all the same.
        """
        command = self._master.command
        found = await command("XINFO", "CONSUMERS", keys.OUTBOX, keys.OUTBOX_GROUP)
        for consumer in (dict(connect.pairs(each)) for each in found):
            name = consumer[b"name"].decode()
            if name == self._consumer or name in live:
                continue
            if consumer[b"pending"]:
                await self._claim_all_of(name)
            elif consumer[b"idle"] > CONSUMER_GONE_MS:
                # Only after this time, because removing a consumer also removes its pending entries from the group, and
                # a live keeper may just be reading some.
                await command("XGROUP", "DELCONSUMER", keys.OUTBOX, keys.OUTBOX_GROUP, name)

    async def _claim_all_of(self, consumer: str) -> None:
        async with self._master.own_connection(_TIMEOUT_S) as redis:
            group = (keys.OUTBOX, keys.OUTBOX_GROUP)
            pending = await redis.xpending_range(*group, "-", "+", limits.KEEPER_BATCH, consumer)
            if pending:
                ids: list[Any] = [each["message_id"] for each in pending]
                await redis.xclaim(*group, self._consumer, 0, ids, justid=True)
                self._has_taken_over = True

    async def open(self) -> Redis:
        """Return the connection for reading; connect to the present master if there is none."""
        if self._redis is None:
            await self._prepare()
            self._generation = self._master.generation
            self._redis = await self._master.own_client(_TIMEOUT_S)
        return self._redis

    async def _same_master(self) -> None:
        """Raise ``RegionUnavailable`` unless entries are read from the server that is the master now.

        Entries of a former master must not be processed as if they were this one's, nor acknowledged here: another
        entry may have the same id.
        """
        await self._master.command("PING")
        if self._generation != self._master.generation:
            raise RegionUnavailable(region=self._master.region)

    async def close(self) -> None:
        """Close the connection; the next ``read`` locates the master again, and reads unfinished entries first."""
        self._retry_at, self._after = 0.0, b"0"
        redis, self._redis = self._redis, None
        await connect.close(redis)


async def stream_entries(master: LockMaster, stream: str) -> AsyncIterator[tuple[bytes, dict[str, str]]]:
    """Yield the entries of a stream, id and fields, and what is added meanwhile. Raises ``RegionUnavailable``."""
    start = b"-"
    while found := await master.command("XRANGE", stream, start, "+", "COUNT", PAGE):
        for entry_id, fields in found:
            yield entry_id, connect.text_fields(fields)
        start = b"(" + found[-1][0]


async def unfinished_entries(master: LockMaster) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of all entries of the outbox and of the dead letters. Raises ``RegionUnavailable``."""
    for stream in (keys.OUTBOX, keys.DEAD_LETTERS):
        async for _id, fields in stream_entries(master, stream):
            yield fields


def _subject_of_command(fields: dict[str, str]) -> str:
    """Return the id of the show or other thing that a command is about; "" for other entries and commands."""
    if fields.get("kind") != "command":
        return ""
    with contextlib.suppress(msgspec.MsgspecError):
        found = msgspec.json.decode(fields.get("body", ""), type=_Subject)
        return found.show or found.id
    return ""


def _order(entry_id: bytes) -> tuple[int, int]:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def _entries(found: Any) -> list[Entry]:
    # For an entry that was deleted while it was pending, the server returns no fields.
    return [Entry(entry_id, connect.text_fields(fields)) for entry_id, fields in found if fields]
