"""The room shows what may be seen, escapes what the model said, and turns refusals into sentences."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.differential import differential_of
from clinic.models import CaseKind, Consultation, Patient, Role, Training, Turn, User
from clinic.rendering import beside, turn_html
from tests.clinic.factories import (
    CRP,
    make_case,
    make_consultation,
    make_endpoint,
    make_simulated_result,
    make_site,
    make_turn,
    make_user,
    make_version,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)' hx-get='/x'>x</a>"


@pytest.fixture
def clinician(db) -> User:
    return make_user()


@pytest.fixture
def visitor(clinician: User) -> Client:
    client = Client()
    client.force_login(clinician, backend="clinic.accounts.ClinicBackend")
    return client


def hypothesis(diagnosis: str, probability: float | None, group: str = "likely") -> dict:
    return {"diagnosis": diagnosis, "probability": probability, "group": group, "for": [], "against": []}


def agent_turn(consultation: Consultation, *differential: dict, kind: str = "ask", target: str = "Why?", **fields):
    action = {"action": kind, "target": target, "reason": "Because.", "differential": list(differential)}
    return make_turn(consultation, "agent", action=action, **fields)


def test_the_answer_stays_hidden_until_the_consultation_is_closed(visitor, clinician) -> None:
    case = make_case(answer="Sarcoidosis", sheet=[{"examination": "Biopsy", "text": "Granulomas.", "values": []}])
    room = make_consultation(case=case, clinician=clinician, status="diagnosed")
    agent_turn(room, kind="diagnose", target="Asthma")
    pages = [reverse("consultation", args=[room.pk]), reverse("consultation_panel", args=[room.pk])]
    pages += [
        reverse("case_detail", args=[case.pk]),
        reverse("case_list"),
        reverse("consultation_new") + f"?case={case.pk}",
    ]
    for page in pages:
        shown = visitor.get(page).content
        assert b"Sarcoidosis" not in shown
        assert b"Granulomas" not in shown
    Consultation.objects.filter(pk=room.pk).update(status="closed", closed_at=timezone.now())
    assert b"Sarcoidosis" in visitor.get(pages[0]).content
    assert b"Sarcoidosis" in visitor.get(pages[2]).content


@pytest.mark.parametrize("role", ["agent", "environment", "patient", "clinician"])
def test_hostile_text_is_only_text(clinician, role) -> None:
    room = make_consultation(clinician=clinician)
    action = {"action": "examine", "target": HOSTILE, "reason": HOSTILE, "differential": [hypothesis(HOSTILE, 0.5)]}
    turn = make_turn(room, role, text=HOSTILE, request=HOSTILE[:300], matched=HOSTILE[:200], source="recorded")
    turn.action = action if role == "agent" else None
    html = turn_html(turn)
    assert "&lt;script&gt;alert(1)" in html
    assert not any(tag in html for tag in ("<script", "<img", "<a "))


def test_sanitising_holds_where_a_template_forgets_to_escape(clinician, monkeypatch) -> None:
    monkeypatch.setattr("clinic.rendering.render_to_string", lambda *_: f"<article id='turn-1'>{HOSTILE}</article>")
    assert turn_html(make_turn(make_consultation(clinician=clinician))) == '<article id="turn-1">x</article>'


def test_a_simulated_result_says_so(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    turn = make_turn(room, "environment", source="simulated", matched="CRP", text="CRP 96")
    make_simulated_result(turn, name="CRP", values=[CRP])
    page = visitor.get(reverse("consultation", args=[room.pk])).content.decode()
    assert 'class="finding simulated"' in page
    assert page.count('<span class="badge simulated">Simulated</span>') == 2
    assert "VIRTUAL" in page


def test_what_is_missing_is_never_called_normal(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    make_turn(room, "environment", source="unavailable", request="MRI of the brain", text="Not in this record.")
    page = visitor.get(reverse("consultation", args=[room.pk])).content.decode()
    assert "Asked for, not in this record" in page
    assert page.count("MRI of the brain") == 2


def test_the_differential_shows_what_changed(clinician) -> None:
    room = make_consultation(clinician=clinician)
    agent_turn(room, hypothesis("Pneumonia", 0.5), hypothesis("PE", 0.3, "cant_miss"))
    agent_turn(room, hypothesis("pneumonia ", 0.6), hypothesis("Sepsis", 0.1, "cant_miss"))
    found = differential_of(list(room.turns.all()))
    (likely, cant_miss) = found.groups
    assert (likely[0], likely[2][0].points) == ("likely", "10")
    assert cant_miss[2][0].is_new
    assert found.rest == pytest.approx(0.3)


def test_a_dialect_without_probabilities(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    agent_turn(room, hypothesis("Pneumonia", None))
    page = visitor.get(reverse("consultation", args=[room.pk])).content.decode()
    assert "Something else" not in page
    assert '<svg class="bar"' not in page


def test_a_refusal_becomes_a_sentence(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    page = visitor.post(reverse("consultation_order", args=[room.pk]), follow=True)
    assert "has not recommended an examination" in page.content.decode()
    part = visitor.post(reverse("consultation_say", args=[room.pk]), headers={"HX-Request": "true"}).content.decode()
    assert "Nothing was entered" in part
    assert 'id="next"' in part


def test_a_value_needs_no_report(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    row = {"row-code": "lactate", "row-value": "4.1", "row-unit": "mmol/L", "row-low": "0.5", "row-high": "2.2"}
    facts = {"examination": "Lactate", **row, "text": ""}
    visitor.post(reverse("consultation_result", args=[room.pk]), facts)
    finding = room.findings.get()
    assert finding.text == "Lactate: 4.1 mmol/L (0.5-2.2) high"
    assert (finding.values[0]["value"], finding.values[0]["flag"]) == (4.1, "H")
    Consultation.objects.update(status="waiting")
    empty = visitor.post(reverse("consultation_result", args=[room.pk]), {"examination": "CT"}, follow=True)
    assert "Enter a value or what the report says." in empty.content.decode()


def test_not_needed_tells_the_agent_why(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    agent_turn(room, kind="examine", target="CT head")
    why = {"reason_code": "contraindicated", "reason": "She is pregnant."}
    visitor.post(reverse("consultation_decline", args=[room.pk]), why)
    assert room.turns.get(role="clinician").text == "Not needed: CT head. Contraindicated. She is pregnant."


def test_others_read_and_do_not_steer(clinician) -> None:
    room = make_consultation(clinician=clinician)
    other = make_user(Role.ADMIN, site=clinician.site)
    client = Client()
    client.force_login(other, backend="clinic.accounts.ClinicBackend")
    page = client.get(reverse("consultation", args=[room.pk])).content.decode()
    assert "You are reading it" in page
    client.post(reverse("consultation_say", args=[room.pk]), {"text": "Hello"})
    assert not room.turns.exists()


def case_fields(**changes: str) -> dict[str, str]:
    return {
        "kind": "patient",
        "identifier": "MRN-7",
        "sex": "male",
        "complaint": "Headache",
        "age_years": "40",
        **changes,
    }


@pytest.mark.parametrize("training", [Training.UNTRAINED, Training.VIRTUAL])
def test_real_patients_wait_for_a_trained_version(training, db) -> None:
    user = make_user(site=make_site(accepts_patient_cases=True))
    make_endpoint(version=make_version(training=training))
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    page = client.post(reverse("case_new"), case_fields())
    if training == Training.UNTRAINED:
        assert page.status_code == 422
        assert "untrained model serves" in page.content.decode()
        assert not Patient.objects.exists()
    else:
        assert page.status_code == 302
        assert user.site.cases.get().kind == CaseKind.PATIENT
        assert Patient.objects.get().identifier == "MRN-7"


@pytest.mark.parametrize(("training", "words"), [("untrained", "Untrained base model"), ("virtual", "not validated")])
def test_the_banner_says_what_serves(visitor, training, words) -> None:
    make_endpoint(version=make_version(training=training))
    page = visitor.get("/cases/").content.decode()
    assert words in page.split('class="banner"')[1].split("</aside>")[0]


def test_the_banner_says_that_nothing_serves(visitor) -> None:
    assert "No diagnostic agent serves" in visitor.get("/cases/").content.decode()


def test_no_page_carries_inline_script_or_style(visitor, clinician) -> None:
    room = make_consultation(clinician=clinician)
    agent_turn(room, hypothesis("Pneumonia", 0.5))
    answer = visitor.get(reverse("consultation", args=[room.pk]))
    page = answer.content.decode()
    assert " style=" not in page
    assert all("src=" in tag.split(">")[0] for tag in page.split("<script")[1:])
    assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_a_table_of_values_is_not_said_twice() -> None:
    values = [{"name": "Sodium", "value": 131.0, "unit": "mmol/L"}]
    turn = Turn(
        role="environment", matched="Electrolytes", text="Electrolytes:\nSodium: 131 mmol/L (135-145)\nHaemolysed."
    )
    assert beside(turn, values) == "Haemolysed."
    assert beside(turn, []) == turn.text
