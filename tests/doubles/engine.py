"""A fake vLLM: streams scripted or random actions, or results, over the OpenAI protocol, and fails on demand.

    python -m tests.doubles.engine --port 8200 --rate 50

Its shapes are compared with the real server's in tests/verification/test_engine.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from tests.doubles.actions import random_text
from tests.doubles.results import result_text

FAULTS = ("http_500", "http_400", "hang_first", "hang_mid", "drop", "malformed", "garbage", "error_event")
"""hang_first and http_* before any text; hang_mid, drop and error_event after `after` tokens; malformed is text that
is no action; garbage is an event that is no JSON."""
_TOKEN = re.compile(r"\s?[A-Za-z]{1,6}|\s?\d|\s?[^A-Za-z\d]", re.S)


@dataclass
class Said:
    """One request and everything that was said to it; `sent` counts tokens."""

    id: str
    body: dict
    text: str = ""
    sent: int = 0
    finished: bool = False
    cancelled: bool = False
    fault: str | None = None
    started: float = field(default_factory=time.monotonic)
    arrived: list[float] = field(default_factory=list)


@dataclass
class Fault:
    kind: str
    after: int = 5


class FakeEngine:
    """The server's behaviour; `async with FakeEngine(...) as engine` serves it on `engine.url`.

    `script` holds texts to say, in turn; when it is used up (or absent) the answers are random valid actions,
    reproducible from `seed` and the number of the request. `rate` is tokens per second and stream, 0 for at once;
    `burst` tokens are sent together. `weights` stands for what is loaded: other ones give a prompt other log-probs.
    """

    def __init__(
        self,
        *,
        script: Iterable[str] = (),
        seed: int = 0,
        rate: float = 0.0,
        burst: int = 1,
        first_token_seconds: float = 0.0,
        model: str = "fake-model",
        context: int = 4096,
        weights: str = "fake",
    ) -> None:
        self.script = deque(script)
        self.seed, self.rate, self.burst = seed, rate, burst
        self.first_token_seconds, self.model, self.context = first_token_seconds, model, context
        self.weights = weights
        self.adapters: dict[str, str] = {}
        self.refuses_adapters = ""
        self.requests: list[Said] = []
        self.faults: deque[Fault] = deque()
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def running(self) -> list[Said]:
        """Requests that are being answered now."""
        return [said for said in self.requests if not (said.finished or said.cancelled or said.fault)]

    def fail(self, kind: str, *, times: int = 1, after: int = 5) -> None:
        """Let the next `times` requests fail in this way."""
        if kind not in FAULTS:
            raise ValueError(f"no fault {kind!r}: {', '.join(FAULTS)}")
        self.faults.extend(Fault(kind, after) for _ in range(times))

    async def __aenter__(self) -> FakeEngine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._chat)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/load_lora_adapter", self._load_adapter)
        app.router.add_post("/v1/unload_lora_adapter", self._unload_adapter)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_post("/fake/fail", self._fail)
        app.router.add_get("/fake/said", self._said)
        # A handler that ends with its connection is how the engine learns of a cancelled request.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        entry = {"object": "model", "owned_by": "fake", "max_model_len": self.context}
        listed = [{"id": name, **entry} for name in (self.model, *self.adapters)]
        return web.json_response({"object": "list", "data": listed})

    async def _load_adapter(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        name, path = body["lora_name"], body["lora_path"]
        if self.refuses_adapters:
            return _error(400, "BadRequestError", self.refuses_adapters)
        if name in self.adapters or name == self.model:
            return _error(400, "InvalidUserInput", f"The lora adapter '{name}' has already been loaded.")
        self.adapters[name] = path
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload_adapter(self, request: web.Request) -> web.Response:
        name = orjson.loads(await request.read())["lora_name"]
        if self.adapters.pop(name, None) is None:
            return _error(404, "NotFoundError", f"The lora adapter '{name}' cannot be found.")
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    async def _metrics(self, _: web.Request) -> web.Response:
        labels = f'{{engine="0",model_name="{self.model}"}}'
        lines = [f"vllm:num_requests_running{labels} {float(len(self.running))}"]
        lines += [f"vllm:num_requests_waiting{labels} 0.0"]
        return web.Response(text="\n".join(lines) + "\n")

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        return web.json_response({"count": _prompt_tokens(body), "max_model_len": self.context})

    async def _fail(self, request: web.Request) -> web.Response:
        self.fail(**await request.json())
        return web.Response(status=204)

    async def _said(self, _: web.Request) -> web.Response:
        keys = ("id", "text", "sent", "finished", "cancelled", "fault")
        return web.json_response([{key: getattr(said, key) for key in keys} for said in self.requests])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        number = len(self.requests)
        said = Said(f"chatcmpl-{self.seed:04x}{number:012x}", body)
        fault = self.faults.popleft() if self.faults else Fault("")
        self.requests.append(said)
        try:
            refusal = self._refuse(body, fault)
            if refusal is not None:
                said.fault = fault.kind or "refused"
                return refusal
            return await self._answer(request, said, fault, number)
        except (asyncio.CancelledError, ConnectionResetError):
            said.cancelled = not said.finished
            raise

    def _refuse(self, body: dict, fault: Fault) -> web.Response | None:
        if fault.kind == "http_500":
            return _error(500, "InternalServerError", "Internal server error")
        if fault.kind == "http_400":
            return _error(400, "BadRequestError", "bad request", param="messages")
        if body["model"] != self.model and body["model"] not in self.adapters:
            return _error(404, "NotFoundError", f"The model `{body['model']}` does not exist.", param="model")
        if _prompt_tokens(body) > self.context:
            text = f"This model's maximum context length is {self.context} tokens. However, your prompt is longer."
            return _error(400, "BadRequestError", text, param="input_tokens")
        return None

    async def _answer(self, request: web.Request, said: Said, fault: Fault, number: int) -> web.StreamResponse:
        if fault.kind == "hang_first":
            said.fault = fault.kind
            await asyncio.sleep(3600)
        tokens, finish = self._tokens(said.body, fault, number)
        if not said.body.get("stream"):
            said.text, said.sent, said.finished = "".join(tokens), len(tokens), True
            return web.json_response(self._whole(said, tokens, finish))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await self._stream(response, request, said, tokens, finish, fault)
        return response

    def _tokens(self, body: dict, fault: Fault, number: int) -> tuple[list[str], str]:
        if body.get("max_tokens") == 1:
            # A probe must not use up the script.
            text = "ok"
        elif "prompt" in body and not self.script and fault.kind != "malformed":
            text = result_text(body["prompt"], body.get("seed"))
        elif fault.kind == "malformed":
            text = "I cannot answer in that form."
        elif self.script:
            text = self.script.popleft()
        else:
            text = random_text(random.Random(f"{self.seed}:{number}"), body)
        tokens = _TOKEN.findall(text)
        # Like vLLM: what no longer fits the context is cut off, not refused.
        limit = min(body.get("max_tokens", len(tokens) + 1), max(self.context - _prompt_tokens(body), 1))
        return (tokens[:limit], "length") if len(tokens) >= limit else (tokens, "stop")

    async def _stream(self, response, request, said: Said, tokens: list[str], finish: str, fault: Fault) -> None:
        if "messages" in said.body:
            await response.write(self._chunk(said, {"role": "assistant", "content": ""}, (), None, first=True))
        start = time.monotonic() + self.first_token_seconds
        for n in range(0, len(tokens), self.burst):
            if fault.kind in ("hang_mid", "drop", "garbage", "error_event") and n >= fault.after:
                await self._break(response, request, said, fault)
                return
            await self._pace(start, n)
            part = tokens[n : n + self.burst]
            last = n + self.burst >= len(tokens)
            # Before the write: what the server has said may arrive even if the connection dies now.
            said.text += "".join(part)
            said.sent += len(part)
            said.arrived.append(time.monotonic())
            await response.write(self._chunk(said, {"content": "".join(part)}, part, finish if last else None))
        if said.body.get("stream_options", {}).get("include_usage"):
            await response.write(_event({**self._head(said), "choices": [], "usage": _usage(said.body, said.sent)}))
        await response.write(b"data: [DONE]\n\n")
        said.finished = True
        await response.write_eof()

    async def _pace(self, start: float, n: int) -> None:
        due = start + (n / self.rate if self.rate else 0)
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        elif not self.rate and n % 16 == 0:
            await asyncio.sleep(0)

    async def _break(self, response, request, said: Said, fault: Fault) -> None:
        said.fault = fault.kind
        if fault.kind == "hang_mid":
            await asyncio.sleep(3600)
        elif fault.kind == "drop":
            request.transport.abort()
        elif fault.kind == "garbage":
            await response.write(b"data: {not json\n\n")
        else:
            error = {"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}
            await response.write(_event({"error": error}))
            await response.write(b"data: [DONE]\n\n")

    def _head(self, said: Said) -> dict:
        kind = "text_completion" if "prompt" in said.body else "chat.completion.chunk"
        return {"id": said.id, "object": kind, "created": int(time.time()), "model": self.model}

    def _chunk(self, said: Said, delta: dict, part: Iterable[str], finish: str | None, *, first: bool = False) -> bytes:
        choice: dict = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        event = {**self._head(said), "choices": [choice]}
        if "prompt" in said.body:
            choice |= {"text": choice.pop("delta")["content"], "stop_reason": None}
            return _event(event)
        ids = said.body.get("return_token_ids")
        if first:
            event |= {"prompt_token_ids": list(range(_prompt_tokens(said.body))) if ids else None}
        else:
            choice["token_ids"] = [_token_id(token) for token in part] if ids else None
            if said.body.get("logprobs"):
                choice["logprobs"] = {"content": [_logprob(token) for token in part]}
        return _event(event)

    def _completion(self, said: Said, tokens: list[str], finish: str) -> dict:
        """Of a plain prompt, in one piece; the ids of a prompt are those given, or made of its text."""
        body, choice = said.body, {"index": 0, "text": said.text, "logprobs": None, "finish_reason": finish}
        prompt = body["prompt"]
        ids = prompt if isinstance(prompt, list) else [_token_id(token) for token in _TOKEN.findall(prompt)]
        if body.get("return_token_ids"):
            choice |= {"prompt_token_ids": ids, "token_ids": [_token_id(token) for token in tokens]}
        if body.get("prompt_logprobs") is not None:
            loaded = self.adapters.get(body["model"], self.weights)
            choice["prompt_logprobs"] = [None, *({str(i): _of_weights(loaded, n, i)} for n, i in enumerate(ids[1:], 1))]
        return {**self._head(said), "choices": [choice], "usage": _usage(body, len(tokens))}

    def _whole(self, said: Said, tokens: list[str], finish: str) -> dict:
        if "prompt" in said.body:
            return self._completion(said, tokens, finish)
        message = {"role": "assistant", "content": said.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        if said.body.get("logprobs"):
            choice["logprobs"] = {"content": [_logprob(token) for token in tokens]}
        head = {**self._head(said), "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": _usage(said.body, len(tokens))}


def _event(data: dict) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _error(status: int, kind: str, message: str, *, param: str | None = None) -> web.Response:
    error = {"message": message, "type": kind, "param": param, "code": status}
    return web.json_response({"error": error}, status=status)


def _prompt_tokens(body: dict) -> int:
    if "prompt" in body:
        return 1 + len(body["prompt"]) // 4
    return sum(4 + len(message["content"]) // 4 for message in body["messages"])


def _usage(body: dict, completion: int) -> dict:
    prompt = _prompt_tokens(body)
    return {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}


def _token_id(token: str) -> int:
    return sum(ord(char) * 31**n for n, char in enumerate(token)) % 49152


def _logprob(token: str) -> dict:
    value = -(_token_id(token) % 100) / 50
    return {"token": token, "logprob": value, "bytes": list(token.encode()), "top_logprobs": []}


def _of_weights(weights: str, position: int, token: int) -> dict:
    """The log-prob that these weights give to a token there: the same each time, and another for other weights."""
    value = -4 * random.Random(f"{weights}:{position}:{token}").random()
    return {"logprob": value, "rank": 1, "decoded_token": ""}


async def _serve(options: argparse.Namespace) -> None:
    engine = FakeEngine(
        seed=options.seed, rate=options.rate, burst=options.burst, model=options.model, context=options.context
    )
    await engine.start(options.port)
    print(engine.url, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await engine.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=50.0, help="tokens per second and stream; 0: at once")
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="fake-model")
    parser.add_argument("--context", type=int, default=4096)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
