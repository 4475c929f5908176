"""What an installation works with and a run looks into: the demo bank, the mail server, and the shop's own system."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from loadtest.faults.bank import Bank
from loadtest.faults.judge.after_booking import Mail
from loadtest.faults.shop import Shop

MAILS_S = 30.0
"""Time for the list of all mails of a run."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Those of one run. ``mailbox`` is the URL of the page that shows what the mail server took, with its key."""

    bank: Bank
    mailbox: str
    mailbox_key: str
    shop: Shop
    http: aiohttp.ClientSession

    async def mails(self) -> list[Mail]:
        """Return all mails. Raises ``aiohttp.ClientError`` or ``TimeoutError``."""
        timeout = aiohttp.ClientTimeout(total=MAILS_S)
        headers = {"Authorization": f"Bearer {self.mailbox_key}"}
        async with self.http.get(f"{self.mailbox}/api/mails", headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            return [Mail(each["message_id"], each["recipient"]) for each in await response.json()]
