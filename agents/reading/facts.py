"""What a text about a patient says in the vocabulary's terms: findings present or absent, values, results of reports.

Only words are read, a hospital's or the virtual clinic's alike; what is not understood is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from agents import examinations
from agents.knowledge.catalogue import Examination, catalogue
from agents.knowledge.conditions import vocabulary
from agents.reading.measurements import measurements
from agents.reading.notes import coded, read
from agents.reading.reports import result_of
from agents.types import Inquiry
from agents.world.questions import understanding, words

REST_NORMAL = "others normal"
"""The words that say of a panel or an examination that nothing else is abnormal in it."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_LABEL = re.compile(r"([^:\n]{2,70}):\s*(.*)", re.S)
_NOT_DONE = re.compile(
    r"^\W*(?:not|none) (?:in this record|available|done|provided|mentioned|specified|assessed|performed|recorded)"
    r"|not available (?:here|for this patient)|^\W*(?:pending|awaited)",
    re.I,
)
_YES = re.compile(r"\W*(?:yes|yeah|yep|correct|he does|she does|i do|i have)\b", re.I)
_COUNT = re.compile(r"(?<=\d) (?=10[*^]?9/L)")
_SAID = re.compile(r"\b(very low|low|normal|very high|high) ([A-Za-z][^,;:.]*?)(?: \d[\d.]*)?(?=[,;.]|$)")
_CALLED = re.compile(
    r"([A-Za-z][A-Za-z0-9 -]{0,40}?)\s*(?::|\bis\b|\bwas\b)\s*(?:mildly |markedly |significantly |very )?"
    r"(elevated|raised|increased|high|low|decreased|reduced)\b",
    re.I,
)
_DOWN = ("low", "decreased", "reduced")
LEVELS = {"very low": -2, "low": -1, "normal": 0, "high": 1, "very high": 2}
FAR = 0.5
"""A value this share of the reference interval's width beyond it is very low or very high."""
_NO = re.compile(r"\W*(?:no|nope|never|none|denies|not really)\b", re.I)


@dataclass(frozen=True, slots=True)
class Facts:
    """One patient as far as the words say; `levels` is -2 to 2 against the reference interval (LEVELS).

    `values` are numbers in the catalogue's units; `done` are the ids of examinations that have an answer.
    """

    age: float | None = None
    sex: str = ""
    findings: dict[str, bool] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()

    def joined(self, other: Facts) -> Facts:
        """Both; what was said first about a finding stands, a later measurement replaces an earlier one."""
        return replace(
            self,
            findings={**other.findings, **self.findings},
            levels={**self.levels, **other.levels},
            values={**self.values, **other.values},
            results={**self.results, **other.results},
            done=self.done | other.done,
        )


def of_inquiry(inquiry: Inquiry) -> Facts:
    """What is known before the first action."""
    empty = Facts(inquiry.age_years, inquiry.sex if inquiry.sex in ("female", "male") else "")
    told = [text for key, text in inquiry.history.items() if key != "family"]
    group = _group_named(inquiry.complaint)
    # "Back or flank pain" is the name of a complaint, not a patient with pain in both.
    defining = dict.fromkeys(vocabulary().groups[group].presents_with, True) if group else {}
    words_of = told if group else [inquiry.complaint, *told]
    facts = of_text("\n".join(words_of), empty)
    facts = replace(
        facts,
        findings={**facts.findings, **defining},
        groups=frozenset({group}) if group else _groups(inquiry.complaint, told),
    )
    family = of_text(inquiry.history.get("family", ""), empty).findings
    own = {key: state for key, state in family.items() if key.startswith("family_")}
    return replace(facts, findings={**own, **facts.findings})


def of_text(text: str, patient: Facts, *, asked: str = "") -> Facts:
    """What one text adds for a patient of this age and sex; `asked` is the question that it answers, if any."""
    facts = Facts(patient.age, patient.sex)
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        facts = facts.joined(_line(line, patient))
    return replace(facts, findings={**_answered(asked, text), **facts.findings}) if asked else facts


def denied(sentence: str) -> tuple[str, ...]:
    """The findings of which a sentence is the vocabulary's own denial ("I swallow normally")."""
    return _denials().get(tuple(words(sentence)), ())


def _line(line: str, patient: Facts) -> Facts:
    label = _LABEL.fullmatch(line)
    exam = examination_named(label[1]) if label else None
    if exam is None or label is None:
        return _noted(line, patient)
    body = label[2]
    if not body or _NOT_DONE.search(body):
        return Facts(done=frozenset({exam.id}) if body else frozenset())
    return replace(_examined(exam, body, patient), done=frozenset({exam.id}))


def _noted(text: str, patient: Facts) -> Facts:
    found: dict[str, bool] = {}
    for sentence in sentences(text):
        own = dict.fromkeys(denied(sentence), False)
        # A known denial says what it says, whatever else its words could name.
        said = own or {
            key: one.state == "present" for key, one in coded(read(sentence)).items() if one.state != "unknown"
        }
        found |= {key: state or found.get(key, False) for key, state in said.items()}
    return replace(_measured(text, patient), findings=found)


def _examined(exam: Examination, body: str, patient: Facts) -> Facts:
    known = catalogue()
    leaves = [known.exams[leaf] for leaf in known.leaves(exam.id)]
    if exam.results:
        result = result_of(exam, body)
        return Facts(results={exam.id: result} if result else {})
    signs = [key for leaf in leaves for key in signs_of(leaf.id)]
    facts = _measured(body, patient)
    for name in (exam.name, *exam.synonyms) if exam.analyte else ():
        # "White cell count: 19.6" stands alone: its label, or another word for it, is the name that the number needs.
        if exam.id not in facts.levels:
            facts = facts.joined(_measured(f"{name} {body}", patient))
    if signs:
        noted = _noted(body, patient).findings
        facts = replace(facts, findings={key: state for key, state in noted.items() if key in signs or state})
    if REST_NORMAL in body.lower() or body.lower().startswith("normal"):
        rest = {leaf.id: 0 for leaf in leaves if leaf.analyte}
        facts = replace(
            facts,
            findings={**dict.fromkeys(signs, False), **facts.findings},
            levels={**rest, **facts.levels},
        )
    return facts


def _measured(text: str, patient: Facts) -> Facts:
    values = {one.exam: one.value for one in measurements(_COUNT.sub(" x", text))}
    levels = {exam: _level(exam, value, patient) for exam, value in values.items()}
    for how, name in _SAID.findall(text):
        exam = examination_named(name)
        if exam and exam.analyte:
            levels[exam.id] = LEVELS[how]
    for name, how in _CALLED.findall(text):
        exam = examination_named(name.strip())
        if exam and exam.analyte and exam.id not in levels:
            levels[exam.id] = -1 if how.lower() in _DOWN else 1
    return Facts(levels=levels, values=values, done=frozenset(levels))


def _level(exam: str, value: float, patient: Facts) -> int:
    analyte = catalogue().exams[exam].analyte
    if analyte is None:
        return 0
    low, high = analyte.interval(patient.age if patient.age is not None else 40.0, patient.sex)
    far = FAR * (high - low)
    if value < low:
        return -2 if value < low - far else -1
    return 2 if value > high + far else int(value > high)


def _answered(question: str, answer: str) -> dict[str, bool]:
    """A bare yes or no is about what was asked."""
    if len(answer) > 200:
        return {}
    asked = understanding().findings(question)
    if _NO.match(answer):
        return dict.fromkeys(asked, False)
    return dict.fromkeys(asked[:1], True) if _YES.match(answer) else {}


def _group_named(complaint: str) -> str | None:
    said = words(complaint)
    return next((key for key, group in vocabulary().groups.items() if words(group.name) == said), None)


def _groups(complaint: str, told: Iterable[str]) -> frozenset[str]:
    """The complaint groups that a complaint in free words means, by the findings that define them."""
    known = vocabulary()
    present = {key for key, one in coded(read(complaint)).items() if one.state == "present"}
    present = present or {key for key, one in coded(read("\n".join(told)[:300])).items() if one.state == "present"}
    return frozenset(key for key in known.groups if present & _defining(key))


@cache
def _defining(group: str) -> frozenset[str]:
    """The findings that a complaint is about: those that define it, and those its name names."""
    entry = vocabulary().groups[group]
    first = () if entry.presents_with else entry.opening[:1]
    return frozenset((*entry.presents_with, *first, *(mention.code for mention in read(entry.name))))


@cache
def examination_named(label: str) -> Examination | None:
    """The one examination that a label names, typing errors not corrected, or None."""
    hits = [hit for hit in examinations.match(label) if hit.via in ("name", "synonym", "words")]
    return examinations.find(hits[0].exam) if len(hits) == 1 else None


@cache
def _signs() -> dict[str, tuple[str, ...]]:
    """Examination to the signs that it reveals."""
    found: dict[str, tuple[str, ...]] = {}
    for finding in vocabulary().findings.values():
        if finding.exam:
            found[finding.exam] = (*found.get(finding.exam, ()), finding.id)
    return found


@cache
def _denials() -> dict[tuple[str, ...], tuple[str, ...]]:
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for finding in vocabulary().findings.values():
        key = tuple(words(finding.denies))
        found[key] = (*found.get(key, ()), finding.id)
    return found


def signs_of(exam: str) -> tuple[str, ...]:
    """The signs that an examination reveals."""
    return _signs().get(exam, ())


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, without those that are empty."""
    return (sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip())
