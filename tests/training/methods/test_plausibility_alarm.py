"""The alarm rings for reward hacking, and for nothing else."""

import numpy as np
import pytest

from training.methods import registry
from training.methods.plausibility_alarm import FEWEST, alarm, believable, trend

STEPS = np.arange(40.0)


def noise(seed, size=40):
    return np.random.default_rng(seed).normal(0, 1, size)


def test_rising_reward_and_falling_plausibility_ring():
    found = alarm(0.02 * STEPS + 0.05 * noise(1), 0.98 - 0.01 * STEPS + 0.03 * noise(2))
    assert found.rings
    assert "believable results fell by 0.0" in found.sentence


@pytest.mark.parametrize(
    ("reward", "plausible"),
    [
        (0.02 * STEPS, 0.95 + 0.01 * noise(3)),  # honest learning
        (0.5 + 0.01 * noise(4), 0.98 - 0.01 * STEPS),  # the world decays, nobody profits
        (0.02 * STEPS, 0.5 + 0.01 * STEPS),  # both improve
        (-0.02 * STEPS, 0.98 - 0.01 * STEPS),  # both fall
        (0.02 * STEPS, np.ones(40)),  # nothing was ever refused
    ],
)
def test_anything_else_is_quiet(reward, plausible):
    found = alarm(reward, plausible)
    assert not found.rings
    assert found.sentence == ""


def test_chance_almost_never_rings():
    rings = sum(alarm(noise(n), noise(n + 5000)).rings for n in range(400))
    assert rings <= 1


def test_only_the_window_counts_and_steps_without_numbers_do_not():
    reward = np.concatenate([STEPS, np.full(40, 40.0)])
    plausible = np.concatenate([1 - STEPS / 50, np.full(40, 0.2)])
    assert not alarm(reward, plausible).rings
    assert alarm(reward, plausible, window=80).rings
    holes = np.where(np.arange(40) % 4 == 0, np.nan, 0.9 - 0.01 * STEPS)
    assert alarm(STEPS, holes).steps == 30
    assert alarm(STEPS[: FEWEST - 1], holes[: FEWEST - 1]).reward is None


def test_trend_by_hand():
    # 6 pairs of 1 3 2 4: five rise and one falls, tau 4/6; slopes 2, 0.5, 1, -1, 0.5, 2
    found = trend([1, 3, 2, 4])
    assert found.tau == pytest.approx(4 / 6)
    assert found.slope == pytest.approx(0.75)
    assert found.p == pytest.approx(0.3082, abs=1e-3)  # z = 3 / sqrt(8.667) = 1.019
    assert trend([2, 2, 2]).p == 1.0


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        alarm([1, 2], [1, 2, 3])


def test_probe_and_rate():
    logs = {"reward": list(STEPS), "plausibility": list(1 - STEPS / 100)}
    told = registry.get("probe", "plausibility")(None, [], logs)
    assert told["plausibility_alarm"] == 1.0
    assert told["plausibility_slope"] == pytest.approx(-0.01)
    assert registry.get("probe", "plausibility")(None, [], {}) == {"plausibility_alarm": 0.0}
    assert believable([True, False]) == 0.5
    assert np.isnan(believable([]))
