"""Reads secrets from the environment, from a variable or a file, and checks their strength.

``NAME_FILE`` is the path of a file that contains what ``NAME`` would, as container platforms mount secrets. Messages
name the variable, never its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from realtime.topology import TopologyError

PREFIX = "TICKINGTICKETS_"
_FILE = "_FILE"
MAX_FILE_BYTES = 64 * 1024
MIN_SECRET_LENGTH = 16
MIN_DIFFERENT = 8
"""The least number of different characters in a secret: 16 random hexadecimal digits have fewer in 1 of 4,000 cases."""
_GUESSABLE = ("changeme", "change-me", "password", "tickingtickets", "qwerty", "letmein", "replace", "example")


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the content of each ``TICKINGTICKETS_..._FILE`` under the name without ``_FILE``.

    The end of the last line is not part of a secret. Raises ``TopologyError`` for a file that can't be read, is empty
    or too large, and for a variable that is set in both ways.
    """
    read = dict(environ)
    for name, path in environ.items():
        if not name.startswith(PREFIX) or not name.endswith(_FILE) or not path:
            continue
        variable = name.removesuffix(_FILE)
        if environ.get(variable):
            raise TopologyError(f"set either {variable} or {name}, not both")
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            text = content.decode().rstrip("\r\n")
        except OSError as error:
            raise TopologyError(f"{name}: {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TopologyError(f"{name}: {path} is not text") from None
        if not text or len(content) > MAX_FILE_BYTES:
            raise TopologyError(f"{name}: {path} is {'empty' if not text else 'too large'}")
        read[variable] = text
    return read


def weakness_of_secret(secret: str) -> str:
    """Return why a secret could be guessed, "" if it seems strong enough."""
    if len(secret) < MIN_SECRET_LENGTH:
        return f"has fewer than {MIN_SECRET_LENGTH} characters"
    if len(set(secret)) < MIN_DIFFERENT:
        return f"has fewer than {MIN_DIFFERENT} different characters"
    found = next((word for word in _GUESSABLE if word in secret.lower()), "")
    return f"contains {found!r}" if found else ""


def weakness_of_pin(pin: str) -> str:
    """Return why a PIN would be guessed early, "" if it seems strong enough."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(pin)}
    if len(set(pin)) < 3:
        return "has fewer than 3 different digits"
    return "is a row of digits" if steps in ({1}, {9}) else ""
