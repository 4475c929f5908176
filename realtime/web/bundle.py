"""The bundled pages: what ``scripts/bundle.mjs`` made at install, in memory.

A bundle is used only if it was made from the sources beside it. After a source has changed, the node serves the
sources, one file per module, until the bundles are made again. So a page is never older than its sources.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from realtime.web.assets import Asset
from realtime.web.encodings import BROTLI, GZIP, IDENTITY

log = logging.getLogger(__name__)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}


class _Manifest(msgspec.Struct, frozen=True):
    embed: str
    sources: list[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """``pages`` by the name of their source (``show.html``), ``files`` by hashed name; ``embed`` is one of them."""

    pages: Mapping[str, str]
    files: Mapping[str, Asset]
    embed: Asset


def load(static: Path) -> Bundle | None:
    """Return the bundle in ``static``, or None if there is none that was made from the present sources."""
    built = static / "built"
    try:
        manifest = msgspec.json.decode((built / "manifest.json").read_bytes(), type=_Manifest)
        if _digest(static, manifest.sources) != manifest.digest:
            log.warning("pages: their sources have changed since they were bundled (make install): not using bundles")
            return None
        pages = {file.name: file.read_text(encoding="utf-8") for file in built.glob("*.html")}
        files = {file.name: _asset(file) for file in built.iterdir() if file.suffix in _TYPES}
        return Bundle(pages, files, files[manifest.embed])
    except FileNotFoundError:
        log.warning("pages: they are not bundled (make install): each module is a request")
        return None


def _asset(file: Path) -> Asset:
    content = {IDENTITY: file.read_bytes()}
    for coding, ending in ((BROTLI, ".br"), (GZIP, ".gz")):
        compressed = file.with_name(file.name + ending)
        if compressed.exists():
            content[coding] = compressed.read_bytes()
    return Asset.of(content, _TYPES[file.suffix])


def _digest(static: Path, sources: list[str]) -> str:
    """Compute the digest of the sources in the same way as ``scripts/bundle.mjs``."""
    whole = hashlib.sha256()
    for path in sorted(sources):
        whole.update(f"{path}\0".encode())
        whole.update(hashlib.sha256((static / path).read_bytes()).digest())
    return whole.hexdigest()
