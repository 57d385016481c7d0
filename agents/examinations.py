"""Reads a free-text request ("FBC, U&E and a chest film") as examinations of the catalogue, and shows how."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from agents.knowledge.catalogue import Catalogue, Examination, catalogue

LONGEST_PHRASE = 8
TYPO_CUTOFF = 84.0
"""rapidfuzz ratio below which two names are different words, not a typing error."""
SHORT = 3
"""Abbreviations up to this length are never corrected, and count inside a sentence only in capitals."""

_BREAKS = {"and", "plus", "also", "then", "or", "as", "well", "&", "+"}
_FILLERS = frozenset(
    """a an the of for to in on with without please order orders get check perform do repeat request obtain send urgent
    stat some further additional left right both level levels test tests testing screen scan study studies exam
    examination panel measurement measure assessment assess evaluation evaluate serum blood plasma contrast iv
    bilateral view views pa ap lateral portable bedside formal new full complete patient patients her his their my
    would like i want let us me now next first initial baseline is are if any this that at""".split()  # noqa: SIM905
)
_SPELLING: tuple[tuple[str, str], ...] = (
    ("aemia", "emia"), ("haem", "hem"), ("oedema", "edema"), ("oesoph", "esoph"), ("faec", "fec"),
    ("coeliac", "celiac"), ("tumour", "tumor"), ("orrhoea", "orrhea"), ("gynaec", "gynec"), ("paed", "ped"),
)  # fmt: skip
_TOKEN = re.compile(r"[a-z0-9&+]+")


@dataclass(frozen=True, slots=True)
class ExamMatch:
    """One examination found in a request; `score` 0..1; `via` is name, synonym, words, set or typo."""

    exam: str
    name: str
    score: float
    text: str
    via: str


def match(request: str, *, known: Catalogue | None = None) -> list[ExamMatch]:
    """The examinations asked for, in the order of the request; empty when nothing is recognised.

    A typing error scores its rapidfuzz ratio; words in another order 0.95; an exact name or synonym 1.
    """
    return _matcher(known or catalogue()).match(request)


def covers(done: str, asked: str, *, known: Catalogue | None = None) -> bool:
    """Whether the result of `done` answers `asked`: same examination, or a panel that contains it."""
    return (known or catalogue()).covers(done, asked)


def find(exam: str, *, known: Catalogue | None = None) -> Examination | None:
    """The catalogue entry of an id, or None."""
    return (known or catalogue()).exams.get(exam)


def same(request: str, other: str) -> bool:
    """Whether two free-text requests ask for at least one common examination (a panel contains its parts)."""
    left, right = match(request), match(other)
    return any(covers(a.exam, b.exam) or covers(b.exam, a.exam) for a in left for b in right)


def normalise(text: str) -> list[str]:
    """Lower-case tokens in one spelling; "x-ray" and "X ray" become one word."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"\bx[\s-]?rays?\b", "xray", text)
    text = re.sub(r"(?<=\w)[-.](?=\w)", " ", text)
    for british, american in _SPELLING:
        text = text.replace(british, american)
    return _TOKEN.findall(text)


class _Matcher:
    def __init__(self, known: Catalogue) -> None:
        self.known = known
        self.phrases: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {}
        self.bags: dict[tuple[str, ...], tuple[str, ...]] = {}
        for exam in known.exams.values():
            self._add(exam.name, (exam.id,), "name")
        for exam in known.exams.values():
            for synonym in exam.synonyms:
                self._add(synonym, (exam.id,), "synonym")
        for group in known.sets.values():
            for name in group.names:
                self._add(name, group.exams, "set")
        self.names = {" ".join(phrase): phrase for phrase in self.phrases if len(" ".join(phrase)) > SHORT + 1}

    def _add(self, words: str, exams: tuple[str, ...], via: str) -> None:
        phrase = tuple(normalise(words))
        self.phrases.setdefault(phrase, (exams, via))
        bag = _bag(phrase)
        if bag:
            self.bags.setdefault(bag, exams)

    def match(self, request: str) -> list[ExamMatch]:
        """Clauses first, so that a typing error in one does not swallow its neighbour."""
        found = [hit for clause in re.split(r"[,;\n•]|\.\s|\(|\)|\s/\s|:", request) for hit in self._clause(clause)]
        best: dict[str, ExamMatch] = {}
        for hit in found:
            if hit.exam not in best or hit.score > best[hit.exam].score:
                best[hit.exam] = hit
        return self._distinct(best)

    def _distinct(self, hits: dict[str, ExamMatch]) -> list[ExamMatch]:
        """Without parts named beside their panel; "physical examination of the chest" means the chest."""
        whole = "physical_examination"
        if whole in hits and any(self.known.exams[exam].kind == "physical" for exam in hits if exam != whole):
            hits.pop(whole)
        return [hit for hit in hits.values() if not any(o != hit.exam and self.known.covers(o, hit.exam) for o in hits)]

    def _clause(self, clause: str) -> Iterable[ExamMatch]:
        tokens = normalise(clause)
        if not tokens:
            return
        whole = self._exact(tuple(tokens)) or self._words(tokens)
        if whole:
            yield from whole
            return
        capitals = set(re.findall(r"\b[A-Z][A-Za-z0-9]{0,2}\b", clause))
        rest: list[str] = []
        n = 0
        while n < len(tokens):
            hits, size = self._longest(tokens, n, capitals)
            if hits:
                yield from self._leftover(rest)
                rest = []
                yield from hits
            else:
                rest.append(tokens[n])
            n += size
        yield from self._leftover(rest)

    def _longest(self, tokens: list[str], start: int, capitals: set[str]) -> tuple[list[ExamMatch], int]:
        for size in range(min(LONGEST_PHRASE, len(tokens) - start), 0, -1):
            phrase = tuple(tokens[start : start + size])
            if len("".join(phrase)) <= SHORT - 1 and not any(c.lower() == phrase[0] for c in capitals):
                continue
            hits = self._exact(phrase)
            if hits:
                return hits, size
        return [], 1

    def _leftover(self, tokens: list[str]) -> Iterable[ExamMatch]:
        """What no name matched: other word order, then a typing error, in each part between "and"s."""
        part: list[str] = []
        for token in [*tokens, "and"]:
            if token not in _BREAKS:
                part.append(token)
                continue
            yield from self._words(part) or self._typo(part)
            part = []

    def _exact(self, phrase: tuple[str, ...]) -> list[ExamMatch]:
        exams, via = self.phrases.get(phrase, ((), ""))
        return [self._hit(exam, 1.0, " ".join(phrase), via) for exam in exams]

    def _words(self, tokens: list[str]) -> list[ExamMatch]:
        exams = self.bags.get(_bag(tokens), ())
        return [self._hit(exam, 0.95, " ".join(tokens), "words") for exam in exams]

    def _typo(self, tokens: list[str]) -> list[ExamMatch]:
        words = [token for token in tokens if token not in _FILLERS]
        for said in dict.fromkeys((" ".join(tokens), " ".join(words))):  # in this order, whatever the hash seed
            if len(said) <= SHORT:
                continue
            cutoff = TYPO_CUTOFF if len(said) > 5 else TYPO_CUTOFF - 4
            near = process.extractOne(said, self.names.keys(), scorer=fuzz.ratio, score_cutoff=cutoff)
            if near:
                exams, _ = self.phrases[self.names[near[0]]]
                return [self._hit(exam, near[1] / 100, said, "typo") for exam in exams]
        return []

    def _hit(self, exam: str, score: float, text: str, via: str) -> ExamMatch:
        return ExamMatch(exam, self.known.exams[exam].name, round(score, 3), text, via)


def _bag(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(token for token in tokens if token not in _FILLERS and token not in _BREAKS))


def _matcher(known: Catalogue) -> _Matcher:
    """One per catalogue: making it takes 60 ms, using it one."""
    found = _matchers.get(id(known))
    if found is None:
        # It holds its catalogue, so that no other can get the same id.
        found = _matchers[id(known)] = _Matcher(known)
    return found


_matchers: dict[int, _Matcher] = {}
