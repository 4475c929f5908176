"""Finds and deletes keys on a lock master that no function can use: their type or the form of their value is wrong.

An operator's script may have written them. A missing key is made again from the ledger, but a key of another type makes
functions fail, some of them after their first write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realtime import keys, limits
from realtime.locks.master import LockMaster
from realtime.model import Show

SHOWN_BYTES = 40
"""How many bytes of a damaged value a message for operators shows."""
TIMES_AND_COUNTS = re.compile(rb"[0-9]{1,15}")
"""The form of ``revision`` and ``rebuilt_at`` in ``meta``; a rebuild writes both again."""
_META_FORMS = {"epoch": re.compile(rb"[0-9A-Za-z]{1,64}"), "version": re.compile(rb"[0-9]{1,15}")}
"""The forms of those fields of ``meta`` that ``tt_declare`` does not write again."""
_FORMS = {
    keys.POSITION: re.compile(rb"[0-9]{1,18}"),
    keys.FENCE: re.compile(rb"[0-9]{1,18} \S+"),
    keys.RECONCILED: re.compile(rb"\S+ \S+ [0-9]{1,18}"),
    keys.DAMAGED: re.compile(rb"[0-9]{1,18}"),
    keys.CONTRADICTIONS: re.compile(rb"[0-9]{1,18}"),
    keys.JOBS_NOT_ADDED: re.compile(rb"[0-9]{1,18}"),
}
"""The forms of the values of a region's keys, where the value is more than a text."""
_COUNT = re.compile(rb"-?[0-9]{1,18}")
"""The form of those values of a queue's keys and fields that are read as numbers."""
_COUNTS_OF_QUEUE = ("id", "pc", "limiter")
STALLED_CHECK_MS = 60_000
"""Workers set ``stalled-check`` to expire sooner than this. While the key exists, nobody looks for jobs of dead
workers."""
JOB_LOCK_MS = 120_000
"""Workers lock a job for less than this. The job of a worker that has died waits until its lock expires."""
_TURNS = {**dict.fromkeys(keys.TURNS, 2 * limits.TURN_MS), keys.COMPARING: 2 * limits.COMPARING_MS}
"""The longest time to live (ms) of each key by which a keeper takes a turn."""
_FIELDS_OF_QUEUE = ("opts.maxLenEvents", "concurrency", "max", "duration")
"""Fields of a queue's ``meta`` that are read as numbers."""
_TYPES = """
local found = {}
for n, key in ipairs(KEYS) do
  found[n] = redis.call('TYPE', key).ok
end
return found
"""


_DELETE = """
local key, test, same = KEYS[1], ARGV[1], false
if test == 'type' then
  local kind = redis.call('TYPE', key).ok
  same = kind ~= 'none' and kind ~= ARGV[2]
elseif test == 'value' then
  same = redis.pcall('GET', key) == ARGV[2]
elseif test == 'field' or test == 'only_field' then
  same = (redis.pcall('HGET', key, ARGV[2]) or '') == ARGV[3]
else
  local left = redis.call('PTTL', key)
  same = left == -1 or left > tonumber(ARGV[2])
end
if same and test == 'only_field' then
  redis.call('HDEL', key, ARGV[2])
elseif same then
  -- What is left of `meta` counts as undeclared; without this mark its rebuild would trust holds that are void.
  local diverged = test == 'field' and redis.call('HGET', key, 'diverged')
  redis.call('UNLINK', key)
  if diverged then redis.call('HSET', key, 'diverged', diverged) end
end
return same and 1 or 0
"""


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Why a key can't be used, for operators, and the test by which ``_DELETE`` confirms that it is still unusable."""

    reason: str
    test: tuple[str | bytes, ...]


async def delete_unusable(master: LockMaster, show: Show) -> list[str]:
    """Delete the keys of a show that no function can use; return why, for operators.

    While ``meta`` is gone, nothing of the show is sold; a rebuild writes it again.
    """
    types = dict(zip(keys.show(show.id), ("hash", "string", "hash", "hash", "hash"), strict=False))
    found = await _with_another_type(master, {**types, keys.log(show.id): "stream"})
    meta = keys.meta(show.id)
    if meta not in found:
        fields = await master.command("HMGET", meta, "size", *_META_FORMS)
        forms = {"size": re.compile(b"%d" % show.seat_count), **_META_FORMS}
        is_declared = fields[1] is not None
        for (name, form), value in zip(forms.items(), fields, strict=True):
            if is_declared and not form.fullmatch(value or b""):
                found[meta] = _Unusable(f"{name} in {meta} is {shown(value)}", ("field", name, value or b""))
    return list((await _delete(master, found)).values())


async def delete_unusable_of_region(master: LockMaster) -> dict[str, str]:
    """Delete the keys of a region that no function and no keeper can use; return why, by key, for operators."""
    found: dict[str, _Unusable]
    found, values, lasting = await asyncio.gather(
        _with_another_type(master, keys.TYPES),
        master.command("MGET", *_FORMS),  # it answers nothing for a key of another type
        _with_long_life(master, _TURNS),
    )
    for (key, form), value in zip(_FORMS.items(), values, strict=True):
        if value is not None and not form.fullmatch(value):
            found[key] = _Unusable(f"{key} is {shown(value)}", ("value", value))
    return await _delete(master, lasting | found)


async def unusable_of_queues(master: LockMaster, queues: Sequence[str]) -> dict[str, str]:
    """Return why keys of job queues can't be used, by key. Raises ``RegionUnavailable``."""
    return {key: unusable.reason for key, unusable in (await _unusable_of_queues(master, queues)).items()}


async def delete_unusable_of_queues(master: LockMaster, queues: Sequence[str]) -> dict[str, str]:
    """Delete the keys of job queues that can't be used; return why, by key. The jobs are added again from the tasks.

    Raises ``RegionUnavailable``.
    """
    return await _delete(master, await _unusable_of_queues(master, queues))


async def delete_unusable_of_job(master: LockMaster, queue: str, job: str) -> dict[str, str]:
    """Delete the keys of a job that have another type; return why, by key. Raises ``RegionUnavailable``."""
    types = {keys.queue(queue, job + part): kind for part, kind in keys.JOB_TYPES.items()}
    return await _delete(master, await _with_another_type(master, types))


async def _unusable_of_queues(master: LockMaster, queues: Sequence[str]) -> dict[str, _Unusable]:
    types = {keys.queue(queue, part): kind for queue in queues for part, kind in keys.QUEUE_TYPES.items()}
    found = await _with_another_type(master, types)
    counts = [keys.queue(queue, part) for queue in queues for part in _COUNTS_OF_QUEUE]
    metas = [meta for queue in queues if (meta := keys.queue(queue, "meta")) not in found]
    actives = [key for queue in queues if (key := keys.queue(queue, "active")) not in found]
    values, fields, active = await asyncio.gather(
        master.command("MGET", *counts),  # it answers nothing for a key of another type
        asyncio.gather(*(master.command("HMGET", meta, *_FIELDS_OF_QUEUE) for meta in metas)),
        asyncio.gather(*(master.command("LRANGE", key, 0, -1) for key in actives)),
    )
    expiring = {keys.queue(queue, "stalled-check"): STALLED_CHECK_MS for queue in queues}
    for key, jobs in zip(actives, active, strict=True):
        locks = (f"{key.removesuffix('active')}{job.decode(errors='replace')}:lock" for job in jobs)
        expiring |= dict.fromkeys(locks, JOB_LOCK_MS)
    for key, value in zip(counts, values, strict=True):
        if value is not None and not _COUNT.fullmatch(value):
            found[key] = _Unusable(f"{key} is {shown(value)}", ("value", value))
    for meta, some in zip(metas, fields, strict=True):
        for name, value in zip(_FIELDS_OF_QUEUE, some, strict=True):
            if value is not None and not _COUNT.fullmatch(value):
                found[meta] = _Unusable(f"{name} in {meta} is {shown(value)}", ("only_field", name, value))
    return await _with_long_life(master, expiring) | found


async def has_another_type(master: LockMaster, key: str, wanted: str) -> bool:
    """Return whether a key exists and has another type than ``wanted``."""
    return bool(await _with_another_type(master, {key: wanted}))


def shown(value: bytes | None) -> str:
    """Return a value as a message names it."""
    return "missing" if value is None else ascii(value[:SHOWN_BYTES])[1:]


async def _with_another_type(master: LockMaster, types: Mapping[str, str]) -> dict[str, _Unusable]:
    """Return the keys whose type is wrong; ``types`` has the type that each key must have if it exists."""
    replies = await master.command("EVAL", _TYPES, len(types), *types)
    kinds = zip(types.items(), (reply.decode() for reply in replies), strict=True)
    return {
        key: _Unusable(f"{key} is a {kind}, not a {wanted}", ("type", wanted))
        for (key, wanted), kind in kinds
        if kind not in (wanted, "none")
    }


async def _with_long_life(master: LockMaster, longest: Mapping[str, int]) -> dict[str, _Unusable]:
    """Return the keys that never expire, or whose remaining time is longer than ``longest`` (ms).

    Such a key was set while the master's clock was ahead. Since the clock was set back, the key lasts too long by the
    same amount.
    """
    expiries = await asyncio.gather(*(master.command("PTTL", key) for key in longest))
    return {
        key: _Unusable(f"{key} does not expire soon", ("lasting", b"%d" % most))
        for (key, most), expiry in zip(longest.items(), expiries, strict=True)
        if expiry == -1 or expiry > most
    }


async def _delete(master: LockMaster, found: Mapping[str, _Unusable]) -> dict[str, str]:
    """Delete those keys that are still unusable, since another keeper may have replaced some. Return why, by key."""
    deleted = await asyncio.gather(
        *(master.command("EVAL", _DELETE, 1, key, *unusable.test) for key, unusable in found.items())
    )
    return {key: unusable.reason for (key, unusable), was in zip(found.items(), deleted, strict=True) if was}
