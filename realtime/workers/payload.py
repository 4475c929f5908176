"""The payload of a job. It is validated first, because other programs can add jobs to the same queues."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

VERSION = 1


class Payload(msgspec.Struct, frozen=True):
    """``data`` of a job. ``subject`` is the id of the booking or refund, ``created_at`` ms since the epoch.

    ``kind`` says what is to be done if the queue has several kinds of tasks; jobs of the previous release have none.
    """

    v: int
    task: Annotated[str, Meta(min_length=1, max_length=160)]
    region: Annotated[str, Meta(min_length=1, max_length=16)]
    subject: Annotated[str, Meta(min_length=1, max_length=128)]
    created_at: int
    kind: Annotated[str, Meta(max_length=32)] = ""


def read_payload(data: object, region: str) -> Payload:
    """Return the payload of a job; raise ``ValueError`` if it is malformed, of another version or of another region."""
    try:
        payload = msgspec.convert(data, Payload)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a payload of version {VERSION}: {error}") from None
    if payload.v != VERSION:
        raise ValueError(f"a payload of version {payload.v}, not {VERSION}")
    if payload.region != region:
        raise ValueError(f"a job of region {payload.region}, not of {region}")
    return payload
