"""Results a world model might write, for a fake engine: fixed by the prompt's examination and the request's seed."""

from __future__ import annotations

import random
import re

from agents import examinations
from agents.knowledge.catalogue import Examination, catalogue
from agents.world import wording

ASKED = re.compile(r"Exam name:\n(.*)\nExam results:\n$")


def result_text(prompt: str, seed: int | None) -> str:
    """A believable result of the last examination of the prompt, in the virtual clinic's wording."""
    found = ASKED.search(prompt)
    hits = examinations.match(found[1]) if found else []
    if not hits:
        return "Nothing remarkable."
    source = random.Random(f"{hits[0].exam}:{seed}")
    leaves = [catalogue().exams[leaf] for leaf in catalogue().leaves(hits[0].exam)]
    return "\n".join(_line(leaf, source) for leaf in leaves if not (leaf.analyte and leaf.analyte.rule))


def _line(leaf: Examination, source: random.Random) -> str:
    if leaf.analyte:
        low, high = leaf.analyte.interval(50, "female")
        number = round(source.uniform(low, high), leaf.analyte.decimals)
        return wording.value_line(wording.value(leaf, leaf.analyte, number, 50, "female"), leaf.analyte.decimals)
    if leaf.results:
        return f"{leaf.name}: {source.choice(leaf.results).reports[0]}"
    return f"{leaf.name}: No abnormality."
