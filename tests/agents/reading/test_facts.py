"""Reading a patient's words, a hospital's results and reports as facts of the vocabulary."""

import pytest

from agents.knowledge.catalogue import catalogue
from agents.knowledge.conditions import vocabulary
from agents.reading.facts import Facts, examination_named, of_inquiry, of_text
from agents.reading.reports import result_of
from agents.types import Inquiry

ADULT = Facts(50, "female")
REPORTS = [
    (exam.id, pattern.id, report)
    for exam in catalogue().exams.values()
    for pattern in exam.results
    for report in pattern.reports
]


def findings(text, **more):
    return of_text(text, ADULT, **more).findings


def test_every_denial_of_the_vocabulary_is_read_as_absent():
    for finding in vocabulary().findings.values():
        read = findings(f"{finding.denies}.")
        assert read[finding.id] is False, finding.denies


def test_a_denial_says_nothing_else():
    assert findings("No single joint is red and hot.") == {"single_hot_joint": False}


def test_present_outweighs_absent():
    assert findings("No fever yesterday. Today she is febrile.")["fever"] is True


@pytest.mark.parametrize(
    ("answer", "state"), [("No.", False), ("No, nothing like that.", False), ("Yes, since Monday.", True)]
)
def test_a_bare_answer_is_about_what_was_asked(answer, state):
    assert findings(answer, asked="Any night sweats?") == {"night_sweats": state}


def test_not_knowing_is_no_finding():
    assert findings("I don't know.", asked="Any night sweats?") == {}


def test_the_name_of_a_complaint_is_no_list_of_findings():
    facts = of_inquiry(Inquiry(40, "male", "Weakness, numbness, confusion or fit", {"hpi": "No weakness on one side."}))
    assert facts.groups == {"neuro_deficit"}
    assert not any(facts.findings.values())


def test_a_complaint_in_free_words_is_found_by_what_it_names():
    assert of_inquiry(Inquiry(40, "male", "Severe abdominal pain")).groups == {"abdominal_pain"}
    assert of_inquiry(Inquiry(40, "male", "Increasing confusion")).groups == {"neuro_deficit"}
    assert of_inquiry(Inquiry(40, "male", "Wants a certificate")).groups == frozenset()


def test_a_family_history_is_the_familys():
    facts = of_inquiry(Inquiry(40, "male", "Cough", {"hpi": "Cough.", "family": "Diabetes. Asthma."}))
    assert "diabetes" not in facts.findings


def test_numbers_are_levels_against_the_patients_own_interval():
    text = "Complete blood count:\nWhite cell count: 19.6 10*9/L (3.5-10.5) HH\nHaemoglobin: 12.5 g/dL"
    assert of_text(text, ADULT).levels == {"wbc": 2, "hb": 0}
    assert of_text(text, Facts(50, "male")).levels["hb"] == -1


def test_units_are_converted():
    assert of_text("Temp 101.3 F, glucose 14 mmol/L", ADULT).levels == {"temperature": 2, "glucose": 2}


def test_words_for_a_level_are_read():
    assert of_text("Liver function tests: AST: Elevated ALT: normal. Bilirubin is low", ADULT).levels["ast"] == 1
    text = "Basic metabolic panel: very low sodium 118; high urea nitrogen 40; others normal"
    levels = of_text(text, ADULT).levels
    assert (levels["sodium"], levels["urea"], levels["potassium"]) == (-2, 1, 0)


@pytest.mark.parametrize("body", ["Not provided", "Not in this record.", "CT head: not available here.", "pending"])
def test_what_was_not_done_is_no_result(body):
    facts = of_text(f"CT head: {body}", ADULT)
    assert facts.results == {}
    assert facts.findings == {}


@pytest.mark.parametrize(("exam", "result", "report"), REPORTS)
def test_every_report_of_the_catalogue_is_its_own_result(exam, result, report):
    assert result_of(catalogue().exams[exam], f"Impression: {report}") == result


@pytest.mark.parametrize(
    ("exam", "text", "result"),
    [
        ("chest_xray", "No evidence of consolidation. Heart size normal.", "normal"),
        ("ct_chest", "2.5 x 3.5 cm right upper lobe mass.", "mass"),
        ("ct_head", "There is a small subarachnoid haemorrhage.", "subarachnoid"),
        ("chest_xray", "Poor quality film.", None),
    ],
)
def test_other_wordings(exam, text, result):
    assert result_of(catalogue().exams[exam], text) == result


def test_labels_name_examinations_without_correcting_them():
    assert examination_named("CT chest").id == "ct_chest"
    assert examination_named("CT chets") is None
