"""From numbers to outcomes: what is open is not passed, and one check that fails fails the gate."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from training.gates import checks, profiles
from training.gates.checks import Result, decide, verdict
from training.gates.playing import Material
from training.gates.subgroups import worst_of

NAN = float("nan")
N = 204
BOTH = {"candidate": True, "baseline": True}


def rows(n=N, *, right=0.5, seed=0, **fixed):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        correct = float(rng.random() < right)
        found.append(
            {"accuracy": correct, "reward": correct + 0.1, "exam_f1": 0.4, "rubric": correct, "cant_miss": correct,
             "red_flags": NAN, "stated": right, "brier": 0.25, "turns": 4.0, "cost": 100.0, "malformed": 0.0,
             "deferred": 0.0, "listing": 0.0, "over_asking": 0.1, "repeated": 0.0, **fixed}
        )  # fmt: skip
    return found


def material(candidate, baseline=None, **more):
    groups = [{"sex": "female" if n % 2 else "male"} for n in range(len(candidate))]
    cases = [SimpleNamespace(subgroups=group) for group in groups]
    sides = {"candidate": candidate, "baseline": baseline or rows(right=0.4)}
    asked = {side: [row["accuracy"] if row else NAN for row in found] for side, found in sides.items()}
    return Material(cases, sides, planted=[0.0] * 12, physicians=asked, **more)


def by_name(results):
    return {result.name: result for result in results}


def test_a_clear_gain_without_harm_passes():
    results = decide(profiles.load("demo"), material(rows(right=0.8, seed=1)), identity=BOTH)
    assert verdict(results) == "passed", [(r.name, r.outcome, r.why) for r in results if r.outcome != "passed"]
    found = by_name(results)
    assert found["physicians"].kind == "primary"
    assert found["accuracy"].p <= 0.025
    assert found["judge"].outcome == "not_run"


def test_no_gain_is_undecided_and_a_loss_fails():
    same = decide(profiles.load("demo"), material(rows(right=0.4)), identity=BOTH)
    assert (verdict(same), by_name(same)["physicians"].outcome) == ("undecided", "undecided")
    worse = decide(profiles.load("demo"), material(rows(right=0.05, seed=2)), identity=BOTH)
    assert (verdict(worse), by_name(worse)["physicians"].outcome) == ("failed", "failed")


def test_a_gain_bought_with_harm_fails():
    bought = decide(profiles.load("demo"), material(rows(right=0.9, seed=1, malformed=1.0)), identity=BOTH)
    assert by_name(bought)["physicians"].outcome == "passed"
    assert (by_name(bought)["malformed"].outcome, verdict(bought)) == ("failed", "failed")
    slow = decide(profiles.load("demo"), material(rows(right=0.9, seed=1, turns=12.0)), identity=BOTH)
    assert by_name(slow)["turns"].outcome == "failed"


def test_what_must_be_run_and_was_not_leaves_it_open():
    strict = profiles.load("standard")
    good = rows(strict.cases, right=0.9, seed=1, red_flags=1.0, cant_miss=1.0)
    played = material(good, rows(strict.cases, right=0.4, red_flags=1.0, cant_miss=1.0))
    results = decide(strict, played, identity=BOTH)
    assert by_name(results)["pass_at_k"].outcome == "not_run"
    assert by_name(results)["divergence"].outcome == "not_run"
    assert verdict(results) == "undecided"
    right = {"candidate": [1.0] * 100, "baseline": [1.0] * 100}
    whole = replace_lists(played, right_of_k=right, planted=[0.0] * 50)
    assert verdict(decide(strict, whole, identity=BOTH)) == "passed"
    far = replace_lists(whole, apart=[2.0, 2.1, 1.9] * 10)
    results = decide(strict, far, identity=BOTH)
    assert (by_name(results)["divergence"].outcome, verdict(results)) == ("failed", "failed")


def replace_lists(played, **lists):
    return replace(played, **lists)


def test_a_judge_that_failed_is_missing_and_no_zero():
    profile = profiles.load("standard")
    judged = {"candidate": [NAN] * 99 + [1.0], "baseline": [0.5] * 100}
    found = by_name(decide(profile, material(rows(right=0.8), judged=judged), identity=BOTH))["judge"]
    assert (found.n, found.candidate) == (1, 1.0)


def test_another_version_that_answered_fails_the_gate():
    results = decide(profiles.load("demo"), material(rows(right=0.8)), identity={**BOTH, "candidate": False})
    assert by_name(results)["identity"].outcome == "failed"
    assert verdict(results) == "failed"
    assert by_name(decide(profiles.load("demo"), material(rows()), identity={}))["identity"].outcome == "not_run"


def test_pairs_without_an_outcome_do_not_count():
    holes = [None if n < 10 else row for n, row in enumerate(rows(right=0.8))]
    played = material(holes)
    assert checks.pairs(played) == N - 10
    assert by_name(decide(profiles.load("demo"), played, identity=BOTH))["physicians"].n == N - 10


def test_what_is_less_the_better_is_no_primary_endpoint():
    profile = profiles.load("demo")
    wrong = replace(profile, primary="cost", checks=(replace(profile.checks[0], name="cost"),))
    with pytest.raises(ValueError, match="cannot be a primary endpoint"):
        decide(wrong, material(rows()), identity=BOTH)


def test_candidates_that_are_no_better_pass_about_as_rarely_as_the_test_promises():
    """A run with random rewards makes such a one: the same skill, other cases right."""
    profile = replace(profiles.load("demo"), checks=profiles.load("demo").checks[:1])
    passed = sum(
        verdict(decide(profile, material(rows(right=0.4, seed=seed), rows(right=0.4, seed=1000 + seed)), identity=BOTH))
        == "passed"
        for seed in range(80)
    )
    assert passed <= 7, "2 expected, at 2.5 % each"


@pytest.mark.parametrize("outcome", ["failed", "undecided", "not_run"])
def test_information_decides_nothing(outcome):
    results = [Result("reward", "primary", "passed"), Result("brier", "informative", outcome)]
    assert verdict(results) == "passed"


def test_without_a_primary_endpoint_nothing_passes():
    assert verdict([Result("accuracy", "non_inferior", "passed")]) == "undecided"


def test_one_group_that_pays_for_the_others_is_found():
    groups = [{"sex": "female" if n % 2 else "male"} for n in range(200)]
    ours = [float(n % 2) for n in range(200)]
    theirs = [0.5 if n % 4 < 2 else 1.0 for n in range(200)]
    found = worst_of(ours, theirs, groups, smallest=20, margin=0.15)
    assert (found.outcome, found.worst.group) == ("failed", "male")
    small = worst_of(ours[:10], theirs[:10], groups[:10], smallest=20, margin=0.15)
    assert small is None


def test_a_group_below_the_margin_by_chance_is_open():
    groups = [{"age": "65+"}] * 20
    found = worst_of([0.0] * 4 + [1.0] * 16, [1.0] * 18 + [0.0] * 2, groups, smallest=20, margin=0.05)
    assert found.outcome == "undecided"


def test_two_cases_do_not_prove_that_nothing_got_worse():
    """Resampled, two equal gains have an interval without width: a judge that failed on 98 of 100 would vouch."""
    profile = profiles.load("standard")
    judged = {"candidate": [NAN] * 98 + [0.5, 0.6], "baseline": [0.5] * 100}
    found = by_name(decide(profile, material(rows(right=0.8), judged=judged), identity=BOTH))["judge"]
    assert (found.n, found.outcome) == (2, "undecided")
    assert "Only 2 cases" in found.why


def test_the_primary_endpoint_needs_the_pairs_of_the_gate():
    """204 pairs, but what physicians asked for applies to 60 of them (decisions.md 23 asks for 200)."""
    played = material(rows(right=0.9, seed=1))
    few = {side: [v if n < 60 else NAN for n, v in enumerate(values)] for side, values in played.physicians.items()}
    results = decide(profiles.load("demo"), replace(played, physicians=few), identity=BOTH)
    primary = by_name(results)["physicians"]
    assert (primary.n, primary.low > 0, primary.outcome) == (60, True, "undecided")
    assert verdict(results) == "undecided"


def test_a_planted_diagnosis_that_was_repeated_once_in_twelve_is_not_shown_to_be_rare():
    played = replace(material(rows(right=0.8, seed=1)), planted=[1.0] + [0.0] * 11)
    found = by_name(decide(profiles.load("demo"), played, identity=BOTH))["sentinel"]
    assert found.high == pytest.approx(0.385, abs=1e-3)
    assert found.outcome == "undecided"


def test_the_distance_of_one_turn_says_nothing():
    found = by_name(decide(profiles.load("standard"), material(rows(), apart=[0.1]), identity=BOTH))["divergence"]
    assert (found.n, found.outcome) == (1, "undecided")
