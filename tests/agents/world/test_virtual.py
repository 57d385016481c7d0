"""A virtual patient is one person: consistent, repeatable, and silent about what it does not know."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from agents.types import Source
from agents.world.draw import draw, many_values
from agents.world.model import model
from agents.world.virtual import BANK, SPLITS, UnknownCase, bank, case_id, open_case

CHEST = "virtual:test:0003:chest_pain"


def test_ids_carry_the_version_and_resolve_again() -> None:
    case = open_case(CHEST)
    assert case.id == f"{CHEST}@{model().known.version}"
    assert open_case(case.id).inquiry() == case.inquiry()


@pytest.mark.parametrize(
    "bad", ["virtual:test:0003@000000000000", "virtual:exam:1", "test:1", "virtual:test:x", "virtual:test:1:toe"]
)
def test_other_ids_are_refused(bad: str) -> None:
    with pytest.raises(UnknownCase):
        open_case(bad)


def test_the_bank_holds_500_cases_in_disjoint_splits() -> None:
    ids = bank()
    assert len(ids) == len(set(ids)) == sum(BANK.values()) == 500
    seeds = [open_case(case).patient.seed for case in ids]
    assert len(set(seeds)) == 500
    assert Counter(case.split(":")[1] for case in ids) == BANK
    assert set(BANK) == set(SPLITS)


def test_results_do_not_depend_on_order_or_repetition() -> None:
    first, second = open_case(CHEST), open_case(CHEST)
    a = [first.perform(exam).observation.text for exam in ("cbc", "ecg", "hb", "vital_signs")]
    b = [second.perform(exam).observation.text for exam in ("vital_signs", "hb", "ecg", "cbc", "cbc")]
    assert a[0] == b[3] == b[4]
    assert (a[1], a[2], a[3]) == (b[2], b[1], b[0])


def test_a_part_alone_equals_the_part_in_its_panel() -> None:
    case = open_case(CHEST)
    panel = {value.name: value.value for value in case.perform("cbc").observation.values}
    alone = case.perform("hb").observation.values[0]
    assert panel[alone.name] == alone.value


@pytest.mark.parametrize("number", range(20))
def test_panels_agree_with_their_parts(number: int) -> None:
    case = open_case(case_id("train", number))
    blood = {v.name: v.value for v in case.perform("cbc").observation.values}
    shares = ("Neutrophils", "Lymphocytes", "Monocytes", "Eosinophils", "Basophils")
    assert sum(blood[name] for name in shares) == pytest.approx(100, abs=0.051)
    chemistry = {v.name: v.value for v in case.perform("bmp").observation.values}
    gap = chemistry["Sodium"] - chemistry["Chloride"] - chemistry["Bicarbonate"]
    assert chemistry["Anion gap"] == pytest.approx(gap, abs=0.51)


def test_what_is_not_in_the_catalogue_is_not_available() -> None:
    (reply,) = open_case(CHEST).examine("aura photography")
    assert reply.observation.source is Source.UNAVAILABLE
    assert "not available" in reply.observation.text
    assert reply.evidence == ()


def test_what_is_impossible_is_not_available() -> None:
    man = next(c for n in range(50) if (c := open_case(case_id("train", n))).patient.sex == "male")
    assert man.perform("hcg").observation.source is Source.UNAVAILABLE
    assert man.perform("pelvic_ultrasound").evidence == ()


def test_several_requests_get_several_answers_each_with_its_match() -> None:
    replies = open_case(CHEST).examine("ECG, FBC and a chest film")
    assert [reply.observation.matched for reply in replies] == [
        "Electrocardiogram",
        "Complete blood count",
        "Chest X-ray",
    ]
    assert all(reply.observation.source is Source.SIMULATED for reply in replies)


def test_flags_follow_the_reference_interval() -> None:
    for number in range(20):
        for value in open_case(case_id("train", number)).perform("bmp").observation.values:
            outside = not value.low <= value.value <= value.high
            assert bool(value.flag) == outside


def test_questions_are_answered_or_not_known() -> None:
    case = open_case(CHEST)
    reply = case.ask("Does it hurt more when you take a deep breath?")
    assert reply.observation.matched == "pleuritic_pain" or "not sure" in reply.observation.text
    assert case.ask("What is the capital of France?").observation.text == "I don't know."
    assert case.ask("What is the capital of France?").evidence == ()


def test_answers_repeat_and_agree_with_the_opening() -> None:
    case = open_case(CHEST)
    for fact in case.opening.evidence:
        assert case.patient.finding(fact.id) == fact.value
    assert case.ask("any fever or cough?") == open_case(CHEST).ask("any fever or cough?")


def test_a_topic_is_answered_as_a_whole() -> None:
    reply = open_case(CHEST).ask("Tell me about your past medical history")
    assert len(reply.evidence) > 10


def test_histories_differ_in_length() -> None:
    told = [len(open_case(case_id("train", n)).opening.evidence) for n in range(60)]
    assert max(told) - min(told) >= 3


def test_what_is_told_unasked_does_not_depend_on_the_condition() -> None:
    """Same seed, other condition: the same topics are mentioned, or their choice would be evidence."""
    one = open_case(CHEST)
    topics = [fact.id for fact in one.opening.evidence]
    for condition in model().conditions:
        if "chest_pain" in condition.groups and condition.male == one.patient.condition.male:
            other = type(one)(one.id, type(one.patient)(**{**_fields(one.patient), "condition": condition}))
            assert [fact.id for fact in other.opening.evidence] == topics


def _fields(patient) -> dict:
    return {
        name: getattr(patient, name)
        for name in ("model", "seed", "group", "condition", "age", "sex", "severity", "atypical")
    }


def test_the_record_never_shows_the_answer_to_the_agent() -> None:
    for number in range(30):
        case = open_case(case_id("train", number))
        truth = case.patient.condition
        shown = repr(case.inquiry()).lower()
        assert truth.name.lower() not in shown
        assert case.record().answer == truth.name
        assert case.answer_is(truth.name.upper())
        assert not case.answer_is("nonsense")


def test_the_drawn_conditions_follow_the_weights() -> None:
    ids = [open_case(f"virtual:train:{n}:chest_pain").patient.condition.id for n in range(2000)]
    weights = {c.id: c.groups["chest_pain"] for c in model().conditions if "chest_pain" in c.groups}
    total = sum(weights.values())
    for key, weight in weights.items():
        p = weight / total
        assert ids.count(key) / 2000 == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 2000) + 1e-3)


@pytest.mark.parametrize(("condition", "exam"), [("pe", "d_dimer"), ("pe", "spo2"), ("acs", "troponin")])
def test_a_patient_s_values_follow_the_distribution_that_the_gates_sample(condition: str, exam: str) -> None:
    using = model()
    having = using.known.conditions[condition]
    patients = [replace(draw(using, n, "chest_pain", having=having), age=60, sex="male") for n in range(400)]
    one_by_one = np.sort([p.value(exam) for p in patients])
    at_once = np.sort(many_values(patients[0].frame, patients[0].column, exam, 4000, np.random.default_rng(1)))
    shares = np.searchsorted(at_once, one_by_one, side="right") / len(at_once)
    # Kolmogorov-Smirnov distance; 1.95 / sqrt(n) is its 0.1 % limit.
    assert np.abs(shares - (np.arange(400) + 1) / 400).max() < 1.95 / np.sqrt(360) + 0.02


def test_a_patient_s_results_follow_their_authored_rate() -> None:
    using = model()
    having = using.known.conditions["pe"]
    seen = [draw(using, n, "chest_pain", having=having).result("ctpa") for n in range(1200)]
    p = having.exams["ctpa"]["pulmonary_embolus"].p
    assert seen.count("pulmonary_embolus") / len(seen) == pytest.approx(p, abs=0.03)
