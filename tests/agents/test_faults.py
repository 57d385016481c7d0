"""Injected faults: they end their own episodes as errors, touch no other, and leave no word in any training text."""

import asyncio
import itertools
import json
import re
from dataclasses import replace
from hashlib import blake2b

import pytest

from agents.client import PolicyClient
from agents.codecs import StructuredCodec
from agents.environment import ConsultationEnv, StepResult
from agents.policy import Policy
from agents.rollout import Limits, run_episodes
from agents.types import Action, ActionKind, End, Exchange, Hypothesis, Observation, PolicyIdentity, Sampling, Source
from tests.doubles.engine import FakeEngine, Fault
from training.evaluation.cases import case_set
from training.methods.keep import everything
from training.methods.pipeline import apply
from training.methods.recipe import load as load_recipe
from training.methods.rewards import Context

CODEC = StructuredCodec()
SAMPLING = Sampling(max_tokens=400)
CASES = case_set("virtual:test", limit=100)
LIMITS = Limits(max_turns=5, repairs=0)
SHARE = 0.3
WORDS = re.compile(
    r"\bNone\b|\bnull\b|Traceback|\w*Error\b|Exception|injected|outage"
    r"|\btime[d -]*out\b|policy_\w+|InternalServer|<\w+ object"
)


def drawn(*what):
    """0..1, the same for the same words in every process and order."""
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=8).digest()) / 2**64


class FaultyWorld:
    """A world of which a share of the calls fails, each kind of failure in its turn."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.identity = world.identity

    async def examine(self, request):
        broken = await self._fail(request)
        return None if broken else await self.world.examine(request)

    async def ask(self, question):
        broken = await self._fail(question)
        return None if broken else await self.world.ask(question)

    async def _fail(self, request):
        """Raises, takes too long, or is True: answer None, as an outage does that somebody swallowed."""
        if drawn("world", self.case, request) >= SHARE:
            return False
        kind = int(1000 * drawn("kind", self.case, request)) % 4
        if kind == 0:
            raise RuntimeError("injected outage of the world")
        if kind == 1:
            raise ConnectionError("injected: Traceback (most recent call last)")
        if kind == 2:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        return True


class CarelessEnv(ConsultationEnv):
    """What must not be: whatever goes wrong is told to the policy as if it were a result."""

    async def step(self, action):
        try:
            result = await super().step(action)
            return result if None not in result.observations else StepResult((self._said(None),))
        except Exception as error:  # noqa: BLE001 - this is the mistake under test
            return StepResult((self._said(error),))

    def _said(self, what):
        return Observation(f"{what!s}" or repr(what), Source.SIMULATED)


class KeyedEngine(FakeEngine):
    """Answers depend on the prompt alone, whatever the order of requests; so do the faults, a share of the requests."""

    KINDS = ("http_500", "drop", "garbage", "error_event")

    def __init__(self, share=0.0):
        super().__init__()
        self.share = share

    async def _chat(self, request):
        body = json.loads(await request.read())
        if drawn("engine", body["messages"]) < self.share:
            kind = self.KINDS[int(1000 * drawn("kind", body["messages"])) % len(self.KINDS)]
            self.faults.appendleft(Fault(kind, after=3))
        return await super()._chat(request)

    def _tokens(self, body, fault, number):
        return super()._tokens(body, fault, blake2b(repr(body["messages"]).encode()).hexdigest())


def envs(faulty, kind=ConsultationEnv):
    for case in CASES:
        world = case.open_world()
        yield kind(FaultyWorld(world, case.id) if faulty else world, case.record)


async def played(*, faulty=False, engine_share=0.0, kind=ConsultationEnv):
    """Episodes of all cases, and every prompt that the engine was given."""
    identity = PolicyIdentity("v", "b", None, CODEC.digest, "fake", SAMPLING)
    async with KeyedEngine(engine_share) as engine, PolicyClient(engine.url, engine.model) as client:
        policy = Policy(client, CODEC, SAMPLING, identity)
        episodes = await run_episodes(policy, list(envs(faulty, kind)), limits=LIMITS, tokens=True, concurrency=16)
        return episodes, [request.body["messages"] for request in engine.requests]


def training_texts(episodes, prompts):
    """Every text a trainer may read: prompts as sent, turns, actions, observations, prompts rebuilt from the turns."""
    for messages in prompts:
        yield from (message["content"] for message in messages)
    for episode, case in zip(episodes, CASES, strict=True):
        for turn in episode.turns:
            yield turn.text
            yield from strings(turn.as_dict())
        for exchanges in rebuilt(episode):
            yield from (message.content for message in CODEC.messages(case.record.inquiry(), exchanges))


def rebuilt(episode):
    """The exchanges before each agent turn."""
    texts = [turn.text for turn in episode.turns]
    pairs = [Exchange(*pair) for pair in zip(texts[::2], texts[1::2], strict=False)]
    return [pairs[:n] for n in range(len(pairs) + 1)]


def strings(data):
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from itertools.chain.from_iterable(map(strings, data.values()))
    elif isinstance(data, list | tuple):
        yield from itertools.chain.from_iterable(map(strings, data))


def error_words(episodes, prompts):
    return sorted({hit[0] for text in training_texts(episodes, prompts) for hit in WORDS.finditer(text)})


def content(episode):
    """What was said and came of it, without times."""
    turns = [{**turn.as_dict(), "seconds": 0} for turn in episode.turns]
    return turns, episode.end, episode.diagnosis, episode.cost, episode.error


@pytest.fixture(scope="module")
def sound():
    return asyncio.run(played())


@pytest.fixture(scope="module")
def faulty():
    return asyncio.run(played(faulty=True))


def is_hit(episode):
    """Whether this fault-free episode asks for something that the faulty world fails at."""
    wanted = [turn.action.target for turn in episode.turns if turn.action and not turn.action.kind.is_final]
    return any(drawn("world", episode.case, target) < SHARE for target in wanted)


def test_without_faults_no_episode_has_an_error(sound):
    episodes, prompts = sound
    assert all(episode.end is not End.ENV_ERROR and episode.error is None for episode in episodes)
    assert error_words(episodes, prompts) == []


def test_exactly_the_affected_episodes_are_errors(sound, faulty):
    affected = [is_hit(episode) for episode in sound[0]]
    assert 15 <= sum(affected) <= 60
    assert [episode.end is End.ENV_ERROR for episode in faulty[0]] == affected
    assert [bool(episode.error) for episode in faulty[0]] == affected
    kinds = {episode.error.split(":")[0] for episode in faulty[0] if episode.error}
    assert {"RuntimeError", "ConnectionError", "TimeoutError"} < kinds


def test_the_others_are_identical_to_a_run_without_faults(sound, faulty):
    whole = [(a, b) for a, b in zip(sound[0], faulty[0], strict=True) if not b.error]
    assert len(whole) >= 40
    assert all(content(a) == content(b) for a, b in whole)
    for whole_one, cut in zip(sound[0], faulty[0], strict=True):
        turns = content(cut)[0]
        assert turns == content(whole_one)[0][: len(turns)]


def test_no_error_string_in_any_training_text(faulty):
    assert error_words(*faulty) == []


async def test_faults_of_the_engine_end_only_their_own_episodes(sound):
    episodes, prompts = await played(engine_share=0.1)
    broken = [episode for episode in episodes if episode.end is End.ENV_ERROR]
    assert 5 <= len(broken) <= 60
    assert all(episode.error.startswith("policy_") for episode in broken)
    assert {episode.error.split(":")[0] for episode in broken} >= {"policy_unavailable", "policy_garbled"}
    for episode, without in zip(episodes, sound[0], strict=True):
        if episode.error is None:
            assert content(episode) == content(without)
    assert error_words(episodes, prompts) == []


async def test_the_check_finds_what_a_careless_environment_tells(sound):
    """The control: without it the tests above could pass because they look at nothing."""
    episodes, prompts = await played(faulty=True, kind=CarelessEnv)
    found = error_words(episodes, prompts)
    assert {"None", "injected", "outage", "Traceback"} <= set(found)
    assert not any(episode.error for episode in episodes)


@pytest.mark.parametrize("said", ["None", "KeyError: 'x'", "Traceback (most recent call last)", "policy_timeout"])
def test_the_check_knows_such_words(said):
    assert WORDS.search(f"Here is the test result: {said}")


def test_failed_episodes_leave_the_update(faulty):
    """No row, no reward, no weight on a token of theirs; the log counts them."""
    episodes = [replace(episode) for episode in faulty[0]]
    contexts = [Context(case.answer, ("cbc",)) for case in CASES]
    batch = apply(episodes, contexts, load_recipe("default"))
    failed = [bool(episode.error) for episode in episodes]
    assert (~everything(episodes, batch.advantages)).tolist() == failed
    assert batch.log["unscored"] == sum(failed)
    for episode, kept, weights in zip(episodes, batch.kept, batch.tokens, strict=True):
        if episode.error:
            assert not kept
            assert episode.reward is None
            assert not weights.any()


async def test_an_observation_without_text_is_an_error_not_a_word():
    """The shape in which an outage becomes the word None elsewhere."""

    class Empty(FaultyWorld):
        async def ask(self, question):
            return Observation(None, Source.SIMULATED)

    case = CASES[0]
    says = CODEC.encode(Action(ActionKind.ASK, "Do you smoke?", "Why not.", (Hypothesis("Asthma", 0.5),)))
    identity = PolicyIdentity("v", "b", None, CODEC.digest, "fake", SAMPLING)
    async with FakeEngine(script=[says] * 3) as engine, PolicyClient(engine.url, engine.model) as client:
        env = ConsultationEnv(Empty(case.open_world(), case.id), case.record)
        [episode] = await run_episodes(Policy(client, CODEC, SAMPLING, identity), [env], limits=LIMITS)
    assert (episode.end, len(episode.turns)) == (End.ENV_ERROR, 1)
    assert episode.error
