"""Two rules on an answer: what is known is not asked again, what no card fits is not named. Nothing is taken back."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest

from agents.answers import HOTTER, LEAST_FIT, REPEATS, UNFIT, answer, hotter, ruled, unruled, withheld
from agents.client import PolicyClient, whole
from agents.codecs import CardsCodec, DialectCodec, StructuredCodec
from agents.policy import Policy
from agents.repeats import Known
from agents.types import Action, ActionKind, Exchange, Hypothesis, Inquiry, MalformedAction, PolicyIdentity, Sampling
from agents.world.virtual import case_id, open_case
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


async def said_after(exchanges, engine, client, script, codec=BRIEF, sampling=SERVED):
    engine.script.extend(script)
    return (await policy_of(client, codec, sampling).say(INQUIRY, exchanges)).text


@pytest.mark.parametrize("codec", [BRIEF, StructuredCodec()])
async def test_an_order_for_what_is_known_is_drawn_again(engine, client, codec):
    first, other = examines("Chest X-ray", codec), examines("D-dimer", codec)
    assert await said_after(after(first), engine, client, [first, first, other], codec) == other
    assert [said.body["temperature"] for said in engine.requests] == [0.0, *HOTTER[:2]]
    assert len({str(said.body["messages"]) for said in engine.requests}) == 1, "the prompt is the same"


async def test_what_was_dropped_is_told_once(engine, client):
    engine.rate = 200
    engine.script.extend([FIRST, FIRST, OTHER, FIRST, GUESS, TAIL])
    assert (await policy_of(client).say(INQUIRY, after(FIRST))).dropped == ("repeats", "repeats")
    assert (await strange(client, exchanges=after(FIRST))).dropped == ("repeats", "unfit")
    engine.script.append(OTHER)
    assert (await policy_of(client).say(INQUIRY, after(FIRST))).dropped == ()


async def test_one_who_insists_is_let_through(engine, client):
    assert await said_after(after(FIRST), engine, client, [FIRST] * 9) == FIRST
    heats = [said.body["temperature"] for said in engine.requests]
    assert heats == [0.0, *HOTTER, 0.0], "with its first wish, not with the hottest"


async def test_what_is_new_is_drawn_once(engine, client):
    assert await said_after(after(FIRST), engine, client, [OTHER, FIRST]) == OTHER
    assert len(engine.requests) == 1


async def test_without_resampling_it_is_the_policys_own_word(engine, client):
    plain = replace(SERVED, resample=0)
    assert await said_after(after(FIRST), engine, client, [FIRST, OTHER], sampling=plain) == FIRST
    assert len(engine.requests) == 1


async def test_a_dropped_answer_is_not_written_to_its_end(engine, client):
    engine.rate = 100
    long = examines("Chest X-ray").replace("It fits.", "It fits, and so on and on and on and on and on, as told.")
    assert await said_after(after(FIRST), engine, client, [long, OTHER]) == OTHER
    async with asyncio.timeout(2):
        while not engine.requests[0].cancelled:
            await asyncio.sleep(0.01)
    assert "on and on" not in engine.requests[0].text


async def test_nothing_dropped_is_ever_shown(engine, client):
    engine.rate = 200
    engine.script.extend([FIRST, OTHER])
    stream = answer(partial(client.stream, []), SERVED, BRIEF, INQUIRY, after(FIRST))
    async with aclosing(stream):
        seen = [delta.text async for delta in stream]
    assert "".join(seen) == OTHER
    assert len(seen) > 3, "what stays is streamed as before"


@pytest.mark.parametrize("text", ["no action at all", "examine: ", "diagnose: Pneumonia"])
async def test_what_cannot_be_read_passes_whole(engine, client, text):
    engine.script.append(text)
    stream = answer(partial(client.stream, []), SERVED, BRIEF, INQUIRY, after(FIRST))
    assert (await whole(stream)).text == text
    assert len(engine.requests) == 1


async def test_a_form_that_shows_something_before_the_target_is_left_alone(engine, client):
    codec = DialectCodec()
    said = codec.encode(Action(ActionKind.EXAMINE, "Chest X-ray", "It fits.", (Hypothesis("Pneumonia"),)))
    assert await said_after(after(said), engine, client, [said, said], codec) == said
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
        ("Heart examination", "examine", "Ear examination", False),
        ("Chest X-ray", "examine", "Chest X-ray and MRI of the orbit", False),
        ("X-ray of the left hand", "examine", "X-ray of the right hand", False),
        ("Troponin", "examine", "Troponin at 3 hours", False),
        ("Blood cultures", "examine", "Blood cultures second set", False),
        ("Chest X-ray", "examine", "Follow-up chest X-ray", False),
        ("Chest X-ray and D-dimer", "examine", "D-dimer", True),
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


STRANGE = Inquiry(35, "female", "Blocked ear", {"hpi": "The ear feels full after swimming."})
GUESS = says(ActionKind.DIAGNOSE, "Migraine")
TAIL = " ear care is outside what I know | the complaint is not covered | Migraine 3 O"
RULED = ruled(Sampling(max_tokens=400))


async def strange(client, codec=BRIEF, exchanges=(), **rules):
    return await policy_of(client, codec, replace(RULED, **rules)).say(STRANGE, exchanges)


@pytest.mark.parametrize("exchanges", [[], after(FIRST)])
async def test_what_nothing_fits_is_deferred_in_the_policys_own_words(engine, client, exchanges):
    engine.script.extend([GUESS, TAIL])
    said = await strange(client, exchanges=exchanges)
    assert BRIEF.parse(said.text).kind is ActionKind.DEFER
    assert said.text == f"defer:{TAIL}"
    asked = engine.requests[-1].body
    assert asked["messages"][-1] == {"role": "assistant", "content": "defer:"}
    assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
    assert asked["messages"][:-1] == engine.requests[0].body["messages"]


async def test_a_repeat_first_and_then_a_guess_still_defer(engine, client):
    engine.script.extend([FIRST, FIRST, FIRST, GUESS, TAIL])
    assert (await strange(client, exchanges=after(FIRST))).text == f"defer:{TAIL}"


@pytest.mark.parametrize("said", [OTHER, says(ActionKind.DEFER, "A senior opinion"), "no action at all"])
async def test_whatever_is_no_diagnosis_stays(engine, client, said):
    engine.script.extend([said, TAIL])
    assert (await strange(client)).text == said
    assert len(engine.requests) == 1


async def test_where_a_card_fits_the_diagnosis_stays(engine, client):
    history = {"hpi": "Sudden pain on breathing in, breathless, coughing blood, one calf swollen after a flight."}
    engine.script.extend([GUESS, TAIL])
    fits = Inquiry(58, "female", "Chest pain", history)
    assert BRIEF.fit(fits, []) > LEAST_FIT > BRIEF.fit(STRANGE, [])
    assert (await policy_of(client, BRIEF, RULED).say(fits, [])).text == GUESS
    assert len(engine.requests) == 1


async def test_results_may_make_it_fit(engine, client):
    engine.script.extend([GUESS, TAIL])
    unwell = Inquiry(58, "female", "Unwell", {})
    found = [Exchange(FIRST, "Pain on breathing in, cough with green sputum, fever.")]
    assert BRIEF.fit(unwell, []) < LEAST_FIT < BRIEF.fit(unwell, found)
    assert (await policy_of(client, BRIEF, RULED).say(unwell, found)).text == GUESS


@pytest.mark.parametrize("codec", [BRIEF, StructuredCodec()])
async def test_without_the_rule_or_without_cards_it_may_guess(engine, client, codec):
    guess = says(ActionKind.DIAGNOSE, "Migraine", codec)
    engine.script.extend([guess, TAIL])
    assert (await strange(client, codec, least_fit=0.0 if codec is BRIEF else LEAST_FIT)).text == guess
    assert len(engine.requests) == 1


def test_a_deferral_that_the_rule_made_names_nothing():
    guess = Action(ActionKind.DEFER, "Migraine", "It fits.", (Hypothesis("Migraine", 0.9),))
    made = withheld(guess, [REPEATS, UNFIT])
    assert (made.kind, made.reason, made.differential) == (ActionKind.DEFER, "It fits.", ())
    assert "Migraine" not in made.target
    assert withheld(replace(guess, target="ear care"), [UNFIT]).target == "ear care"
    assert withheld(guess, [REPEATS]) == guess, "its own deferral says what it likes"


def test_a_server_that_does_not_go_on_makes_no_deferral_of_a_diagnosis():
    with pytest.raises(MalformedAction):
        BRIEF.parse(f"defer:{GUESS}")


def test_nearly_every_virtual_patient_fits():
    """The threshold's promise, on patients it was not chosen with."""
    drawn = [open_case(case_id("train", 70_000 + n)).record().inquiry() for n in range(400)]
    assert sum(BRIEF.fit(inquiry, []) >= LEAST_FIT for inquiry in drawn) >= 392


def test_an_identity_without_rules_is_told_as_before():
    told = [PolicyIdentity("v", "b", None, "p", "e", how).as_dict()["sampling"] for how in (Sampling(), RULED)]
    assert not {"resample", "least_fit"} & {*told[0]}
    assert (told[1]["resample"], told[1]["least_fit"]) == (RULED.resample, LEAST_FIT)
    who = PolicyIdentity("v", "b", None, "p", "e", RULED)
    assert unruled(who).sampling == Sampling(max_tokens=400)
