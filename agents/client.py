"""What talks to a model server (with agents/completions.py): the OpenAI protocol as vLLM speaks it, streamed.

Contract: every failure is a PolicyError with a `code`. PolicyUnavailable (`policy_unavailable`, `policy_timeout`)
may be retried; a plain PolicyError (`policy_rejected`, `context_exceeded`, `policy_garbled`) will not get better by
itself. Closing the iterator that `stream` returns closes the connection, on which vLLM stops generating. After
several failures in a row a circuit breaker answers at once, and lets one request through after a pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from agents.breaker import CircuitBreaker
from agents.errors import PolicyError, PolicyUnavailable
from agents.sse import Delta, EventReader, Usage
from agents.types import Message, Sampling

__all__ = [
    "CircuitBreaker",
    "Completion",
    "Delta",
    "PolicyClient",
    "PolicyError",
    "PolicyUnavailable",
    "ProbeResult",
    "Usage",
    "whole",
]

CONNECT_SECONDS = 5.0
KEPT_SECONDS = 4.0
"""An idle connection; less than the 5 s after which uvicorn, below vLLM, closes it: a request on a closed one fails."""
CONTEXT_WORDS = ("maximum context length", "context length of")


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. Token ids (T,) and log-probs (T,) in nats are empty unless asked for; `dropped` as of a Delta."""

    text: str
    finish: str | None
    usage: Usage | None = None
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    seconds: float = 0.0
    first_token_seconds: float = 0.0
    dropped: tuple[str, ...] = ()


async def whole(stream: AsyncGenerator[Delta, None]) -> Completion:
    """The pieces of one answer as one; seconds are counted from here. Raises PolicyError."""
    started = time.monotonic()
    first = 0.0
    deltas: list[Delta] = []
    async with aclosing(stream):
        async for delta in stream:
            first = first or time.monotonic() - started
            deltas.append(delta)
    return _joined(deltas, time.monotonic() - started, first)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether one token could be decoded just now; `code` and `detail` say why not."""

    ok: bool
    seconds: float
    code: str = ""
    detail: str = ""


class PolicyClient:
    """Speaks to one model of one server; safe for any number of concurrent streams of one event loop.

    `url` is the server's root or its /v1; times are seconds.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        first_token_seconds: float = 60.0,
        idle_seconds: float = 20.0,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        root = url.rstrip("/")
        self.url = root if root.endswith("/v1") else f"{root}/v1"
        self.model = model
        self.first_token_seconds = first_token_seconds
        self.idle_seconds = idle_seconds
        self.breaker = breaker or CircuitBreaker()
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; the client may be used again."""
        if self._http and not self._http.closed:
            await self._http.close()
        self._http = None

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        sampling: Sampling,
        response_format: dict[str, Any] | None = None,
        priority: int = 0,
        tokens: bool = False,
        begun: str = "",
    ) -> AsyncGenerator[Delta, None]:
        """The answer in pieces as they arrive (tokens that arrive together come as one Delta).

        It goes on from `begun`, which is not part of it (vLLM's continue_final_message). The last Delta has `finish`
        and, where the server counts, `usage`. With `tokens` each has the sampled ids and their log-probs. A lower
        `priority` is served first. Raises PolicyError.
        """
        body = self._body(messages, sampling, response_format, priority, tokens, begun)
        async with self.breaker.guard(), aclosing(self._events(body)) as events:
            async for delta in events:
                yield delta

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        sampling: Sampling,
        response_format: dict[str, Any] | None = None,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        """The whole answer; raises PolicyError."""
        return await whole(
            self.stream(messages, sampling=sampling, response_format=response_format, priority=priority, tokens=tokens)
        )

    async def probe(self) -> ProbeResult:
        """Decode one token, past the breaker: a frozen engine still answers its health page."""
        body = self._body([Message("user", "ping")], Sampling(max_tokens=1), None, -1, False)
        started = time.monotonic()
        try:
            async with aclosing(self._events(body)) as events:
                async for _ in events:
                    pass
        except PolicyError as error:
            if isinstance(error, PolicyUnavailable):
                self.breaker.failed()
            return ProbeResult(False, time.monotonic() - started, error.code, str(error))
        self.breaker.succeeded()
        return ProbeResult(True, time.monotonic() - started)

    def _body(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        response_format: dict[str, Any] | None,
        priority: int,
        tokens: bool,
        begun: str = "",
    ) -> bytes:
        told = [*messages, Message("assistant", begun)] if begun else messages
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message.as_dict() for message in told],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        # Only what is asked for: servers other than vLLM refuse fields they do not know.
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if response_format:
            body["response_format"] = response_format
        if priority:
            body["priority"] = priority
        if begun:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if tokens:
            body |= {"logprobs": True, "return_token_ids": True}
        return orjson.dumps(body)

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._http is None or self._http.closed or self._loop is not loop:
            # No limit of connections: the engine queues, and a waiting clinician must not queue behind rollouts here.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._http = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
            self._loop = loop
        return self._http

    async def _events(self, body: bytes, path: str = "chat/completions") -> AsyncGenerator[Delta, None]:
        reader = EventReader()
        async with self._response(f"{self.url}/{path}", body) as (response, watch):
            content = response.content
            while not reader.done:
                chunk = await content.readany()
                if not chunk:
                    raise PolicyUnavailable("the model server broke off", code="policy_unavailable")
                delta = reader.feed(chunk)
                if delta is None:
                    continue
                watch.stop()
                yield delta
                watch.start(self.idle_seconds if reader.began else None)

    @asynccontextmanager
    async def _response(
        self, url: str, body: bytes | None
    ) -> AsyncGenerator[tuple[aiohttp.ClientResponse, _Watch], None]:
        """The open answer under its time-out (GET without a body); every failure becomes one of the error family."""
        watch = _Watch(self.first_token_seconds)
        response: aiohttp.ClientResponse | None = None
        whole = False
        try:
            async with asyncio.timeout(self.first_token_seconds):
                response = await self._session().request(
                    "GET" if body is None else "POST", url, data=body, headers=self._headers, allow_redirects=False
                )
            if response.status != 200:
                raise await _refusal(response)
            watch.response = response
            watch.start()
            yield response, watch
            whole = True
        except TimeoutError as error:
            raise _late() from error
        except aiohttp.ClientError as error:
            raise _late() if watch.rang else _gone(error) from error
        finally:
            watch.cancel()
            if response is not None:
                # Only a stream read to its end may be kept; closing any other makes the server stop.
                (response.release if whole else response.close)()


class _Watch:
    """Closes a response that stays silent; one lazily moved timer, since a time-out per token would cost more."""

    def __init__(self, first_token_seconds: float) -> None:
        self.response: aiohttp.ClientResponse | None = None
        self.rang = False
        self._loop = asyncio.get_running_loop()
        self._first = self._loop.time() + first_token_seconds
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float | None = None) -> None:
        """Allow that many seconds from now; None until the first token is overdue."""
        self._due = self._first if seconds is None else self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._arm(self._due)

    def stop(self) -> None:
        """A slow reader of the stream is not the server's silence."""
        self._due = None

    def cancel(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _arm(self, due: float) -> None:
        self.cancel()
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._arm(self._due)
        elif self.response:
            self.rang = True
            self.response.close()


def _late() -> PolicyUnavailable:
    return PolicyUnavailable("the model server said nothing in time", code="policy_timeout")


def _gone(error: Exception) -> PolicyUnavailable:
    return PolicyUnavailable(f"the model server cannot be reached ({type(error).__name__})", code="policy_unavailable")


async def _refusal(response: aiohttp.ClientResponse) -> PolicyError:
    """The error of an answer that is not 200; the server's own words are kept short."""
    text = (await response.content.read(2000)).decode(errors="replace")
    if response.status >= 500 or response.status in (408, 429):
        return PolicyUnavailable(f"the model server answered {response.status}", code="policy_unavailable")
    if any(words in text for words in CONTEXT_WORDS):
        return PolicyError("the consultation no longer fits the model's context", code="context_exceeded")
    return PolicyError(f"the model server refused ({response.status}): {text[:200]}", code="policy_rejected")


def _joined(deltas: Sequence[Delta], seconds: float, first: float) -> Completion:
    return Completion(
        text="".join(delta.text for delta in deltas),
        finish=next((delta.finish for delta in reversed(deltas) if delta.finish), None),
        usage=next((delta.usage for delta in reversed(deltas) if delta.usage), None),
        prompt_ids=next((delta.prompt_ids for delta in deltas if delta.prompt_ids), ()),
        token_ids=tuple(token for delta in deltas for token in delta.token_ids),
        logprobs=tuple(logprob for delta in deltas for logprob in delta.logprobs),
        seconds=seconds,
        first_token_seconds=first,
        dropped=tuple(why for delta in deltas for why in delta.dropped),
    )
