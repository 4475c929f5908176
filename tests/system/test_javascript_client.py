"""The official JavaScript client from npm, in Node.js, together with the Python client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, until

SCRIPT = Path(__file__).parent / "client.mjs"


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
async def test_the_official_client_books_a_seat(cluster: Cluster, node_binary: Path, transports: str) -> None:
    show = await new_show(cluster, "south")
    watcher = await Client.connect(node_urls(cluster)[1])
    await watcher.call("show:watch", {"show": show})
    process = await asyncio.create_subprocess_exec(
        str(node_binary), str(SCRIPT), node_urls(cluster)[0], show, "F-12", transports, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    said: dict[str, Any] = {}
    for line in output.decode().splitlines():
        message = json.loads(line)
        said.setdefault(message["event"], message["payload"])
    assert set(said["session"]) == {"owner", "token"}
    assert said["watch"]["status"] == "live"
    assert said["hold"]["hold"]["seats"] == ["F-12"]
    assert said["confirm"]["booking"]["state"] == "booked"
    assert said["again"]["error"]["code"] == "seats_taken"
    assert said["nonsense"]["error"]["code"] == "bad_request"
    assert said["transport"] == transports.split(",")[-1]

    async def sold() -> bool:
        return watcher.status(show, 111) == "sold"

    await until(sold)
    await watcher.close()
