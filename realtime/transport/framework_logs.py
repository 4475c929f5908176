"""The loggers of the frameworks, without what clients have sent: their reports quote headers and ids of sessions."""

from __future__ import annotations

import logging

_OF_ORIGIN = " is not an accepted origin."
"""How engine.io's report of a foreign origin ends."""


def errors_only(framework: str) -> logging.Logger:
    """Return the logger of a Socket.IO framework, set to errors; given none, it adds a handler of its own to it.

    Reports of its own exceptions stay as they are; what it says about requests becomes a fixed text.
    """
    logger = logging.getLogger(framework)
    logger.setLevel(logging.ERROR)
    logger.addFilter(_without_request)
    return logger


def http_log() -> logging.Logger:
    """Return aiohttp's logger, for servers whose requests no ``HttpConnection`` parses.

    What the parser says about a request becomes the kind of its fault.
    """
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_without_parsers_message)
    return logger


def _without_request(record: logging.LogRecord) -> bool:
    if not record.exc_info:
        why = "its origin is not accepted" if record.getMessage().partition(" (")[0].endswith(_OF_ORIGIN) else "invalid"
        record.msg, record.args = f"a request was refused: {why} (only the first of its kind is logged)", None
    return True


def _without_parsers_message(record: logging.LogRecord) -> bool:
    """Leave alone what handlers have raised: only exceptions of aiohttp's own quote the request."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__module__.startswith("aiohttp"):
        record.msg, record.args, record.exc_info = "a malformed request: %s", (type(error).__name__,), None
    return True
