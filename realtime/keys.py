"""Every key and channel name on a lock master. They are spelled here and nowhere else; the Lua gets them as KEYS.

The Lua makes the names of ``FIGURES`` and ``resting_seats`` itself, because callers of older releases do not pass them.
The keys of one show share a hash tag. Pure.
"""

from __future__ import annotations

QUERIES = "tt:queries"
"""list: JSON ``{"id", "name", "body"}``: queries of buyers to the keepers; the answer is at ``reply(id)``."""
STAFF_QUERIES = "tt:queries:staff"
"""list: the same of staff; keepers answer these first."""
REGION = "tt:region"
"""string: the name of the region to which this master belongs."""
THEATRES = "tt:theatres"
"""hash: theatre id -> JSON (``wire.shows.encode_theatre``)."""
SHOWS = "tt:shows"
"""hash: show id -> JSON (``wire.shows.encode_show``)."""
STAFF = "tt:staff"
"""hash: id of a staff token -> 1, for the tokens of this region that are not revoked; the ledger has the rest."""
REVOKED_GUESTS = "tt:revoked-guests"
"""hash: owner -> 1, for guests whose tokens are not accepted any more, until their identities would have expired."""
DEADLINES = "tt:deadlines"
"""sorted set: hold id by deadline (ms), live holds of all shows."""
ENDED = "tt:ended"
"""sorted set: hold id by the time (ms) at which the record of an ended hold is deleted."""
OUTBOX = "tt:outbox"
"""stream: confirmed holds, refunds and operators' commands that the ledger has not recorded yet."""
OUTBOX_GROUP = "keepers"
DEAD_LETTERS = "tt:dead-letters"
"""stream: outbox entries that no keeper could process, with the reason, for an operator."""

JOBS_PREFIX = "tt-jobs"
"""prefix of all keys of the BullMQ queues."""
QUEUE_TYPES = {
    **dict.fromkeys(("id", "pc", "limiter", "stalled-check"), "string"),
    **dict.fromkeys(("wait", "active", "paused", "metrics:completed:data", "metrics:failed:data"), "list"),
    **dict.fromkeys(("completed", "failed", "delayed", "prioritized", "waiting-children", "marker", "repeat"), "zset"),
    **dict.fromkeys(("meta", "metrics:completed", "metrics:failed"), "hash"),
    "stalled": "set",
    "events": "stream",
}
"""The types of a queue's keys, by the last part of their names."""
JOB_TYPES = {
    "": "hash",
    ":lock": "string",
    ":logs": "list",
    ":dependencies": "set",
    ":processed": "hash",
    ":failed": "hash",
    ":unsuccessful": "zset",
}
"""The types of a job's keys, by what follows its id in their names."""

NOTICES = "tt:notices"
"""channel: JSON, notices about holds and bookings: expired, booked, rejected, lost."""
DIRECTORY = "tt:directory"
"""channel: JSON ``{"theatre": id}``, ``{"show": id}`` or ``{}`` (all of it) when a declaration changed."""
HEARTBEAT = "tt:heartbeat"
"""channel: JSON ``{"region", "keeper", "time" (ms), "digests": {show: [epoch, version, digest]}, "damaged": [show]}``;
the last are shows that have no digest, because their keys are damaged."""


def queue(name: str, part: str) -> str:
    """Return a key of a queue: ``part`` is one of ``QUEUE_TYPES``, or the id of a job."""
    return f"{JOBS_PREFIX}:{name}:{part}"


def solved_challenge(challenge: str) -> str:
    """string: the hold for which a challenge was solved; expires."""
    return f"tt:challenge:{challenge}"


def layout(layout_id: str) -> str:
    """string: the gzipped JSON of a layout, as ``GET /layouts/{id}`` serves it."""
    return f"tt:layout:{layout_id}"


def show(show_id: str) -> list[str]:
    """Return the KEYS of every function on a show, in the order that ``locks/lua/shared.lua`` lists."""
    tag = f"tt:{{{show_id}}}"
    own = [f"{tag}:{name}" for name in ("meta", "seats", "taken", "holds", "owners")]
    return [*own, DEADLINES, ENDED, OUTBOX, changes(show_id), NOTICES, log(show_id)]


def fenced_show(show_id: str) -> list[str]:
    """Return the KEYS of the functions of keepers that compare the fence."""
    return [*show(show_id), FENCE]


def meta(show_id: str) -> str:
    """hash: the declared terms of a show, and its state; ``locks/lua/shared.lua`` lists the fields."""
    return f"tt:{{{show_id}}}:meta"


def seats(show_id: str) -> str:
    """string: one ASCII digit a seat in layout order: 0 free, 1 held, 2 sold, 3 blocked."""
    return f"tt:{{{show_id}}}:seats"


def holds(show_id: str) -> str:
    """hash: hold id -> JSON record of a hold (or of the booking it became)."""
    return f"tt:{{{show_id}}}:holds"


def resting_seats(show_id: str, address: str) -> str:
    """hash: seat that an address has had lately -> from when, until when (``locks/lua/addresses.lua``); expires."""
    return f"tt:{{{show_id}}}:rest:{address}"


def log(show_id: str) -> str:
    """stream: the log of a show, for operators; its length is bounded."""
    return f"tt:{{{show_id}}}:log"


def changes(show_id: str) -> str:
    """channel: JSON of one change: ``{"epoch", "version", "free": [index], ...}`` or with ``"sales"``."""
    return f"tt:{{{show_id}}}:changes"


def changes_show(channel: str) -> str:
    """Return the show id that the name of a changes channel contains."""
    return channel[4:-9]


def reply(reply_id: str) -> str:
    """list: a keeper's answer to a node (``locks.replies``); one JSON element, which expires."""
    return f"tt:reply:{reply_id}"


NODES = "tt:nodes"
"""hash: node -> JSON of its status report, with the time (ms) by its own clock; the nodes of this region."""
VIEWERS = "tt:viewers"
"""hash: node -> JSON ``{"time" (ms), "shows": {show: viewers}}``, the viewers of this region's shows on every node."""
FIGURES, FIGURES_BATCH = "tt:figures", "tt:figures:batch"
"""hash: counts by hour and show (``locks/lua/figures.lua``, which spells them too); in the second those on their
way to the ledger."""
KEEPERS = "tt:keepers"
"""hash: keeper -> JSON of its status report, with the time (ms) by its own clock."""
INCIDENTS = "tt:incidents"
"""stream: what went wrong in the regions, as seen by the processes of this one (``locks.incidents``); bounded."""


def incident(kind: str, about: str) -> str:
    """string: the last of these incidents of the region ``about``: ``begun``, ``ended`` or its detail; expires."""
    return f"tt:incident:{kind}:{about}"


RECONCILED = "tt:reconciled"
"""string: the fencing token: the incarnation (``locks.master.incarnation_of``) in which the master was reconciled, a
random part with a dot and the Sentinels' configuration epoch (0 without), the number of the token; with spaces between
them."""
FENCE = "tt:fence"
"""string: the number of the fencing token that keepers must write with, a space, the server process in which it is
valid."""
POSITION = "tt:ledger-position"
"""string: the highest position of the ledger (``ledger.fencing``) that a keeper has seen."""
HALTED = "tt:halted"
"""string: why an operator must act before anything is sold in this region."""
FENCING_TOKENS = "tt:fencing-tokens"
"""list: the last fencing tokens that began, or were about to begin, with this master's data; the newest first."""
FENCING_TOKENS_BEFORE = "tt:reigns"
"""list: the same, under the name that keepers of the previous release read."""
RECONCILING = "tt:reconciling"
"""string: names the keeper whose turn it is to reconcile the master; expires."""
REBUILT = "tt:rebuilt"
"""string: the fencing token under which all shows were on sale again."""
READING_LOGS = "tt:reading-logs"
"""string: names the keeper whose turn it is to read the logs of shows for webhooks; expires."""
REBUILDING = "tt:rebuilding"
"""string: names the keeper whose turn it is to rebuild the shows that are not on sale; expires."""
COMPARING = "tt:comparing"
"""string: a keeper compares shows with the ledger; expires when the next one may."""
COMPARED = "tt:compared"
"""string: the show that was compared last."""
DAMAGED = "tt:damaged"
"""string: how many shows, records and keys were damaged on this master, and rebuilt."""
CONTRADICTIONS = "tt:contradictions"
"""string: how many contradictions keepers have noted between the payment service and the ledger."""
JOBS_NOT_ADDED = "tt:jobs-not-added"
"""string: how many jobs a queue has refused."""

TURNS = (RECONCILING, READING_LOGS, REBUILDING, COMPARING)
"""Keys by which a keeper takes a turn at something. Without an expiry, no other keeper would ever get the turn."""
TYPES = {
    **dict.fromkeys((QUERIES, STAFF_QUERIES, FENCING_TOKENS, FENCING_TOKENS_BEFORE), "list"),
    **dict.fromkeys((REGION, RECONCILED, FENCE, POSITION, HALTED, REBUILT, COMPARED, *TURNS), "string"),
    **dict.fromkeys((DAMAGED, CONTRADICTIONS, JOBS_NOT_ADDED), "string"),
    **dict.fromkeys((THEATRES, SHOWS, STAFF, REVOKED_GUESTS, NODES, VIEWERS, FIGURES, FIGURES_BATCH, KEEPERS), "hash"),
    **dict.fromkeys((DEADLINES, ENDED), "zset"),
    **dict.fromkeys((OUTBOX, DEAD_LETTERS, INCIDENTS), "stream"),
}
"""The types of the keys that belong to no show."""
