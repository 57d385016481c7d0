"""Names of diseases as the knowledge base has them: aliases, acronyms, ICD-10 families."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from agents.knowledge.conditions import Condition, Knowledge, knowledge
from agents.matching.names import core, initials, key, tokens

TYPO = 90.0
"""rapidfuzz ratio from which an unknown name is a misspelling; the next condition must be MARGIN behind."""
MARGIN = 5.0
LONG_ENOUGH = 8
_CODE = re.compile(r"([A-TV-Z]\d[0-9A-Z])\.?([0-9A-Z]{0,4})", re.I)
RIVALS: tuple[frozenset[str], ...] = tuple(
    frozenset(key(tokens(name)) for name in group)
    for group in (
        ("hepatitis A", "hepatitis B", "hepatitis C", "hepatitis E"),
        ("AML", "ALL"),
        ("acute myeloid leukaemia", "acute lymphoblastic leukaemia"),
        ("non-Hodgkin lymphoma", "Hodgkin lymphoma"),
        ("non-Hodgkin lymphoma", "Hodgkin disease"),
        ("type A dissection", "type B dissection"),
        ("influenza A", "influenza B"),
        ("STEMI", "NSTEMI"),
        ("falciparum malaria", "vivax malaria"),
        ("colon cancer", "rectal cancer"),
        ("gastric ulcer", "duodenal ulcer"),
        ("gallstone pancreatitis", "alcoholic pancreatitis"),
        ("minimal change disease", "membranous nephropathy"),
        ("Graves disease", "toxic nodular goitre"),
        ("primary spontaneous pneumothorax", "secondary pneumothorax", "tension pneumothorax"),
    )
)
"""Aliases of one condition that exclude each other: equal to the condition, never to one another."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Which condition a name means; `via` is name, alias, qualifier, acronym, icd10 or typo; `key` its spelling."""

    condition: str
    via: str
    key: str


class Ontology:
    """Resolves names against one version of the knowledge; a name that could mean two conditions resolves to none."""

    def __init__(self, known: Knowledge) -> None:
        self.known = known
        self.tables: list[tuple[str, dict[str, str]]] = [
            ("name", _table((condition, (condition.name, condition.id)) for condition in known.conditions.values())),
            ("alias", _table((condition, condition.aliases) for condition in known.conditions.values())),
            ("qualifier", _table(_stripped(condition) for condition in known.conditions.values())),
            ("acronym", _table(_acronyms(condition) for condition in known.conditions.values())),
        ]
        self.icd10 = _codes(known)
        self._typed = _words_of(known)

    def resolve(self, text: str) -> Resolved | None:
        """The condition that one name or ICD-10 code means, or None."""
        words = tokens(text)
        if not words:
            return None
        for via, table in self.tables:
            if key(words) in table:
                return Resolved(table[key(words)], via, key(words))
        bare = key(core(words))
        for _, table in self.tables:
            if bare in table:
                return Resolved(table[bare], "qualifier", bare)
        return self._code(text) or self._typo(core(words))

    def names(self, condition: str) -> tuple[str, ...]:
        """Name and aliases of a condition; KeyError."""
        found = self.known.conditions[condition]
        return (found.name, *found.aliases)

    def is_name(self, resolved: Resolved) -> bool:
        """Whether the text was the condition's own name rather than an alias that may be narrower."""
        return self.tables[0][1].get(resolved.key) == resolved.condition

    def _code(self, text: str) -> Resolved | None:
        found = _CODE.fullmatch(text.strip(" .()[]"))
        if not found:
            return None
        family, rest = found[1].upper(), found[2].upper()
        for code in (f"{family}.{rest}", family):
            if code in self.icd10:
                return Resolved(self.icd10[code], "icd10", code.lower())
        return None

    def _typo(self, words: list[str]) -> Resolved | None:
        said = " ".join(words)
        if len(said) < LONG_ENOUGH:
            return None
        near = process.extract(said, self._typed.keys(), scorer=fuzz.ratio, limit=12, score_cutoff=TYPO - MARGIN)
        if not near or near[0][1] < TYPO or _short_words(said) != _short_words(near[0][0]):
            return None
        best = self._typed[near[0][0]]
        if any(self._typed[name] != best and score > near[0][1] - MARGIN for name, score, _ in near):
            return None
        return Resolved(best, "typo", key(near[0][0].split()))


def rivals(left: str, right: str) -> bool:
    """Whether two spellings name subtypes that exclude each other."""
    return left != right and any({left, right} <= group for group in RIVALS)


def ontology(known: Knowledge | None = None) -> Ontology:
    """The ontology of the shipped knowledge (built once), or of another."""
    return Ontology(known) if known else _shipped()


@lru_cache(maxsize=1)
def _shipped() -> Ontology:
    return Ontology(knowledge())


def _table(rows: Iterable[tuple[Condition, Iterable[str]]]) -> dict[str, str]:
    """Spelling to condition id, without spellings that two conditions share."""
    owners: dict[str, set[str]] = defaultdict(set)
    for condition, names in rows:
        for name in names:
            owners[key(tokens(name))].add(condition.id)
    return {spelling: next(iter(ids)) for spelling, ids in owners.items() if len(ids) == 1 and spelling}


def _stripped(condition: Condition) -> tuple[Condition, list[str]]:
    names = (condition.name, *condition.aliases)
    return condition, [" ".join(core(tokens(name))) for name in names]


def _words_of(known: Knowledge) -> dict[str, str]:
    """Spaced spelling of every name to its condition, to find misspellings."""
    return {
        " ".join(core(tokens(name))): condition.id
        for condition in known.conditions.values()
        for name in (condition.name, *condition.aliases)
    }


def _short_words(spaced: str) -> list[str]:
    """Type 1 is not a misspelling of type 2, nor hepatitis C of hepatitis B."""
    return sorted(word for word in spaced.split() if len(word) < 4 or any(c.isdigit() for c in word))


def _acronyms(condition: Condition) -> tuple[Condition, list[str]]:
    """Three letters at least: shorter ones mean too much, and are listed as aliases where they are in use."""
    made = [initials(tokens(name)) for name in (condition.name, *condition.aliases)]
    return condition, [acronym for acronym in made if len(acronym) > 2]


def _codes(known: Knowledge) -> dict[str, str]:
    """ICD-10 code to condition, and the three-character family where it belongs to one condition alone."""
    found = {condition.icd10: condition.id for condition in known.conditions.values()}
    families: dict[str, set[str]] = defaultdict(set)
    for code, condition in found.items():
        families[code[:3]].add(condition)
    return {**{family: next(iter(ids)) for family, ids in families.items() if len(ids) == 1}, **found}
