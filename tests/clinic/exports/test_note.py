"""The note and the PDF say what happened, who decided, and that nothing simulated is in them."""

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.models import AuditEntry, CaseKind
from clinic.note import note_of
from clinic.pdf import pdf_of
from clinic.summary import summary_of
from tests.clinic import factories as make
from tests.clinic.exports.conftest import HOSTILE, closed_consultation


def test_a_note_says_what_was_found_decided_and_suggested(summary):
    note = note_of(summary)
    assert note.startswith("44-year-old woman")
    assert "Diagnosis (" in note
    assert "D-dimer 0.9 ug/mL (0–0.5) high" in note
    assert "Can’t miss: Acute coronary syndrome, excluded by Troponin 0.01 ng/mL" in note
    assert "Can’t miss: Aortic dissection, still open" in note
    assert "Pulmonary embolism 60%" in note
    assert "Advice only." in note
    assert "Absent: Fever" in note
    assert "Fainting" not in note.split("Present:")[1].splitlines()[0]


def test_a_note_says_that_the_agent_deferred(summary):
    last = summary.agent_turns[-1]
    last.action = {"action": "defer", "target": "ear care", "differential": []}
    assert "deferred. Likeliest of what it had named" in note_of(summary) or "deferred. Advice only." in note_of(
        summary
    )
    assert "Suggested by Rounds" not in note_of(summary)
    for turn in summary.agent_turns:
        turn.action["differential"] = []
    assert "deferred. Advice only." in note_of(summary)


@pytest.fixture
def practice(db):
    held = closed_consultation(make.make_case(kind=CaseKind.VIRTUAL))
    make.make_simulated_result(held.turns.get(number=2), name="Troponin", text="SIMULATED-TROPONIN")
    return held


def test_a_practice_case_says_so_first_and_leaves_simulated_results_out(practice):
    note = note_of(summary_of(practice, at=timezone.now()))
    assert note.startswith("VIRTUAL CASE, FOR PRACTICE.")
    assert "SIMULATED-TROPONIN" not in note
    assert "1 simulated result left out" in note


def test_any_text_is_typeset_as_text(summary):
    assert HOSTILE in summary.results[1].text
    assert pdf_of(summary).startswith(b"%PDF")


@pytest.mark.parametrize("name", ["consultation_note", "consultation_pdf", "consultation_fhir"])
def test_exports_are_for_those_who_see_the_consultation_and_are_audited(client, practice, name):
    client.force_login(practice.clinician, backend="clinic.accounts.ClinicBackend")
    answer = client.get(reverse(name, args=[practice.pk]))
    assert answer.status_code == 200
    assert b"SIMULATED-TROPONIN" not in answer.content
    assert "no-store" in answer["Cache-Control"]
    assert AuditEntry.objects.filter(action="consultation.exported").count() == 1
    client.force_login(make.make_user(), backend="clinic.accounts.ClinicBackend")
    assert client.get(reverse(name, args=[practice.pk])).status_code == 404
