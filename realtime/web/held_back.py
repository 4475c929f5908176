"""Answers that are held back: a client that asks too much waits for them."""

from __future__ import annotations

import asyncio


class HeldBack:
    """Counts the answers of one kind that are held back."""

    def __init__(self) -> None:
        """None is held back yet."""
        self.waiting = 0

    async def wait(self, seconds: float, most: int) -> None:
        """Wait before an answer is given, unless ``most`` wait: more are answered at once, which costs less."""
        if self.waiting >= most:
            return
        self.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting -= 1
