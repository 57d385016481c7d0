"""The exact predictive distribution is what the virtual clinic draws."""

from collections import Counter

import pytest

from agents.world.grammar import Event
from agents.world.virtual import open_case
from training.evaluation.fidelity.exact import HIGH, LOW, NORMAL, PRESENT, Predictive, abnormal, evidence, outcome_of
from training.worlds import virtual

DRAWS = 150


@pytest.fixture(scope="module")
def case():
    return open_case("virtual:test:3")


@pytest.fixture(scope="module")
def blank(case):
    return Predictive(case)


@pytest.mark.parametrize("leaf", ["hb", "spo2", "ecg", "lymph_node_examination"])
def test_draws_of_a_twin_have_the_exact_shares(case, blank, leaf):
    exact = blank.outcomes(leaf)
    person = case.patient
    seen = {item: Counter() for item in exact}
    for seed in range(DRAWS):
        event = virtual.result(blank.twin(seed), leaf)
        for item, outcome in outcome_of(
            list(exact), event.name, event.result, person.age, person.sex, person.model
        ).items():
            seen[item][outcome] += 1
    for item, shares in exact.items():
        assert sum(shares.values()) == pytest.approx(1)
        for outcome, p in shares.items():
            # four standard errors, and half a draw for the rarest
            allowed = 4 * (p * (1 - p) / DRAWS) ** 0.5 + 0.5 / DRAWS
            assert abs(seen[item][outcome] / DRAWS - p) <= allowed, (item, outcome)


def test_what_was_seen_changes_what_is_expected(case, blank):
    low = Predictive(case, [Event("Urea nitrogen", "90 mg/dL"), Event("Creatinine", "6.00 mg/dL")])
    assert low.outcomes("potassium")["potassium"][HIGH] > 2 * blank.outcomes("potassium")["potassium"][HIGH]
    assert virtual.result(low.twin(1), "creatinine").result.startswith("Value: 6.00")


def test_derived_values_have_no_closed_form(blank):
    assert blank.outcomes("anion_gap") == {}


def test_what_is_abnormal(case):
    model = case.patient.model
    assert abnormal(LOW, "hb", model)
    assert not abnormal(NORMAL, "hb", model)
    assert abnormal(PRESENT, "wheeze_sign", model)
    assert abnormal("consolidation", "chest_xray", model)
    assert not abnormal("normal", "chest_xray", model)


def test_history_is_read_as_evidence(case):
    row = virtual.row(case, "test")
    facts = {fact.id: fact.value for fact in evidence(row.events, case.patient.model)}
    measured = [fact for fact in facts if fact in case.patient.model.known.catalogue.exams]
    assert measured
    for exam in measured:
        entry = case.patient.model.known.catalogue.exams[exam]
        assert facts[exam] == (case.patient.value(exam) if entry.analyte else case.patient.result(exam))
