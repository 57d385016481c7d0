"""Presentations in many registers: the same words every time, and no more evidence than they carry."""

from collections import Counter

import pytest

from agents.matching.names import key, tokens
from agents.reading.facts import of_inquiry
from agents.reading.notes import coded, read
from agents.world.register_words import ABBREVIATED, BEGINNINGS
from agents.world.registers import REGISTERS, intake
from agents.world.virtual import case_id, open_case

CASES = [open_case(case_id("train", number)) for number in range(60_000, 60_060)]


def test_the_same_seed_says_the_same_and_another_something_else():
    assert all(intake(case, 3) == intake(case, 3) for case in CASES[:10])
    assert sum(intake(case, 3).inquiry == intake(case, 4).inquiry for case in CASES) < len(CASES) // 2


def test_every_register_is_used_and_plain_is_the_clinics_own():
    used = Counter(intake(case, seed).register for case in CASES for seed in range(3))
    assert set(used) == set(REGISTERS)
    plain = next((case, told) for case in CASES if (told := intake(case, 0)).register == "plain")
    assert plain[1].inquiry == plain[0].inquiry()
    assert plain[1].evidence == plain[0].opening.evidence


def test_evidence_is_what_this_patient_has():
    for case in CASES:
        for fact in intake(case, 1).evidence:
            if isinstance(fact.value, bool):
                assert case.patient.finding(fact.id) == fact.value


def test_the_words_are_read_as_what_they_were_made_of():
    """Typing errors and odd grammar lose some findings; hardly any may turn into its opposite."""
    counts = Counter()
    for case in CASES:
        told = intake(case, 2)
        heard = of_inquiry(told.inquiry).findings
        for fact in told.evidence:
            if isinstance(fact.value, bool):
                state = heard.get(fact.id)
                counts["lost" if state is None else "right" if state == fact.value else "opposite"] += 1
    assert counts["right"] > 0.85 * counts.total(), counts
    assert counts["opposite"] < 0.03 * counts.total(), counts


def test_vital_signs_are_told_in_more_than_one_unit_and_read_back():
    said = [told for case in CASES for seed in range(4) if "BP " in (told := intake(case, seed)).inquiry.history["hpi"]]
    texts = " ".join(told.inquiry.history["hpi"] for told in said)
    assert " F," in texts
    assert " C," in texts
    heard = [of_inquiry(told.inquiry).levels.keys() >= {"systolic_bp", "heart_rate"} for told in said]
    assert sum(heard) > 0.9 * len(heard)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id.split(":")[2][:5])
def test_the_condition_is_not_named(case):
    told = intake(case, 5).inquiry
    assert key(tokens(case.patient.condition.name)) not in key(tokens(told.history["hpi"]))


def test_abbreviations_are_understood():
    for code, short in ABBREVIATED.items():
        assert coded(read(f"Has {short}."))[code].state == "present"


def test_every_register_but_the_clinics_own_has_beginnings():
    assert set(BEGINNINGS) == set(REGISTERS) - {"plain"}
