"""Feedback becomes training data only by an adjudicating physician's word, never by the giver's own."""

from __future__ import annotations

import pytest

from clinic.learnable import why_not
from clinic.models import AuditEntry, CaseKind, Feedback, FeedbackStatus, Role
from clinic.services import approval, feedback
from clinic.services.errors import Refused
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def adjudicator():
    return make.make_user(Role.ADJUDICATOR)


def given(by=None, *, kind="accepted", case=None, **fields) -> Feedback:
    held = make.make_consultation(case=case)
    return feedback.give(kind=kind, by=by or held.clinician, consultation=held, target="Chest X-ray", **fields)


def status(row: Feedback) -> str:
    return Feedback.objects.get(pk=row.pk).status


def test_a_batch_is_approved_with_its_reason_in_the_history_and_not_in_the_log(adjudicator):
    rows = [given(), given(kind="rejected")]
    decided = approval.approve(ids=[row.pk for row in rows], by=adjudicator, reason="Careful work of Mrs Roe")
    assert (decided.done, decided.stayed) == (2, [])
    assert {status(row) for row in rows} == {FeedbackStatus.APPROVED}
    assert {row.history().get().reason for row in rows} == {"Careful work of Mrs Roe"}
    entry = AuditEntry.objects.latest("seq")
    assert entry.action == "feedback.approved"
    assert sorted(entry.data["feedback"]) == sorted(str(row.pk) for row in rows)
    assert "Roe" not in str(entry.data)


def test_ones_own_is_left_to_a_colleague(adjudicator):
    mine, theirs = given(adjudicator), given()
    decided = approval.approve(ids=[mine.pk, theirs.pk], by=adjudicator)
    assert (decided.done, decided.own) == (1, 1)
    assert (status(mine), status(theirs)) == ("proposed", "approved")


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADJUDICATOR])
def test_nobody_else_decides(role):
    row = given()
    with pytest.raises(Refused, match="adjudicating physician"):
        approval.approve(ids=[row.pk], by=make.make_user(role))
    assert status(row) == "proposed"


def test_withdrawn_is_final_for_every_verb(adjudicator):
    row = given()
    feedback.withdraw(feedback=row, by=row.by)
    for verb in (approval.approve, approval.quarantine, approval.release):
        decided = verb(ids=[row.pk], by=adjudicator, reason="Because")
        assert (decided.done, decided.withdrawn) == (0, 1)
    assert status(row) == "withdrawn"


def test_quarantine_and_release_need_a_reason_and_come_after_each_other(adjudicator):
    row = given()
    for verb in (approval.quarantine, approval.release):
        with pytest.raises(Refused, match="Say why"):
            verb(ids=[row.pk], by=adjudicator, reason="  ")
    assert approval.release(ids=[row.pk], by=adjudicator, reason="No").already == 1
    assert approval.quarantine(ids=[row.pk], by=adjudicator, reason="Differs from all others").done == 1
    assert approval.approve(ids=[row.pk], by=adjudicator).already == 1, "only release leads out of quarantine"
    assert approval.release(ids=[row.pk], by=adjudicator, reason="Looked at each").done == 1
    assert [change.reason for change in row.history()] == ["Differs from all others", "Looked at each"]
    assert status(row) == "approved"


def test_all_of_one_annotator(adjudicator):
    person = make.make_user(Role.ANNOTATOR)
    rows = [given(person), given(person), given()]
    assert approval.quarantine_all_of(annotator=person.pk, by=adjudicator, reason="Flips everything").done == 2
    assert [status(row) for row in rows] == ["quarantined", "quarantined", "proposed"]


def test_another_sites_rows_are_not_there(adjudicator):
    elsewhere = given(case=make.make_case(site=make.make_site()))
    assert approval.approve(ids=[elsewhere.pk], by=adjudicator).done == 0
    assert status(elsewhere) == "proposed"


def test_without_consent_it_is_approved_and_said_so(adjudicator):
    row = given(consent=False)
    assert approval.approve(ids=[row.pk], by=adjudicator).without_consent == 1
    assert why_not(Feedback.objects.get(pk=row.pk)) == "no_consent"
    feedback.allow(feedback=row, by=row.by, consent=True)
    assert why_not(Feedback.objects.get(pk=row.pk)) == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": CaseKind.PATIENT}, "patient"),
        ({"kind": CaseKind.RECORD, "credentialed": True}, "credentialed"),
        ({"kind": CaseKind.RECORD, "extra": {"never_train": True}}, "never_train"),
        ({"key": "virtual:test:0001@abc"}, "held_out"),
        ({"key": "virtual:sealed:0001@abc"}, "held_out"),
        ({"key": "virtual:train:0001@abc"}, ""),
        ({"kind": CaseKind.RECORD}, ""),
    ],
)
def test_some_cases_are_never_learned_from(adjudicator, fields, why):
    row = given(case=make.make_case(**fields), consent=True)
    approval.approve(ids=[row.pk], by=adjudicator)
    assert why_not(Feedback.objects.select_related("consultation__case").get(pk=row.pk)) == why


def test_nothing_and_too_much_are_refused(adjudicator):
    with pytest.raises(Refused, match="at least one"):
        approval.approve(ids=[], by=adjudicator)
    with pytest.raises(Refused, match="at once"):
        approval.approve(ids=[given().pk] * (approval.MOST + 1), by=adjudicator)
