"""Turns the logs of shows into webhook events about holds, if a target asks for them.

The function that makes a hold also writes to the show's log, whether anybody reads the log or not, so holds cost the
same with and without a target. The position in each log is written with the events in one transaction, and an entry
that is read again after a failure becomes the same event. Two kinds of events are lost: those of holds that a failover
loses, and those that leave a log before they are read (about the last 20,000 entries of a show are kept).
"""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from realtime import connect, keys
from realtime.jobs import Jobs
from realtime.keeper.turns import renewed_turn
from realtime.ledger import Ledger
from realtime.ledger.hold_events import START
from realtime.ledger.shows import Shows, UnknownShow
from realtime.ledger.targets import HOLD_EVENTS, EventType
from realtime.ledger.webhooks import Event
from realtime.locks.master import LockMaster

log = logging.getLogger(__name__)
LOGS_PER_READ = 200
ENTRIES_PER_LOG = 20
"""Entries of one log that are read at once; each has up to 50 holds. A rush delays the events, not the master."""
READS_PER_TURN = 10
_KINDS = {
    "held": EventType.HOLD_CREATED,
    "expired": EventType.HOLD_EXPIRED,
    "released": EventType.HOLD_RELEASED,
}
_TIMES = {
    EventType.HOLD_CREATED: "created_at",
    EventType.HOLD_EXPIRED: "expired_at",
    EventType.HOLD_RELEASED: "released_at",
}


class HoldEventReader:
    """Reads the logs of one region's shows, in turn with the other keepers."""

    def __init__(self, ledger: Ledger, master: LockMaster, shows: Shows, jobs: Jobs) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._shows = shows
        self._jobs = jobs
        self._wanted = any(target.wants(kind) for target in ledger.targets for kind in HOLD_EVENTS)
        self._forgotten = False

    async def turn(self, token: str) -> None:
        """Write the events of what happened since the last turn; ``token`` is that of the present reconciliation.

        Raises ``RegionUnavailable``, ``LedgerUnavailable``, ``StaleFencingToken``.
        """
        if not self._wanted:
            # A target that is added later gets the events from then on.
            if not self._forgotten:
                await self._ledger.forget_log_positions()
            self._forgotten = True
            return
        async with renewed_turn(self._master, keys.READING_LOGS) as turn:
            if turn is not None:
                await self._read_all(token)

    async def _read_all(self, token: str) -> None:
        positions = await self._ledger.log_positions()
        if START not in positions:
            positions[START] = f"{await self._master.time_ms()}-0"
            await self._ledger.record_hold_events(token, {START: positions[START]}, [])
        shows = await self._ledger.active_show_ids()
        await self._ledger.forget_log_positions(sorted(positions.keys() - {START, *shows}))
        for start in range(0, len(shows), LOGS_PER_READ):
            some = shows[start : start + LOGS_PER_READ]
            for _read in range(READS_PER_TURN):
                some = some and await self._read(token, some, positions)

    async def _read(self, token: str, shows: Sequence[str], positions: dict[str, str]) -> list[str]:
        """Read the next entries of some logs; return the logs that may have more."""
        after = [positions.get(show, positions[START]) for show in shows]
        logs = [keys.log(show) for show in shows]
        found = await self._master.command("XREAD", "COUNT", ENTRIES_PER_LOG, "STREAMS", *logs, *after)
        read, events, more = {}, [], []
        for name, entries in connect.streams(found):
            show = shows[logs.index(name.decode())]
            events += await self._events(show, entries)
            read[show] = entries[-1][0].decode()
            if len(entries) == ENTRIES_PER_LOG:
                more.append(show)
        if read:
            await self._ledger.record_hold_events(token, read, events)
            positions.update(read)
        if events:
            tasks = await self._ledger.tasks_about([event.subject for event in events])
            await self._jobs.add([task for task in tasks if task.done_at is None])
        return more

    async def _events(self, show: str, entries: Sequence[tuple[bytes, Any]]) -> list[Event]:
        """Return the events of some entries of a log; none where the show or its layout can't be read."""
        named: list[tuple[EventType, str, int]] = []
        for entry_id, flat in entries:
            fields = connect.text_fields(flat)
            if kind := _KINDS.get(fields.get("kind", "")):
                at = int(entry_id.partition(b"-")[0])
                named += [(kind, hold, at) for hold in fields.get("hold", "").split()]
        if not named:
            return []
        found = await self._master.command("HMGET", keys.holds(show), *(hold for _kind, hold, _at in named))
        try:
            layout = await self._shows.layout((await self._shows.show(show)).layout)
        except (UnknownShow, ValueError, OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
            # One show must not hold back the events of all others.
            log.error("no webhooks about holds of %s: %r", show, error)
            return []
        events = []
        for (kind, hold, at), blob in zip(named, found, strict=True):
            # A record is deleted ten minutes after the end of its hold.
            record: Any = None
            with contextlib.suppress(ValueError):
                record = orjson.loads(blob or b"{}")
            if not isinstance(record, dict):
                record = {}
            if kind is EventType.HOLD_RELEASED and record.get("state", "released") != "released":
                continue  # some of its seats were
            seats: list[str] = []
            with contextlib.suppress(LookupError, TypeError):
                seats = [layout.seats[index].id for index in record.get("asked") or record.get("seats") or ()]
            data: dict[str, Any] = {"hold": hold, "show": show, "seats": seats, _TIMES[kind]: at}
            if kind is EventType.HOLD_CREATED:
                data["expires_at"] = record.get("expires_at")
            events.append(Event(kind, hold, hold, at, data))
        return events
