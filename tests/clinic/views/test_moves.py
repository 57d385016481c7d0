"""Every move works as a plain form; what is refused is said, and nothing typed is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.models import Consultation, Feedback, Handover, LedgerEntry, Outcome, User
from tests.clinic.factories import make_case, make_consultation, make_site, make_turn, make_user

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def clinician(db: None) -> User:
    return make_user(username="clara", first_name="Clara", last_name="Ward")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    return client


@pytest.fixture
def visitor(clinician: User) -> Client:
    return client_of(clinician)


def recommended(clinician: User, target: str = "CRP", action: str = "examine", kind: str = "virtual") -> Consultation:
    room = make_consultation(case=make_case(kind), clinician=clinician)
    differential = [{"diagnosis": "Pneumonia", "probability": 0.6, "group": "likely"}]
    said = {"action": action, "target": target, "reason": "Fever.", "differential": differential}
    make_turn(room, "agent", action=said)
    return room


def post(visitor: Client, name: str, room: Consultation, data: dict[str, Any], **how: Any) -> HttpResponse:
    return visitor.post(reverse(name, args=[room.pk]), data, **how)  # type: ignore[return-value]


def page(visitor: Client, room: Consultation) -> str:
    return visitor.get(reverse("consultation", args=[room.pk])).content.decode()


def test_the_moves_that_a_recommendation_calls_for(visitor: Client, clinician: User) -> None:
    shown = page(visitor, recommended(clinician))
    for word in ("Order", "Replace", "Not needed…", "Enter result", "Ask", "Pause", "Hand over", "Close"):
        assert f">{word}<" in shown, word
    assert ">Undo<" not in shown, "nothing was done yet"


def test_a_real_patients_examination_is_not_ordered_here(visitor: Client, clinician: User) -> None:
    shown = page(visitor, recommended(clinician, kind="patient"))
    assert "consultation_order" not in shown
    assert reverse("consultation_order", args=[Consultation.objects.get().pk]) not in shown
    assert '<details name="move" id="result" open>' in shown
    assert 'value="mg/L"' in shown, "the catalogue's unit of the recommended examination"


def test_several_examinations_in_one_field(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    post(visitor, "consultation_order", room, {"examination": "CRP, chest X-ray"})
    assert [turn.request for turn in room.turns.filter(role="environment")] == ["CRP", "chest X-ray"]


@pytest.mark.parametrize("how", [{}, HTMX])
def test_a_refused_result_loses_nothing_that_was_typed(visitor: Client, clinician: User, how: dict[str, str]) -> None:
    room = recommended(clinician, "Potassium")
    typed = {"row-code": "potassium", "row-name": "Potassium", "row-value": "45", "row-unit": "mmol/L"}
    typed |= {"row-low": "3.4", "row-high": "5.1", "examination": "Potassium", "text": "Haemolysed?"}
    answer = post(visitor, "consultation_result", room, typed, **how)
    shown = answer.content.decode()
    assert answer.status_code == (200 if how else 422)
    assert "Potassium 45 mmol/L is outside what is physically possible; check the value or the unit." in shown
    for text in ("45", "mmol/L", "3.4", "5.1", "Haemolysed?"):
        assert f'value="{text}"' in shown or f">{text}<" in shown, text
    assert room.turns.count() == 1
    post(visitor, "consultation_result", room, {**typed, "row-value": "4.5"})
    (value,) = room.findings.get().values
    assert (value["value"], value["low"], value["high"], value["flag"]) == (4.5, 3.4, 5.1, "")


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("consultation_decline", {"reason_code": "", "reason": "Too late."}, "Too late."),
        ("consultation_pause", {"until": "2020-01-01", "note": "Culture grows."}, "Culture grows."),
        ("consultation_close", {"diagnosis": " ", "note": "Sent home."}, "Sent home."),
        ("consultation_differential", {"diagnosis": "Asthma", "percent": "140", "group": "other"}, "Asthma"),
        ("consultation_differential", {"diagnosis": "Asthma", "percent": "many", "group": "other"}, "many"),
        ("consultation_order", {"examination": ",".join(f"Exam {n}" for n in range(12))}, "Exam 11"),
    ],
)
def test_a_refused_form_comes_back_open_and_filled(
    visitor: Client, clinician: User, name: str, typed: dict[str, str], kept: str
) -> None:
    answer = post(visitor, name, recommended(clinician), typed)
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert kept in shown
    assert 'class="notice error"' in shown


def test_undo_without_javascript(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    post(visitor, "consultation_order", room, {"examination": "CRP"})
    room.turns.filter(status="streaming").update(status="complete", action={"action": "ask", "target": "Pain?"})
    Consultation.objects.update(status="waiting")
    assert "The result of turns 2 to 3" in page(visitor, room)
    shown = post(visitor, "consultation_undo", room, {"step": "2"}, follow=True).content.decode()
    assert shown.count("Undone by Clara Ward at") == 2
    assert "No findings" in shown or "Nothing yet" in shown or "CRP 96" not in shown.split('id="findings"')[1][:2000]
    assert "The agent suggests: CRP" in shown


def test_what_was_offered_for_undo_is_what_is_undone(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    make_turn(room, text="First")
    make_turn(room, text="Second")
    shown = post(visitor, "consultation_undo", room, {"step": "2"}, follow=True).content.decode()
    assert "moved on in another window" in shown
    assert not room.turns.exclude(retracted_at=None).exists()


def test_paused_only_what_a_pause_allows(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    post(visitor, "consultation_pause", room, {"until": "2090-12-03", "note": "Biopsy."})
    shown = page(visitor, room)
    assert "until 3 Dec 2090" in shown
    assert "Biopsy." in shown
    assert "Not needed…" not in shown
    assert "Paused until 3 Dec" in visitor.get("/consultations/?state=paused").content.decode()
    post(visitor, "consultation_resume", room, {})
    assert "Not needed…" in page(visitor, room)
    assert "No consultation matches" in visitor.get("/consultations/?state=paused").content.decode()


def test_the_review_sheet_asks_for_each_open_hypothesis(visitor: Client, clinician: User) -> None:
    room = recommended(clinician, "Pneumonia", "diagnose")
    entry = LedgerEntry.objects.create(consultation=room, key="pe", name="Pulmonary embolism", origin="knowledge")
    shown = page(visitor, room)
    assert "Pulmonary embolism stays open because" in shown
    assert '<details name="move" id="close" open>' in shown
    refused = post(visitor, "consultation_close", room, {"diagnosis": "Pneumonia"})
    assert refused.status_code == 422
    assert "Pulmonary embolism" in refused.content.decode()
    why = {"diagnosis": "Pneumonia", f"reason-{entry.pk}": "No risk factor, Wells 0."}
    shown = post(visitor, "consultation_close", room, why, follow=True).content.decode()
    assert "Record the outcome" in shown
    entry.refresh_from_db()
    assert (entry.status, entry.reason) == ("accepted", "No risk factor, Wells 0.")


def closed(clinician: User) -> Consultation:
    room = make_consultation(clinician=clinician)
    Consultation.objects.filter(pk=room.pk).update(status="closed", closed_at=timezone.now(), diagnosis="Bronchitis")
    return room


def test_the_outcome_on_a_closed_consultation(visitor: Client, clinician: User) -> None:
    room = closed(clinician)
    waiting = visitor.get("/consultations/?state=outcome").content.decode()
    assert "Needs outcome</span>" in waiting
    assert room.case.title in waiting
    for diagnosis in ("Asthma", "Pulmonary embolism"):
        post(visitor, "consultation_outcome", room, {"diagnosis": diagnosis, "certainty": "confirmed"})
    shown = page(visitor, room)
    assert "the latest of 2" in shown
    assert Outcome.objects.count() == 2
    assert room.case.title not in visitor.get("/consultations/?state=outcome").content.decode()
    assert "turned out to be Pulmonary embolism" in visitor.get("/consultations/").content.decode()


def test_handed_over_on_a_page_of_its_own(visitor: Client, clinician: User) -> None:
    room, colleague, stranger = recommended(clinician), make_user(last_name="Okafor"), make_user(site=make_site())
    address = reverse("consultation_hand_over", args=[room.pk])
    shown = visitor.get(address).content.decode()
    assert colleague.display_name in shown
    assert stranger.display_name not in shown
    refused = visitor.post(address, {"to": str(stranger.pk), "note": "CRP pending."})
    assert refused.status_code == 422
    assert "CRP pending." in refused.content.decode()
    shown = visitor.post(address, {"to": str(colleague.pk), "note": "CRP pending."}, follow=True).content.decode()
    assert "You handed it over" in shown
    assert "handed over" in visitor.get("/consultations/").content.decode()
    received = page(client_of(colleague), room)
    assert "Clara Ward handed this over" in received
    assert "CRP pending." in received
    assert Handover.objects.count() == 1


def test_feedback_is_shown_and_withdrawn_by_its_giver(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    post(visitor, "consultation_decline", room, {"reason_code": "too_slow", "reason": "Night."})
    row = Feedback.objects.get()
    admin = client_of(make_user("admin"))
    shown = admin.get(reverse("consultation_feedback", args=[room.pk])).content.decode()
    assert "Rejected a recommendation" in shown
    assert "Withdraw<" not in shown
    admin.post(reverse("feedback_withdraw", args=[row.pk]))
    row.refresh_from_db()
    assert row.status == "proposed"
    visitor.post(reverse("feedback_consent", args=[row.pk]), {"consent": "0"})
    visitor.post(reverse("feedback_withdraw", args=[row.pk]))
    row.refresh_from_db()
    assert (row.status, row.consent) == ("withdrawn", False)


def test_a_comment_on_one_turn(visitor: Client, clinician: User) -> None:
    room = closed(clinician)
    make_turn(room, "agent", action={"action": "ask", "target": "?"})
    post(visitor, "consultation_comment", room, {"comment": "Well asked.", "turn": "1"})
    assert Feedback.objects.get().turn.number == 1


NAMES = [
    *("order", "answer", "ask", "call", "result", "say", "decline", "differential", "comment"),
    *("undo", "pause", "resume", "close", "outcome", "stop", "retry"),
]


@pytest.mark.parametrize("name", NAMES)
def test_nobody_else_s_consultation_is_there(clinician: User, name: str) -> None:
    room = recommended(clinician)
    for other in (make_user(), make_user("admin", site=make_site())):
        assert post(client_of(other), f"consultation_{name}", room, {}).status_code == 404
    assert room.turns.count() == 1


def test_rows_of_another_examination(visitor: Client, clinician: User) -> None:
    room = recommended(clinician)
    address = reverse("consultation_result_rows", args=[room.pk])
    shown = visitor.get(address, {"examination": "Blood pressure"}).content.decode()
    assert shown.count("row-value") == 2
    assert 'value="mmHg"' in shown
    without = visitor.get(reverse("consultation", args=[room.pk]), {"examination": "Blood pressure"}).content.decode()
    assert "Systolic blood pressure, value" in without


def test_hostile_words_in_every_form_are_only_words(visitor: Client, clinician: User) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    room = recommended(clinician, hostile)
    typed = {"examination": hostile, "row-value": "x", "row-name": hostile, "row-unit": hostile, "text": hostile}
    shown = post(visitor, "consultation_result", room, typed).content.decode()
    assert "<img" not in shown
    assert "&lt;img" in shown
