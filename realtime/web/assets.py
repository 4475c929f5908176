"""Answers with assets that are compressed once, in the best coding that the client accepts, and checks preconditions.

Preconditions are those of RFC 9110, section 13. An asset has an entity tag and no date, so conditions on dates are
ignored. ``Range`` is ignored too: the answer is the whole file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from realtime.web.encodings import IDENTITY, choose, matches, names
from realtime.web.shared_body import body_of

FOR_GOOD = "public, max-age=31536000, immutable"
"""The Cache-Control of files that never change at their address."""
_OF_304 = ("ETag", "Cache-Control", "Vary")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in several content codings (``identity`` is always one of them), its media type, and its entity tag."""

    content: Mapping[str, bytes]
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: Mapping[str, bytes], media_type: str) -> Asset:
        """Return the asset with a tag made of its content."""
        return cls(content, media_type, f'"{hashlib.sha256(content[IDENTITY]).hexdigest()[:24]}"')


def on_conditions(request: web.Request, answer: web.Response) -> web.Response:
    """Return an answer that has an ``ETag``, or 304 instead if the client has this version already.

    Raises ``HTTPPreconditionFailed`` if the client asks for another version only.
    """
    etag = answer.headers["ETag"]
    wanted = request.headers.getall("If-Match", ())
    if wanted and not names(",".join(wanted), etag):
        raise web.HTTPPreconditionFailed
    if not matches(",".join(request.headers.getall("If-None-Match", ())), etag):
        return answer
    return web.Response(status=304, headers={name: answer.headers[name] for name in _OF_304})


def send(request: web.Request, asset: Asset, cache: str) -> web.Response:
    """Answer with a file if the conditions of the request allow it; raises what ``on_conditions`` raises."""
    return on_conditions(request, send_whole(request, asset, cache))


def send_whole(request: web.Request, asset: Asset, cache: str) -> web.Response:
    """Answer with a file in the best content coding that the client accepts, without looking at conditions."""
    headers = {"ETag": asset.etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
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
