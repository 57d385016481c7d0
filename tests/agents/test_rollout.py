"""Episodes: every end, true turn counts, order, and failures as data."""

import asyncio
import math
from dataclasses import replace

import pytest

from agents.client import PolicyClient
from agents.codecs import DialectCodec, StructuredCodec
from agents.environment import ConsultationEnv
from agents.policy import Policy
from agents.rollout import Limits, run_episode, run_episodes
from agents.types import (
    Action,
    ActionKind,
    CaseRecord,
    End,
    Hypothesis,
    PolicyIdentity,
    RecordedResult,
    Sampling,
)
from agents.world.record import RecordWorld
from tests.doubles.engine import FakeEngine

RECORD = CaseRecord(
    "t:1",
    "test",
    58,
    "female",
    "Breathless for two hours",
    {"hpi": "Breathless for two hours.", "social": "She smokes ten cigarettes a day."},
    (RecordedResult("D-dimer", "4.1 mg/L"), RecordedResult("Chest X-ray", "Clear lungs.")),
    answer="Pulmonary embolism",
)
SAMPLING = Sampling(max_tokens=400)


def says(kind, target, codec=StructuredCodec()):  # noqa: B008
    return codec.encode(Action(kind, target, "Because.", (Hypothesis("Pulmonary embolism", 0.4),)))


ASK = says(ActionKind.ASK, "Do you smoke?")
EXAMINE = says(ActionKind.EXAMINE, "D-dimer and MRI brain")
DIAGNOSE = says(ActionKind.DIAGNOSE, "Pulmonary embolism")
DEFER = says(ActionKind.DEFER, "A senior opinion")


def policy_of(client, codec=None):
    codec = codec or StructuredCodec()
    return Policy(client, codec, SAMPLING, PolicyIdentity("v", "b", None, codec.digest, "fake", SAMPLING))


def env():
    return ConsultationEnv(RecordWorld(RECORD), RECORD)


@pytest.fixture
async def engine():
    async with FakeEngine() as fake:
        yield fake


@pytest.fixture
async def policy(engine):
    async with PolicyClient(engine.url, engine.model, idle_seconds=0.3) as client:
        yield policy_of(client)


async def play(engine, policy, script, **limits):
    engine.script.extend(script)
    return await run_episode(policy, env(), limits=Limits(**limits))


async def test_a_whole_consultation(engine, policy):
    episode = await play(engine, policy, [ASK, EXAMINE, DIAGNOSE])
    assert (episode.end, episode.diagnosis, episode.agent_turns) == (End.FINISH, "Pulmonary embolism", 3)
    assert [turn.role for turn in episode.turns] == ["agent", "environment"] * 2 + ["agent"]
    assert [turn.n for turn in episode.turns] == [1, 2, 3, 4, 5]
    texts = [[(o.text, str(o.source)) for o in turn.observations] for turn in episode.turns[1::2]]
    assert texts == [
        [("She smokes ten cigarettes a day.", "recorded")],
        [("4.1 mg/L", "recorded"), ("Not in this record.", "unavailable")],
    ]
    assert episode.cost["examinations"] == 1
    assert episode.cost["usd"] > 0
    assert episode.world["backend"] == "record"
    assert episode.as_dict()["policy"]["prompt"] == policy.codec.digest


async def test_no_request_ever_names_the_answer_or_an_unasked_result(engine, policy):
    await play(engine, policy, [ASK, EXAMINE, says(ActionKind.DEFER, "Imaging")])
    for request in engine.requests:
        told = " ".join(message["content"] for message in request.body["messages"] if message["role"] != "assistant")
        assert "embolism" not in told
        assert "Clear lungs" not in told


async def test_prompts_grow_by_exchanges(engine, policy):
    await play(engine, policy, [ASK, EXAMINE, DIAGNOSE])
    first, second, third = (request.body["messages"] for request in engine.requests)
    assert second[: len(first)] == first
    assert third[: len(second)] == second


async def test_deferral(engine, policy):
    episode = await play(engine, policy, [DEFER])
    assert (episode.end, episode.diagnosis, episode.agent_turns) == (End.DEFER, None, 1)


async def test_a_malformed_answer_may_be_repaired(engine, policy):
    episode = await play(engine, policy, ["Well.", DIAGNOSE])
    assert (episode.end, episode.agent_turns, len(episode.turns)) == (End.FINISH, 1, 2)
    repair = engine.requests[1].body["messages"][-1]["content"]
    assert "not one JSON object" in repair


async def test_malformed_to_the_end(engine, policy):
    episode = await play(engine, policy, [ASK, "one", "two", "three"], repairs=2)
    assert (episode.end, episode.agent_turns, episode.error) == (End.MALFORMED, 1, None)
    assert [turn.text for turn in episode.turns if turn.role == "agent"][1:] == ["one", "two", "three"]


async def test_the_cap(engine, policy):
    episode = await play(engine, policy, [ASK] * 5, max_turns=3)
    assert (episode.end, episode.agent_turns, episode.forced) == (End.MAX_TURNS, 3, False)


async def test_a_forced_final_answer_is_flagged(engine, policy):
    episode = await play(engine, policy, [ASK] * 3 + [DIAGNOSE], max_turns=3, force_final=True)
    assert (episode.end, episode.agent_turns, episode.forced) == (End.FINISH, 4, True)
    schemas = [request.body["response_format"]["json_schema"]["name"] for request in engine.requests]
    assert schemas == ["action"] * 3 + ["final_action"]


async def test_a_forced_turn_that_is_not_final_is_malformed(engine, policy):
    episode = await play(engine, policy, [ASK] * 6, max_turns=1, force_final=True, repairs=1)
    assert (episode.end, episode.agent_turns) == (End.MALFORMED, 1)


async def test_the_token_budget(engine, policy):
    episode = await play(engine, policy, [ASK] * 9, token_budget=150)
    assert episode.end is End.TOKEN_BUDGET
    assert episode.agent_turns == math.ceil(150 / engine.requests[0].sent) > 1


async def test_a_full_context_is_a_token_budget(engine, policy):
    engine.context = 700
    episode = await play(engine, policy, [ASK] * 12)
    assert (episode.end, episode.error) == (End.TOKEN_BUDGET, None)
    assert episode.agent_turns > 1


async def test_a_failing_server_is_an_error_on_the_episode(engine, policy):
    engine.script.append(ASK)
    engine.fail("http_500")
    episode = await run_episode(policy, env())
    assert (episode.end, episode.agent_turns) == (End.ENV_ERROR, 0)
    assert episode.error.startswith("policy_unavailable")


async def test_a_failing_world_is_an_error_on_the_episode(engine, policy):
    class Broken(RecordWorld):
        async def ask(self, question):
            raise KeyError("gone")

    engine.script.extend([ASK, DIAGNOSE])
    episode = await run_episode(policy, ConsultationEnv(Broken(RECORD), RECORD))
    assert (episode.end, episode.error, episode.agent_turns) == (End.ENV_ERROR, "KeyError: 'gone'", 1)


async def test_cancelling_is_no_data(engine, policy):
    engine.rate = 20
    task = asyncio.create_task(run_episode(policy, env()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_at_once_keep_their_order_and_their_failures(engine, policy):
    class Broken(RecordWorld):
        async def ask(self, question):
            raise KeyError("gone")

        examine = ask

    records = [replace(RECORD, id=f"t:{n}") for n in range(12)]
    worlds = [Broken if n % 4 == 0 else RecordWorld for n in range(12)]
    envs = [ConsultationEnv(world(record), record) for world, record in zip(worlds, records, strict=True)]
    episodes = await run_episodes(policy, envs, limits=Limits(max_turns=4, force_final=True), tokens=True)
    assert [episode.case for episode in episodes] == [record.id for record in records]
    assert all(episode.end for episode in episodes)
    whole = [episode for n, episode in enumerate(episodes) if n % 4]
    assert all(episode.end in (End.FINISH, End.DEFER) for episode in whole)
    for turn in (turn for episode in whole for turn in episode.turns if turn.role == "agent"):
        assert len(turn.tokens.ids) == len(turn.tokens.logprobs) == len(turn.tokens.mask) > 0


async def test_the_dialect_plays_too(engine):
    codec = DialectCodec()
    engine.script.extend([says(ActionKind.EXAMINE, "D-dimer", codec), says(ActionKind.DIAGNOSE, "Flu", codec)])
    async with PolicyClient(engine.url, engine.model) as client:
        episode = await run_episode(policy_of(client, codec), env())
    assert (episode.end, episode.diagnosis) == (End.FINISH, "Flu")
    assert engine.requests[1].body["messages"][-1]["content"] == "Here is the test result: D-dimer: 4.1 mg/L"
    assert "response_format" not in engine.requests[0].body


async def test_a_policy_with_a_wrong_identity_is_refused(policy):
    with pytest.raises(ValueError, match="identity"):
        replace(policy, codec=DialectCodec())


async def test_no_step_after_the_end():
    environment = env()
    await environment.reset()
    await environment.step(StructuredCodec().parse(DIAGNOSE))
    with pytest.raises(RuntimeError, match="over"):
        await environment.step(StructuredCodec().parse(ASK))
