"""The log of a process: one line per record, whatever the record contains."""

from __future__ import annotations

import logging
import re

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Escapes everything in a message that could begin a new line, move the cursor or change the direction of text.

    Tracebacks follow on lines of their own; their last line, which repeats the exception's message, is escaped too.
    """

    def __init__(self) -> None:
        """Use the format of all processes."""
        super().__init__(_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without the traceback."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        """Return the traceback, each of its lines escaped."""
        return "\n".join(escaped(line) for line in super().formatException(ei).split("\n"))  # type: ignore[arg-type]


def escaped(text: str) -> str:
    """Return text with ``\\x1b``, ``\\u202e`` and their like in place of the characters."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def configure(level: int) -> None:
    """Log to stderr from here on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level, handlers=[handler])
