"""Recipes are checked when they are read, with file and line."""

import pytest

from training.methods.recipe import RecipeError, load
from training.methods.registry import SLOTS

HEAD = "name: x\nsummary: A try.\n"


def write(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


def test_the_default_names_every_slot():
    recipe = load("default")
    assert set(recipe.slots) == set(SLOTS)
    assert list(recipe.rewards()) == ["accuracy", "exam_f1", "finished"]
    assert recipe.as_dict()["compose"][0]["weighted_sum"]["weights"]["exam_f1"] == 0.5


def test_a_recipe_is_what_differs_from_the_default(tmp_path):
    recipe = load(write(tmp_path, HEAD + "advantage: dr_grpo\nreward:\n  - accuracy\n  - finished: {within: 6}\n"))
    assert recipe.chosen("advantage").name == "dr_grpo"
    assert recipe.slots["reward"][1].settings == {"within": 6}
    assert recipe.chosen("keep").name == "all"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "advantage: gpro\n", 3, "no advantage 'gpro'; there are dr_grpo, grpo, rloo"),
        (HEAD + "keep: all\nadvantge: grpo\n", 4, "unknown key 'advantge'"),
        (HEAD + "advantage:\n  grpo:\n    epsilom: 1\n", 5, "no setting 'epsilom' (epsilon)"),
        (HEAD + "reward:\n  - accuracy\n  - speed\n", 5, "no reward 'speed'"),
        (HEAD + "advantage: [grpo, rloo]\n", 3, "exactly one"),
        (HEAD + "reward: []\n", 3, "empty"),
        (HEAD + "reward: [accuracy, accuracy]\n", 3, "twice"),
        (HEAD + "keep: 3\n", 3, "must be a name"),
        (HEAD + "keep: {all: {}, none: {}}\n", 3, "must be a name"),
        ("name: x\n", 1, "summary must be a text"),
        ("- a\n", 1, "mapping"),
        (HEAD + "keep: [\n", 4, ""),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, line, words):
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, text))
    assert str(caught.value).startswith(f"x.yaml:{line}: ")
    assert words in str(caught.value)


def test_an_unknown_recipe_lists_the_known():
    with pytest.raises(FileNotFoundError, match="default"):
        load("defautl")
