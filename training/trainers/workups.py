"""The greedy oracle's work-ups of virtual patients, as chat messages: what a policy begins to learn from.

Examinations, stated probabilities and the moment to stop are the oracle's; words, reasons and detours are varied by a
seed. Reasons name this patient's own findings, as the cards' reader takes them from what was said.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from agents.codecs.base import Codec
from agents.codecs.brief import LENGTHS
from agents.codecs.cards import facts_after
from agents.knowledge.cards import about, search
from agents.knowledge.conditions import Condition
from agents.reading.facts import Facts, examination_named
from agents.types import Action, ActionKind, Exchange, Hypothesis, HypothesisGroup
from agents.world.draw import signs_of
from agents.world.frame import Frame
from agents.world.oracle import Belief
from agents.world.planning import LEAST, Candidate, Planner, orderable
from agents.world.questions import understanding
from agents.world.registers import intake
from agents.world.virtual import VirtualCase, case_id, open_case
from training.evaluation.policies import question
from training.trainers.workup import Workup

Array = NDArray[Any]
SURE = 0.9
"""The teacher diagnoses from this probability on, even where another examination would pay."""
UNSURE = 0.35
"""Below this it defers instead of guessing, when nothing informative is left or its steps are spent."""
STEPS = 6
"""Requests of one work-up: the seventh action ends it."""
DETOURS = 0.2
"""Share of work-ups that begin with somebody else's step, which is context and not learned."""
CUT = 0.08
"""Share of work-ups that are cut after a few steps, with the words that ask for an end now."""
AGAINST = 0.4
"""Share of reasons that also say what speaks against the second, or against the first itself."""
SHOWN = 3
COMMON = ("cbc", "vital_signs", "crp", "bmp", "chest_xray", "ecg")
ASKED = ("Any {}?", "Do you have {}?", "Have you noticed {}?", "Have you had {}?", "Is there {}?")
NOTHING = ("little is known yet", "the complaint alone", "nothing specific so far")
UNCERTAIN = (
    "no condition stands out after these results", "the results do not settle it", "a clinician should examine further",
)  # fmt: skip
PANELS = 14
"""Panels and examinations of several signs that are valued by simulation at each step."""


def consultation(number: int, *, split: str = "train", seed: int, codec: Codec) -> list[dict[str, str]]:
    """The oracle's work-up of a virtual patient as chat messages, from the system's to the last action."""
    return written(number, split=split, seed=seed, codec=codec).messages


def written(number: int, *, split: str = "train", seed: int, codec: Codec) -> Workup:
    """The same with what of it is to be learned; UnknownCase for an unknown split."""
    return _Teacher(open_case(case_id(split, number)), random.Random(f"{seed}:{split}:{number}"), codec, seed).workup()


class QuickPlanner(Planner):
    """The planner on a short list: panels whose parts differ little between the likely conditions are not simulated."""

    def __init__(self) -> None:
        super().__init__(draws=32)

    def candidates(self, belief: Belief, exams: Iterable[str] | None = None, *, ask: bool = True) -> list[Candidate]:
        belief = belief.narrowed(LEAST)
        return super().candidates(belief, shortlist(belief) if exams is None else exams, ask=ask)


def shortlist(belief: Belief) -> list[str]:
    """Examinations of one result, and the panels whose values and signs tell the likely conditions apart best."""
    weight = belief.posterior()
    spread = _Spread(belief.frame, weight)
    single, several = [], []
    for exam in orderable(belief):
        entry = belief.frame.model.known.catalogue.exams[exam]
        if entry.results:
            if exam not in belief.evidence:
                single.append(exam)
        else:
            several.append((spread.of(exam, belief), exam))
    best = sorted(several, reverse=True)[:PANELS]
    return [*single, *(exam for amount, exam in best if amount > 0)]


class _Spread:
    """How far the expected values and signs of the conditions lie apart, weighted by their probability."""

    def __init__(self, base: Frame, weight: Array) -> None:
        self.base, self.weight = base, weight

    def of(self, exam: str, belief: Belief) -> float:
        known = self.base.model.known.catalogue
        fresh = [leaf for leaf in known.measured(exam) if leaf not in belief.evidence]
        return sum(self._leaf(leaf, belief) for leaf in fresh)

    def _leaf(self, leaf: str, belief: Belief) -> float:
        if self.base.model.known.catalogue.exams[leaf].analyte:
            mean, sd = self.base.value(leaf)
            middle = mean[:, :3].mean(axis=1)
            return self._variance(middle / sd.mean())
        signs = signs_of(self.base.model, leaf, self.base.age, self.base.sex)
        rows = [self.base.model.finding_index[sign] for sign in signs if sign not in belief.evidence]
        return sum(self._variance(p) / max(float(self.weight @ p), 0.02) for p in self.base.findings[rows].mean(axis=2))

    def _variance(self, x: Array) -> float:
        mean = self.weight @ x
        return float(self.weight @ (x - mean) ** 2)


PLANNER = QuickPlanner()


@dataclass
class _Teacher:
    """One consultation being written."""

    case: VirtualCase
    rng: random.Random
    codec: Codec
    seed: int
    exchanges: list[Exchange] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def workup(self) -> Workup:
        presented = intake(self.case, self.seed)
        self.inquiry = presented.inquiry
        self.belief = Belief(self.case.patient.frame).add(presented.evidence)
        detours = self._detour() if self.rng.random() < DETOURS else 0
        most = self.rng.randint(1, 4) if self.rng.random() < CUT else STEPS
        while len(self.exchanges) < most and (step := self._next()) is not None:
            self._do(self._request(step), step)
        # A consultation at its cap ends with words of its own: they are learned from cut work-ups.
        cut = most < STEPS and len(self.exchanges) >= most
        last = self._last()
        told = self.codec.messages(self.inquiry, self.exchanges, force_final=cut)
        messages = [message.as_dict() for message in told]
        messages.append({"role": "assistant", "content": self.codec.encode(last)})
        return Workup(messages, 2 + 2 * detours, presented.register, str(last.kind))

    def _next(self) -> str | None:
        """The id of the next request, or None to stop."""
        if self.belief.posterior().max() >= SURE:
            return None
        chosen = PLANNER.choose(self.belief)
        if chosen is not None and chosen.id in self.asked:
            rest = (c for c in PLANNER.candidates(self.belief) if c.id not in self.asked and c.net > 0)
            chosen = next(rest, None)
        return chosen.id if chosen else None

    def _detour(self) -> int:
        """One step that the oracle did not choose: a card's settling examination, or a common one."""
        settling = [name for card in search(self._facts(), limit=4) for name in card.settling[:1]]
        named = [exam.id for exam in map(examination_named, settling) if exam]
        step = self.rng.choice([*named, *COMMON])
        self._do(self._request(step), step)
        return 1

    def _request(self, step: str) -> Action:
        exams = self.belief.frame.model.known.catalogue.exams
        if step in exams:
            return Action(ActionKind.EXAMINE, exams[step].name, self._reason(), self._differential())
        return Action(ActionKind.ASK, self._question(step), self._reason(), self._differential())

    def _question(self, finding: str) -> str:
        """A question that the patient understands as being about this finding first."""
        name = understanding().known.findings[finding].name
        for words in (name[:1].lower() + name[1:], question(finding)):
            texts = [text.format(words) for text in ASKED]
            texts = [text for text in texts if understanding().findings(text)[:1] == [finding]]
            if texts:
                return self.rng.choice(texts)
        return question(finding)

    def _last(self) -> Action:
        """The diagnosis, or an honest deferral where the evidence does not carry one."""
        if self.belief.posterior().max() < UNSURE:
            missing = self.rng.choice(UNCERTAIN)
            return Action(ActionKind.DEFER, missing, self._reason(), self._differential())
        chosen = PLANNER.diagnosis(self.belief)
        differential = self._differential(first=chosen)
        return Action(ActionKind.DIAGNOSE, differential[0].diagnosis, self._reason(chosen), differential)

    def _reason(self, condition: str | None = None) -> str:
        """What of this patient's findings speaks for the likeliest condition, and at times what against another."""
        ranked = [key for key, _ in self.belief.ranked()[:2]]
        facts = self._facts()
        card = about(condition or ranked[0], facts)
        told = ", ".join(card.matched[: self.rng.choice((1, 2, 2))]) or self.rng.choice(NOTHING)
        against = [f"{told}; no {name}" for name in about(ranked[-1], facts).missing[:2]]
        against += [f"{told}, though no {name}" for name in card.missing[:1]]
        short = [text for text in against if len(text) <= LENGTHS["reason"]]
        return self.rng.choice(short) if short and self.rng.random() < AGAINST else told

    def _differential(self, *, first: str | None = None) -> tuple[Hypothesis, ...]:
        ranked = sorted(self.belief.ranked(), key=lambda pair: pair[0] != first)[:SHOWN]
        conditions = self.belief.frame.model.known.conditions
        return tuple(Hypothesis(conditions[key].name, p, _group(conditions[key], p)) for key, p in ranked)

    def _facts(self) -> Facts:
        return facts_after(self.inquiry, self.exchanges)

    def _do(self, action: Action, step: str) -> None:
        self.asked.add(step)
        said = self.codec.encode(action)
        replies = [self.case.ask(action.target)] if action.kind is ActionKind.ASK else self.case.examine(action.target)
        for reply in replies:
            self.belief.add(reply.evidence)
        self.exchanges.append(Exchange(said, self.codec.reply([reply.observation for reply in replies])))


def _group(condition: Condition, p: float) -> HypothesisGroup:
    if condition.cant_miss:
        return HypothesisGroup.CANT_MISS
    return HypothesisGroup.LIKELY if p >= 0.1 else HypothesisGroup.OTHER
