"""Reliance: who followed whom, and who was right; small numbers stay untold."""

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.models import CaseKind, Consultation, Outcome
from clinic.reliance import kind_of, reliance_of, wilson
from tests.clinic import factories as make


@pytest.mark.parametrize(
    ("agent", "clinician", "truth", "kind"),
    [
        ("PE", "Pulmonary embolism", "pulmonary embolism", "followed_right"),
        ("PE", "Pulmonary embolism", "Pneumonia", "followed_wrong"),
        ("Pneumonia", "PE", "Pulmonary embolism", "overrode_right"),
        ("PE", "GERD", "Pulmonary embolism", "overrode_wrong"),
    ],
)
def test_four_kinds(agent, clinician, truth, kind):
    assert kind_of(agent, clinician, truth) == kind


def test_the_interval_is_wilson_s():
    """Against the worked example of 8 in 10."""
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)


def closed(clinician, *, agent, said, kind=CaseKind.RECORD, answer="Pulmonary embolism") -> Consultation:
    held = make.make_consultation(
        case=make.make_case(kind=kind, site=clinician.site, answer=answer), clinician=clinician
    )
    make.make_turn(held, role="agent", status="complete", action={"action": "diagnose", "target": agent})
    Consultation.objects.filter(pk=held.pk).update(status="closed", diagnosis=said, closed_at=timezone.now())
    return held


@pytest.fixture
def clinician(db):
    return make.make_user()


def test_the_case_s_diagnosis_is_the_truth_unless_it_is_a_patient_s(clinician):
    closed(clinician, agent="PE", said="PE")
    patient = closed(clinician, agent="PE", said="PE", kind=CaseKind.PATIENT, answer="")
    whole, policies = reliance_of(clinician)
    assert whole.counts["followed_right"] == 1
    assert whole.unknown == 1
    Outcome.objects.create(consultation=patient, diagnosis="Pneumonia", by=clinician)
    whole, policies = reliance_of(clinician)
    assert (whole.counts["followed_wrong"], whole.unknown) == (1, 0)
    assert [policy.total for policy in policies] == [2]


def test_a_probable_outcome_is_no_truth(clinician):
    held = closed(clinician, agent="PE", said="PE")
    Outcome.objects.create(consultation=held, diagnosis="Pneumonia", certainty="probable", by=clinician)
    assert reliance_of(clinician)[0].unknown == 1


def test_a_share_needs_five(clinician):
    for _ in range(4):
        closed(clinician, agent="PE", said="PE")
    assert reliance_of(clinician)[0].appropriate is None
    closed(clinician, agent="PE", said="GERD")
    assert reliance_of(clinician)[0].appropriate[0] == pytest.approx(0.8)


def test_a_clinician_sees_only_their_own(client, clinician):
    closed(make.make_user(site=clinician.site), agent="PE", said="PE")
    client.force_login(clinician, backend="clinic.accounts.ClinicBackend")
    assert "No closed consultation" in client.get(reverse("reliance")).content.decode()
