"""Every decision about a recommendation is kept with who, when, about which turn of which version, and why."""

from __future__ import annotations

from typing import Any

import pytest

from agents.types import Value
from clinic.models import AuditEntry, Consultation, DeclineReason, Feedback, Turn
from clinic.services import consultations, decisions, feedback
from clinic.services.errors import Refused
from tests.clinic.factories import make_site, make_user
from tests.clinic.services.steered import Host, host, open_turn, reasons, speaks, started

pytestmark = pytest.mark.django_db
__all__ = ["host"]


def given(kind: str) -> Feedback:
    return Feedback.objects.get(kind=kind)


def test_to_order_what_is_recommended_is_to_accept_it(host: Host) -> None:
    started()
    consultation = speaks(host, "examine", "CRP")
    by = consultation.clinician
    consultations.order(consultation=consultation, by=by)
    row = given("accepted")
    assert (row.by, row.turn.number, row.model_version) == (by, 1, consultation.model_version)
    assert (row.target, row.status, row.data["done"]) == ("CRP", "proposed", ["CRP"])


def test_its_other_name_is_the_same_examination(host: Host) -> None:
    started()
    consultation = speaks(host, "examine", "CRP")
    by = consultation.clinician
    consultations.order(consultation=consultation, by=by, examination="C-reactive protein")
    assert given("accepted").target == "CRP"


def test_to_order_another_is_to_replace_it(host: Host) -> None:
    started()
    consultation = speaks(host, "examine", "CRP")
    by = consultation.clinician
    consultations.order(consultation=consultation, by=by, examination="Chest X-ray")
    row = given("replaced")
    assert (row.target, row.data["done"], row.data["how"]) == ("CRP", ["Chest X-ray"], "ordered")


def test_several_at_once_come_before_the_agent_speaks_again(host: Host) -> None:
    started()
    consultation = speaks(host, "examine", "CRP")
    turns = consultations.order_many(
        consultation=consultation, by=consultation.clinician, examinations=["CRP", " ", "Chest X-ray", "CRP"]
    )
    assert [turn.number for turn in turns] == [2, 3]
    assert open_turn().number == 4
    assert given("accepted").data["done"] == ["CRP", "Chest X-ray"]


def test_not_too_many_at_once(host: Host) -> None:
    started()
    consultation = speaks(host)
    many = [f"Examination {number}" for number in range(11)]
    with pytest.raises(Refused, match="at most 10"):
        consultations.order_many(consultation=consultation, by=consultation.clinician, examinations=many)


def test_entering_a_recommended_result_is_to_accept_it(host: Host) -> None:
    started("patient")
    consultation = speaks(host, "examine", "CRP")
    by, value = consultation.clinician, Value("1988-5", 96.0, "mg/L", "H")
    consultations.enter_result(consultation=consultation, by=by, examination="CRP", text="96", values=[value])
    assert given("accepted").data["how"] == "result_entered"


def test_an_order_instead_of_a_diagnosis_replaces_it(host: Host) -> None:
    started()
    consultation = speaks(host, "diagnose", "Pneumonia")
    consultations.order(consultation=consultation, by=consultation.clinician, examination="CRP")
    assert given("replaced").target == "Pneumonia"


def test_giving_a_deferring_agent_more_is_no_contradiction(host: Host) -> None:
    started()
    consultation = speaks(host, "defer", "More results")
    consultations.order(consultation=consultation, by=consultation.clinician, examination="CRP")
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("kind", ["examine", "ask", "diagnose"])
def test_declined_with_a_reason_that_can_be_counted(host: Host, kind: str) -> None:
    started()
    consultation = speaks(host, kind, "CRP")
    turn = decisions.decline(
        consultation=consultation, by=consultation.clinician, reason_code="too_slow", reason="Closed at night."
    )
    assert turn.text == "Not needed: CRP. Takes too long. Closed at night."
    row = given("rejected")
    assert (row.reason_code, row.reason, row.turn.number) == (DeclineReason.TOO_SLOW, "Closed at night.", 1)
    assert open_turn().number == 3
    assert "night" not in str(AuditEntry.objects.get(action="consultation.declined").data)


@pytest.mark.parametrize(
    ("kind", "code", "words", "sentence"),
    [
        ("defer", "too_slow", "", "has not recommended anything"),
        ("examine", "", "", "Choose why"),
        ("examine", "nonsense", "", "Choose why"),
        ("examine", "other", "  ", "needs a few words"),
    ],
)
def test_what_is_no_reason_is_refused(host: Host, kind: str, code: str, words: str, sentence: str) -> None:
    started()
    consultation = speaks(host, kind)
    with pytest.raises(Refused, match=sentence):
        decisions.decline(consultation=consultation, by=consultation.clinician, reason_code=code, reason=words)
    assert not Feedback.objects.exists()
    assert Turn.objects.count() == 1


def test_the_corrected_differential_stands_beside_the_agents_and_is_told(host: Host) -> None:
    started()
    consultation = speaks(host)
    rows: list[dict[str, Any]] = [
        {"diagnosis": " Sepsis ", "probability": 0.6, "group": "cant_miss"},
        {"diagnosis": "sepsis"},
        {"diagnosis": ""},
        {"diagnosis": "Influenza", "probability": None},
    ]
    turn = decisions.correct_differential(consultation=consultation, by=consultation.clinician, rows=rows)
    assert turn.text == "My differential: Sepsis 60% (can't miss); Influenza."
    row = given("differential")
    assert [entry["diagnosis"] for entry in row.data["rows"]] == ["Sepsis", "Influenza"]
    assert row.data["agent"][0]["diagnosis"] == "Pneumonia"
    assert row.turn.number == 1


@pytest.mark.parametrize("probabilities", [[0.7, 0.6], [1.2], [-0.1]])
def test_probabilities_that_cannot_be(host: Host, probabilities: list[float]) -> None:
    started()
    consultation = speaks(host)
    rows = [{"diagnosis": f"D{n}", "probability": p} for n, p in enumerate(probabilities)]
    with pytest.raises(Refused, match="percents"):
        decisions.correct_differential(consultation=consultation, by=consultation.clinician, rows=rows)


def test_closing_keeps_what_the_agent_thought(host: Host) -> None:
    started()
    consultation = speaks(host, "diagnose", "Pneumonia")
    why = reasons(consultation)
    consultations.close(consultation=consultation, by=consultation.clinician, diagnosis="Asthma", reasons=why)
    row = given("diagnosis")
    assert (row.target, row.turn.number, row.data["agent"]["target"]) == ("Asthma", 1, "Pneumonia")


def test_a_comment_tells_the_agent_nothing(host: Host) -> None:
    started()
    consultation = speaks(host)
    row = decisions.comment(consultation=consultation, by=consultation.clinician, text="Well asked.", turn=1)
    assert (row.kind, row.reason, row.turn.number) == ("comment", "Well asked.", 1)
    assert Turn.objects.count() == 1
    for other in (make_user(), make_user(site=make_site()), make_user("annotator")):
        with pytest.raises(Refused):
            decisions.comment(consultation=consultation, by=other, text="Hello")


def test_two_windows_answer_one_recommendation(host: Host) -> None:
    """The second saw a recommendation that has been answered and followed by another since."""
    started()
    seen = speaks(host, "examine", "CRP")
    stale = Consultation.objects.select_related("case", "clinician").get(pk=seen.pk)
    consultations.order(consultation=seen, by=seen.clinician)
    with pytest.raises(Refused, match="still working"):
        decisions.decline(consultation=stale, by=stale.clinician, reason_code="too_slow")
    assert list(Feedback.objects.values_list("kind", flat=True)) == ["accepted"]


@pytest.mark.parametrize(("kind", "consent"), [("virtual", True), ("record", True), ("patient", False)])
def test_nothing_about_a_real_patient_is_learned_from_unasked(host: Host, kind: str, consent: bool) -> None:
    started(kind)
    consultation = speaks(host)
    decisions.decline(consultation=consultation, by=consultation.clinician, reason_code="too_slow")
    assert given("rejected").consent is consent


def test_only_its_giver_withdraws_it_and_for_good(host: Host) -> None:
    started()
    consultation = speaks(host)
    by = consultation.clinician
    row = decisions.comment(consultation=consultation, by=by, text="Hm.")
    for other in (make_user("admin"), make_user(site=make_site())):
        with pytest.raises(Refused, match="Only the person who gave it"):
            feedback.withdraw(feedback=row, by=other)
        with pytest.raises(Refused, match="Only the person who gave it"):
            feedback.allow(feedback=row, by=other, consent=True)
    feedback.allow(feedback=row, by=by, consent=False)
    feedback.withdraw(feedback=row, by=by)
    row.refresh_from_db()
    assert (row.status, row.consent) == ("withdrawn", False)
    with pytest.raises(Refused, match="final"):
        feedback.withdraw(feedback=row, by=by)
    actions = AuditEntry.objects.filter(noun="feedback").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["feedback.consent", "feedback.withdrawn"]
