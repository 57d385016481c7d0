"""Finds a diagnosis that stands in what the agent is told at the start: such a case teaches and proves nothing."""

from __future__ import annotations

import re

from agents.knowledge.conditions import knowledge
from agents.types import CaseRecord

_CAUSE = r"with|without|due to|secondary to|caused by|complicat\w+|in the context of|associated|suspected|linked to"
_SPLIT = re.compile(rf"\b(?:{_CAUSE})\b|[,;.:]")
_LEADING = frozenset(
    """acute chronic possible probable suspected severe mild moderate primary congenital classic recurrent stage
    spontaneous atypical advanced isolated the a an of left right bilateral unilateral""".split()  # noqa: SIM905
)
_WORD = re.compile(r"[a-z0-9]+")
_ANY_CASE = re.compile(r"[A-Za-z0-9]+")
ABBREVIATION = 4
_DONE = (
    r"(?:\w*(?:ectomy|plasty|otomy|ostomy|scopy)|biopsy|surgery|operation|transplantation|chemotherapy|screening|"
    r"check-?up|vaccination|c(?:ae|e)sarean section|delivery)\b\W*$"
)
_ON_THE_WAY = r"admitted|admission|referred|presenting|presented|for|a|an|the|follow-?up|of|after|postoperative"
_PLANNED = r"elective|planned|scheduled|routine"
_PROCEDURE = re.compile(
    rf"^(?:(?:{_ON_THE_WAY})\s+)*(?:(?:{_PLANNED})\s+(?:\w+\s+){{0,3}})?{_DONE}",
    re.I,
)
SHORTEST = 4


def leak(record: CaseRecord) -> str | None:
    """Why this case's opening gives the answer away, or None."""
    if _PROCEDURE.match(record.complaint.strip()):
        return "the chief complaint is a procedure"
    told = " . ".join([record.complaint, *record.history.values()])
    plain, written = f" {_plain(told)} ", f" {' '.join(_ANY_CASE.findall(told))} "
    for name in names_of(record.answer):
        phrase = _plain(name)
        # "all" is no ALL and "as" no AS: a short abbreviation counts only in capitals.
        short = name.isupper() and len(phrase) <= ABBREVIATION
        if phrase and (f" {name} " in written if short else f" {phrase} " in plain):
            return f"the opening names the diagnosis ({name})"
    return None


def names_of(answer: str) -> list[str]:
    """Names by which a recorded diagnosis may be recognised: itself, its main part, abbreviations, aliases."""
    names = [answer, re.sub(r"\([^)]*\)", " ", answer)]
    names += re.findall(r"\(([A-Z][A-Za-z0-9-]{2,})\)", answer)
    names += [_main(name) for name in names[:2]]
    names += _aliases({_plain(name) for name in names})
    found: dict[str, str] = {}
    for name in names:
        key = _plain(name)
        if len(key) >= SHORTEST or name.isupper():
            found.setdefault(key, " ".join(name.split()).strip(" .,;"))
    return list(found.values())


def _main(name: str) -> str:
    """Without what it is due to, and without words of degree before it: "acute X due to Y" is "X"."""
    words = _SPLIT.split(name.strip(), maxsplit=1)[0].split()
    while len(words) > 2 and words[0].lower() in _LEADING:
        words = words[1:]
    return " ".join(words)


def _aliases(plain: set[str]) -> list[str]:
    found: list[str] = []
    for condition in knowledge().conditions.values():
        every = [condition.name, *condition.aliases]
        if plain & {_plain(name) for name in every}:
            found += every
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'").replace("'s", ""))


def _plain(text: str) -> str:
    return " ".join(_words(text))
