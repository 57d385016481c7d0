"""The planner's expectations are true expectations, and its stopping is close to the best possible."""

import numpy as np
import pytest

from agents.world.brute import submodel
from agents.world.exhaustive import optimal_value, policy_value
from agents.world.model import model
from agents.world.oracle import Evidence, belief
from agents.world.outcomes import Parts
from agents.world.planning import CostModel, Planner

EXAMS = ["vq_scan", "stress_test", "leg_doppler", "coronary_angiography"]


def undecided():
    return belief("chest_pain", 61, "female").add([Evidence("sudden_onset", True)])


def test_expected_posterior_is_the_present_one() -> None:
    now = undecided()
    exact = Parts(now, "ecg").exact()
    np.testing.assert_allclose(exact.weight @ exact.posterior, now.posterior(), atol=1e-9)
    sampled = Parts(now, "vital_signs").sampled(2000)
    np.testing.assert_allclose(sampled.weight @ sampled.posterior, now.posterior(), atol=0.04)


def test_known_results_promise_nothing_more() -> None:
    now = undecided().add([Evidence("ecg", "normal")])
    assert Planner().examination(now, "ecg") is None


def test_information_and_gain_are_never_negative_and_prices_count() -> None:
    found = Planner().candidates(undecided())
    assert all(c.bits >= 0 and c.gain >= 0 and c.cost > 0 and 0 <= c.shift < 1 + 1e-9 for c in found)
    assert [c.net for c in found] == sorted((c.net for c in found), reverse=True)


def test_a_confirming_examination_tells_more_than_an_unrelated_one() -> None:
    planner, now = Planner(), undecided()
    assert planner.examination(now, "ctpa").bits > 5 * planner.examination(now, "joint_xray").bits


def test_stops_when_sure() -> None:
    sure = undecided().add(
        [Evidence("ctpa", "pulmonary_embolus"), Evidence("d_dimer", 8.0), Evidence("ecg", "right_heart_strain")]
    )
    assert sure.ranked()[0][1] > 0.99
    assert Planner().choose(sure) is None


def test_high_prices_stop_it_at_once() -> None:
    dear = Planner(CostModel(per_turn=2.0))
    assert dear.choose(undecided()) is None


def test_a_dangerous_condition_is_named_earlier() -> None:
    planner = Planner(missed=0.0)
    now = undecided()
    assert planner.diagnosis(now) == now.ranked()[0][0]
    assert planner.value(now) == pytest.approx(now.ranked()[0][1])


@pytest.mark.parametrize("ids", [["pe", "acs", "gerd"]])
def test_gap_to_exhaustive_search_is_small(ids: list[str]) -> None:
    using = submodel(model(), ids)
    now = belief("chest_pain", 61, "female", using=using)
    planner = Planner()
    best = optimal_value(now, EXAMS, planner)
    ahead = policy_value(now, EXAMS, planner, lookahead=3)
    greedy = policy_value(now, EXAMS, planner, lookahead=0)
    assert greedy <= best + 1e-9
    assert ahead <= best + 1e-9
    assert best - ahead < 0.02
    assert best > planner.value(now)
