"""The agent's own words with the oracle's percentages: actions stay, probabilities become the exact posterior."""

from __future__ import annotations

import asyncio

import pytest

from agents.answers import UNFIT
from agents.codecs import BriefCodec
from agents.environment import ConsultationEnv
from agents.types import Action, ActionKind, Episode, EpisodeTurn, Hypothesis, PolicyIdentity, Sampling
from agents.world.virtual_world import VirtualWorld
from training.methods import calibration, information

CASE = "virtual:train:0003"
CODEC = BriefCodec()


def episode(*actions: Action | None) -> Episode:
    """As a rollout keeps it; None is a malformed answer."""
    identity = PolicyIdentity("agent", "base", None, CODEC.digest, "engine", Sampling())
    found = Episode(CASE, CASE, identity, {})
    for n, action in enumerate(actions):
        found.turns.append(EpisodeTurn(2 * n + 1, "agent", CODEC.encode(action) if action else "?", action=action))
        found.turns.append(EpisodeTurn(2 * n + 2, "environment", "told"))
    return found


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The two likeliest diseases at first, by name."""
    belief = VirtualWorld(CASE).belief()
    conditions = belief.frame.model.known.conditions
    return [conditions[key].name for key, _ in belief.ranked()[:2]]


def order(names: list[str]) -> Action:
    sure = (Hypothesis(names[0], 0.99), Hypothesis("Martian flu", 0.01))
    return Action(ActionKind.EXAMINE, "Complete blood count", "to be sure", sure)


def test_only_the_percentages_change(names):
    world = VirtualWorld(CASE)
    before = dict(world.belief().ranked())
    told = calibration.stated(order(names), before)
    assert (told.kind, told.target, told.reason) == (ActionKind.EXAMINE, "Complete blood count", "to be sure")
    assert [hypothesis.diagnosis for hypothesis in told.differential] == [names[0], "Martian flu"]
    assert told.differential[0].probability == pytest.approx(max(before.values()))
    assert told.differential[1].probability == calibration.LEAST


def test_each_turn_has_the_posterior_of_its_moment(names):
    last = Action(ActionKind.DIAGNOSE, names[0], "it fits", (Hypothesis(names[0], 0.5),))
    told = asyncio.run(calibration.calibrated(episode(order(names), last), CODEC))
    assert told is not None
    assert [message["role"] for message in told["prompt"]] == ["system", "user"]
    assert [message["role"] for message in told["completion"]] == ["assistant", "user", "assistant"]
    first, final = (CODEC.parse(told["completion"][n]["content"]) for n in (0, 2))
    world = VirtualWorld(CASE)
    beliefs = [max(p for _, p in world.belief().ranked())]
    asyncio.run(ConsultationEnv(world, world.record).step(order(names)))
    beliefs.append(max(p for _, p in world.belief().ranked()))
    assert first.differential[0].probability == pytest.approx(beliefs[0], abs=0.006)
    condition = world.belief().ranked()[0][0]
    if world.belief().frame.model.known.conditions[condition].name == names[0]:
        assert final.differential[0].probability == pytest.approx(beliefs[1], abs=0.006)


def test_what_follows_a_malformed_answer_is_not_learned(names):
    told = asyncio.run(calibration.calibrated(episode(order(names), None, order(names)), CODEC))
    assert told is not None
    assert [message["role"] for message in told["completion"]] == ["assistant"]
    assert asyncio.run(calibration.calibrated(episode(None), CODEC)) is None


def test_a_deferral_that_a_rule_made_is_not_learned(names):
    """It has no percentages: its diagnoses were left out."""
    played = episode(order(names), order(names))
    played.turns[2].action = Action(ActionKind.DEFER, "a clinician must decide", "no card fits")
    played.turns[2].dropped = (UNFIT,)
    told = asyncio.run(calibration.calibrated(played, CODEC))
    assert told is not None
    assert [message["role"] for message in told["completion"]] == ["assistant"]


def test_information_is_what_the_posterior_gained_and_its_price(names):
    twice = asyncio.run(information.account(episode(order(names), order(names), None)))
    world = VirtualWorld(CASE)
    before = world.belief().entropy()
    asyncio.run(ConsultationEnv(world, world.record).step(order(names)))
    assert twice.at_first == pytest.approx(before)
    assert twice.bits == pytest.approx([before - world.belief().entropy(), 0.0, 0.0])
    assert twice.prices[0] > twice.prices[1] > twice.prices[2] == 0.0
