"""Token ids in and out: what is asked of the server, and what is not accepted from it."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from agents.errors import PolicyError
from agents.token_client import TokenClient
from agents.types import Sampling


class Server:
    """Keeps what it was asked, and answers one choice."""

    def __init__(self, choice: dict[str, Any]) -> None:
        self.choice, self.asked = choice, []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, await request.json()))
        return web.json_response({"choices": [self.choice]})

    async def __aenter__(self) -> Server:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


CHOICE = {"token_ids": [5, 6, 2], "logprobs": {"token_logprobs": [-0.1, -0.2, -0.3]}, "finish_reason": "stop"}


async def test_ids_go_out_as_they_are_and_come_back_with_their_log_probs() -> None:
    async with Server(CHOICE) as server, TokenClient(server.url, "policy") as client:
        said = await client.sample([1, 2, 3], Sampling(temperature=1.0, max_tokens=9, seed=4))
    (path, body) = server.asked[0]
    assert path == "/v1/completions"
    assert body["prompt"] == [1, 2, 3]
    assert (body["temperature"], body["max_tokens"], body["seed"], body["return_token_ids"]) == (1.0, 9, 4, True)
    assert body["priority"] > 0
    assert (said.ids, said.logprobs, said.finish) == ((5, 6, 2), (-0.1, -0.2, -0.3), "stop")


@pytest.mark.parametrize(
    "choice",
    [
        {"text": "no ids", "finish_reason": "stop"},
        {**CHOICE, "logprobs": None},
        {**CHOICE, "logprobs": {"token_logprobs": [-0.1]}},
        {**CHOICE, "logprobs": {"token_logprobs": [None, -0.2, -0.3]}},
    ],
)
async def test_an_answer_without_them_is_an_error(choice: dict[str, Any]) -> None:
    async with Server(choice) as server, TokenClient(server.url, "policy") as client:
        with pytest.raises(PolicyError) as caught:
            await client.sample([1], Sampling())
    assert caught.value.code == "policy_garbled"


async def test_a_reload_forgets_what_was_cached() -> None:
    async with Server(CHOICE) as server, TokenClient(server.url, "policy") as client:
        await client.reload("weights/step-3")
    assert [path for path, _ in server.asked] == [
        "/pause?mode=keep",
        "/collective_rpc",
        "/reset_prefix_cache",
        "/resume",
    ]
    assert server.asked[1][1] == {"method": "reload_weights", "kwargs": {"weights_path": "weights/step-3"}}


async def test_a_reload_that_is_refused_is_an_error() -> None:
    async with TokenClient("http://127.0.0.1:9", "policy") as client:
        with pytest.raises(PolicyError):
            await client.reload("weights/step-3")
