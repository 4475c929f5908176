"""The types of a node's JSON answers to operators, except those from the ledgers; see ``answers``."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from realtime.feeds.directory import UnreadableRecord
from realtime.model import Theatre
from realtime.plans.report import Finding
from realtime.staff import Role
from realtime.wire.shows import ShowBody


class DeclaredTheatre(TypedDict):
    """The theatre as it is now."""

    theatre: Theatre


class ImportedLayoutBody(TypedDict):
    """A layout that was imported."""

    id: str
    name: str
    seats: int
    categories: list[str]


class ImportedLayout(TypedDict):
    """A layout, and the importer's report about it."""

    layout: ImportedLayoutBody
    report: list[Finding]


class DeclaredShow(TypedDict):
    """The show as it is now."""

    show: ShowBody


class ChangedSeats(TypedDict):
    """The seats that were blocked or unblocked."""

    show: str
    seats: list[str]


class Block(TypedDict):
    """A blocked seat."""

    seat: str
    reason: str
    at: int


class Blocks(TypedDict):
    """The blocked seats of a show."""

    blocks: list[Block]


class ChangedSales(TypedDict):
    """The state of the sales of a show."""

    show: str
    sales: Literal["open", "paused", "closed"]


class Archived(TypedDict):
    """A show that has left the lock master."""

    show: str
    archived: bool


class RepairedRecord(TypedDict):
    """A record that was replaced by the ledger's, or removed."""

    kind: str
    id: str
    written: bool


class RetriedDeadLetter(TypedDict):
    """A dead letter that is processed again."""

    id: str
    kind: str


class RefundedDeadLetter(TypedDict):
    """A dead letter whose payment is returned."""

    id: str
    payment: str


class RegionState(TypedDict):
    """What a node knows of a region; ``nodes`` and ``keepers`` are their last status reports."""

    name: str
    label: str
    live: bool
    since: int | None
    lag_ms: float | None
    shows: int
    unreadable: list[UnreadableRecord]
    nodes: list[dict[str, Any]]
    keepers: list[dict[str, Any]]


class Overview(TypedDict):
    """The state of the installation as the node of a region sees it."""

    time: int
    region: str
    regions: list[RegionState]


class ListedIncident(TypedDict):
    """Something that went wrong, or is over."""

    id: str
    seen_from: str
    at: int
    kind: str
    about: str
    state: str
    by: str
    detail: str


class Incidents(TypedDict):
    """What went wrong lately, the newest first."""

    incidents: list[ListedIncident]
    missing: list[str]


class DeadLetter(TypedDict):
    """An entry that no keeper could process."""

    region: str
    id: str
    kind: str
    hold: str
    payment: str
    amount: str
    reason: str


class DeadLetters(TypedDict):
    """Dead letters of all regions, the oldest of each first."""

    dead_letters: list[DeadLetter]
    missing: list[str]


class LiveHold(TypedDict):
    """A live hold; seats are indices."""

    id: str
    state: str
    seats: list[int]
    expires_at: int


class HoldsOfShow(TypedDict):
    """The live holds of a show."""

    show: str
    time: int
    holds: list[LiveHold]


class LogEvent(TypedDict):
    """An event in the log of a show; fields for what did not change are missing. Seats are indices."""

    id: str
    time: int
    kind: str
    hold: str
    version: NotRequired[int]
    epoch: NotRequired[Any]
    free: NotRequired[list[int]]
    held: NotRequired[list[int]]
    sold: NotRequired[list[int]]
    blocked: NotRequired[list[int]]


class ShowLog(TypedDict):
    """A part of the log of a show, the newest event first."""

    show: str
    events: list[LogEvent]


class Me(TypedDict):
    """The person or device that a staff token names."""

    name: str
    role: Role
    theatre: str
