"""The real vLLM as a world model's server: plain completions have the shape of the fake, and seeds are kept."""

import aiohttp
import pytest

from agents.completions import CompletionClient
from agents.errors import PolicyError
from agents.types import CaseRecord, Sampling, Source
from agents.world import grammar
from agents.world.language import Earlier, LanguageWorld
from agents.world.language_engine import WorldEngine
from agents.world.record import RecordWorld
from tests.doubles.engine import FakeEngine
from tests.verification.test_engine import events

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

PROMPT = grammar.query("A woman of 54 with cough.\n\nFinal Diagnosis:\nPneumonia", [], "C-reactive protein")
RECORD = CaseRecord("record:1", "test", 54.0, "female", "Cough and fever", {"hpi": "Cough."}, answer="Pneumonia")


@pytest.fixture
async def both(vllm_server):
    """(url, model) of the fake and of the real server."""
    async with FakeEngine() as fake:
        yield {"fake": (fake.url, fake.model), "real": (vllm_server.url, vllm_server.model)}


@pytest.fixture
async def real(vllm_server):
    async with CompletionClient(vllm_server.url, vllm_server.model, first_token_seconds=120, idle_seconds=60) as client:
        yield client


async def written(client, *, seed=1, stop=(), max_tokens=40):
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=max_tokens)
    deltas = [delta async for delta in client.write(PROMPT, sampling=sampling, stop=stop)]
    return "".join(delta.text for delta in deltas), deltas[-1]


async def finished(client, **options):
    """As `written`, with the reason for which it ended: the usage comes in a piece of its own after that."""
    sampling = Sampling(temperature=1.0, seed=1, max_tokens=options["max_tokens"])
    deltas = [delta async for delta in client.write(PROMPT, sampling=sampling, stop=options["stop"])]
    reasons = [delta.finish for delta in deltas if delta.finish]
    return "".join(delta.text for delta in deltas), deltas[-1], reasons[-1]


def shape(event):
    if not event["choices"]:
        return "usage", sorted(key for key, value in event["usage"].items() if isinstance(value, int))
    (choice,) = event["choices"]
    return event["object"], sorted({"index", "text", "finish_reason"} & set(choice)), choice["finish_reason"]


async def test_a_stream_has_the_same_shape(both):
    outlines = {}
    for name, (url, model) in both.items():
        body = {"model": model, "prompt": PROMPT, "max_tokens": 8, "seed": 1, "stream": True}
        body |= {"stream_options": {"include_usage": True}, "skip_special_tokens": False, "stop": ["<SEP>"]}
        async with aiohttp.ClientSession() as http, http.post(f"{url}/completions", json=body) as reply:
            assert (reply.status, reply.content_type) == (200, "text/event-stream")
            stream = events(await reply.read())
        assert stream[-1] == b"[DONE]"
        shapes = [shape(event) for event in stream[:-1]]
        outlines[name] = [one for n, one in enumerate(shapes) if n == 0 or one != shapes[n - 1]]
    assert outlines["fake"] == outlines["real"]


async def test_a_stop_string_ends_the_text_and_is_not_in_it(real):
    text, _ = await written(real, max_tokens=64)
    stop = text[8:11]
    shorter, _, finish = await finished(real, max_tokens=64, stop=[stop])
    assert finish == "stop"
    assert text.startswith(shorter)
    assert stop not in shorter


async def test_a_seed_repeats_its_text_and_another_does_not(real):
    texts = [(await written(real, seed=seed))[0] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


async def test_tokens_and_context_are_what_the_server_says(real, vllm_server):
    assert await real.context() == 4096
    assert await real.tokens("128") == 3, "digits are single tokens, and nothing is added in front"
    _, last = await written(real)
    assert last.usage.prompt == await real.tokens(PROMPT)


async def test_a_prompt_that_does_not_fit_is_recognised(real):
    with pytest.raises(PolicyError) as caught:
        async for _ in real.write("word " * 9000, sampling=Sampling(max_tokens=5)):
            pass
    assert caught.value.code == "context_exceeded"


async def test_a_long_history_is_cut_to_fit_the_real_server(real):
    long = [Earlier(f"Report {n}", "Sodium 139 mmol/L, 7.5, 8.25. " * 20) for n in range(30)]
    engine = WorldEngine(real, "world", max_tokens=16)
    world = LanguageWorld(RECORD, engine, RecordWorld(RECORD), earlier=long, tries=1)
    (seen,) = await world.examine("CRP")
    assert seen.source in (Source.SIMULATED, Source.UNAVAILABLE)


async def test_a_draw_through_the_real_server_is_marked_and_repeats(real, vllm_server):
    def world():
        engine = WorldEngine(real, "world-test", max_tokens=48)
        return LanguageWorld(RECORD, engine, RecordWorld(RECORD), seed=7, tries=1)

    first, second = await world().draw("crp"), await world().draw("crp")
    assert first.tries == second.tries
    assert (first.model, first.version) == (vllm_server.model, "world-test")
    assert first.accepted or first.text == ""
