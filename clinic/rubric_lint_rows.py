"""The lints of a version's rows: what the case of a rubric limits, and what is said while somebody types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agents.rubric_lints import Problem, Setting, lint
from agents.rubrics import Criterion
from clinic.models import Case, RubricCriterion, RubricFlow, RubricStatus, RubricVersion

TYPED = "typed"
"""Stands for the criterion that is being typed and has no key yet."""


def setting_of(case: Case | None) -> Setting | None:
    """What can happen in the case; a real patient's has no sheet, so every examination is possible."""
    if case is None:
        return None
    names = tuple(str(entry.get("examination", "")) for entry in case.sheet)
    return Setting(names, case.answer, case.age_years, case.sex)


def is_weighed(version: RubricVersion) -> bool:
    """Whether points are there to be checked: a panel's authors and reviewer write without them."""
    early = (RubricStatus.WRITING, RubricStatus.REVIEW)
    return not (version.rubric.flow == RubricFlow.PANEL and version.status in early)


def problems(version: RubricVersion, criteria: Iterable[RubricCriterion]) -> list[Problem]:
    """The likely mistakes of the kept criteria, as sentences that name a criterion by its number on the page."""
    kept = [row for row in criteria if row.kept]
    found = lint(
        [row.as_criterion() for row in kept], setting=setting_of(version.rubric.case), weighed=is_weighed(version)
    )
    return numbered(found, [row.key for row in kept])


def while_typing(
    version: RubricVersion, criteria: Sequence[RubricCriterion], *, key: str, text: str, points: int
) -> list[Problem]:
    """What the check says of the one criterion as it stands in the form; nothing of an empty one."""
    if not text.strip():
        return []
    key = key or TYPED
    points = points if is_weighed(version) else 0
    typed = Criterion(key, text, points)
    others = [row.as_criterion() for row in criteria if row.kept and row.key != key]
    # Behind the others, since a pair's problem is told of the later one.
    found = lint([*others, typed], setting=setting_of(version.rubric.case), weighed=is_weighed(version))
    return numbered([one for one in found if one.criterion == key], [row.id for row in others])


def numbered(found: Iterable[Problem], keys: Sequence[str]) -> list[Problem]:
    """The same with "criterion 3" in place of its key."""
    places = {key: n for n, key in enumerate(keys, 1)}
    return [replace(one, sentence=_named(one.sentence, places)) for one in found]


def _named(sentence: str, places: dict[str, int]) -> str:
    words = sentence.split(" ")
    return " ".join(_place(word, places) for word in words)


def _place(word: str, places: dict[str, int]) -> str:
    bare = word.rstrip(":,")
    return f"criterion {places[bare]}{word[len(bare) :]}" if bare in places else word
