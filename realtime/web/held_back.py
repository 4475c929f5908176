"""Holds back answers, so that a client that asks too much has to wait."""

from __future__ import annotations

import asyncio


class HeldBack:
    """Counts the answers of one kind that are held back."""

    def __init__(self) -> None:
        """None is held back yet."""
        self.waiting = 0

    async def wait(self, seconds: float, most: int) -> None:
        """Wait before an answer, unless ``most`` answers are held back already: answering at once costs less."""
        if self.waiting >= most:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting -= 1
