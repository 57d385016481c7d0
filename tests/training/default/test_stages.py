"""The stages stand in an order in which each comes after what it needs, and the table's rows are all played."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.codecs import by_name
from agents.knowledge.conditions import vocabulary
from agents.weights.merge import ADAPTER, sha256
from training.default import measuring, profiles, stages, table
from training.default.chain import Chain, ChainError
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


@pytest.fixture
def ships(tmp_path):
    """An adapter that ships, and its manifest to change."""
    folder = tmp_path / "agent-default"
    folder.mkdir()
    (folder / ADAPTER).write_bytes(b"weights")
    told = {
        "row": "cold-start", "content": "d" * 64, "base": GROUND.described, "prompt": by_name("cards").digest,
        "knowledge": vocabulary().version, "seeds": {"order": 0}, "recipe": {"rank": 2}, "probe": {}, "probe_base": {},
        "files": {ADAPTER: sha256(folder / ADAPTER)},
    }  # fmt: skip
    return folder, told


def adopted(ships, tmp_path):
    folder, told = ships
    (folder / "manifest.json").write_text(json.dumps(told))
    made = stages.stages(profiles.CPU, GROUND, adopted=folder)
    chain = Chain(made, tmp_path / "root", seed=0, runs=None, tell=lambda text: None)
    chain.make("cold-start")
    return chain.folder("cold-start")


def test_a_shipped_cold_start_is_gone_on_with_and_needs_no_data(ships, tmp_path):
    folder = adopted(ships, tmp_path)
    assert (folder / "adapter" / ADAPTER).read_bytes() == b"weights"
    assert not (folder.parent / "data").exists()
    whole = json.loads((folder / "manifest.json").read_text())
    assert (whole["adopted"], whole["recipe"], whole["probe"]) == ("d" * 64, {"rank": 2}, {})


@pytest.mark.parametrize(
    ("part", "other", "why"),
    [
        ("row", "rl-both", "is no cold-start"),
        ("base", {"content": "e" * 64}, "another base"),
        ("prompt", "x", "another prompt"),
        ("knowledge", "x", "another knowledge"),
    ],
)
def test_what_ships_is_no_cold_start_of_this_code(ships, tmp_path, part, other, why):
    ships[1][part] = other
    with pytest.raises(ChainError, match=why):
        adopted(ships, tmp_path)


def test_nothing_ships(tmp_path):
    with pytest.raises(ChainError, match="is no cold-start"):
        Chain(
            stages.stages(profiles.CPU, GROUND, adopted=tmp_path / "none"),
            tmp_path, seed=0, runs=None, tell=lambda text: None,
        ).make("cold-start")  # fmt: skip


def test_calibration_goes_on_from_what_it_is_told():
    made = {stage.name: stage for stage in stages.stages(profiles.CPU, GROUND, candidates=["cold-start"])}
    assert made["select"].after == ("cold-start",)
    assert {stage.name: stage for stage in stages.stages(profiles.CPU, GROUND)}["select"].after == stages.CANDIDATES
    with pytest.raises(ChainError, match="cannot go on from rl-random"):
        stages.stages(profiles.CPU, GROUND, candidates=["rl-random"])


def test_one_candidate_alone_is_chosen_without_a_consultation(ships, tmp_path):
    folder = adopted(ships, tmp_path)
    made = stages.stages(profiles.CPU, GROUND, adopted=ships[0], candidates=["cold-start"])
    chain = Chain(made, folder.parents[1], seed=0, runs=None, tell=lambda text: None)
    chain.make("select")
    assert measuring.selected(chain.folder("select")) == "cold-start"
