"""Virtual cases: a case id is a patient; it answers questions and examinations, and never invents.

An id is `virtual:SPLIT:NUMBER` or `virtual:SPLIT:NUMBER:COMPLAINT`, with `@HASH` of the knowledge it was drawn
from; it needs no database. Splits use disjoint ranges of seeds; `sealed` is for the gate alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.knowledge.conditions import Finding
from agents.types import CaseRecord, Inquiry, Observation, Source, Value
from agents.world import wording
from agents.world.draw import Patient, draw, signs_of, uniforms
from agents.world.model import Model, model
from agents.world.oracle import Evidence
from agents.world.questions import understanding

SPLITS = {"train": 0, "validation": 1, "test": 2, "sealed": 3}
SPLIT_SIZE = 10**9
BANK = {"train": 300, "validation": 75, "test": 100, "sealed": 25}
"""The case bank of 500: the first numbers of each split."""
BACKEND = "virtual"
MOST_ANSWERS = 12
"""A patient answers at most this many things in one breath."""
_ID = re.compile(r"virtual:(?P<split>[a-z]+):(?P<number>\d{1,9})(?::(?P<group>[a-z_]+))?(?:@(?P<hash>[0-9a-f]+))?")


class UnknownCase(LookupError):
    """No virtual case has this id, or it belongs to another version of the knowledge."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the world says, and the same as evidence for the oracle."""

    observation: Observation
    evidence: tuple[Evidence, ...] = ()
    exams: tuple[str, ...] = ()
    """Catalogue ids that were done."""


def case_id(split: str, number: int, group: str | None = None, *, using: Model | None = None) -> str:
    """The full id of a case; raises UnknownCase for an unknown split."""
    if split not in SPLITS:
        raise UnknownCase(f"no split {split!r}; there are {', '.join(SPLITS)}")
    tail = f":{group}" if group else ""
    return f"virtual:{split}:{number:04d}{tail}@{(using or model()).known.version}"


def bank() -> list[str]:
    """The ids of the 500 cases of the bank."""
    return [case_id(split, number) for split, count in BANK.items() for number in range(count)]


def open_case(case: str, *, using: Model | None = None) -> VirtualCase:
    """The case of an id; without a hash the present knowledge is meant. Raises UnknownCase."""
    using = using or model()
    parts = _ID.fullmatch(case)
    if parts is None or parts["split"] not in SPLITS:
        raise UnknownCase(f"{case!r} is not the id of a virtual case")
    if parts["hash"] not in (None, using.known.version):
        raise UnknownCase(f"{case} was drawn from knowledge {parts['hash']}, this is {using.known.version}")
    if parts["group"] is not None and parts["group"] not in using.known.groups:
        raise UnknownCase(f"no complaint {parts['group']!r}")
    seed = SPLITS[parts["split"]] * SPLIT_SIZE + int(parts["number"])
    full = case_id(parts["split"], int(parts["number"]), parts["group"], using=using)
    return VirtualCase(full, draw(using, seed, parts["group"]))


@dataclass(frozen=True)
class VirtualCase:
    """One patient of the virtual clinic; every answer is the same whenever and however often it is asked."""

    id: str
    patient: Patient

    @cached_property
    def completeness(self) -> float:
        """How fully this patient tells, 0..1."""
        return uniforms(self.patient.seed, "completeness")[0]

    @cached_property
    def opening(self) -> Reply:
        """What the patient tells unasked: some of the complaint's leading findings, present or not.

        Which ones does not depend on the condition, so their choice is no evidence.
        """
        patient = self.patient
        group = patient.model.known.groups[patient.group]
        able = [key for key in group.opening if self._finding(key).possible_for(patient.age, patient.sex)]
        count = 3 + round(4 * self.completeness)
        # A small u wins; earlier entries are likelier to be told.
        order = sorted(able, key=lambda key: uniforms(patient.seed, f"opening:{key}")[0] + 0.04 * able.index(key))
        told = [*group.presents_with, *sorted(order[:count], key=able.index)]
        facts = tuple(Evidence(key, patient.finding(key)) for key in told)
        start = wording.choose(group.says, uniforms(patient.seed, "complaint")[0])
        rest = [self._say(fact) for fact in facts if fact.id not in group.presents_with]
        return Reply(self._observe(wording.sentences([start, *rest]), "history"), facts)

    @property
    def complaint(self) -> str:
        return self.patient.model.known.groups[self.patient.group].name

    def inquiry(self) -> Inquiry:
        """What is known before the first action."""
        return self.record().inquiry()

    def record(self) -> CaseRecord:
        """The case as the product stores it; results are not in it, they are drawn when asked for."""
        patient = self.patient
        return CaseRecord(
            id=self.id,
            origin="virtual",
            age_years=patient.age,
            sex="male" if patient.sex == "male" else "female",
            complaint=self.complaint,
            history={"hpi": self.opening.observation.text},
            answer=patient.condition.name,
            extra={
                "condition": patient.condition.id,
                "icd10": patient.condition.icd10,
                "group": patient.group,
                "knowledge": patient.model.known.version,
            },
        )

    def ask(self, question: str) -> Reply:
        """The patient's answer to a free-text question."""
        keys = [key for key in understanding().findings(question) if self._askable(key)]
        if not keys and understanding().is_open(question):
            keys = [key for key in self.patient.model.known.groups[self.patient.group].opening if self._askable(key)]
        known = [key for key in keys if self._remembers(key)]
        if not known:
            text = "I'm not sure about that." if keys else "I don't know."
            return Reply(self._observe(text, question))
        facts = tuple(Evidence(key, self.patient.finding(key)) for key in known)
        return Reply(self._observe(self._talk(facts), question, matched=", ".join(known)), facts)

    def say(self, fact: Evidence) -> Observation:
        """The patient's words for one finding."""
        return self._observe(wording.sentences([self._say(fact)]), fact.id, fact.id)

    def examine(self, request: str) -> list[Reply]:
        """A reply for each examination found in the request; "not available" if there is none."""
        found = examinations.match(request, known=self.patient.model.known.catalogue)
        if not found:
            return [self._unavailable(request, f"{request.strip()}: not available here.")]
        return [self.perform(hit.exam, request=request) for hit in found]

    def perform(self, exam: str, *, request: str = "") -> Reply:
        """The result of one examination of the catalogue; raises KeyError for an unknown id."""
        entry = self.patient.model.known.catalogue.exams[exam]
        if not entry.possible_for(self.patient.age, self.patient.sex):
            return self._unavailable(request or entry.name, f"{entry.name}: not available for this patient.", entry)
        leaves = [self.patient.model.known.catalogue.exams[leaf] for leaf in self._leaves(exam)]
        values = tuple(self._value(leaf) for leaf in leaves if leaf.analyte)
        text = "\n".join(self._line(leaf) for leaf in leaves)
        shown = self._observe(f"{entry.name}:\n{text}" if len(leaves) > 1 else text, request, entry.name, values)
        return Reply(shown, tuple(self.patient.evidence(exam)), (exam,))

    def answer_is(self, diagnosis: str) -> bool:
        """Whether a named diagnosis is the truth, by id, name or alias, letter case and punctuation aside."""
        truth = self.patient.condition
        return _plain(diagnosis) in {_plain(name) for name in (truth.id, truth.name, *truth.aliases)}

    def _leaves(self, exam: str) -> list[str]:
        exams = self.patient.model.known.catalogue
        patient = self.patient
        return [leaf for leaf in exams.leaves(exam) if exams.exams[leaf].possible_for(patient.age, patient.sex)]

    def _line(self, leaf: Examination) -> str:
        if leaf.analyte:
            return wording.value_line(self._value(leaf), leaf.analyte.decimals)
        _, u, v, _ = uniforms(self.patient.seed, f"wording:{leaf.id}")
        if leaf.results:
            return f"{leaf.name}: {wording.report(leaf, self.patient.result(leaf.id), u, v)}"
        signs = signs_of(self.patient.model, leaf.id, self.patient.age, self.patient.sex)
        facts = sorted((Evidence(sign, self.patient.finding(sign)) for sign in signs), key=lambda fact: not fact.value)
        return f"{leaf.name}: {wording.sentences([self._say(fact) for fact in facts])}"

    def _value(self, leaf: Examination) -> Value:
        assert leaf.analyte is not None
        return wording.value(leaf, leaf.analyte, self.patient.value(leaf.id), self.patient.age, self.patient.sex)

    def _talk(self, facts: tuple[Evidence, ...]) -> str:
        """Present things first; a long list of absent ones is one sentence."""
        present = [self._say(fact) for fact in facts if fact.value]
        absent = [self._say(fact) for fact in facts if not fact.value]
        if len(facts) > 4:
            absent = ["nothing else of that kind"] if present else ["no, nothing like that"]
        return wording.sentences([*present[:MOST_ANSWERS], *absent])

    def _say(self, fact: Evidence) -> str:
        u = uniforms(self.patient.seed, f"wording:{fact.id}")[0]
        return wording.said(self._finding(fact.id), bool(fact.value), u)

    def _remembers(self, key: str) -> bool:
        """Forgetting does not depend on the truth, so a gap is no evidence."""
        return uniforms(self.patient.seed, f"memory:{key}")[0] > 0.1 * (1 - self.completeness)

    def _askable(self, key: str) -> bool:
        return self._finding(key).possible_for(self.patient.age, self.patient.sex)

    def _finding(self, key: str) -> Finding:
        return self.patient.model.known.findings[key]

    def _observe(
        self, text: str, request: str, matched: str | None = None, values: tuple[Value, ...] = ()
    ) -> Observation:
        return Observation(
            text=text,
            source=Source.SIMULATED,
            request=request,
            matched=matched,
            values=values,
            model=BACKEND,
            version=self.patient.model.known.version,
            seed=self.patient.seed,
        )

    def _unavailable(self, request: str, text: str, entry: Examination | None = None) -> Reply:
        shown = Observation(
            text=text, source=Source.UNAVAILABLE, request=request, matched=entry.name if entry else None, model=BACKEND
        )
        return Reply(shown)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
