"""Causes and heals faults of links: cut, slow, half-open (connections stay open, nothing passes), one-way."""

from __future__ import annotations

import asyncio

from loadtest.faults.actions import Begun, Parts
from loadtest.faults.relay_process import RelayProcess
from loadtest.faults.schedule import Fault
from realtime.dev.relay import Relay

SLOW_MS = 300.0
"""Added one way. A hold over such a link is still answered in time."""


async def cut(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Cut a link: its connections are reset, new ones are refused."""
    link = _link(parts, fault)
    link.cut()
    await _heal_after(link, fault, begun)


async def slow_down(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Delay a link by ``SLOW_MS`` each way."""
    link = _link(parts, fault)
    link.slow_down(SLOW_MS)
    await _heal_after(link, fault, begun)


async def half_open(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Pass nothing over a link, and keep its connections open. What was sent arrives once it is healed."""
    link = _link(parts, fault)
    link.block()
    await _heal_after(link, fault, begun)


async def one_way(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Pass requests over a link and hold back the answers, or the other way round (by the fault's time)."""
    link = _link(parts, fault)
    requests_pass = round(fault.at * 100) % 2 == 0
    link.block(there=not requests_pass, back=requests_pass)
    await _heal_after(link, fault, begun)


async def _heal_after(link: Relay | RelayProcess, fault: Fault, begun: Begun) -> None:
    try:
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        link.restore()


def _link(parts: Parts, fault: Fault) -> Relay | RelayProcess:
    """Return the link that a fault's target names: of a ledger, of a replica (``feed``), or to a master."""
    kind, owner, *near = fault.target.split()
    if kind == "ledger":
        return parts.ledgers[owner]
    return (parts.cluster.feeds if kind == "feed" else parts.cluster.relays)[owner, near[0]]
