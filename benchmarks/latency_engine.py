"""A model server that keeps a large model's time without being one: continuous batching with a limit of slots.

    python -m benchmarks.latency_engine [--slots 128] [--pace 1.0]

One loop of engine steps. A step reads up to `BUDGET` new prompt tokens of admitted requests and gives every decoding
request one token; it lasts BASE + per sequence + per prompt token seconds, about what a 7B model in bf16 takes on one
data-centre GPU (DiagGym's agent is one). Prefixes of conversations already seen are not read again. Answers depend
on the prompt and the seed alone (benchmarks/scripted.py), so that every client hears the same.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from benchmarks import scripted

BASE = 0.011
PER_SEQUENCE = 0.00008
PER_PROMPT_TOKEN = 0.0001
BUDGET = 2048
STREAM_INTERVAL = 8
"""Tokens per event, as vLLM's --stream-interval: at 128 streams the events should not be what is measured."""
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
NOTHING = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def step_seconds(sequences: int, prompt_tokens: int) -> float:
    """How long one step of the engine lasts."""
    return BASE + PER_SEQUENCE * sequences + PER_PROMPT_TOKEN * prompt_tokens


def tokens_of(text: str) -> list[str]:
    """Pieces of up to four characters, like a tokenizer's."""
    return re.findall(r".{1,4}", text, re.S)


@dataclass(eq=False)
class Request:
    """One answer being given; `unread` counts the prompt tokens still to be read, `sent` the tokens said."""

    writer: asyncio.StreamWriter
    tokens: list[str]
    prompt: int
    unread: int
    sent: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def gone(self) -> bool:
        return self.writer.is_closing()

    def say(self) -> None:
        """One more token; written every few, and at the end with the counts."""
        self.sent += 1
        last = self.sent == len(self.tokens)
        if last or self.sent % STREAM_INTERVAL == 0:
            start = (self.sent - 1) // STREAM_INTERVAL * STREAM_INTERVAL
            self.writer.write(_event("".join(self.tokens[start : self.sent]), "stop" if last else None))
        if last:
            usage = {"prompt_tokens": self.prompt, "completion_tokens": self.sent}
            self.writer.write(_chunk({"choices": [], "usage": usage}) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            self.done.set()


class Engine:
    """Requests waiting and running; `pace` divides every duration."""

    def __init__(self, slots: int, pace: float = 1.0) -> None:
        self.slots, self.pace = slots, pace
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.seen: set[bytes] = set()
        self.wake = asyncio.Event()

    def new_tokens(self, messages: list[dict[str, str]]) -> int:
        """Prompt tokens that no earlier conversation has brought; remembers this one."""
        digest, unread = blake2b(digest_size=16), 0
        for message in messages:
            digest.update(orjson.dumps(message))
            if digest.digest() not in self.seen:
                self.seen.add(digest.digest())
                unread += prompt_tokens([message])
        return max(unread, 1)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        clock = loop.time()
        while True:
            if not (self.running or self.waiting):
                self.wake.clear()
                await self.wake.wait()
                clock = loop.time()
            # The clock is the GPU's: when this process gets the processor late, it catches up.
            clock += self.step() / self.pace
            await asyncio.sleep(max(0.0, clock - loop.time()))

    def step(self) -> float:
        """Admit, read, decode; the seconds that this takes."""
        self.running = [each for each in self.running if not (each.done.is_set() or each.gone)]
        while self.waiting and len(self.running) < self.slots:
            self.running.append(self.waiting.popleft())
        read, decoding = 0, [each for each in self.running if not each.unread]
        for each in self.running:
            part = min(each.unread, BUDGET - read)
            each.unread -= part
            read += part
        for each in decoding:
            each.say()
        return step_seconds(len(decoding), read)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.I)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if b"/reset_prefix_cache" in head.split(b"\r\n")[0]:
                self.seen.clear()
                writer.write(NOTHING)
            else:
                await self._complete(orjson.loads(body), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _complete(self, body: dict, writer: asyncio.StreamWriter) -> None:
        messages = body["messages"]
        tokens = tokens_of(scripted.answer(messages, body.get("seed")))[: body["max_tokens"]]
        request = Request(writer, tokens, prompt_tokens(messages), self.new_tokens(messages))
        writer.write(HEAD)
        self.waiting.append(request)
        self.wake.set()
        await request.done.wait()


def prompt_tokens(messages: list[dict[str, str]]) -> int:
    """About four characters a token, and the marks of each message."""
    return sum(4 + len(message["content"]) // 4 for message in messages)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunk(data: dict) -> bytes:
    return _framed(b"data: " + orjson.dumps(data) + b"\n\n")


def _event(text: str, finish: str | None) -> bytes:
    return _chunk({"choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish}]})


async def serve(slots: int, pace: float) -> None:
    engine = Engine(slots, pace)
    server = await asyncio.start_server(engine.answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.gather(server.serve_forever(), engine.run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=128)
    parser.add_argument("--pace", type=float, default=1.0, help="run this many times faster than the GPU")
    options = parser.parse_args()
    asyncio.run(serve(options.slots, options.pace))


if __name__ == "__main__":
    main()
