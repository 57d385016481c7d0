"""Clients that cost little, so that on a small machine they do not distort what they measure.

Just enough HTTP and WebSocket to read a stream: every arm of a comparison is read in the same way.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

TEXT = 0x81
SIZE = 65536


async def post(url: str, body: bytes) -> AsyncIterator[bytes]:
    """The lines of an event stream that carry an event."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        await reader.readuntil(b"\r\n\r\n")
        rest = b""
        while arrived := await reader.read(SIZE):
            *lines, rest = (rest + arrived).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    yield line
    finally:
        writer.close()


class Socket:
    """One WebSocket of text frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._rest = b""

    @classmethod
    async def connect(cls, port: int, path: str, headers: str = "") -> Socket:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise ConnectionError(f"no WebSocket at {path}: {answer[:80]!r}")
        return cls(reader, writer)

    def send(self, text: bytes) -> None:
        """A client's frames are masked; a mask of zeros changes nothing."""
        length = len(text)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
        self._writer.write(bytes([TEXT]) + size + bytes(4) + text)

    async def texts(self) -> AsyncIterator[bytes]:
        """The payload of each text frame; ends with the connection."""
        while arrived := await self._reader.read(SIZE):
            data, at = self._rest + arrived, 0
            while (end := frame_end(data, at)) is not None:
                start, stop = end
                if data[at] == TEXT:
                    yield data[start:stop]
                at = stop
            self._rest = data[at:]

    def close(self) -> None:
        self._writer.close()


def frame_end(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the unmasked frame at `at` begins and ends; None while it is incomplete."""
    if len(data) < at + 4:
        small = len(data) >= at + 2 and data[at + 1] < 126 and len(data) >= at + 2 + data[at + 1]
        return (at + 2, at + 2 + data[at + 1]) if small else None
    length, start = data[at + 1], at + 2
    if length == 126:
        length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    elif length == 127:
        length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    return (start, start + length) if len(data) >= start + length else None
