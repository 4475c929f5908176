"""One run: a cluster, shows, clients, faults, the end, the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from loadtest.clients import Client
from loadtest.faults import checker, final, injector, schedule
from loadtest.faults.checker import Verdict
from loadtest.faults.history import History, read
from loadtest.faults.probe import Probe
from loadtest.faults.schedule import Fault, Kind
from loadtest.faults.workload import Buyer, ShowSeats, Viewer, World
from realtime import keys, limits, wire
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.errors import TicketError
from realtime.ledger import LedgerUnavailable
from realtime.locks.commands import run_command
from realtime.model import Category, Layout, Seat

HOLD_S = 8
SHOWS_PER_REGION = 2
PROBE_SEATS = 400
SETTLE_S = 30.0
"""After the last hold may have lapsed: time for everything to come to rest. Longer is a violation."""
MAPS_S = 10.0
READY_S = 30.0
PROGRESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``buyers`` is per region."""

    minutes: float
    seed: int
    buyers: int
    nodes_per_region: int = 2

    @property
    def seats(self) -> int:
        """Seats of a show: enough that shows stay on sale to the end."""
        return max(300, min(20_000, int(self.buyers * self.minutes * 8)))

    @property
    def think_s(self) -> tuple[float, float]:
        """How long buyers think: two cores are to be busy, not late."""
        return (1.0, 4.0)


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


async def run(what: Plan, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Run it all in ``folder``; ends by itself a minute or so after ``what.minutes``."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="cluster-") as data:
        cluster = Cluster(
            plan(Path(data), nodes_per_region=what.nodes_per_region, wan=True, port=valkey.free_port), say=say
        )
        say("starting a cluster")
        await cluster.start(sample_data=False)
        try:
            return await _run(what, cluster, folder, say)
        finally:
            await cluster.stop()


async def _run(what: Plan, cluster: Cluster, folder: Path, say: Callable[[str], None]) -> Outcome:
    history = History(folder / f"history-{what.seed}.jsonl")
    shows, probe_shows = await _declare(cluster, what.seats)
    faults = schedule.schedule(what.seed, what.minutes * 60, cluster.plan.regions, injector.targets(cluster))
    try:
        async with _http() as http:
            world = World(shows, HOLD_S, what.think_s, http)
            crowd = _Crowd(what, cluster, history, world)
            inject = injector.Injector(cluster, history, await crowd.probes(probe_shows))
            trouble = await crowd.live(inject, faults, say)
            say("all faults are over; waiting for everything to come to rest")
            state = await _rest(cluster, [*shows, *probe_shows.values()])
            await crowd.maps_agree(state)
            state = await final.read(cluster, [*shows, *probe_shows.values()])
            await crowd.leave()
    finally:
        history.close()
    say("checking what everybody was told")
    verdict = await asyncio.to_thread(checker.check, read(history.file), state)
    sold = sum(len(booking.seats) for show in state.shows.values() for booking in show.bookings)
    return Outcome(
        what, faults, verdict, dict(world.counts), dict(world.errors), inject.outages, sold, history.file, trouble
    )


@contextlib.asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        yield http


# --- shows ------------------------------------------------------------------------------------------------------------
def hall(seats: int) -> Layout:
    """A hall with rows of 50."""
    every = tuple(
        Seat(f"{n // 50 + 1}-{n % 50 + 1}", "Stalls", str(n // 50 + 1), str(n % 50 + 1), "Gold", n % 50, n // 50)
        for n in range(seats)
    )
    return wire.make_layout("Hall", 50, seats // 50 + 1, (Category("Gold", "#d4a017"),), every)


async def _declare(cluster: Cluster, seats: int) -> tuple[list[ShowSeats], dict[str, ShowSeats]]:
    """Declare the shows of the run, and one a region for probes; wait until every node knows them."""
    shows: list[ShowSeats] = []
    probes: dict[str, ShowSeats] = {}
    async with cluster.masters() as masters:
        for region, master in masters.items():
            await run_command(master, "theatre", {"id": f"{region}-hall", "name": "Hall", "city": "Somewhere"})
            for number in range(SHOWS_PER_REGION + 1):
                probe = number == SHOWS_PER_REGION
                layout = hall(PROBE_SEATS if probe else seats)
                await master.command("SET", keys.layout(layout.id), wire.encode_layout(layout))
                await run_command(master, "layout", {"id": layout.id})
                show = f"{region}-probe" if probe else f"{region}-show-{number + 1}"
                body = {"theatre": f"{region}-hall", "layout": layout.id, "prices": {"Gold": 450}, "hold_s": HOLD_S}
                body |= {"id": show, "title": show, "starts_at": f"2030-01-0{number + 1}T18:30:00+05:30"}
                await run_command(master, "show", body)
                declared = ShowSeats(show, region, tuple(seat.id for seat in layout.seats))
                if probe:
                    probes[region] = declared
                else:
                    shows.append(declared)
    async with _http() as http:
        for region in cluster.plan.regions:
            for url in cluster.plan.node_urls(region):
                for show_id in (*(s.id for s in shows), *(s.id for s in probes.values())):
                    await _known(http, f"{url}/api/v1/shows/{show_id}")
    return shows, probes


async def _known(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            async with http.get(url) as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


# --- people -----------------------------------------------------------------------------------------------------------
class _Crowd:
    """Everybody: buyers, a viewer on every node, probes."""

    def __init__(self, what: Plan, cluster: Cluster, history: History, world: World) -> None:
        self._what = what
        self._cluster = cluster
        self._history = history
        self._world = world
        self._rng = random.Random(what.seed)
        self._clients: list[Client] = []
        self._viewers: list[Viewer] = []
        self._viewing: list[asyncio.Task[None]] = []

    def _client(self, name: str, nodes: list[str]) -> Client:
        client = Client(name, nodes, self._history, self._world.http, random.Random(self._rng.random()))
        self._clients.append(client)
        return client

    def _nodes_from(self, home: str) -> list[str]:
        """All nodes, those of ``home`` first, in an order of this client's own."""
        near = list(self._cluster.plan.node_urls(home))
        far = [
            url
            for region in self._cluster.plan.regions
            if region != home
            for url in self._cluster.plan.node_urls(region)
        ]
        return [*self._rng.sample(near, len(near)), *self._rng.sample(far, len(far))]

    async def probes(self, shows: dict[str, ShowSeats]) -> dict[tuple[str, str], Probe]:
        """One for each pair of a node's region and a show's region, and one for each node."""
        found: dict[tuple[str, str], Probe] = {}
        for near in self._cluster.plan.regions:
            for owner, show in shows.items():
                url = self._cluster.plan.node_urls(near)[0]
                found[near, owner] = Probe(self._client(f"probe-{near}-{owner}", [url]), show, self._world.http)
            for port in self._cluster.plan.nodes[near]:
                name = f"node {port}"
                url = f"http://127.0.0.1:{port}"
                found[name, near] = Probe(self._client(f"probe-{port}", [url]), shows[near], self._world.http)
        return found

    async def live(self, inject: injector.Injector, faults: list[Fault], say: Callable[[str], None]) -> list[str]:
        """Let everybody do what they do while the faults happen; return what went wrong with the runner itself."""
        loop = asyncio.get_running_loop()
        world = self._world
        shows = world.shows
        for region in self._cluster.plan.regions:
            for number, url in enumerate(self._cluster.plan.node_urls(region)):
                nodes = [url, *(each for each in self._nodes_from(region) if each != url)]
                client = self._client(f"viewer-{region}-{number + 1}", nodes)
                self._viewers.append(Viewer(client, shows, world))
        world.maps = self._viewers[0].maps
        self._viewing = [asyncio.create_task(viewer.run()) for viewer in self._viewers]
        await _until(lambda: all(known.epoch for viewer in self._viewers for known in viewer.maps.values()), READY_S)
        supervising = asyncio.create_task(self._cluster.supervise())
        progress = asyncio.create_task(self._progress(inject, say))
        buyers = [
            Buyer(
                self._client(f"{region}-{n}", self._nodes_from(region)),
                region,
                world,
                random.Random(self._rng.random()),
            )
            for n in range(self._what.buyers)
            for region in self._cluster.plan.regions
        ]
        buying = [asyncio.create_task(buyer.run()) for buyer in buyers]
        injecting = asyncio.create_task(inject.run(faults))
        try:
            began = loop.time()
            await asyncio.wait([injecting])
            await asyncio.sleep(max(0.0, began + self._what.minutes * 60 - loop.time()))
            world.closing.set()
            world.deadline = loop.time() + SETTLE_S
            await asyncio.wait(buying, timeout=SETTLE_S + 15)
        finally:
            for task in (supervising, progress):
                task.cancel()
            for task in (*buying, injecting):
                task.cancel()
            ends = await asyncio.gather(*buying, injecting, return_exceptions=True)
        return [repr(end) for end in ends if isinstance(end, BaseException)]

    async def _progress(self, inject: injector.Injector, say: Callable[[str], None]) -> None:
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(PROGRESS_S)
            counts = self._world.counts
            seconds = int(asyncio.get_running_loop().time() - began)
            errors = ", ".join(f"{code} {count}" for code, count in self._world.errors.most_common(4))
            done = sum(map(len, inject.outages.values()))
            now = ", ".join(f"{fault.target} {fault.kind.split(' ', 1)[-1]}" for fault in inject.now.values())
            say(
                f"{seconds // 60}:{seconds % 60:02}  {counts['holds']} holds, {counts['bookings']} bookings, "
                f"{counts['pending']} pending; {errors or 'no errors'}; {done} faults healed"
                + (f"; now: {now}" if now else "")
            )

    async def maps_agree(self, state: final.Final) -> None:
        """Give viewers a moment to see the end."""
        with contextlib.suppress(TimeoutError):
            await _until(
                lambda: all(
                    (known.epoch, known.version) == (state.shows[show].epoch, state.shows[show].version)
                    for viewer in self._viewers
                    for show, known in viewer.maps.items()
                ),
                MAPS_S,
            )

    async def leave(self) -> None:
        """Let everybody go."""
        for task in self._viewing:
            task.cancel()
        await asyncio.gather(*self._viewing, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - many clients, no one event
            await asyncio.sleep(0.1)


async def _rest(cluster: Cluster, shows: list[ShowSeats]) -> final.Final:
    """Wait until every hold has lapsed and every outbox is empty; return how things stand then, or at the latest."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + HOLD_S * (1 + limits.MAX_EXTENSIONS) + SETTLE_S
    while True:
        try:
            state = await final.read(cluster, shows)
            if state.quiet or loop.time() > deadline:
                return state
        except (TicketError, LedgerUnavailable):
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.5)
