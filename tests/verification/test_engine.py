"""The fake engine says what the real one says: the same dialogue on both, shape by shape."""

from contextlib import aclosing

import aiohttp
import orjson
import pytest

from agents.client import PolicyClient, PolicyError, whole
from agents.codecs import CardsCodec, StructuredCodec
from agents.types import Exchange, Inquiry, Message, Observation, Sampling, Source
from tests.doubles.engine import FakeEngine

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

CODEC = StructuredCodec()
INQUIRY = Inquiry(58, "female", "Sudden breathlessness", {"hpi": "Chest pain on breathing in, ten days after surgery."})
HELLO = [{"role": "user", "content": "Say something short."}]
STREAM = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 12, "temperature": 0}


@pytest.fixture
async def both(vllm_server):
    """(url, model) of the fake and of the real server."""
    async with FakeEngine() as fake:
        yield {"fake": (fake.url, fake.model), "real": (vllm_server.url, vllm_server.model)}


@pytest.fixture
async def real(vllm_server):
    async with PolicyClient(vllm_server.url, vllm_server.model, first_token_seconds=120, idle_seconds=60) as client:
        yield client


async def ask(server, **body):
    """(status, content type, body) of one raw request."""
    url, model = server
    async with aiohttp.ClientSession() as session:
        data = {"model": model, "messages": HELLO, **body}
        async with session.post(f"{url}/chat/completions", json=data) as reply:
            return reply.status, reply.content_type, await reply.read()


def events(body):
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    return [line if line == b"[DONE]" else orjson.loads(line) for line in lines]


def shape(event):
    """What a reader of the stream may rely on: fields and types, not their content."""
    if not event["choices"]:
        return "usage", sorted(key for key, value in event["usage"].items() if isinstance(value, int))
    choice = event["choices"][0]
    logprobs = (choice.get("logprobs") or {}).get("content") or []
    return (
        "choice",
        sorted(choice["delta"]),
        choice["finish_reason"],
        type(choice.get("token_ids")).__name__,
        sorted(logprobs[0]) if logprobs else None,
    )


def outline(stream):
    """The order of shapes, repeats dropped."""
    shapes = [one if one == b"[DONE]" else shape(one) for one in stream]
    return [one for n, one in enumerate(shapes) if n == 0 or one != shapes[n - 1]]


@pytest.mark.parametrize("extra", [{}, {"logprobs": True, "return_token_ids": True}], ids=["plain", "tokens"])
async def test_a_stream_has_the_same_shape(both, extra):
    answers = {name: await ask(server, **STREAM, **extra) for name, server in both.items()}
    assert answers["fake"][:2] == answers["real"][:2] == (200, "text/event-stream")
    fake, real = (outline(events(answers[name][2])) for name in ("fake", "real"))
    assert fake == real
    assert fake[-1] == b"[DONE]"


async def test_ids_and_logprobs_are_one_per_token(both):
    for server in both.values():
        stream = events((await ask(server, **STREAM, logprobs=True, return_token_ids=True))[2])
        choices = [event["choices"][0] for event in stream if event != b"[DONE]" and event["choices"]]
        ids = [token for choice in choices for token in choice.get("token_ids") or ()]
        logprobs = [entry for choice in choices for entry in (choice["logprobs"] or {}).get("content", ())]
        usage = next(event["usage"] for event in stream if event != b"[DONE]" and not event["choices"])
        assert len(ids) == len(logprobs) == usage["completion_tokens"]
        assert len(stream[0]["prompt_token_ids"]) == usage["prompt_tokens"]


@pytest.mark.parametrize(
    "wrong", [{"model": "no-such-model"}, {"messages": [{"role": "user", "content": "word " * 9000}]}]
)
async def test_refusals_have_the_same_shape(both, wrong):
    answers = {name: await ask(server, **{**STREAM, **wrong}) for name, server in both.items()}
    fake, real = ((status, kind, orjson.loads(body)["error"]) for status, kind, body in answers.values())
    assert fake[:2] == real[:2]
    assert {key: fake[2][key] for key in ("type", "param", "code")} == {
        key: real[2][key] for key in ("type", "param", "code")
    }


async def test_the_context_error_is_recognised(real):
    with pytest.raises(PolicyError) as caught:
        await real.complete([Message("user", "word " * 9000)], sampling=Sampling(max_tokens=5))
    assert caught.value.code == "context_exceeded"


async def test_an_answer_that_no_longer_fits_is_cut_off_not_refused(both):
    async with FakeEngine(script=["word " * 500]) as fake:
        servers = {"real": both["real"], "fake": (fake.url, fake.model)}
        words = {"real": 3950, "fake": 3200}
        for name, (url, model) in servers.items():
            async with PolicyClient(url, model, first_token_seconds=300, idle_seconds=60) as client:
                long = [Message("user", "word " * words[name])]
                done = await client.complete(long, sampling=Sampling(max_tokens=400, temperature=1.0, seed=1))
            assert done.usage.prompt > 4096 - 400
            assert done.usage.prompt + done.usage.completion <= 4096
            assert done.usage.completion < 400


@pytest.mark.parametrize("seed", range(4))
async def test_an_untrained_model_always_says_one_action(real, seed):
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=CODEC.max_tokens)
    messages = CODEC.messages(INQUIRY, [])
    done = await real.complete(messages, sampling=sampling, response_format=CODEC.response_format())
    assert done.finish == "stop"
    action = CODEC.parse(done.text)
    assert 1 <= len(action.differential) <= 3


async def test_a_forced_turn_is_final(real):
    format_ = CODEC.response_format(force_final=True)
    sampling = Sampling(temperature=1.0, seed=5, max_tokens=CODEC.max_tokens)
    done = await real.complete(CODEC.messages(INQUIRY, []), sampling=sampling, response_format=format_)
    assert CODEC.parse(done.text).kind.is_final


async def test_the_stream_parser_follows_the_real_stream(real):
    parser, fields = CODEC.stream(), {}
    sampling = Sampling(max_tokens=CODEC.max_tokens)
    stream = real.stream(CODEC.messages(INQUIRY, []), sampling=sampling, response_format=CODEC.response_format())
    async with aclosing(stream):
        async for delta in stream:
            for piece in parser.feed(delta.text):
                fields[piece.field] = fields.get(piece.field, "") + piece.text
    action = parser.finish()
    assert fields["action"] == action.kind
    assert fields["target"].strip().rstrip(" ,;") == action.target


async def test_a_prompt_is_a_token_prefix_of_the_next(vllm_server, real):
    """Or the prefix cache is of no use."""
    sampling = Sampling(max_tokens=CODEC.max_tokens, seed=1, temperature=0.7)
    first = await real.complete(
        CODEC.messages(INQUIRY, []), sampling=sampling, response_format=CODEC.response_format(), tokens=True
    )
    reply = CODEC.reply([Observation("4.1 mg/L", Source.RECORDED, matched="D-dimer")])
    longer = CODEC.messages(INQUIRY, [Exchange(first.text, reply)])
    second = await real.complete(longer, sampling=Sampling(max_tokens=1), tokens=True)
    assert second.prompt_ids[: len(first.prompt_ids)] == first.prompt_ids


async def test_an_answer_goes_on_from_given_first_words(real):
    """After the prompt as ever, not after a turn of the policy's that has ended."""
    messages, how = CardsCodec().messages(INQUIRY, []), Sampling(max_tokens=6)
    plain = await whole(real.stream(messages, sampling=how, tokens=True))
    begun = await whole(real.stream(messages, sampling=how, tokens=True, begun="defer:"))
    assert begun.prompt_ids[: len(plain.prompt_ids)] == plain.prompt_ids
    assert 1 <= len(begun.prompt_ids) - len(plain.prompt_ids) <= 4
    assert "defer:" not in begun.text


async def test_closing_the_stream_stops_the_engine(real):
    """The engine's own count of running requests goes back to zero long before the answer would end."""
    stream = real.stream([Message("user", "Count to a thousand.")], sampling=Sampling(max_tokens=2000))
    async with aclosing(stream):
        async for delta in stream:
            if delta.text:
                break
    probe = await real.probe()
    assert probe.ok
    async with aiohttp.ClientSession() as session, session.get(f"{real.url.removesuffix('/v1')}/metrics") as reply:
        text = await reply.text()
    running = [line for line in text.splitlines() if line.startswith("vllm:num_requests_running{")]
    assert running
    assert all(float(line.split()[-1]) == 0 for line in running)
