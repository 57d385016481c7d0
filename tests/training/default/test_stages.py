"""The stages stand in an order in which each comes after what it needs, and the table's rows are all played."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.default import profiles, stages, table
from training.default.ground import Ground
from training.methods import recipe as recipes

GROUND = Ground(Path("base"), {"content": "c" * 64}, "cards", "local")


@pytest.fixture(params=sorted(profiles.BY_NAME))
def made(request):
    return stages.stages(profiles.BY_NAME[request.param], GROUND)


def test_every_stage_comes_after_those_that_it_needs(made):
    names = [stage.name for stage in made]
    assert len(set(names)) == len(names)
    for n, stage in enumerate(made):
        assert set(stage.after) <= set(names[:n]), stage.name


def test_every_row_is_played_and_has_a_name(made):
    names = {stage.name for stage in made}
    assert {stages.evaluation_of(row) for row in stages.ROWS} <= names
    assert set(table.NAMES) == set(stages.ROWS)


def test_nothing_is_made_from_the_control_arm(made):
    using = [stage.name for stage in made if stages.CONTROL in stage.after]
    assert using == [stages.evaluation_of(stages.CONTROL)]


def test_base_and_codec_are_part_of_what_every_stage_is_made_from(made):
    for stage in made:
        assert (stage.settings["base"], stage.settings["codec"]) == ("c" * 64, "cards")


def test_the_arms_differ_in_their_rewards_alone():
    found = {name: recipes.load(recipe) for name, recipe in stages.ARMS.items()}
    rewards = {name: tuple(recipe.rewards()) for name, recipe in found.items()}
    assert rewards == {
        "rl-diagnosis": ("accuracy",),
        "rl-both": ("accuracy", "exam_f1", "finished"),
        "rl-information": ("accuracy", "exam_f1", "finished", "information", "cost"),
        "rl-random": ("random",),
    }
    rest = [
        {slot: recipe.slots[slot] for slot in ("rollout", "objective", "advantage", "keep")}
        for recipe in found.values()
    ]
    assert all(other == rest[0] for other in rest)


def test_a_server_of_its_own_gets_a_port_that_is_free_now():
    own = Ground(Path("base"), {"content": "c" * 64}, "cards", "own").serving()
    assert own["rollouts"] == "own"
    assert str(own["port"]) in own["serve_command"]
    assert "{weights}" in own["serve_command"]
    assert GROUND.serving() == {"rollouts": "local"}
