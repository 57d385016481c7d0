"""What physicians asked for as a reward, the reward that means nothing, and the seats of one group."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.judge import RuleJudge
from agents.rubrics import Criterion, Rating, Verdict
from agents.types import Episode
from agents.world.virtual import case_id
from tests.training.episodes import episode
from training.evaluation.cases import virtual_case
from training.evaluation.policies import RandomPlayer
from training.methods import pipeline, recipe
from training.methods.control import random
from training.methods.physicians import physicians, rated
from training.methods.registry import get, names
from training.methods.rewards import Context, Unscored

VITAL = Criterion("vital", "Vital signs were ordered", 5, rule={"examined": "Vital signs"})
SPARED = Criterion("scan", "A CT of the head was ordered", -5, rule={"examined": "CT head"})
UNRULED = Criterion("kind", "It was kind", 5)


def told(made: Episode, *criteria: Criterion, weight: float = 1.0) -> Context:
    found = asyncio.run(rated(made, criteria, RuleJudge()))
    return Context("PE", extra={"physicians": {**found, "weight": weight}})


def reward(made: Episode, context: Context) -> float | None:
    row = physicians(made, context)
    return None if row is None else float(row.sum())


def test_points_that_were_earned_count_on_the_last_turn() -> None:
    made = episode("Vital signs", "ECG", diagnosis="PE")
    row = physicians(made, told(made, VITAL, SPARED))
    assert row is not None
    assert row.tolist() == [0.0, 0.0, 1.0]
    assert reward(made, told(made, VITAL, weight=0.25)) == 0.25


def test_what_should_not_happen_costs() -> None:
    made = episode("Vital signs", "CT head", diagnosis="PE")
    assert reward(made, told(made, VITAL, SPARED)) == 0.0
    missed = episode("ECG", diagnosis="PE")
    assert reward(missed, told(missed, VITAL, SPARED)) == 0.0


def test_it_abstains_where_nothing_can_be_decided() -> None:
    made = episode("ECG", diagnosis="PE")
    assert physicians(made, Context("PE")) is None
    assert physicians(made, told(made, UNRULED)) is None


def test_a_failed_judge_is_no_zero() -> None:
    class Broken:
        async def rate(self, made: Episode, criterion: Criterion) -> Rating:
            return Rating(criterion.id, Verdict.ERROR)

    made = episode("ECG", diagnosis="PE")
    found: dict[str, Any] = asyncio.run(rated(made, [VITAL], Broken()))
    with pytest.raises(Unscored, match="1 verdicts"):
        physicians(made, Context("PE", extra={"physicians": found}))


def test_the_random_reward_is_the_draw_and_nothing_else() -> None:
    made, other = episode("ECG", diagnosis="PE"), episode("CBC", diagnosis="Flu")
    contexts = [Context("PE", extra={"draw": draw}) for draw in (0.3, 0.3)]
    assert [float(random(e, c).sum()) for e, c in zip((made, other), contexts, strict=True)] == [0.3, 0.3]
    with pytest.raises(KeyError):
        random(made, Context("PE"))


@pytest.mark.parametrize("name", ["default", "physicians", "tiny", "control"])
def test_a_recipe_is_read_back_from_a_run_folder(name: str) -> None:
    loaded = recipe.load(name)
    assert recipe.from_dict(loaded.as_dict()).as_dict() == loaded.as_dict()
    assert {"physicians", "random"} <= set(names("reward"))


def test_a_setting_that_does_not_exist_is_refused() -> None:
    told = recipe.load("default").as_dict()
    told["objective"] = [{"grpo": {"bravery": 1}}]
    with pytest.raises(ValueError, match="bravery"):
        recipe.from_dict(told)


def test_a_group_with_the_physicians_part_has_advantages() -> None:
    made = [episode("Vital signs", diagnosis="PE", tokens=3), episode("ECG", diagnosis="PE", tokens=3)]
    contexts = [told(one, VITAL) for one in made]
    batch = pipeline.apply(made, contexts, recipe.load("physicians"))
    assert batch.tokens[0].min() > 0 > batch.tokens[1].max()
    assert made[0].reward is not None
    assert made[0].reward["parts"]["physicians"] == 1.0


async def test_each_episode_of_a_group_has_its_own_world() -> None:
    """A player that sees its world must not see another episode's."""
    case = virtual_case(case_id("train", 0))
    played = await get("rollout", "group")(RandomPlayer(count=2), case, 2, max_turns=4)
    assert [one.end for one in played] == ["FINISH", "FINISH"]
    assert [one.agent_turns for one in played] == [3, 3]
