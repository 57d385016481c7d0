"""The default choice of every slot against hand-computed numbers."""

import numpy as np
import pytest

from agents.types import End, EpisodeTurn, TokenTrace
from tests.training.episodes import episode
from training.methods import registry
from training.methods.advantage import dr_grpo, grpo, no_signal, rloo
from training.methods.compose import weighted_sum
from training.methods.credit import broadcast, token_layout
from training.methods.keep import everything
from training.methods.pipeline import apply, table, token_advantages
from training.methods.probe import outcomes
from training.methods.recipe import load
from training.methods.registry import SLOTS, UnknownChoice, get, names, register
from training.methods.rewards import Context

PUBLISHED = [1.35, 0.1, 0.1, 0.2, 1.35]


def test_published_advantages():
    got = grpo(PUBLISHED, ["a"] * 5)
    assert got == pytest.approx([1.0934, -0.7789, -0.7789, -0.6291, 1.0934], abs=5e-5)


def test_equal_rewards_are_exactly_zero_and_counted():
    returns, groups = [0.1 + 0.2, 0.3, 0.3, 1.0, 0.0], ["a", "a", "a", "b", "b"]
    returns[0] = 0.3
    assert grpo(returns, groups)[:3].tolist() == [0.0, 0.0, 0.0]
    assert no_signal(returns, groups) == ["a"]


def test_groups_are_apart_and_the_unscored_left_out():
    got = grpo([1.0, 0.0, np.nan, 7.0], ["a", "a", "a", "b"])
    assert got == pytest.approx([0.7071, -0.7071, 0.0, 7.0], abs=1e-4)


def test_other_baselines():
    assert dr_grpo([1.0, 0.0, 0.5], ["a"] * 3) == pytest.approx([0.5, -0.5, 0.0])
    assert rloo([1.0, 0.0, 0.5], ["a"] * 3) == pytest.approx([0.75, -0.75, 0.0])


def test_constants_cancel():
    shifted = grpo(np.array(PUBLISHED) + 5, ["a"] * 5)
    assert shifted == pytest.approx(grpo(PUBLISHED, ["a"] * 5))


def test_weighted_sum_and_abstention():
    values = np.array([[[0.0, 1.0], [0.0, 0.4]], [[0.0, 0.0], [np.nan, np.nan]]])
    rewards, weights = weighted_sum(values, ("accuracy", "exam_f1"), weights={"accuracy": 1.0, "exam_f1": 0.5})
    assert rewards.tolist() == [[0.0, 1.2], [0.0, 0.0]]
    assert weights == {"accuracy": 1.0, "exam_f1": 0.5}


def test_a_misspelled_weight_is_an_error():
    with pytest.raises(KeyError):
        weighted_sum(np.zeros((1, 1, 1)), ("accuracy",), weights={"acuracy": 1.0})
    with pytest.raises(ValueError, match="finished"):
        weighted_sum(np.zeros((1, 1, 1)), ("accuracy",), weights={"accuracy": 1.0, "finished": 1.0})


def test_credit_stays_off_environment_tokens():
    made = episode("CBC", diagnosis="PE", tokens=2)
    made.turns[1].tokens = TokenTrace((9, 9, 9), (0.0, 0.0, 0.0), (1, 1, 1))
    turn, mask = token_layout(made)
    assert turn.tolist() == [0, 0, -1, -1, -1, 1, 1]
    assert mask.tolist() == [1, 1, 0, 0, 0, 1, 1]
    assert broadcast(np.zeros(2), made).tolist() == [1, 1, 0, 0, 0, 1, 1]
    assert token_advantages(np.float64(2.0), broadcast(np.zeros(2), made), made).tolist() == [2, 2, 0, 0, 0, 2, 2]
    per_turn = token_advantages(np.array([1.0, 3.0]), broadcast(np.zeros(2), made), made)
    assert per_turn.tolist() == [1, 1, 0, 0, 0, 3, 3]


def test_unequal_token_lists_are_refused():
    made = episode(diagnosis="PE")
    made.turns[0] = EpisodeTurn(1, "agent", "x", tokens=TokenTrace((1, 2), (0.0,), (1, 1)))
    with pytest.raises(ValueError, match="differ in length"):
        token_layout(made)


def test_malformed_episodes_stay_and_failed_ones_go():
    kept = everything([episode(end=End.MALFORMED, malformed=1), episode(end=End.ENV_ERROR)], np.zeros(2))
    assert kept.tolist() == [True, False]


CONTEXT = Context("PE", ("CBC",))


def batch():
    made = [
        episode("CBC", diagnosis="PE", group="g", tokens=3),
        episode(diagnosis="Pneumonia", group="g", tokens=3),
        episode(group="g", end=End.ENV_ERROR),
    ]
    return made, [CONTEXT] * 3


def test_the_default_recipe_on_a_batch():
    made, contexts = batch()
    got = apply(made, contexts, load("default"))
    assert [e.reward and e.reward["total"] for e in made] == [pytest.approx(1.6), pytest.approx(0.1), None]
    assert got.advantages == pytest.approx([0.7071, -0.7071, 0.0], abs=1e-4)
    assert got.kept.tolist() == [True, True, False]
    assert got.tokens[0] == pytest.approx([0.7071] * 6, abs=1e-4)
    assert (got.log["unscored"], got.log["no_signal"], got.log["kept"]) == (1, 0, 2)


def test_a_malformed_answer_is_an_utterance_that_learns():
    made = [episode("CBC", end=End.MALFORMED, malformed=2, group="g", tokens=1), episode(diagnosis="PE", group="g")]
    parts = table(made, [CONTEXT] * 2, load("default"))
    assert parts.values[0, 1].tolist() == [0, 0, 1]
    assert made[0].agent_turns == 1


def test_rewards_stand_on_the_last_turn():
    made, contexts = batch()
    parts = table(made, contexts, load("default"))
    assert parts.names == ("accuracy", "exam_f1", "finished")
    assert parts.values.shape == (3, 3, 2)
    assert parts.values[0].tolist() == [[0, 1], [0, 1], [0, 1]]
    assert "down" in parts.unscored[2]


def test_a_judge_outage_leaves_the_update_instead_of_scoring_zero():
    made = [episode(diagnosis="PE", group="g"), episode(diagnosis="Morbus X", group="g")]
    got = apply(made, [CONTEXT, Context("PE", (), unscored="judge down")], load("default"))
    assert got.kept.tolist() == [True, False]
    assert made[1].reward is None


def test_probe():
    made, contexts = batch()
    apply(made, contexts, load("default"))
    got = outcomes(None, made, {})
    assert (got["unscored"], got["accuracy"], got["turns"]) == (1.0, 0.5, 1.5)


def test_every_slot_has_a_choice_and_unknown_names_list_the_known():
    for slot in SLOTS:
        assert names(slot)
    with pytest.raises(UnknownChoice, match="dr_grpo, grpo, rloo"):
        get("advantage", "gpro")
    with pytest.raises(UnknownChoice, match="cases, rollout"):
        get("advantge", "grpo")


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="has a choice"):
        register("advantage", "grpo")(lambda returns, groups: returns)
    assert registry.get("advantage", "grpo") is grpo


def test_training_cannot_read_the_test_split():
    for split in ("test", "sealed"):
        with pytest.raises(ValueError, match="never"):
            next(get("cases", "builtin")(split=split))
    assert next(get("cases", "builtin")(limit=1)).id.startswith("virtual:train:0000@")


def test_greedy_selection():
    assert get("select", "greedy")(["a", "b"]) == "a"
    with pytest.raises(ValueError, match="nothing"):
        get("select", "greedy")([])
