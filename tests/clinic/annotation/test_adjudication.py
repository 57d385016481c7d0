"""What stands for an item: agreement, or an adjudicator who did not judge it and says why; one at most."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from clinic.models import Annotation, AnnotationOrigin, AnnotationStatus, AuditEntry, Handover, Preference, Role
from clinic.services import adjudication
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import make_consultation, make_site, make_turn, make_user

pytestmark = pytest.mark.django_db
AGREED = {"ecg": "met", "names": "not_met", "repeats": "not_met"}
OTHER = {**AGREED, "names": "met"}
REASON = "The diagnosis is named in turn 3."


def sheet(verdicts=OTHER):
    return {"ratings": [{"criterion": key, "turn": None, "verdict": verdict} for key, verdict in verdicts.items()]}


@pytest.fixture
def adjudicator():
    return make_user(Role.ADJUDICATOR)


@pytest.fixture
def disputed():
    item = make_item(make_queue(overlap=2))
    make_annotation(item, verdicts=AGREED)
    make_annotation(item, verdicts=OTHER)
    return item


def test_agreement_settles_it_and_the_first_judgement_stands():
    item = make_item(make_queue(overlap=2))
    first = make_annotation(item, verdicts=AGREED)
    assert adjudication.settle(item=item) is None, "one of two is in"
    make_annotation(item, verdicts=AGREED)
    assert adjudication.settle(item=item) == first
    assert list(item.annotations.filter(authoritative=True)) == [first]
    assert adjudication.settle(item=item) == first, "settling again changes nothing"


def test_a_single_wanted_judgement_stands_by_itself():
    item = make_item(make_queue(overlap=1))
    only = make_annotation(item, verdicts=AGREED)
    assert adjudication.settle(item=item) == only


def test_one_criterion_of_difference_waits_for_an_adjudicator(disputed, adjudicator):
    assert adjudication.settle(item=disputed) is None
    assert list(adjudication.waiting(adjudicator)) == [disputed]
    assert list(adjudication.waiting(make_user(Role.ADJUDICATOR, site=make_site()))) == []


def test_turns_that_fold_to_the_same_verdict_agree():
    rubric = make_rubric({"key": "polite", "text": "Is polite", "points": 3, "per_turn": True})
    item = make_item(make_queue(overlap=2, rubric_version=rubric))
    for wrong in (1, 3):
        made = make_annotation(item)
        for turn in (1, 3):
            verdict = "not_met" if turn == wrong else "met"
            made.ratings.create(criterion=rubric.criteria.get(), turn=turn, verdict=verdict)
    assert adjudication.settle(item=item) is not None


def test_a_judge_neither_settles_nor_disputes():
    item = make_item(make_queue(overlap=1))
    make_annotation(item, origin=AnnotationOrigin.JUDGE, verdicts=OTHER, judge={"kind": "rules"})
    assert adjudication.settle(item=item) is None
    mine = make_annotation(item, verdicts=AGREED)
    assert adjudication.settle(item=item) == mine


def test_what_was_corrected_and_differs_now_no_longer_stands():
    item = make_item(make_queue(overlap=2))
    first = make_annotation(item, verdicts=AGREED)
    make_annotation(item, verdicts=AGREED)
    adjudication.settle(item=item)
    first.ratings.filter(criterion__key="names").update(verdict="met")
    assert adjudication.settle(item=item) is None
    assert not item.annotations.filter(authoritative=True).exists()


@pytest.mark.parametrize("second", [AGREED, OTHER])
def test_a_gold_item_is_never_settled_and_waits_for_nobody(adjudicator, client, second):
    known = make_item(make_queue(overlap=1))
    make_annotation(known, adjudicator, AGREED, origin=AnnotationOrigin.ADJUDICATION, authoritative=True)
    queue = make_queue(overlap=2)
    item = make_item(queue, consultation=known.consultation, rubric_version=known.rubric_version, gold=True)
    for verdicts in (OTHER, second):
        make_annotation(item, verdicts=verdicts)
    assert adjudication.settle(item=item) is None, "what is known of it stands on the other item"
    assert not item.annotations.filter(authoritative=True).exists()
    assert not adjudication.waiting(adjudicator).exists()
    assert adjudication.in_the_way(item=item, by=adjudicator) == adjudication.SENTENCES["gold"]
    client.force_login(adjudicator, backend="clinic.accounts.ClinicBackend")
    context = client.get(reverse("agreement_queue", args=[queue.pk])).context
    assert (context["complete"], context["waiting"]) == (1, 0)


def test_an_adjudicator_settles_it_with_a_reason(disputed, adjudicator):
    made = adjudication.adjudicate(item=disputed, by=adjudicator, sheet=sheet(), reason=f" {REASON} ")
    assert made.authoritative
    assert made.reason == REASON
    assert made.origin == AnnotationOrigin.ADJUDICATION
    assert made.score == pytest.approx(1.0)
    assert made.coverage == 1.0
    assert {row.criterion.key: row.verdict for row in made.ratings.all()} == OTHER
    assert not adjudication.waiting(adjudicator).exists()
    entry = AuditEntry.objects.get(action="annotation.adjudicated")
    assert entry.actor == adjudicator
    assert REASON not in str(entry.data)
    assert adjudication.settle(item=disputed) == made, "a later judgement does not unsettle it"


def test_another_adjudicator_may_settle_it_anew_and_one_stands(disputed, adjudicator):
    first = adjudication.adjudicate(item=disputed, by=adjudicator, sheet=sheet(), reason=REASON)
    second = adjudication.adjudicate(
        item=disputed, by=make_user(Role.ADJUDICATOR), sheet=sheet(AGREED), reason="It is not."
    )
    assert list(disputed.annotations.filter(authoritative=True)) == [second]
    first.refresh_from_db()
    assert first.reason == REASON, "what was said before is kept"


def test_the_database_keeps_one_authoritative_annotation(disputed, adjudicator):
    adjudication.adjudicate(item=disputed, by=adjudicator, sheet=sheet(), reason=REASON)
    with pytest.raises(IntegrityError, match="one_authoritative_annotation"), transaction.atomic():
        Annotation.objects.filter(item=disputed, origin=AnnotationOrigin.PERSON).update(authoritative=True)


def refused(item, by, why, **fields):
    before = Annotation.objects.count()
    with pytest.raises(Refused) as refusal:
        adjudication.adjudicate(**{"item": item, "by": by, "sheet": sheet(), "reason": REASON, **fields})
    assert str(refusal.value) == adjudication.SENTENCES[why]
    assert Annotation.objects.count() == before
    assert not item.annotations.filter(origin=AnnotationOrigin.ADJUDICATION).exists()


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.ADMIN, Role.CLINICIAN, Role.RESEARCHER])
def test_only_an_adjudicator_of_the_site_settles(disputed, role):
    refused(disputed, make_user(role), "may_not")
    refused(disputed, make_user(Role.ADJUDICATOR, site=make_site()), "may_not")


@pytest.mark.parametrize("status", [AnnotationStatus.SUBMITTED, AnnotationStatus.OPEN, AnnotationStatus.RETURNED])
def test_nobody_settles_what_they_judged(disputed, adjudicator, status):
    submitted = status == AnnotationStatus.SUBMITTED
    make_annotation(disputed, adjudicator, AGREED, status=status, **({} if submitted else {"submitted_at": None}))
    refused(disputed, adjudicator, "own")


def test_nobody_settles_how_their_own_consultation_is_judged(adjudicator):
    item = make_item(make_queue(overlap=2), consultation=make_consultation(clinician=adjudicator))
    handed = make_item(make_queue(overlap=2))
    given = {"sender": adjudicator, "receiver": handed.consultation.clinician}
    Handover.objects.create(consultation=handed.consultation, **given)
    for one in (item, handed):
        make_annotation(one, verdicts=AGREED)
        make_annotation(one, verdicts=OTHER)
        refused(one, adjudicator, "held")


def test_not_before_all_are_in_and_not_where_all_agree(adjudicator):
    item = make_item(make_queue(overlap=2))
    make_annotation(item, verdicts=AGREED)
    refused(item, adjudicator, "not_all_in")
    make_annotation(item, verdicts=AGREED)
    refused(item, adjudicator, "agreed")


def test_it_needs_a_reason_and_every_verdict(disputed, adjudicator):
    refused(disputed, adjudicator, "reason", reason="  ")
    with pytest.raises(Refused, match="Not judged yet"):
        adjudication.adjudicate(item=disputed, by=adjudicator, sheet=sheet({"ecg": "met"}), reason=REASON)


def test_evidence_must_stand_in_the_transcript(adjudicator):
    rubric = make_rubric({"key": "ecg", "text": "Orders an ECG", "points": 8, "evidence_required": True})
    item = make_item(make_queue(overlap=2, rubric_version=rubric))
    make_turn(item.consultation, text="Please do an electrocardiogram.")
    make_annotation(item, verdicts={"ecg": "met"})
    make_annotation(item, verdicts={"ecg": "not_met"})
    row = {"criterion": "ecg", "turn": None, "verdict": "met", "evidence": "a troponin", "evidence_turn": 1}
    with pytest.raises(Refused, match="do not stand"):
        adjudication.adjudicate(item=item, by=adjudicator, sheet={"ratings": [row]}, reason=REASON)
    row["evidence"] = "an electrocardiogram"
    made = adjudication.adjudicate(item=item, by=adjudicator, sheet={"ratings": [row]}, reason=REASON)
    assert made.ratings.get().evidence == "an electrocardiogram"


def test_a_comparison_is_settled_by_dimension(adjudicator):
    item = make_item(make_queue(overlap=2), other=make_consultation())
    for choice in ("first", "second"):
        made = make_annotation(item)
        Preference.objects.create(annotation=made, dimension="accuracy", choice=choice)
    assert adjudication.settle(item=item) is None
    dimensions = ("proactiveness", "accuracy", "usefulness", "language")
    rows = [{"dimension": name, "choice": "first", "why": "It orders the ECG."} for name in dimensions]
    made = adjudication.adjudicate(item=item, by=adjudicator, sheet={"preferences": rows}, reason=REASON)
    assert made.preferences.count() == 4
    assert made.authoritative
