"""The client against the fake engine: what it yields, when it gives up, what it does to the server."""

import asyncio
from contextlib import aclosing

import orjson
import pytest

from agents.breaker import CircuitBreaker
from agents.client import PolicyClient, PolicyError, PolicyUnavailable
from agents.codecs import StructuredCodec
from agents.sse import EventReader
from agents.types import Message, Sampling
from tests.doubles.engine import FakeEngine

HELLO = [Message("user", "hello")]
SAMPLING = Sampling(max_tokens=400)


@pytest.fixture
async def engine():
    async with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def client(engine):
    async with PolicyClient(engine.url, engine.model, first_token_seconds=0.3, idle_seconds=0.2) as policy:
        yield policy


async def eventually(condition):
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.005)


async def test_every_byte_that_was_said_arrives(engine, client):
    codec = StructuredCodec()
    done = await client.complete(HELLO, sampling=SAMPLING, response_format=codec.response_format(), tokens=True)
    said = engine.requests[0]
    assert done.text == said.text
    assert done.finish == "stop"
    assert len(done.token_ids) == len(done.logprobs) == said.sent == done.usage.completion
    assert len(done.prompt_ids) == done.usage.prompt
    assert codec.parse(done.text)


async def test_only_what_is_asked_for_is_sent(engine, client):
    await client.complete(HELLO, sampling=SAMPLING)
    assert not {"seed", "priority", "response_format", "return_token_ids", "logprobs"} & set(engine.requests[0].body)
    await client.complete(HELLO, sampling=Sampling(seed=7), priority=10)
    assert (engine.requests[1].body["seed"], engine.requests[1].body["priority"]) == (7, 10)


async def test_tokens_that_arrive_together_are_one_delta(engine, client):
    engine.script.append("one two three four five six seven eight")
    engine.rate, engine.burst = 200, 4
    deltas = [delta async for delta in client.stream(HELLO, sampling=SAMPLING, tokens=True)]
    assert "".join(delta.text for delta in deltas) == "one two three four five six seven eight"
    assert max(len(delta.token_ids) for delta in deltas) == 4


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("http_500", PolicyUnavailable, "policy_unavailable"),
        ("http_400", PolicyError, "policy_rejected"),
        ("hang_first", PolicyUnavailable, "policy_timeout"),
        ("hang_mid", PolicyUnavailable, "policy_timeout"),
        ("drop", PolicyUnavailable, "policy_unavailable"),
        ("error_event", PolicyUnavailable, "policy_unavailable"),
        ("garbage", PolicyError, "policy_garbled"),
    ],
)
async def test_faults(engine, client, fault, kind, code):
    engine.fail(fault)
    with pytest.raises(PolicyError) as caught:
        await client.complete(HELLO, sampling=SAMPLING)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert (await client.complete(HELLO, sampling=SAMPLING)).text


async def test_what_came_before_a_drop_is_delivered(engine, client):
    engine.fail("drop", after=7)
    engine.rate = 500
    text = ""
    with pytest.raises(PolicyUnavailable):  # noqa: PT012
        async for delta in client.stream(HELLO, sampling=SAMPLING):
            text += delta.text
    assert text == engine.requests[0].text


async def test_nobody_listens():
    async with PolicyClient("http://127.0.0.1:9", "x") as policy:
        with pytest.raises(PolicyUnavailable):
            await policy.complete(HELLO, sampling=SAMPLING)
        probe = await policy.probe()
    assert (probe.ok, probe.code) == (False, "policy_unavailable")


async def test_closing_the_stream_stops_the_server(engine, client):
    engine.rate = 50
    async with aclosing(client.stream(HELLO, sampling=SAMPLING)) as stream:
        async for delta in stream:
            if delta.text:
                break
    await eventually(lambda: engine.requests[0].cancelled)
    assert engine.requests[0].sent < 5


async def test_cancelling_the_task_stops_the_server(engine, client):
    engine.rate = 50
    task = asyncio.create_task(client.complete(HELLO, sampling=SAMPLING))
    await eventually(lambda: engine.requests and engine.requests[0].sent)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: engine.requests[0].cancelled)


async def test_a_slow_reader_is_not_a_silent_server(engine, client):
    engine.rate = 100
    text = ""
    async for delta in client.stream(HELLO, sampling=SAMPLING):
        text += delta.text
        if delta.text and not text.startswith("slept"):
            await asyncio.sleep(0.5)
            text = "slept" + text
    assert text == "slept" + engine.requests[0].text


async def test_a_prompt_beyond_the_context_says_so(engine, client):
    with pytest.raises(PolicyError) as caught:
        await client.complete([Message("user", "word " * 5000)], sampling=SAMPLING)
    assert caught.value.code == "context_exceeded"


async def test_a_probe_decodes_one_token(engine, client):
    assert (await client.probe()).ok
    assert engine.requests[0].sent == 1
    engine.fail("hang_first")
    assert (await client.probe()).code == "policy_timeout"


async def test_the_breaker_opens_and_lets_one_through(engine):
    now = [0.0]
    breaker = CircuitBreaker(2, 10.0, clock=lambda: now[0])
    async with PolicyClient(engine.url, engine.model, breaker=breaker) as policy:
        engine.fail("http_500", times=3)
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                await policy.complete(HELLO, sampling=SAMPLING)
        assert breaker.state == "open"
        with pytest.raises(PolicyUnavailable, match="repeatedly"):
            await policy.complete(HELLO, sampling=SAMPLING)
        assert len(engine.requests) == 2
        now[0] = 10.0
        assert breaker.state == "half_open"
        with pytest.raises(PolicyUnavailable, match="500"):
            await policy.complete(HELLO, sampling=SAMPLING)
        assert breaker.state == "open"
        now[0] = 20.0
        assert (await policy.complete(HELLO, sampling=SAMPLING)).text
        assert breaker.state == "closed"


async def test_while_half_open_only_one_tries(engine):
    breaker = CircuitBreaker(1, 0.0)
    breaker.failed()
    async with PolicyClient(engine.url, engine.model, breaker=breaker) as policy:
        engine.first_token_seconds = 0.1
        done = await asyncio.gather(
            *(policy.complete(HELLO, sampling=SAMPLING) for _ in range(3)), return_exceptions=True
        )
    assert sum(isinstance(one, PolicyUnavailable) for one in done) == 2
    assert len(engine.requests) == 1


async def test_a_refusal_does_not_open_the_breaker(engine, client):
    engine.fail("http_400", times=10)
    for _ in range(10):
        with pytest.raises(PolicyError):
            await client.complete(HELLO, sampling=SAMPLING)
    assert client.breaker.state == "closed"


def event(text, **choice):
    entry = {"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}
    return b"data: " + orjson.dumps({"choices": [entry]}) + b"\n\n"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_events_may_be_cut_anywhere(size):
    said = (
        event("Sch\u00f6n ")
        + b": comment\r\n\r\n"
        + event("und \U0001f600", finish_reason="stop")
        + b"data: [DONE]\n\n"
    )
    reader = EventReader()
    deltas = [reader.feed(said[n : n + size]) for n in range(0, len(said), size)]
    assert "".join(delta.text for delta in deltas if delta) == "Sch\u00f6n und \U0001f600"
    assert reader.done


def test_an_aborted_answer_is_no_answer():
    reader = EventReader()
    reader.feed(event("half", finish_reason="abort"))
    with pytest.raises(PolicyUnavailable):
        reader.feed(b"data: [DONE]\n\n")


def test_nul_does_not_reach_a_database():
    assert EventReader().feed(event("a\x00b")).text == "a\ufffdb"
