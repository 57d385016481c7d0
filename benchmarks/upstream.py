"""A model server that only costs what it must: one long action for every request, token by token.

    python -m benchmarks.upstream RATE

The first token is readable at once and tells when it was sent (a codec cannot show anything of `{"act`).
Plain asyncio without an HTTP library, so that on a small machine the measured relays get the processor.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

WORDS = "pain fever cough worse since Monday on the left with deep breaths and no relief from rest or "
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
TAIL = b"data: [DONE]\n\n"


def action() -> str:
    """Much longer than any real one, so that no stream ends while it is measured."""
    long = (WORDS * 60).strip()
    rows = [{"dx": f"Diagnosis {n} of the list", "p": 9, "g": "likely"} for n in range(10)]
    return json.dumps({"action": "ask", "target": long, "reason": long, "differential": rows}, separators=(",", ":"))


def tokens(text: str) -> list[str]:
    """Pieces of up to four characters, like a tokenizer's."""
    return re.findall(r".{1,4}", text, re.S)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(piece: str | None, role: bool = False) -> bytes:
    delta = {"role": "assistant", "content": ""} if role else {"content": piece} if piece else {}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    return chunk(b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n")


BEGIN = '{"action":"ask","target":"'
PIECES = [event(piece) for piece in tokens(action().removeprefix(BEGIN))]
END = event(None) + chunk(TAIL) + b"0\r\n\r\n"


async def serve(rate: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.I)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(HEAD + event(None, role=True))
            writer.write(event(f"{BEGIN}sent {time.monotonic_ns() // 1000} "))
            start = asyncio.get_running_loop().time()
            for number, piece in enumerate(PIECES, start=1):
                await asyncio.sleep(max(0.0, start + number / rate - asyncio.get_running_loop().time()))
                if writer.is_closing():
                    return
                writer.write(piece)
            writer.write(END)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(float(sys.argv[1])))
