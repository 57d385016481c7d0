"""Virtual patients as cases, and the kept checks of the knowledge."""

from typing import Any

import pytest

from agents.knowledge.check import Gate
from agents.world.virtual import bank, open_case
from clinic.models import AuditEntry, Case, KnowledgeCheck, Role
from clinic.services import virtual_clinic
from clinic.services.errors import Refused
from tests.clinic.factories import make_site, make_user

pytestmark = pytest.mark.django_db


def test_the_bank_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    wanted = [key for key in bank() if key.split(":")[2].startswith("000")]
    monkeypatch.setattr(virtual_clinic, "bank", lambda: wanted)
    assert virtual_clinic.open_bank(site=site, by=None) == len(wanted)
    assert virtual_clinic.open_bank(site=site, by=None) == 0
    case = site.cases.get(key=wanted[0])
    assert case.kind == "virtual"
    assert case.sheet == []
    assert case.answer == open_case(case.key).patient.condition.name
    assert case.answer not in f"{case.title} {case.complaint} {case.history}"


def test_an_unused_case_of_older_knowledge_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    old = Case.objects.create(
        site=site, kind="virtual", origin="virtual", key="virtual:test:0000@0ld", title="t", complaint="c"
    )
    monkeypatch.setattr(virtual_clinic, "bank", lambda: bank()[:1])
    virtual_clinic.open_bank(site=site, by=None)
    assert not Case.objects.filter(pk=old.pk).exists()


def test_sealed_cases_are_visible_to_nobody() -> None:
    site = make_site()
    admin = make_user(site=site, role=Role.ADMIN)
    Case.objects.create(site=site, kind="virtual", key="virtual:sealed:0001@x", title="t", complaint="c")
    assert not Case.objects.visible_to(admin).exists()


def test_a_new_patient_has_the_complaint_and_is_outside_the_bank() -> None:
    clinician = make_user(role=Role.CLINICIAN)
    case = virtual_clinic.new_patient(group="chest_pain", by=clinician)
    assert case.extra["group"] == "chest_pain"
    assert case.key not in bank()
    assert open_case(case.key).complaint == case.complaint
    assert AuditEntry.objects.filter(action="case.created", target=str(case.pk)).exists()


@pytest.mark.parametrize(("role", "group"), [(Role.ANNOTATOR, "chest_pain"), (Role.CLINICIAN, "no_such")])
def test_who_may_not_or_what_is_unknown_is_refused(role: str, group: str) -> None:
    with pytest.raises(Refused):
        virtual_clinic.new_patient(group=group, by=make_user(role=role))
    assert not Case.objects.exists()


class Counting:
    """Stands for the checks, which take minutes."""

    runs = 0

    def __init__(self) -> None:
        self.known = virtual_clinic.model().known

    def gates(self) -> list[Gate]:
        Counting.runs += 1
        return [Gate("a", 0.5, 0, 1), Gate("b", 2, 0, 1)]

    def reliability(self) -> list[dict[str, float]]:
        return [{"probability": 0.5, "right": 0.4, "n": 10}]


def test_gates_are_kept_by_version_of_the_knowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    Counting.runs = 0
    monkeypatch.setattr(virtual_clinic, "Check", Counting)
    assert virtual_clinic.last_check() is None
    told: list[str] = []
    row = virtual_clinic.check_knowledge(tell=lambda gate: told.append(gate.name))
    assert told == ["a", "b"]
    assert not row.holds
    assert row.gates["b"] == {"value": 2, "bounds": [0, 1], "holds": False, "detail": ""}
    assert virtual_clinic.check_knowledge() == row == virtual_clinic.last_check()
    assert Counting.runs == 1
    virtual_clinic.check_knowledge(again=True)
    assert Counting.runs == 2
    assert KnowledgeCheck.objects.count() == 1


def test_a_check_is_asked_for_once_and_left_to_the_worker(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(virtual_clinic.current_app, "send_task", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        virtual_clinic.ask_for_check(by=make_user(role=Role.CLINICIAN))
    assert sent == ["clinic.tasks.check_knowledge"]
    assert virtual_clinic.check_is_running()
    assert virtual_clinic.last_check() is None
    with pytest.raises(Refused):
        virtual_clinic.ask_for_check(by=make_user(role=Role.RESEARCHER))
