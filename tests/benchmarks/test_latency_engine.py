"""The latency engine keeps its time, its slots and its words."""

import asyncio
import contextlib

from agents.client import PolicyClient
from agents.codecs import DialectCodec
from agents.types import ActionKind, Message, Sampling
from benchmarks import scripted
from benchmarks.latency_engine import BASE, BUDGET, Engine, Request, prompt_tokens, step_seconds, tokens_of

MESSAGES = [{"role": "system", "content": "You diagnose."}, {"role": "user", "content": "Chest pain. " * 20}]


class Sink:
    """A writer that keeps what is written."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    def is_closing(self):
        return False


def request(tokens=4, unread=10):
    return Request(Sink(), ["abcd"] * tokens, unread, unread)


def test_answers_depend_on_prompt_and_seed_alone():
    assert scripted.answer(MESSAGES, 1) == scripted.answer(MESSAGES, 1)
    assert scripted.answer(MESSAGES, 1) != scripted.answer(MESSAGES, 2)
    assert scripted.answer(MESSAGES, 1) != scripted.answer(MESSAGES[:1], 1)


def test_every_answer_is_one_action_of_varying_length():
    texts = [scripted.answer(MESSAGES, seed) for seed in range(200)]
    assert {DialectCodec().parse(text).kind for text in texts} == {ActionKind.EXAMINE}
    lengths = sorted(len(tokens_of(text)) for text in texts)
    assert lengths[-1] <= 512
    assert lengths[180] > 1.5 * lengths[20]


def test_no_more_than_its_slots_run_at_once():
    engine = Engine(slots=2)
    engine.waiting.extend(request(tokens) for tokens in (2, 5, 3))
    engine.step()
    assert (len(engine.running), len(engine.waiting)) == (2, 1)
    for _ in range(3):
        engine.step()
    assert [len(each.tokens) for each in engine.running] == [5, 3]


def test_a_step_reads_a_bounded_number_of_prompt_tokens_before_decoding():
    engine = Engine(slots=4)
    engine.waiting.extend([request(unread=BUDGET), request(unread=100)])
    assert engine.step() == step_seconds(0, BUDGET)
    assert engine.step() == step_seconds(1, 100)
    assert engine.step() == step_seconds(2, 0) > BASE


def test_a_known_prefix_is_not_read_again():
    engine = Engine(slots=1)
    assert engine.new_tokens(MESSAGES) == prompt_tokens(MESSAGES)
    longer = [*MESSAGES, {"role": "assistant", "content": "x" * 40}]
    assert engine.new_tokens(longer) == prompt_tokens(longer[-1:])
    assert engine.new_tokens([longer[1]]) == prompt_tokens([longer[1]])


async def test_the_client_reads_it_and_its_time_is_the_models():
    engine = Engine(slots=8, pace=4.0)
    server = await asyncio.start_server(engine.answer, "127.0.0.1", 0)
    running = asyncio.create_task(engine.run())
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with PolicyClient(url, "scripted") as client:
            messages = [Message(each["role"], each["content"]) for each in MESSAGES]
            done = await client.complete(messages, sampling=Sampling(max_tokens=512, seed=3))
    finally:
        running.cancel()
        server.close()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert done.text == scripted.answer(MESSAGES, 3)
    assert done.usage.completion == len(tokens_of(done.text))
    assert done.seconds >= done.usage.completion * BASE / 4.0
