"""Baselines play the same episodes as models, through the same environment."""

import pytest

from agents.client import Delta
from agents.codecs import StructuredCodec
from agents.policy import Policy
from agents.rollout import run_episode
from agents.types import MAX_TURNS, CaseRecord, End, Inquiry, PolicyIdentity, Sampling
from agents.world.planning import orderable
from agents.world.questions import understanding
from training.evaluation.cases import case_set, record_case
from training.evaluation.end_to_end import score
from training.evaluation.policies import Endpoint, GreedyOracle, RandomPlayer, question


async def played(player, case):
    env = case.environment()
    return await run_episode(player.seat(case.id, env.world), env)


async def test_the_oracle_orders_its_own_references():
    case = case_set("virtual:test:0001")[0]
    episode = await played(GreedyOracle(), case)
    got = await score(episode, case)
    assert episode.end is End.FINISH
    assert got.f1 == 1.0
    assert got.confidence is not None


async def test_the_oracle_keeps_its_last_turn_for_the_diagnosis():
    case = case_set("virtual:test:0001")[0]
    env = case.environment()
    seat = GreedyOracle(max_turns=2).seat(case.id, env.world)
    seat.choose = lambda belief: orderable(belief)[len(seat.done)]
    episode = await run_episode(seat, env)
    assert (episode.end, episode.agent_turns) == (End.FINISH, 2)
    assert MAX_TURNS == 12


async def test_random_orders_then_the_oracle_names_the_diagnosis():
    case = case_set("virtual:test:0002")[0]
    episode = await played(RandomPlayer(seed=1, count=3), case)
    assert [turn.action.kind for turn in episode.turns if turn.action] == ["examine"] * 3 + ["diagnose"]
    again = await played(RandomPlayer(seed=1, count=3), case)
    other = await played(RandomPlayer(seed=2, count=3), case)
    texts = [[turn.text for turn in e.turns] for e in (episode, again, other)]
    assert texts[0] == texts[1] != texts[2]


def test_neither_plays_a_record():
    case = record_case(CaseRecord("r", "o", 40, "female", "Pain", answer="MI"), "x")
    for player in (GreedyOracle(), RandomPlayer()):
        with pytest.raises(ValueError, match="virtual cases only"):
            player.seat(case.id, case.open_world())


def test_questions_are_words_a_patient_understands():
    """All but the few whose every wording reads as another topic: there the oracle learns nothing and goes on."""
    asked = [key for key, finding in understanding().known.findings.items() if finding.kind != "sign"]
    missed = [key for key in asked if key not in understanding().findings(question(key))]
    assert len(missed) <= 0.01 * len(asked), missed


class Listening:
    """A client that notes the seed of each request."""

    def __init__(self):
        self.seeds = []

    async def stream(self, messages, *, sampling, **_):
        self.seeds.append(sampling.seed)
        yield Delta("", finish="stop")


async def seeds_of(sampling):
    """Of two turns of two cases, and of the first case again."""
    client, codec = Listening(), StructuredCodec()
    policy = Policy(client, codec, sampling, PolicyIdentity("v", "b", None, codec.digest, "e", sampling))
    inquiry = Inquiry(40, "female", "Pain", {})
    for case in ("a", "b", "a"):
        seat = Endpoint("mine", policy).seat(case, None)
        for told in ([], [object()]):
            await seat.say(inquiry, told)
    return client.seeds


async def test_no_two_turns_are_sampled_with_the_same_noise(monkeypatch):
    """vLLM begins each request anew from its seed."""
    monkeypatch.setattr(StructuredCodec, "messages", lambda *a, **k: [])
    hot = await seeds_of(Sampling(temperature=1.0, seed=3))
    assert len(set(hot[:4])) == 4
    assert hot[4:] == hot[:2], "asked again, a case is played alike"
    assert hot != await seeds_of(Sampling(temperature=1.0, seed=4))
    assert await seeds_of(Sampling(temperature=0.0, seed=None)) == [None] * 6
