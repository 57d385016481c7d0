"""Consultations for a judge: some order an ECG, some name pneumonia; rules can rate them, and so can physicians."""

from __future__ import annotations

import numpy as np

from agents.errors import PolicyUnavailable
from agents.judge import RuleJudge, SureRating
from agents.rubrics import Rating, Verdict
from clinic.models import AnnotationQueue, RubricVersion
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.annotation.sheets import spoken
from tests.clinic.factories import make_case, make_consultation, make_turn, make_user

CRITERIA = (
    {"key": "ecg", "text": "Orders an electrocardiogram", "points": 6, "axis": "safety", "rule": {"examined": ["ECG"]}},
    {"key": "named", "text": "Names pneumonia", "points": 10, "rule": {"diagnosed": "Pneumonia"}},
    {"key": "short", "text": "Takes more than two actions", "points": -4, "axis": "economy",
     "rule": {"turns_at_most": 2}},
)  # fmt: skip


def make_judged_queue(items: int = 24, *, physicians: int = 0, wrong: float = 0.0, **fields) -> AnnotationQueue:
    """A queue whose consultations differ; `physicians` of the first say what is true, wrong with this chance."""
    rng = np.random.default_rng(1)
    rubric: RubricVersion = fields.pop("rubric", None) or make_rubric(*CRITERIA)
    queue = make_queue(rubric_version=rubric, overlap=1, **fields)
    case, clinician = make_case(), make_user()
    for number in range(items):
        consultation = make_consultation(case=case, clinician=clinician)
        ecg, named, short = (bool(rng.random() < 0.5) for _ in range(3))
        spoken(consultation, "examine", "ECG" if ecg else "Chest X-ray")
        make_turn(consultation, "environment", text="Done.", source="recorded")
        if not short:
            spoken(consultation, "ask", "Do you smoke?")
        spoken(consultation, "diagnose", "Pneumonia" if named else "Asthma")
        item = make_item(queue, consultation=consultation, rubric_version=rubric)
        if number < physicians:
            truth = {"ecg": ecg, "named": named, "short": short}
            said = {key: met != bool(rng.random() < wrong) for key, met in truth.items()}
            score = max(0.0, (6 * said["ecg"] + 10 * said["named"] - 4 * said["short"]) / 16)
            verdicts = {key: "met" if met else "not_met" for key, met in said.items()}
            make_annotation(item, verdicts=verdicts, score=score, coverage=1.0)
    return queue


class Killed:
    """A rule judge whose server is killed at random; `broken` decides what it says then."""

    def __init__(self, rate: float, *, seed: int = 0, instead: Verdict | None = None) -> None:
        self.rules, self.kill, self.instead, self.asked = RuleJudge(), rate, instead, 0
        self.rng = np.random.default_rng(seed)

    async def rate(self, episode, criterion) -> Rating:
        self.asked += 1
        if self.rng.random() < self.kill:
            if self.instead:
                return Rating(criterion.id, self.instead)
            raise PolicyUnavailable("killed", code="policy_unavailable")
        return await self.rules.rate(episode, criterion)


class Contrary:
    """Says the opposite of the rules for one criterion, and how sure it is."""

    def __init__(self, key: str, confidence: float = 0.9) -> None:
        self.rules, self.key, self.confidence = RuleJudge(), key, confidence

    async def rate(self, episode, criterion) -> Rating:
        said = await self.rules.rate(episode, criterion)
        met = (said.verdict is Verdict.MET) != (criterion.id == self.key)
        return SureRating(criterion.id, Verdict.MET if met else Verdict.NOT_MET, confidence=self.confidence)
