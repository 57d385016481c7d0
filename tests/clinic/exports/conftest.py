"""A closed consultation with everything that an export shows."""

import pytest
from django.utils import timezone

from clinic.models import (
    CaseKind,
    Consultation,
    ConsultationStatus,
    Finding,
    LedgerEntry,
    LedgerOrigin,
    LedgerStatus,
    RedFlagAlert,
)
from clinic.summary import summary_of
from tests.clinic import factories as make

HOSTILE = '#panic("x") *bold* <script>alert(1)</script> $x$ @ref \\u{1F600} "quoted" β ≥ 中'
D_DIMER = {"code": "d_dimer", "name": "D-dimer", "value": 0.9, "unit": "ug/mL", "flag": "H", "low": 0.0, "high": 0.5}
DIFFERENTIAL = [
    {
        "diagnosis": "Pulmonary embolism",
        "probability": 0.6,
        "group": "likely",
        "for": ["pleuritic pain"],
        "against": [],
    },
    {"diagnosis": "Acute coronary syndrome", "probability": 0.1, "group": "cant_miss", "for": [], "against": ["age"]},
]


def closed_consultation(case) -> Consultation:
    held = make.make_consultation(case=case)
    answer = {
        "action": "examine",
        "target": "D-dimer",
        "reason": "Low pre-test probability",
        "differential": DIFFERENTIAL,
    }
    make.make_turn(held, number=1, role="agent", status="complete", action=answer, text=answer["reason"])
    result = make.make_turn(
        held, number=2, role="environment", source="entered", request="D-dimer", text="D-dimer 0.9 ug/mL"
    )
    Finding.objects.create(
        case=case, consultation=held, turn=result, source="entered", name="D-dimer", text="D-dimer 0.9 ug/mL",
        by=held.clinician, values=[D_DIMER],
    )  # fmt: skip
    report = make.make_turn(
        held, number=3, role="environment", source="entered", request="Chest X-ray", text="Clear lungs."
    )
    Finding.objects.create(
        case=case,
        consultation=held,
        turn=report,
        source="entered",
        name="Chest X-ray",
        text=f"Clear lungs. {HOSTILE}",
        by=held.clinician,
    )
    for code, name, state in (
        ("fever", "Fever", "absent"),
        ("syncope", "Fainting", "unknown"),
        ("chest_pain", "Chest pain", "present"),
    ):
        Finding.objects.create(
            case=case, source="entered", name=name, code=code, state=state, text=state, by=held.clinician
        )
    LedgerEntry.objects.create(
        consultation=held, key="acs", name="Acute coronary syndrome", origin=LedgerOrigin.KNOWLEDGE,
        status=LedgerStatus.EXCLUDED, evidence=[{"name": "Troponin", "text": "Troponin 0.01 ng/mL"}],
        decided_by=held.clinician, decided_at=timezone.now(),
    )  # fmt: skip
    LedgerEntry.objects.create(consultation=held, key="x", name="Aortic dissection", origin=LedgerOrigin.AGENT)
    RedFlagAlert.objects.create(consultation=held, flag="hypoxia", says="Oxygen saturation below 92 %")
    Consultation.objects.filter(pk=held.pk).update(
        status=ConsultationStatus.CLOSED,
        diagnosis="Pulmonary embolism",
        closing_note="Anticoagulated.",
        closed_at=timezone.now(),
    )
    return Consultation.objects.select_related("case__patient", "clinician", "model_version").get(pk=held.pk)


@pytest.fixture
def patient_case(db):
    return make.make_case(
        kind=CaseKind.PATIENT, title="Chest pain", age_years=44.0, sex="female", complaint="Chest pain & fear",
        history={"hpi": f"Since noon.\nWorse. {HOSTILE}", "past": "Asthma\nMigraine", "drugs": "Salbutamol",
                 "allergies": "Penicillin", "family": "Father: clot", "social": "Nurse", "review": "No fever"},
    )  # fmt: skip


@pytest.fixture
def summary(patient_case):
    return summary_of(closed_consultation(patient_case), at=timezone.now())
