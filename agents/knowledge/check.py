"""The gates of the knowledge: each with its value, its bounds, and whether it holds (`manage knowledge_check`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from agents.knowledge.conditions import Condition, Knowledge
from agents.knowledge.icd10 import is_valid
from agents.world import scales
from agents.world.brute import largest_difference
from agents.world.draw import Patient, many_results, many_values
from agents.world.frame import Frame, frame
from agents.world.model import Model, model
from agents.world.oracle import Belief
from agents.world.planning import Planner
from agents.world.play import at_random, everything, greedy, play
from agents.world.virtual import SPLIT_SIZE, SPLITS, case_id, open_case

SAMPLES = 400
"""Draws per sampled median."""
RATE_SAMPLES = 20_000
"""Draws per sampled rate: its standard error is 0.4 points at most."""
CEILING_CASES = 300
POLICY_CASES = 60
RANDOM_EXAMINATIONS = 6
"""What the random policy may order; the greedy one may order as many."""
LEAST_CONDITIONS = 80
TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Gate:
    """`low` and `high` are inclusive; None means open."""

    name: str
    value: float
    low: float | None
    high: float | None
    detail: str = ""

    @property
    def holds(self) -> bool:
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    def as_dict(self) -> dict[str, Any]:
        return {
            "value": round(float(self.value), 10),
            "bounds": [self.low, self.high],
            "holds": bool(self.holds),
            "detail": self.detail,
        }


class Check:
    """Computes gates on one compiled model; expensive samples are shared between gates."""

    def __init__(self, using: Model | None = None, *, samples: int = SAMPLES, ceiling: int = CEILING_CASES) -> None:
        self.model = using or model()
        self.known: Knowledge = self.model.known
        self.samples = samples
        self.ceiling_cases = ceiling

    def gates(self) -> Iterator[Gate]:
        """All gates, cheap ones first."""
        steps: tuple[Callable[[], Gate], ...] = (
            self.count, self.cant_miss_per_group, self.common_per_group, self.confirmed, self.codes, self.graded,
            self.brute_force, self.medians, self.sensitivity, self.misleading, self.flagged, self.panels,
            self.splits, self.ceiling, self.calibration, self.random_below_greedy,
        )  # fmt: skip
        for step in steps:
            yield step()

    def as_dict(self) -> dict[str, Any]:
        """What `manage knowledge_check --json` prints."""
        return {"conditions": len(self.known.conditions), "gates": {gate.name: gate.as_dict() for gate in self.gates()}}

    def count(self) -> Gate:
        return Gate("conditions", len(self.known.conditions), LEAST_CONDITIONS, None)

    def cant_miss_per_group(self) -> Gate:
        return self._fewest("cant_miss_per_group", lambda c: c.cant_miss, 2)

    def common_per_group(self) -> Gate:
        return self._fewest("common_per_group", lambda c: c.common, 3)

    def _fewest(self, name: str, kind: Callable[[Condition], bool], least: int) -> Gate:
        counts = {g: sum(kind(c) for c in self.known.in_group(g)) for g in self.known.groups}
        worst = min(counts, key=lambda g: counts[g])
        return Gate(name, counts[worst], least, None, f"fewest in {worst}")

    def confirmed(self) -> Gate:
        bare = [c.id for c in self.known.conditions.values() if c.cant_miss and not c.confirm]
        return Gate("cant_miss_without_confirming_examination", len(bare), 0, 0, ", ".join(bare))

    def codes(self) -> Gate:
        bad = [f"{c.id} {c.icd10}" for c in self.known.conditions.values() if not is_valid(c.icd10)]
        return Gate("invalid_icd10", len(bad), 0, 0, ", ".join(bad))

    def graded(self) -> Gate:
        """Every number has a confidence letter; the loader refuses A to C without a named source."""
        ungraded = sum(
            sum(c.grades().values()) != len(c.findings) + len(c.values) + sum(map(len, c.exams.values()))
            for c in self.known.conditions.values()
        )
        return Gate("numbers_without_confidence", ungraded, 0, 0)

    def brute_force(self) -> Gate:
        return Gate("posterior_minus_enumeration", largest_difference(self.model), 0, 1e-9, "small sub-models")

    def _typical(self, condition: Condition, exam: str) -> list[tuple[float, Frame, int]]:
        """Share, frame and column of a condition in each sex, in its commonest complaint at its mean age."""
        group = max(condition.groups, key=lambda g: condition.groups[g])
        age = int(min(max(condition.age_mean, condition.age_min), condition.age_max))
        found = []
        for sex, share in (("male", condition.male), ("female", 1 - condition.male)):
            if share > 0 and self.known.catalogue.exams[exam].possible_for(age, sex):
                base = frame(group, age, sex, using=self.model)
                found.append((share, base, base.ids.index(condition.id)))
        return found

    def medians(self) -> Gate:
        """Authored values whose sampled median lies outside the authored quartiles."""
        rng = np.random.default_rng(11)
        outside = []
        for c in self.known.conditions.values():
            for exam, told in c.values.items():
                draws = [
                    many_values(base, column, exam, max(round(share * self.samples), 1), rng)
                    for share, base, column in self._typical(c, exam)
                ]
                if draws and not told.q1 <= np.median(np.concatenate(draws)) <= told.q3:
                    outside.append(f"{c.id}.{exam}")
        return Gate("medians_outside_quartiles", len(outside), 0, 0, ", ".join(outside[:5]))

    def sensitivity(self) -> Gate:
        """The largest gap between the sampled rate of a result and its authored probability."""
        rng = np.random.default_rng(12)
        worst, name = 0.0, ""
        for c in self.known.conditions.values():
            for exam, row in c.exams.items():
                patterns = self.known.catalogue.exams[exam].results
                for _, base, column in self._typical(c, exam)[:1]:
                    shares = many_results(base, column, exam, RATE_SAMPLES, rng)
                    for n, pattern in enumerate(patterns):
                        gap = abs(shares[n] - row[pattern.id].p) if pattern.id in row else 0.0
                        if gap > worst:
                            worst, name = float(gap), f"{c.id}.{exam}.{pattern.id}"
        return Gate("positive_rate_minus_sensitivity", worst, 0, TOLERANCE, name)

    def misleading(self) -> Gate:
        """Share of told or seen findings that are another patient's."""
        some = [f.id for f in self.model.findings][::17]
        told = [p.misled(key) for p in self._test_patients(1000) for key in some]
        return Gate("misleading_findings", float(np.mean(told)), 0.10, 0.15)

    def flagged(self) -> Gate:
        """Share of values outside the reference interval in people without any abnormal latent or effect."""
        rng = np.random.default_rng(5)
        flags: list[bool] = []
        for exam in self.known.catalogue.exams.values():
            if exam.analyte is None or exam.analyte.rule:
                continue
            for sex in ("male", "female"):
                low, high = exam.analyte.interval(45, sex)
                mean, sd = scales.healthy(exam.analyte, 45, sex)
                drawn = [scales.report(exam.analyte, x) for x in rng.normal(mean, sd, 200)]
                flags.extend(not low <= value <= high for value in drawn)
        return Gate("healthy_values_flagged", float(np.mean(flags)), 0.03, 0.07)

    def panels(self) -> Gate:
        """Panels that disagree with their parts: the differential, the anion gap, the haematocrit."""
        wrong = sum(_inconsistent(p) for p in self._test_patients(100))
        return Gate("inconsistent_panels", wrong, 0, 0)

    def splits(self) -> Gate:
        ranges = sorted((start * SPLIT_SIZE, (start + 1) * SPLIT_SIZE) for start in SPLITS.values())
        overlaps = sum(a[1] > b[0] for a, b in pairwise(ranges))
        return Gate("overlapping_splits", overlaps, 0, 0)

    def _test_patients(self, count: int) -> list[Patient]:
        return [open_case(case_id("test", n, using=self.model), using=self.model).patient for n in range(count)]

    @cached_property
    def judged(self) -> list[tuple[bool, float, Belief]]:
        """With all examinations, per test case: top-1 right, its probability, the belief."""
        found = []
        for n in range(self.ceiling_cases):
            case = open_case(case_id("test", n, using=self.model), using=self.model)
            belief = everything(case)
            (top, p), *_ = belief.ranked()
            found.append((top == case.patient.condition.id, p, belief))
        return found

    def ceiling(self) -> Gate:
        right = float(np.mean([right for right, _, _ in self.judged]))
        return Gate("oracle_all_examinations_top1", right, 0.75, 0.92, f"{self.ceiling_cases} test cases")

    def calibration(self) -> Gate:
        right = np.array([right for right, _, _ in self.judged], dtype=float)
        p = np.array([p for _, p, _ in self.judged])
        return Gate("oracle_ece", ece(p, right), 0, 0.06, "ten bins of equal count")

    def reliability(self, bins: int = 10) -> list[dict[str, float]]:
        """Points of the reliability curve: mean probability, share right, count."""
        right = np.array([right for right, _, _ in self.judged], dtype=float)
        p = np.array([p for _, p, _ in self.judged])
        parts = np.array_split(np.argsort(p, kind="stable"), bins)
        return [{"probability": float(p[i].mean()), "right": float(right[i].mean()), "n": len(i)} for i in parts]

    def random_below_greedy(self) -> Gate:
        """Accuracy of the greedy policy minus that of random examinations, on the same cases."""
        planner = Planner(draws=32)
        cases = [open_case(case_id("test", n, using=self.model), using=self.model) for n in range(POLICY_CASES)]
        best = [play(c, greedy(planner), planner, steps=RANDOM_EXAMINATIONS).correct for c in cases]
        chance = [play(c, at_random(n, RANDOM_EXAMINATIONS), planner).correct for n, c in enumerate(cases)]
        detail = f"greedy {np.mean(best):.2f}, random {np.mean(chance):.2f}, {RANDOM_EXAMINATIONS} steps each"
        return Gate("greedy_minus_random", float(np.mean(best) - np.mean(chance)), 0.1, None, detail)


def ece(p: Any, right: Any, bins: int = 10) -> float:
    """Expected calibration error over bins of equal count; p and right (N,)."""
    parts = np.array_split(np.argsort(p, kind="stable"), bins)
    return float(sum(len(i) * abs(p[i].mean() - right[i].mean()) for i in parts if len(i)) / len(p))


def _inconsistent(patient: Patient) -> bool:
    shares = [f"{kind}_pct" for kind in ("neutrophils", "lymphocytes", "monocytes", "eosinophils", "basophils")]
    gap = patient.value("sodium") - patient.value("chloride") - patient.value("bicarbonate")
    return (
        abs(sum(patient.value(key) for key in shares) - 100) > 0.051
        or abs(patient.value("anion_gap") - gap) > 0.51
        or abs(patient.value("hct") / patient.value("hb") - 2.94) > 0.05
    )
