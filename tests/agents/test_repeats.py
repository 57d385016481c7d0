"""What is known is not asked for again: dropped before anybody saw it, drawn anew, and let through where meant."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from agents.client import PolicyClient, whole
from agents.codecs import CardsCodec, DialectCodec, StructuredCodec
from agents.policy import Policy
from agents.repeats import HOTTER, Known, fresh, hotter
from agents.types import Action, ActionKind, Exchange, Hypothesis, Inquiry, PolicyIdentity, Sampling
from tests.doubles.engine import FakeEngine

BRIEF = CardsCodec()
SERVED = Sampling(max_tokens=400, resample=3)
INQUIRY = Inquiry(58, "female", "Breathless for two hours", {})


def says(kind, target, codec=BRIEF):
    return codec.encode(Action(kind, target, "It fits.", (Hypothesis("Pneumonia", 0.6),)))


def examines(target, codec=BRIEF):
    return says(ActionKind.EXAMINE, target, codec)


def after(*said):
    return [Exchange(text, "Nothing abnormal.") for text in said]


FIRST = examines("Chest X-ray")
OTHER = examines("D-dimer")


@pytest.fixture
async def engine():
    async with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def client(engine):
    async with PolicyClient(engine.url, engine.model, idle_seconds=0.3) as found:
        yield found


def policy_of(client, codec=BRIEF, sampling=SERVED):
    return Policy(client, codec, sampling, PolicyIdentity("v", "b", None, codec.digest, "fake", sampling))


async def answer(engine, client, script, exchanges, codec=BRIEF, sampling=SERVED):
    engine.script.extend(script)
    return (await policy_of(client, codec, sampling).say(INQUIRY, exchanges)).text


@pytest.mark.parametrize("codec", [BRIEF, StructuredCodec()])
async def test_an_order_for_what_is_known_is_drawn_again(engine, client, codec):
    first, other = examines("Chest X-ray", codec), examines("D-dimer", codec)
    assert await answer(engine, client, [first, first, other], after(first), codec) == other
    assert [said.body["temperature"] for said in engine.requests] == [0.0, *HOTTER[:2]]
    assert len({str(said.body["messages"]) for said in engine.requests}) == 1, "the prompt is the same"


async def test_one_who_insists_is_let_through(engine, client):
    assert await answer(engine, client, [FIRST] * 9, after(FIRST)) == FIRST
    assert len(engine.requests) == 1 + SERVED.resample


async def test_what_is_new_is_drawn_once(engine, client):
    assert await answer(engine, client, [OTHER, FIRST], after(FIRST)) == OTHER
    assert len(engine.requests) == 1


async def test_without_resampling_it_is_the_policys_own_word(engine, client):
    plain = replace(SERVED, resample=0)
    assert await answer(engine, client, [FIRST, OTHER], after(FIRST), sampling=plain) == FIRST
    assert len(engine.requests) == 1


async def test_a_dropped_answer_is_not_written_to_its_end(engine, client):
    engine.rate = 100
    long = examines("Chest X-ray").replace("It fits.", "It fits, and so on and on and on and on and on, as told.")
    assert await answer(engine, client, [long, OTHER], after(FIRST)) == OTHER
    async with asyncio.timeout(2):
        while not engine.requests[0].cancelled:
            await asyncio.sleep(0.01)
    assert "on and on" not in engine.requests[0].text


async def test_nothing_dropped_is_ever_shown(engine, client):
    engine.rate = 200
    engine.script.extend([FIRST, OTHER])
    stream = fresh(lambda how: client.stream([], sampling=how), SERVED, BRIEF, after(FIRST))
    async with aclosing(stream):
        seen = [delta.text async for delta in stream]
    assert "".join(seen) == OTHER
    assert len(seen) > 3, "what stays is streamed as before"


@pytest.mark.parametrize("text", ["no action at all", "examine: ", "diagnose: Pneumonia"])
async def test_what_cannot_be_read_passes_whole(engine, client, text):
    engine.script.append(text)
    stream = fresh(lambda how: client.stream([], sampling=how), SERVED, BRIEF, after(FIRST))
    assert (await whole(stream)).text == text
    assert len(engine.requests) == 1


async def test_a_form_that_shows_something_before_the_target_is_left_alone(engine, client):
    codec = DialectCodec()
    said = codec.encode(Action(ActionKind.EXAMINE, "Chest X-ray", "It fits.", (Hypothesis("Pneumonia"),)))
    assert await answer(engine, client, [said, said], after(said), codec) == said
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("before", "kind", "target", "known"),
    [
        ("Chest X-ray", "examine", "chest x-ray", True),
        ("Chest X-ray", "examine", "CXR", True),
        ("Full blood count", "examine", "Haemoglobin", True),
        ("Haemoglobin", "examine", "Full blood count", False),
        ("Troponin", "examine", "Repeat troponin", False),
        ("CT of the left ear", "examine", "CT of the left ear", True),
        ("Chest X-ray", "examine", "Chest X-ray and D-dimer", False),
        ("Chest X-ray", "ask", "Chest X-ray?", True),
        ("Chest X-ray", "diagnose", "Chest X-ray", False),
    ],
)
def test_what_counts_as_known(before, kind, target, known):
    assert Known.of(after(examines(before)), BRIEF).has(kind, target) is known


def test_a_question_is_known_by_its_words_and_examines_nothing():
    known = Known.of(after(says(ActionKind.ASK, "Any chest pain?")), BRIEF)
    assert known.has("ask", "any chest pain")
    assert not known.has("ask", "Any leg pain?")
    assert not known.exams


def test_answers_that_asked_for_nothing_are_not_known():
    assert Known.of(after("no action", says(ActionKind.DIAGNOSE, "Pneumonia")), BRIEF) == Known()


def test_each_draw_has_a_seed_of_its_own_and_is_no_cooler():
    warm = replace(SERVED, temperature=1.0, seed=7)
    assert hotter(warm, 0) == warm
    drawn = [hotter(warm, n) for n in range(1, 6)]
    assert [how.temperature for how in drawn] == [1.0, 1.0, 1.1, 1.1, 1.1]
    assert len({how.seed for how in drawn}) == 5
    assert hotter(SERVED, 1).seed == hotter(replace(SERVED), 1).seed


def test_an_identity_that_draws_nothing_again_is_told_as_before():
    told = [PolicyIdentity("v", "b", None, "p", "e", how).as_dict()["sampling"] for how in (Sampling(), SERVED)]
    assert "resample" not in told[0]
    assert told[1]["resample"] == SERVED.resample
