"""A version in shadow answers the same prompt, unseen, and never for a real patient."""

from __future__ import annotations

import pytest

from clinic.models import ModelOutput
from clinic.services import agent_turns
from tests.clinic.factories import make_case, make_consultation, make_turn
from tests.training.serving.factories import admin, make_candidate
from training import serving, tasks
from training.models import ShadowTurn
from training.serving import shadowing

ACTION = {"action": "examine", "target": "D-dimer", "reason": "x", "differential": []}


@pytest.fixture
def shadow(served, fleet):
    version = make_candidate(served.base)
    serving.shadow(version=version, by=admin())
    return version


def spoken(served, **case):
    consultation = make_consultation(case=make_case(**case), endpoint=served.endpoints.get())
    turn = make_turn(consultation, "agent", status="complete", action=ACTION, attempt=1)
    ModelOutput.objects.create(turn=turn, attempt=1, text="{}", complete=True)
    return turn


def test_its_answer_is_kept_beside_the_turn_with_its_own_identity(served, shadow, fleet):
    turn = spoken(served)
    assert shadowing.answer(turn.pk) == "answered"
    row = ShadowTurn.objects.get()
    assert (row.version, row.turn, row.identity["version"]) == (shadow, turn, shadow.version)
    assert row.text == fleet.engine(shadow.version).requests[-1].text
    assert row.same_action is (row.action["action"] == "examine" and row.action["target"] == "D-dimer")
    turn.refresh_from_db()
    assert turn.action == ACTION
    assert shadowing.answer(turn.pk) == shadowing.LEFT_OUT, "asked again it is not answered twice"


def test_the_same_action_is_recognised(served, shadow, fleet):
    fleet.engine(shadow.version).script.append(
        '{"action":"examine","target":"d-dimer","reason":"y","differential":[]}'
    )  # fmt: skip
    shadowing.answer(spoken(served).pk)
    assert ShadowTurn.objects.get().same_action is True


def test_no_real_patient_and_no_credentialed_record_is_shown_to_it(served, shadow, fleet):
    asked = len(fleet.engine(shadow.version).requests)
    for case in ({"kind": "patient"}, {"kind": "record", "credentialed": True}):
        assert shadowing.answer(spoken(served, **case).pk) == shadowing.LEFT_OUT
    assert len(fleet.engine(shadow.version).requests) == asked
    assert not ShadowTurn.objects.exists()


def test_its_failure_is_data(served, shadow, fleet):
    fleet.engine(shadow.version).fail("malformed")
    assert shadowing.answer(spoken(served).pk).startswith("malformed")
    row = ShadowTurn.objects.get()
    assert (row.action, row.same_action) == (None, None)
    assert row.text


def test_another_wire_form_is_not_asked(served, shadow):
    type(shadow).objects.filter(pk=shadow.pk).update(codec="brief")
    assert "does not speak" in shadowing.answer(spoken(served).pk)


def test_a_completed_turn_asks_for_it_only_while_something_is_in_shadow(
    served, fleet, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []
    monkeypatch.setattr(tasks.shadow_turn, "delay", asked.append)
    turn = spoken(served)
    with django_capture_on_commit_callbacks(execute=True):
        shadowing.on_turn(turn)
    assert asked == []
    serving.shadow(version=make_candidate(served.base), by=admin())
    with django_capture_on_commit_callbacks(execute=True):
        shadowing.on_turn(turn)
        shadowing.on_turn(spoken(served, kind="patient"))
    assert asked == [turn.pk]
    assert shadowing.on_turn in agent_turns.COMPLETED
