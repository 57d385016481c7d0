"""The sealed split has one door, and what goes through it is always the same."""

import asyncio
from pathlib import Path

import pytest

from agents.world.virtual_world import VirtualWorld
from training.evaluation.cases import UnknownCaseSet, case_set
from training.gates import sealed

ROOT = Path(__file__).resolve().parents[3]


def test_nothing_but_the_gate_opens_it():
    files = [path for room in ("agents", "clinic", "training") for path in (ROOT / room).rglob("*.py")]
    opening = [path.relative_to(ROOT).as_posix() for path in files if "sealed=True" in path.read_text()]
    assert opening == ["training/gates/sealed.py"]
    for name in ("virtual:sealed", "virtual:sealed:0001"):
        with pytest.raises((ValueError, UnknownCaseSet)):
            case_set(name)


def test_the_same_patients_every_time_and_others_by_seed():
    first = [case.id for case in sealed.cases(3)]
    assert first == [case.id for case in sealed.cases(5)][:3]
    assert not set(first) & {case.id for case in sealed.cases(3, seed=1)}


async def _answers(world) -> list[str]:
    return [shown.text for shown in [*await world.examine("Vital signs"), await world.ask("Do you have a fever?")]]


def test_a_planted_diagnosis_stands_in_every_answer_and_changes_nothing_else():
    case = sealed.cases(1)[0]
    plain = asyncio.run(_answers(case.open_world()))
    marked = asyncio.run(_answers(sealed.planted(case).open_world()))
    assert marked == [text + sealed.NOTE for text in plain]
    assert isinstance(sealed.planted(case).open_world(), VirtualWorld)
    assert sealed.PLANTED not in case.record.answer
