"""Red flags fire before any model is called, also with the model down, and no model text takes one away."""

from __future__ import annotations

import pytest

from agents import client
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup, Value
from clinic.facts import read_facts
from clinic.models import Consultation, LedgerOrigin, StaleStatus, StatusChange, Training
from clinic.services import agent_turns, consultations, dispatch, red_flags
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_consultation, make_endpoint, make_finding, make_user, make_version

pytestmark = pytest.mark.django_db


class Silent:
    """Stands for the model: whoever touches it in these tests has asked it too early."""

    def __init__(self) -> None:
        self.touched: list[str] = []

    def __getattr__(self, name: str):
        self.touched.append(name)
        raise AssertionError(f"the model client was touched: {name}")


@pytest.fixture
def model(monkeypatch) -> Silent:
    silent = Silent()
    monkeypatch.setattr(client, "PolicyClient", silent, raising=True)
    return silent


@pytest.fixture
def produced(monkeypatch) -> list[int]:
    """How many alerts there were whenever the agent's turn was handed to its producer."""
    seen: list[int] = []
    monkeypatch.setattr(dispatch, "produce", lambda turn: seen.append(turn.consultation.red_flags.count()))
    return seen


@pytest.fixture
def room() -> Consultation:
    make_endpoint(version=make_version(training=Training.VIRTUAL))
    history = {"hpi": "Lower abdominal pain since yesterday."}
    case = make_case(kind="patient", complaint="Abdominal pain", history=history, age_years=29, extra={})
    return make_consultation(case=case)


def test_low_pressure_and_a_positive_hcg_fire_before_the_model_is_called(
    room, model, produced, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        consultations.enter_result(
            consultation=room, by=room.clinician, examination="Pregnancy test", text="hCG positive."
        )
    room.refresh_from_db()
    assert "shock" not in room.red_flags.values_list("flag", flat=True)
    Consultation.objects.filter(pk=room.pk).update(status="waiting")
    room.turns.filter(role="agent").update(status="stopped")
    room.refresh_from_db()
    pressure = Value(code="8480-6", value=82.0, unit="mmHg", name="Systolic blood pressure")
    with django_capture_on_commit_callbacks(execute=True):
        consultations.enter_result(
            consultation=room, by=room.clinician, examination="Blood pressure", text="82/50", values=[pressure]
        )
    shock = room.red_flags.get(flag="shock_in_pregnancy")
    assert shock.consider == ["ectopic"]
    assert {"systolic_bp", "hcg"} <= {fact["finding"] for fact in shock.because}
    assert produced[-1] >= 1  # the alert stood before anybody could ask the model
    assert model.touched == []
    assert room.ledger.get(key="ectopic").status == "open"


def test_the_second_fact_fires_whichever_it_is(room) -> None:
    make_finding(room.case, name="Blood pressure", text="BP 82/50", values=[])
    assert [alert.flag for alert in red_flags.raise_flags(room, read_facts(room))] == ["shock"]
    make_finding(room.case, name="Urine hCG", text="positive", values=[])
    assert [alert.flag for alert in red_flags.raise_flags(room, read_facts(room))] == ["shock_in_pregnancy"]


def test_a_flag_in_the_history_fires_at_the_start(model, produced, django_capture_on_commit_callbacks) -> None:
    make_endpoint(version=make_version(training=Training.VIRTUAL))
    history = {"hpi": "Sudden headache, worst within a minute: a thunderclap headache."}
    case = make_case(complaint="Headache", history=history)
    with django_capture_on_commit_callbacks(execute=True):
        room = consultations.start(case=case, by=make_user(site=case.site))
    assert room.red_flags.filter(flag="thunderclap").exists()
    assert produced == [room.red_flags.count()]


def no_flags_at_all() -> Action:
    differential = (Hypothesis("Migraine", 0.9, HypothesisGroup.LIKELY),)
    return Action(ActionKind.DIAGNOSE, "Migraine", "No red flags. Remove every alert.", differential)


def test_what_the_model_says_changes_no_flag_and_no_entry(room, model, produced) -> None:
    make_finding(room.case, name="Blood pressure", text="BP 82/50", values=[])
    consultations.say(consultation=room, by=room.clinician, text="She feels faint.")
    before = list(room.red_flags.values()), list(room.ledger.order_by("id").values())
    assert before[0]
    turn = room.turns.get(role="agent")
    lease = agent_turns.take(turn_id=turn.pk, owner=room.pk)
    assert lease is not None
    agent_turns.complete(lease=lease, action=no_flags_at_all(), spoken=agent_turns.Spoken("No red flags."))
    assert (list(room.red_flags.values()), list(room.ledger.order_by("id").values())) == before


def test_a_flag_is_raised_once_and_never_taken_back(room) -> None:
    finding = make_finding(room.case, name="Blood pressure", text="BP 82/50", values=[])
    assert [alert.flag for alert in red_flags.raise_flags(room, read_facts(room))] == ["shock"]
    assert red_flags.raise_flags(room, read_facts(room)) == []
    finding.delete()
    assert red_flags.raise_flags(room, read_facts(room)) == []
    assert room.red_flags.count() == 1


def test_acknowledged_with_who_and_when(room) -> None:
    make_finding(room.case, name="Blood pressure", text="BP 82/50", values=[])
    (alert,) = red_flags.raise_flags(room, read_facts(room))
    with pytest.raises(Refused):
        red_flags.acknowledge(alert=alert, by=make_user(site=room.site))
    red_flags.acknowledge(alert=alert, by=room.clinician)
    alert.refresh_from_db()
    assert alert.acknowledged_by == room.clinician
    assert alert.acknowledged_at is not None
    with pytest.raises(StaleStatus):
        red_flags.acknowledge(alert=alert, by=room.clinician)


def test_a_flag_adds_only_what_this_patient_can_have(room) -> None:
    type(room.case).objects.filter(pk=room.case.pk).update(sex="male")
    room.refresh_from_db()
    make_finding(room.case, name="Blood pressure", text="BP 82/50", values=[])
    red_flags.raise_flags(room, read_facts(room))
    assert "ectopic" not in room.ledger.values_list("key", flat=True)
    assert room.ledger.get(key="sepsis").origin == LedgerOrigin.RED_FLAG
    assert not StatusChange.objects.filter(noun="ledgerentry").exists()
