"""Rows of virtual patients: one world draw each, in the published style."""

import re

import pytest

from agents.world.grammar import parse, serialise, split_profile
from agents.world.plausibility.reading import exam_id, read
from agents.world.virtual import SPLIT_SIZE, SPLITS, open_case
from training.worlds.orders import FEWEST, MOST, orders
from training.worlds.rows import Row
from training.worlds.virtual import draw

VALUE = re.compile(r"Value: [\d.]+; Numeric Value: [\d.]+(; Units: [^;]+)?; Reference Range: [\d.]+ - [\d.]+")


@pytest.fixture(scope="module")
def drawn():
    return [row for row in draw(60, 3) if isinstance(row, Row)]


def test_the_same_seed_draws_the_same_patients(drawn):
    assert [row for row in draw(60, 3) if isinstance(row, Row)] == drawn
    assert not {row.id for row in drawn} & {row.id for row in draw(60, 4) if isinstance(row, Row)}


def test_splits_are_those_of_the_case_ids(drawn):
    for row in drawn:
        assert row.id.split(":")[1] == row.split
        assert open_case(row.id).patient.seed // SPLIT_SIZE == SPLITS[row.split]
    assert {row.split for row in drawn} == {"train", "validation", "test"}


def test_all_results_are_of_the_one_patient_as_the_clinic_draws_them(drawn):
    for row in drawn[:15]:
        case = open_case(row.id)
        for event in row.events:
            said = case.perform(exam_id(event.name)).observation
            numbers = [(value.value, value.low, value.high) for value in said.values]
            assert [(q.value, q.low, q.high) for q in read(event.name, event.result).quantities] == numbers
            if not numbers:
                assert said.text == f"{event.name}: {event.result}"


def test_values_are_written_as_in_the_published_records(drawn):
    lines = [line for row in drawn for event in row.events for line in event.result.splitlines() if "Value:" in line]
    assert len(lines) > 100
    for line in lines:
        assert VALUE.fullmatch(line.removeprefix(f"{line.partition(': Value')[0]}: ")), line


def test_profiles_end_with_the_diagnosis(drawn):
    for row in drawn:
        presentation, diagnosis = split_profile(row.profile)
        assert diagnosis == row.diagnosis == open_case(row.id).patient.condition.name
        assert row.diagnosis.lower() not in presentation.lower()


def test_a_patient_has_few_examinations_none_of_them_twice(drawn):
    for row in drawn:
        names = [event.name for event in row.events]
        assert len(names) == len(set(names))
        assert FEWEST - 4 <= len(names) <= MOST + 1
        assert sum(len(open_case(row.id).perform(exam_id(name)).observation.values) > 1 for name in names) <= 1


def test_the_physical_examination_comes_first(drawn):
    for row in drawn:
        ordered = orders(open_case(row.id).patient)
        if ordered.physical:
            assert [exam_id(event.name) for event in row.groups[0]] == list(ordered.physical)
        kinds = open_case(row.id).patient.model.known.catalogue.exams
        later = [exam for step in ordered.steps for exam in step]
        assert not any(kinds[exam].kind == "physical" for exam in later)


def test_documents_read_back(drawn):
    for row in drawn:
        assert parse(serialise(row.profile, row.events)) == (row.profile, row.events)


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(ValueError, match="0 to 999"):
        list(draw(1, 1000))
