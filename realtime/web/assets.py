"""Answers with bytes that are compressed once: in the best coding that the client accepts, or 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from realtime.web.encodings import IDENTITY, choose, matches
from realtime.web.shared_body import body_of

FOR_GOOD = "public, max-age=31536000, immutable"
"""The Cache-Control of what never changes at its address."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file by content coding (``identity`` is always there), its media type, and its entity tag."""

    content: Mapping[str, bytes]
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: Mapping[str, bytes], media_type: str) -> Asset:
        """Return the asset with a tag made of its content."""
        return cls(content, media_type, f'"{hashlib.sha256(content[IDENTITY]).hexdigest()[:24]}"')


def send(request: web.Request, asset: Asset, cache: str) -> web.Response:
    """Answer with a file in the best content coding that the client accepts, or 304 if it has it already."""
    headers = {"ETag": asset.etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if matches(request.headers.get("If-None-Match"), asset.etag):
        return web.Response(status=304, headers=headers)
    coding = choose(request.headers.get("Accept-Encoding"), asset.content)
    if coding != IDENTITY:
        headers["Content-Encoding"] = coding
    text = asset.media_type.startswith("text/")
    return web.Response(
        body=body_of(asset.content[coding]),
        content_type=asset.media_type,
        charset="utf-8" if text else None,
        headers=headers,
    )
