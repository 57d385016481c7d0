"""Rows of virtual patients: one draw of the virtual clinic each, so that a patient's results belong together."""

from __future__ import annotations

from collections.abc import Iterator

from agents.records.base import Rejection
from agents.records.leaks import leak
from agents.world.grammar import Event
from agents.world.language_profile import profile_of
from agents.world.virtual import SPLIT_SIZE, VirtualCase, case_id, open_case
from training.worlds import style
from training.worlds.orders import orders
from training.worlds.rows import Row, Split
from training.worlds.splits import SHARES

SEEDS = 1000
PER_SEED = SPLIT_SIZE // SEEDS
"""Seed S draws the patients from number S x PER_SEED of each split; those of seed 0 begin with the case bank."""


def draw(count: int, seed: int) -> Iterator[Row | Rejection]:
    """`count` patients, the splits of the case ids in shares of 80, 10 and 10 %; raises ValueError for a seed."""
    if not 0 <= seed < SEEDS:
        raise ValueError(f"A seed of virtual patients is a number from 0 to {SEEDS - 1}.")
    done = 0
    for n, (split, share) in enumerate(SHARES):
        size = count - done if n == len(SHARES) - 1 else round(count * share)
        done += size
        yield from (row(open_case(case_id(split, seed * PER_SEED + k)), split) for k in range(size))


def row(case: VirtualCase, split: Split) -> Row | Rejection:
    """The row of one virtual case."""
    record = case.record()
    told = leak(record)
    if told:
        return Rejection(case.id, told)
    ordered = orders(case.patient)
    groups = [[result(case, exam) for exam in group] for group in (ordered.physical, *ordered.steps)]
    return Row(
        id=case.id,
        patient=case.id,
        split=split,
        origin="virtual",
        access="public",
        profile=profile_of(record),
        diagnosis=record.answer,
        groups=tuple(tuple(group) for group in groups if group),
    )


def result(case: VirtualCase, exam: str) -> Event:
    """One examination of a case in the published style; a panel has a line per sub-test."""
    exams = case.patient.model.known.catalogue
    entry = exams.exams[exam]
    able = [key for key in exams.leaves(exam) if exams.exams[key].possible_for(case.patient.age, case.patient.sex)]
    lines = [(exams.exams[leaf].name, _text(case, leaf)) for leaf in able]
    return Event(entry.name, style.panel(lines) if entry.parts else lines[0][1])


def _text(case: VirtualCase, leaf: str) -> str:
    entry = case.patient.model.known.catalogue.exams[leaf]
    shown = case.perform(leaf).observation
    if entry.analyte:
        value = shown.values[0]
        return style.measured(value, f"{value.value:.{entry.analyte.decimals}f}")
    return shown.text.removeprefix(f"{entry.name}: ")
