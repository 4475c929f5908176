"""``up``: runs the whole system on this machine, in one terminal."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from realtime.cancellation import cancel_all
from realtime.cli.common import run, stop_on_signals
from realtime.dev.cluster import Cluster, ClusterError
from realtime.dev.plan import LABELS, ClusterPlan, plan


@click.command()
@click.option(
    "--nodes-per-region", type=click.IntRange(1, 20), default=1, show_default=True, help="Web nodes in each region."
)
@click.option("--wan", is_flag=True, help="Delay the links between regions as across India (10-25 ms one way).")
@click.option("--sentinel", is_flag=True, help="Add two spare masters and three Sentinels per region, for failover.")
@click.option("--fresh", is_flag=True, help="Delete the data of earlier runs first.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="The folder for data and logs.",
)
def up(nodes_per_region: int, wan: bool, sentinel: bool, fresh: bool, data: Path) -> None:
    """Run the whole system with sample theatres and shows.

    It starts three regions, each with a lock master, replicas in every region, web nodes, a keeper, a worker and a
    ledger, and for all of them a demo bank and a mailbox. Ctrl-C stops everything; the next start continues with the
    data.
    """
    if wan and sentinel:
        raise click.UsageError("use either --wan or --sentinel: links to a master that can move can't be delayed")
    sentinels = tuple(LABELS) if sentinel else ()
    os.umask(0o077)  # for the files of all parts
    run(_up(plan(data, nodes_per_region=nodes_per_region, wan=wan, sentinels=sentinels), fresh))


async def _up(cluster_plan: ClusterPlan, fresh: bool) -> None:
    stop = asyncio.create_task(stop_on_signals().wait())
    cluster = Cluster(cluster_plan, echo=click.echo)
    click.echo("Starting three regions ...")
    starting = asyncio.create_task(cluster.start(fresh=fresh))
    await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        await cancel_all(starting)
        return
    try:
        starting.result()
    except ClusterError as error:
        raise click.ClickException(str(error)) from None
    _print_banner(cluster)
    watching = asyncio.create_task(cluster.supervise())
    try:
        await asyncio.wait([watching, stop], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        click.echo("\nStopping ...")
        await cancel_all(watching)
        await cluster.stop()
        click.echo("Stopped. The data is kept for the next start.")


def _print_banner(cluster: Cluster) -> None:
    click.echo("\nTickingTickets is running. Open one of these pages, or two of them side by side:\n")
    for region in cluster.plan.regions:
        urls = "  ".join(f"{url}/" for url in cluster.plan.node_urls(region))
        click.echo(f"  {LABELS.get(region, region):<10} {urls}")
    node = cluster.plan.node_urls(cluster.plan.regions[0])[0]
    click.echo(f"\nControl room: {node}/ops  operator key {cluster.secrets['OPERATOR_KEY']}")
    click.echo(f"Kiosk: {node}/kiosk  PIN {cluster.secrets['KIOSK_PIN']}")
    click.echo(f"Mails: {cluster.plan.mailbox_url}/?key={cluster.secrets['MAILBOX_KEY']}  no mail leaves this machine")
    click.echo(f"Topology, logs and data: {cluster.plan.data}/")
    click.echo("Ctrl-C stops everything.")
