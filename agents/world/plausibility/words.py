"""The text of a result as text: empty, broken, about another examination, with labels, or telling the diagnosis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from agents.knowledge.catalogue import Examination, catalogue
from agents.knowledge.conditions import knowledge
from agents.matching.ontology import ontology
from agents.world.plausibility.reading import Reading, asked, negated
from agents.world.plausibility.verdict import Code, Complaint, note

LONGEST = 6000
"""Characters of the longest believable result."""
LOOP = 4
"""A sentence that stands this often in a row, or a run of words repeated this often, is a model going round."""
SHORT_ALIAS = 5
"""Letters below which a name of a disease only counts in its own capitals ("PE", never "pe")."""
_NOTHING = re.compile(
    r"(none|null|nan|n/?a|unknown|undefined|error|\[?object object\]?|not available|pending|"
    r"unable to generate examination result|i cannot .*|i'm sorry.*|as an ai.*)[.!]?",
    re.I,
)
_LABELS = re.compile(
    r"exam(ination)? name\s*:|exam(ination)? results?\s*:|(final|discharge) diagnosis\s*:|<sep>|<\|?endoftext|"
    r"<\|[^|]*\|>|current diagnosis\s*:|the following summarizes the results|"
    r"the available information is sufficient to make a diagnosis|here is the test result|^\s*diagnosis\s*:",
    re.I | re.M,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f�]")
_WORD = re.compile(r"[A-Za-z0-9]+")
_FEMALE = re.compile(
    r"\b(uter(us|ine)|ovar(y|ies|ian)|endometri\w+|cervix|vagina\w*|vulva\w*|gravid|pregnan\w+)\b", re.I
)
_MALE = re.compile(r"\b(prostat\w+|testi(s|cle|cles|cular)|scrot\w+|epididym\w+|penis|penile)\b", re.I)


def form(text: str, reading: Reading, examination: str) -> Iterator[Complaint]:
    """Whether it is a result at all, and of this examination."""
    if _CONTROL.search(text):
        yield Complaint(Code.MALFORMED, "The result holds characters that no report has.")
    if len(text) > LONGEST:
        yield Complaint(Code.MALFORMED, "The result is longer than any report.")
    if _NOTHING.fullmatch(text.strip()):
        yield Complaint(Code.MALFORMED, "The text is a refusal or a filler, not a result.")
    if loops(text):
        yield Complaint(Code.MALFORMED, "The text repeats itself.")
    label = _LABELS.search(text)
    if label:
        yield Complaint(Code.LABEL, f"The result contains a label or a separator ({label[0].strip()}).")
    entry = asked(examination)
    if entry:
        yield from _about(reading, entry)


def loops(text: str) -> bool:
    """Whether one run of one to eight words stands at least LOOP times in a row (single words twice as often)."""
    words = _WORD.findall(text.lower())
    for size in range(1, 9):
        most = LOOP * 2 if size == 1 else LOOP
        run = 0
        for n in range(size, len(words)):
            run = run + 1 if words[n] == words[n - size] else 0
            if run >= size * (most - 1):
                return True
    return False


def confirms(reading: Reading, text: str, examination: str, diagnosis: str) -> Iterator[Complaint]:
    """Whether the text names the diagnosis where a report of this examination would not.

    A name counts in a sentence that does not deny it. A report may name what the catalogue lets it say, and what its
    examination confirms by the knowledge base. Of a disease or examination that is not known here it is a note.
    """
    if not diagnosis.strip():
        return
    entry = asked(examination)
    usual = _usual(entry.id) if entry else ""
    if entry and _proves(entry, diagnosis):
        return
    for line in text.splitlines():
        for sentence in re.split(r"(?<=[.;!?])\s+", line):
            name = next((n for n in _names(diagnosis) if _says(sentence, n)), None)
            if name and not _says(usual, name, loose=True) and not negated(sentence):
                sure = entry is not None and ontology().resolve(diagnosis) is not None
                told = f"The result tells the diagnosis ({name})."
                yield Complaint(Code.CONFIRMS, told) if sure else note(Code.CONFIRMS, told)
                return


def person(reading: Reading, examination: str, age: float | None, sex: str) -> Iterator[Complaint]:
    """Whether it is a result of this person's body."""
    entry = asked(examination)
    if entry and age is not None and sex in ("female", "male") and not entry.possible_for(age, sex):
        yield Complaint(Code.PERSON, f"{entry.name} cannot be done in this patient.")
    strange = {"male": _FEMALE, "female": _MALE}.get(sex)
    for part, sentence in reading.sentences:
        found = strange.search(sentence) if strange else None
        if found and not negated(sentence) and not _says(part, found[0], loose=True):
            yield Complaint(Code.PERSON, f"The result describes a body of the other sex ({found[0].lower()}).")
            return


def _about(reading: Reading, entry: Examination) -> Iterator[Complaint]:
    leaves = set(catalogue().leaves(entry.id))
    measured = {leaf for leaf in leaves if catalogue().exams[leaf].analyte}
    told = {quantity.exam for quantity in reading.quantities if quantity.exam}
    if measured == leaves and not reading.quantities:
        bare = len(leaves) == 1 and not any(re.search(r"\d", sentence) for _, sentence in reading.sentences)
        told_so = f"{entry.name} has no value."
        yield Complaint(Code.MALFORMED, told_so) if bare else note(Code.MALFORMED, told_so)
    elif told and leaves and not told & leaves and measured == leaves:
        yield Complaint(Code.OTHER, f"The values are not those of {entry.name}.")
    elif told - leaves and measured:
        names = ", ".join(sorted(catalogue().exams[exam].name for exam in told - leaves if exam))
        yield note(Code.OTHER, f"Values that do not belong to {entry.name}: {names}.")
    missing = measured - told
    if told and missing and len(measured) > 1:
        yield note(Code.MALFORMED, f"{len(missing)} of {len(measured)} values of {entry.name} are missing.")


def _proves(entry: Examination, diagnosis: str) -> bool:
    """Whether this examination is one of those by which the disease is known; never a physical examination."""
    known = ontology().resolve(diagnosis)
    if known is None or entry.kind == "physical":
        return False
    confirming = knowledge().conditions[known.condition].confirm
    return any(catalogue().covers(exam, entry.id) or catalogue().covers(entry.id, exam) for exam in confirming)


@lru_cache(maxsize=512)
def _names(diagnosis: str) -> tuple[str, ...]:
    """The diagnosis as given, and all its names in the knowledge base, longest first."""
    known = ontology().resolve(diagnosis)
    names = {diagnosis.strip(), *(ontology().names(known.condition) if known else ())}
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


@lru_cache(maxsize=512)
def _usual(exam: str) -> str:
    """Everything the catalogue lets this examination say, its own names included."""
    exams = catalogue().exams
    leaves = [exams[leaf] for leaf in (exam, *catalogue().leaves(exam))]
    signs = [f for f in knowledge().findings.values() if f.exam in {leaf.id for leaf in leaves}]
    told = [name for leaf in leaves for name in (leaf.name, *leaf.synonyms)]
    told += [report for leaf in leaves for pattern in leaf.results for report in pattern.reports]
    told += [words for sign in signs for words in (*sign.says, sign.denies)]
    return " . ".join(told)


def _says(text: str, name: str, *, loose: bool = False) -> bool:
    """Whether the words of a name stand together in a text; a short one in its own capitals, unless `loose`."""
    exact = len(re.sub(r"[^A-Za-z]", "", name)) < SHORT_ALIAS and not loose
    words, wanted = _WORD.findall(text), _WORD.findall(name)
    if not exact:
        words, wanted = ([word.lower() for word in side] for side in (words, wanted))
    return bool(wanted) and any(words[n : n + len(wanted)] == wanted for n in range(len(words) - len(wanted) + 1))
