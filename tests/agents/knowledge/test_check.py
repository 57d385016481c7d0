"""The gates of the issue hold for the shipped knowledge, and would not hold for a broken one."""

from dataclasses import replace

import numpy as np
import pytest

from agents.knowledge.check import Check, Gate, ece
from agents.knowledge.conditions import knowledge
from agents.world.model import Model

CHEAP = [
    "count", "cant_miss_per_group", "common_per_group", "confirmed", "codes", "graded", "brute_force", "flagged",
    "panels", "splits", "misleading",
]  # fmt: skip
SAMPLED = ["medians", "sensitivity", "ceiling", "calibration", "random_below_greedy"]


@pytest.fixture(scope="module")
def check() -> Check:
    return Check(ceiling=200)


@pytest.mark.parametrize("gate", CHEAP)
def test_gate_holds(check: Check, gate: str) -> None:
    found = getattr(check, gate)()
    assert found.holds, found


@pytest.mark.slow
@pytest.mark.parametrize("gate", SAMPLED)
def test_sampled_gate_holds(check: Check, gate: str) -> None:
    found = getattr(check, gate)()
    assert found.holds, found


def test_bounds_are_inclusive_and_open() -> None:
    assert Gate("x", 0.75, 0.75, 0.92).holds
    assert not Gate("x", 0.93, 0.75, 0.92).holds
    assert Gate("x", 99, 80, None).holds
    assert Gate("x", 1, 0, 2).as_dict() == {"value": 1, "bounds": [0, 2], "holds": True, "detail": ""}


def test_ece_is_zero_for_honest_and_large_for_boastful_probabilities() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(20000)
    assert ece(p, (rng.random(20000) < p).astype(float)) < 0.02
    assert ece(np.full(100, 0.99), np.zeros(100)) == pytest.approx(0.99)


def test_a_bad_code_and_a_missing_confirmation_are_found() -> None:
    known = knowledge()
    broken = replace(known.conditions["pe"], icd10="Z99.ZZ", confirm=())
    wrong = Check(Model(replace(known, conditions={**known.conditions, "pe": broken})))
    assert wrong.codes().value == 1
    assert wrong.confirmed().detail == "pe"
    assert not wrong.codes().holds


def test_a_world_with_few_conditions_is_refused() -> None:
    known = knowledge()
    few = {key: known.conditions[key] for key in ("pe", "acs", "gerd")}
    small = Check(Model(replace(known, conditions=few)))
    assert not small.count().holds
    assert not small.cant_miss_per_group().holds
