"""The Lua function library that decides about seats: files, concatenated into the one that a master loads.

``python -m realtime.locks.library`` prints the library, for linters and for people.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.resources import files

PARTS = (
    "shared",
    "changes",
    "fencing",
    "addresses",
    "figures",
    "new_holds",
    "buyers",
    "money",
    "keepers",
    "rebuild",
    "previous_rebuild",
    "operators",
)
"""In this order: ``shared`` opens with the library's name, and each file uses local functions of those before it."""


@cache
def source() -> str:
    """Return the source of the whole library."""
    folder = files("realtime.locks").joinpath("lua")
    return "\n".join(folder.joinpath(f"{part}.lua").read_text() for part in PARTS)


@cache
def version(text: str) -> int:
    """Return the version that the source of a library declares."""
    found = re.search(r"^local VERSION = (\d+)$", text, re.MULTILINE)
    assert found is not None, "the library declares its version"
    return int(found[1])


if __name__ == "__main__":
    sys.stdout.write(source())
