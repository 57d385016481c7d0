"""What the factories promise to the other tests."""

import pytest

from clinic.models import CaseKind, ModelVersion
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db


def test_everything_lands_at_one_site_by_default():
    consultation = make.make_consultation()
    assert consultation.site == consultation.case.site == consultation.clinician.site


def test_consultations_share_the_serving_agent():
    first, second = make.make_consultation(), make.make_consultation()
    assert first.endpoint == second.endpoint
    assert ModelVersion.objects.count() == 1


def test_a_patient_case_has_its_patient():
    case = make.make_case(CaseKind.PATIENT)
    assert case.patient.site == case.site


def test_turns_are_numbered():
    consultation = make.make_consultation()
    assert [make.make_turn(consultation).number for _ in range(3)] == [1, 2, 3]


def test_results_hang_on_their_case():
    consultation = make.make_consultation()
    simulated = make.make_simulated_result(make.make_turn(consultation, "environment"))
    finding = make.make_finding(consultation.case)
    assert simulated.case == finding.case == consultation.case
