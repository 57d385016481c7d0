"""The intake's pages: saved as typed, refused with a sentence, and usable without JavaScript."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from clinic.models import Case, IntakeDraft
from tests.clinic.factories import make_user
from tests.clinic.services.test_intake import BUNDLE, NOTE

HTMX = {"headers": {"HX-Request": "true"}}


@pytest.fixture
def by(db):
    return make_user()


@pytest.fixture
def visitor(client, by):
    client.force_login(by, backend="clinic.accounts.ClinicBackend")
    return client


def draft_of(visitor, **fields) -> IntakeDraft:
    visitor.post(reverse("intake_save"), fields, **HTMX)
    return IntakeDraft.objects.get()


def test_the_first_key_makes_a_draft_with_its_own_address(visitor):
    answer = visitor.post(reverse("intake_save"), {"complaint": "Che"}, **HTMX)
    draft = IntakeDraft.objects.get()
    assert answer["HX-Replace-Url"] == reverse("intake_draft", args=[draft.pk])
    visitor.post(reverse("intake_save"), {"complaint": "Chest pain", "draft": str(draft.pk)}, **HTMX)
    assert IntakeDraft.objects.get().fields["complaint"] == "Chest pain"
    assert "Chest pain" in visitor.get(reverse("intake_draft", args=[draft.pk])).content.decode()


def test_somebody_else_s_draft_is_not_found(visitor, client):
    draft = draft_of(visitor, complaint="Cough")
    client.force_login(make_user(site=draft.site), backend="clinic.accounts.ClinicBackend")
    assert client.get(reverse("intake_draft", args=[draft.pk])).status_code == 404
    assert client.post(reverse("intake_save"), {"draft": str(draft.pk)}, **HTMX).status_code == 404


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_note_is_shown_with_its_quotes(visitor, headers):
    answer = visitor.post(reverse("intake_read"), {"complaint": "Chest pain", "note": NOTE}, **headers, follow=True)
    page = answer.content.decode()
    assert "5 proposed, waiting for you" in page
    assert "no fever" not in page.split('id="findings"')[1].split("<textarea")[0]
    assert "HR 112" in page


def test_a_case_is_refused_while_a_proposal_waits_and_nothing_is_lost(visitor):
    draft = draft_of(visitor, complaint="Chest pain")
    visitor.post(reverse("intake_read"), {"draft": str(draft.pk), "note": NOTE}, **HTMX)
    fields = {
        "kind": "virtual",
        "sex": "female",
        "complaint": "Worse now",
        "draft": str(draft.pk),
        "temperature_unit": "Cel",
    }
    page = visitor.post(reverse("intake_draft", args=[draft.pk]), fields)
    assert page.status_code == 422
    assert "still wait for you" in page.content.decode()
    assert IntakeDraft.objects.get().fields["complaint"] == "Worse now"
    shown = [entry["id"] for entry in IntakeDraft.objects.get().proposals]
    visitor.post(reverse("intake_decide"), {"draft": str(draft.pk), "all": "1", "shown": shown}, **HTMX)
    assert visitor.post(reverse("intake_draft", args=[draft.pk]), fields).status_code == 302
    assert Case.objects.get().findings.count() == 5


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("temperature", "101", "101 is outside what is possible"),
        ("spo2", "105", "105 is outside what is possible"),
        ("diastolic_bp", "150", "not below the systolic"),
    ],
)
def test_an_impossible_vital_sign_is_refused_and_kept(visitor, field, typed, says):
    fields = {
        "kind": "virtual",
        "sex": "female",
        "complaint": "Fever",
        "temperature_unit": "Cel",
        "systolic_bp": "120",
        field: typed,
    }
    page = visitor.post(reverse("case_new"), fields)
    assert page.status_code == 422
    assert says in page.content.decode()
    assert IntakeDraft.objects.get().fields[field] == typed
    assert not Case.objects.exists()


def test_a_patient_s_number_makes_no_invented_case(visitor):
    fields = {"kind": "virtual", "sex": "male", "complaint": "Fever", "identifier": "MRN-1"}
    page = visitor.post(reverse("case_new"), fields)
    assert page.status_code == 422
    assert "belongs to a real patient" in page.content.decode()
    assert not Case.objects.exists()


def test_fahrenheit_is_read_as_such(visitor):
    fields = {"kind": "virtual", "sex": "male", "complaint": "Fever", "temperature": "101.3", "temperature_unit": "F"}
    assert visitor.post(reverse("case_new"), fields).status_code == 302
    (fever,) = Case.objects.get().findings.get().values
    assert (fever["value"], fever["flag"]) == (38.5, "HH")


def test_the_typeahead_offers_three_states(visitor):
    page = visitor.get(reverse("intake_matches"), {"finding": "leg swel"}).content.decode()
    assert "leg_swelling_unilateral:present" in page
    assert "leg_swelling_unilateral:unknown" in page


def test_a_bundle_becomes_a_draft(visitor):
    upload = SimpleUploadedFile("p.json", json.dumps(BUNDLE).encode(), "application/json")
    answer = visitor.post(reverse("intake_import"), {"bundle": upload}, follow=True)
    page = answer.content.decode()
    assert "its results wait below" in page
    assert "Penicillin" in page
    assert "Potassium" in page


def test_hostile_words_stay_words(visitor):
    page = visitor.post(
        reverse("intake_read"), {"note": "<img src=x onerror=alert(1)> chest pain <script>"}, follow=True
    )
    assert "<img src=x" not in page.content.decode()


@pytest.mark.parametrize("number", [0, 40])
def test_few_queries_whatever_the_draft_holds(visitor, django_assert_max_num_queries, number):
    draft = draft_of(visitor, complaint="Cough")
    draft.proposals = [
        {"id": str(n), "kind": "finding", "code": "cough", "name": "Cough", "origin": "note", "quote": "cough",
         "decision": "pending", "state": "present"} for n in range(number)
    ]  # fmt: skip
    draft.save()
    with django_assert_max_num_queries(6):
        visitor.get(reverse("intake_draft", args=[draft.pk]))
