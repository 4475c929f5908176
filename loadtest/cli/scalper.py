"""``python -m loadtest scalper``."""

from __future__ import annotations

import asyncio

import aiohttp
import click

from loadtest.crowd.nodes import read_target
from loadtest.measures import percentile
from loadtest.scalper.attack import Order
from loadtest.scalper.person import Holds
from loadtest.scalper.run import Outcome, run
from loadtest.target import TargetError, checked_urls


@click.command()
@click.option("--url", "urls", multiple=True, required=True, help="URL of a node on this machine; repeat for more.")
@click.option("--show", help="Id of a show; without it the largest one on sale.")
@click.option(
    "--connections",
    type=click.IntRange(1, 10_000),
    default=1000,
    show_default=True,
    help="Connections of the scalper, each with a fresh identity.",
)
@click.option(
    "--buyers",
    type=click.IntRange(1, 5_000),
    default=200,
    show_default=True,
    help="Other buyers, each at an address of its own.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=15.0,
    show_default=True,
    help="Duration of each part: the buyers alone, beside the scalper, and alone again.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Seats that one address may hold (`seats_per_address` of the nodes).",
)
@click.option("--slower-ms", type=click.FloatRange(0), default=50.0, show_default=True,
              help="By how much the buyers' p99 may rise beside the scalper.")  # fmt: skip
def scalper(
    urls: tuple[str, ...],
    show: str | None,
    connections: int,
    buyers: int,
    seconds: float,
    limit: int,
    slower_ms: float,
) -> None:
    """Let one address with many connections and fresh identities try to hold a whole show, beside other buyers.

    Loopback only: the scalper and the buyers use addresses of their own in 127.0.0.0/8. Nobody pays.
    """
    try:
        order = asyncio.run(_order(checked_urls(urls, owned=False), show, connections, seconds))
        outcome = asyncio.run(run(order, buyers))
    except (TargetError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(_table(order, buyers, outcome))
    rise = percentile(outcome.beside.answer_ms, 0.99) - percentile(outcome.quiet.answer_ms, 0.99)
    failures = []
    if outcome.scalper.most_seats > limit:
        failures.append(f"the scalper held {outcome.scalper.most_seats} seats; the limit of an address is {limit}")
    if rise > slower_ms:
        failures.append(f"the buyers' p99 rose by {rise:.0f} ms")
    wrong = set(outcome.beside.refused) - {"seats_taken"}
    if wrong or not outcome.beside.granted:
        failures.append(f"the buyers were refused: {', '.join(sorted(wrong)) or 'all of them'}")
    for failure in failures:
        click.echo(f"FAILED: {failure}")
    if failures:
        raise SystemExit(1)


async def _order(urls: list[str], show: str | None, connections: int, seconds: float) -> Order:
    target = await read_target(urls, [show] if show else [], 1, largest=True)
    chosen = target.shows[0]
    async with aiohttp.ClientSession() as http, http.get(f"{urls[0]}/api/v1/layouts/{chosen.layout}") as answer:
        layout = await answer.json()
    seats = [seat["id"] for seat in layout["seats"]]
    return Order(urls, chosen.id, seats, chosen.max_seats, connections, seconds)


def _table(order: Order, buyers: int, outcome: Outcome) -> str:
    lines = [
        f"{order.show}: {len(order.seats):,} seats; {order.connections:,} connections of one address, "
        f"{buyers:,} buyers at addresses of their own",
        f"{'':24}{'asked':>9}{'granted':>9}{'most seats':>12}{'p50 ms':>9}{'p99 ms':>9}  refused",
        _line("buyers alone", outcome.quiet),
        _line("buyers beside scalper", outcome.beside),
        _line("buyers alone again", outcome.after),
        _line("scalper", outcome.scalper),
    ]
    return "\n".join(lines)


def _line(name: str, holds: Holds) -> str:
    refused = ", ".join(f"{code} {count:,}" for code, count in sorted(holds.refused.items())) or "none"
    asked = holds.granted + sum(holds.refused.values())
    p50, p99 = (percentile(holds.answer_ms, share) for share in (0.5, 0.99))
    figures = f"{asked:>9,}{holds.granted:>9,}{holds.most_seats:>12,}{p50:>9.1f}{p99:>9.1f}"
    return f"{name:24}{figures}  {refused}"
