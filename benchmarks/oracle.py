"""How fast the oracle is and what it is worth: `python -m benchmarks.oracle [--cases N] [--json]`.

Posterior updates per second, patients per second, accuracy against the number of steps for random, greedy and
look-ahead policies on the same test cases, and the gap of both to exhaustive search on small sub-models.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import cycle, islice
from statistics import mean, median

from agents.world.brute import submodel
from agents.world.exhaustive import optimal_value, policy_value
from agents.world.frame import Frame
from agents.world.model import model
from agents.world.oracle import Belief, Evidence, belief
from agents.world.planning import Planner
from agents.world.play import Choice, at_random, everything, greedy, play
from agents.world.virtual import case_id, open_case

BUDGETS = (0, 1, 2, 3, 4, 6, 8, 12)
SMALL = {
    "chest_pain": (["pe", "acs", "gerd"], ["vq_scan", "stress_test", "leg_doppler", "coronary_angiography"]),
    "headache": (["migraine", "sah", "tension_ha"], ["lumbar_puncture", "ct_angiogram_head", "eeg"]),
}


def updates(repeats: int = 5, facts: int = 200) -> dict[str, float]:
    """Adding one fact and reading the posterior, on the frame of one complaint and on that of all."""
    patient = open_case(case_id("test", 3)).patient
    told = [
        fact for exam in ("cbc", "bmp", "vital_signs", "ecg", "general_examination") for fact in patient.evidence(exam)
    ]
    found = {}
    for name, frame in (("complaint", patient.frame), ("all", belief(None, patient.age, patient.sex).frame)):
        rates = [facts / _seconds_of_updates(frame, list(islice(cycle(told), facts))) for _ in range(repeats)]
        found[f"updates_per_s_{name}"] = round(median(rates), 1)
        found[f"ms_per_update_{name}"] = round(1000 / median(rates), 4)
        found[f"conditions_{name}"] = len(frame.rows)
    return found


def _seconds_of_updates(frame: Frame, facts: list[Evidence]) -> float:
    now = Belief(frame)
    start = time.perf_counter()
    for fact in facts:
        now.evidence.pop(fact.id, None)
        now.add([fact])
        now.posterior()
    return time.perf_counter() - start


def patients(count: int = 300) -> dict[str, float]:
    """Drawing a patient with its opening words, frame tables included."""
    start = time.perf_counter()
    for number in range(count):
        _ = open_case(case_id("train", number)).opening
    return {"ms_per_patient": round(1000 * (time.perf_counter() - start) / count, 3)}


def curve(name: str, cases: int, planner: Planner) -> dict[str, list[float]]:
    """Accuracy and cost after at most 0, 1, 2 … steps."""
    accuracy, cost, steps = [], [], []
    for budget in BUDGETS:
        stories = [
            play(open_case(case_id("test", n)), _policy(name, planner, n, budget), planner, steps=budget)
            for n in range(cases)
        ]
        accuracy.append(round(mean(story.correct for story in stories), 4))
        cost.append(round(mean(story.cost for story in stories), 4))
        steps.append(round(mean(len(story.steps) for story in stories), 2))
    return {"accuracy": accuracy, "cost": cost, "steps": steps}


def _policy(name: str, planner: Planner, seed: int, budget: int) -> Choice:
    if name == "random":
        return at_random(seed, budget)
    return greedy(planner, lookahead=3 if name == "lookahead" else 0)


def gaps(planner: Planner) -> dict[str, dict[str, float]]:
    """Value of the best policy, of both of ours, and of stopping at once, on small sub-models."""
    found = {}
    for group, (ids, exams) in SMALL.items():
        now = belief(group, 61, "female", using=submodel(model(), ids))
        best = optimal_value(now, exams, planner)
        found[group] = {
            "optimal": round(best, 4),
            "greedy": round(policy_value(now, exams, planner, lookahead=0), 4),
            "lookahead": round(policy_value(now, exams, planner, lookahead=3), 4),
            "stop_at_once": round(planner.value(now), 4),
        }
    return found


def ceiling(cases: int) -> float:
    """Accuracy with all history and all examinations."""
    judged = [(case := open_case(case_id("test", n)), everything(case).ranked()[0][0]) for n in range(cases)]
    return round(mean(top == case.patient.condition.id for case, top in judged), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    planner = Planner(draws=32)
    result: dict[str, object] = {"knowledge": model().known.version, "cases": options.cases, "budgets": BUDGETS}
    result |= updates() | patients()
    result["all_examinations"] = ceiling(options.cases)
    result["curves"] = {name: curve(name, options.cases, planner) for name in ("random", "greedy", "lookahead")}
    result["small_models"] = gaps(Planner())
    if not options.json:
        _table(result)
    print(json.dumps(result))


def _table(result: dict) -> None:
    print(f"{result['updates_per_s_all']:.0f} updates/s over {result['conditions_all']} conditions")
    print(f"{'steps at most':>16}" + "".join(f"{budget:>8}" for budget in BUDGETS))
    for name, points in result["curves"].items():
        print(f"{name:>16}" + "".join(f"{value:>8.2f}" for value in points["accuracy"]))
    print(f"{'all examinations':>16}{result['all_examinations']:>8.2f}")


if __name__ == "__main__":
    main()
