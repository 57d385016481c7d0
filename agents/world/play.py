"""Plays virtual cases with the oracle: greedy, look-ahead, random; the story of one case, and its reference orders."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agents.world.oracle import Belief, Evidence
from agents.world.planning import Planner, orderable
from agents.world.virtual import Reply, VirtualCase, open_case

MAX_STEPS = 12

Choice = Callable[[Belief, int], str | None]
"""From the belief and the number of steps so far to the id of an examination or finding, or None to stop."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request, its answer, the differential after it, and the information it brought in bits."""

    examination: str
    kind: str
    result: str
    posterior: tuple[tuple[str, float], ...]
    bits: float
    cost: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "examination": self.examination,
            "kind": self.kind,
            "result": self.result,
            "posterior": [{"condition": key, "probability": round(p, 4)} for key, p in self.posterior],
            "bits": round(self.bits, 3),
            "cost": round(self.cost, 4),
        }


@dataclass(slots=True)
class Story:
    """One case played to its diagnosis."""

    case: str
    truth: str
    opening: str
    prior: tuple[tuple[str, float], ...]
    steps: list[Step] = field(default_factory=list)
    diagnosis: str = ""
    confidence: float = 0.0

    @property
    def correct(self) -> bool:
        return self.diagnosis == self.truth

    @property
    def cost(self) -> float:
        return sum(step.cost for step in self.steps)

    @property
    def examinations(self) -> list[str]:
        return [step.examination for step in self.steps if step.kind == "examine"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "truth": self.truth,
            "opening": self.opening,
            "prior": [{"condition": key, "probability": round(p, 4)} for key, p in self.prior],
            "turns": [step.as_dict() for step in self.steps],
            "diagnosis": self.diagnosis,
            "probability": round(self.confidence, 4),
            "correct": self.correct,
            "cost": round(self.cost, 4),
        }


def start(case: VirtualCase) -> Belief:
    """The belief after the patient's opening words."""
    return Belief(case.patient.frame).add(case.opening.evidence)


def perform(case: VirtualCase, request: str) -> tuple[str, Reply]:
    """Do the step of an id: a finding is asked for, anything else is an examination; its kind and reply."""
    if request in case.patient.model.finding_index:
        fact = Evidence(request, case.patient.finding(request))
        return "ask", Reply(case.say(fact), (fact,))
    return "examine", case.perform(request)


def play(case: VirtualCase, choose: Choice, planner: Planner, *, steps: int = MAX_STEPS) -> Story:
    """Let `choose` order until it stops or has had `steps`; the planner then names the diagnosis."""
    belief = start(case)
    story = Story(case.id, case.patient.condition.id, case.opening.observation.text, tuple(belief.ranked()[:5]))
    while len(story.steps) < steps:
        wanted = choose(belief, len(story.steps))
        if wanted is None:
            break
        before = belief.entropy()
        kind, reply = perform(case, wanted)
        belief.add(reply.evidence)
        ranked = tuple(belief.ranked()[:5])
        step = Step(
            wanted, kind, reply.observation.text, ranked, before - belief.entropy(), _price(case, planner, wanted)
        )
        story.steps.append(step)
    story.diagnosis = planner.diagnosis(belief)
    story.confidence = dict(belief.ranked())[story.diagnosis]
    return story


def _price(case: VirtualCase, planner: Planner, wanted: str) -> float:
    if wanted in case.patient.model.finding_index:
        return planner.cost.per_turn + planner.cost.question
    return planner.cost.price(case.patient.model.known.catalogue.exams[wanted])


def greedy(planner: Planner, *, lookahead: int = 0) -> Choice:
    """The planner's own choice; `lookahead` first steps are also valued by what may follow them."""

    def choose(belief: Belief, _: int) -> str | None:
        candidate = planner.choose(belief, lookahead=lookahead)
        return candidate.id if candidate else None

    return choose


def at_random(seed: int, count: int) -> Choice:
    """`count` examinations drawn at random among those possible (decisions.md 20)."""
    order: list[str] = []

    def choose(belief: Belief, done: int) -> str | None:
        if not order:
            order.extend(random.Random(seed).sample(orderable(belief), len(orderable(belief))))
        return order[done] if done < min(count, len(order)) else None

    return choose


def everything(case: VirtualCase, *, questions: bool = False) -> Belief:
    """The belief after the opening words and all examinations, and if wanted after every possible question."""
    patient = case.patient
    belief = start(case)
    for exam in orderable(belief):
        belief.add(patient.evidence(exam))
    if questions:
        told = [f.id for f in patient.model.findings if f.kind != "sign" and f.possible_for(patient.age, patient.sex)]
        belief.add(Evidence(key, patient.finding(key)) for key in told)
    return belief


def reference_examinations(case: str) -> list[str]:
    """What the greedy oracle ordered for this case (decisions.md 18): the key examinations of F1."""
    planner = Planner()
    return play(open_case(case), greedy(planner), planner).examinations
