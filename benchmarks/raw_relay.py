"""The other side of the comparison: the least an ASGI application can do to pass a model's words to a WebSocket.

No sign-in, no numbering, no database: read the event stream, take out the text, send it.
"""

from __future__ import annotations

import os
from typing import Any

import aiohttp
import orjson

_sessions: list[aiohttp.ClientSession] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await relay(message["text"], send)


async def relay(body: str, send: Any) -> None:
    if not _sessions:
        _sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    headers = {"Content-Type": "application/json"}
    async with _sessions[0].post(os.environ["UPSTREAM"], data=body, headers=headers) as response:
        rest = b""
        async for arrived in response.content.iter_any():
            *lines, rest = (rest + arrived).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    text = orjson.loads(line[6:])["choices"][0]["delta"].get("content")
                    if text:
                        await send({"type": "websocket.send", "text": text})
