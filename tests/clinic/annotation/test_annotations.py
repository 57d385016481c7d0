"""Submitting a sheet: what counts, what is refused with a sentence, and that nothing typed is ever lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from clinic.models import Annotation, AuditEntry, Feedback, Preference, Rating, Role
from clinic.services import annotations, queues
from clinic.services.errors import Refused
from clinic.transcript import quotes, transcripts
from tests.clinic.annotation.factories import make_item, make_queue, make_rubric
from tests.clinic.annotation.sheets import (
    NAMED,
    PER_TURN,
    QUOTED,
    changed,
    full,
    make_judgeable,
    make_sheet_queue,
    preferred,
    rating,
    taken,
)
from tests.clinic.annotation.test_queue_work import while_it_expires
from tests.clinic.factories import make_case, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(Role.ANNOTATOR)


@pytest.fixture
def begun(anna):
    return taken(make_sheet_queue()[0], anna)


def submit(annotation, by, sheet):
    return annotations.submit(annotation=annotation, by=by, sheet=sheet)


def refused(annotation, by, sheet) -> str:
    """The sentence; nothing was submitted, and what was typed is the draft."""
    with pytest.raises(Refused) as caught:
        submit(annotation, by, sheet)
    current = Annotation.objects.get(pk=annotation.pk)
    assert current.status != "submitted"
    assert not Rating.objects.filter(annotation=current).exists()
    assert current.draft == sheet
    return str(caught.value)


def test_a_complete_sheet_counts(begun, anna):
    sheet = full(
        first_wrong_turn=3, correction={"kind": "examination", "text": "Chest X-ray"}, harm="mild", critique="Ok"
    )
    submit(begun, anna, sheet)
    done = Annotation.objects.get(pk=begun.pk)
    assert (done.status, done.seconds, done.first_wrong_turn, done.harm) == ("submitted", 42, 3, "mild")
    assert (done.correction_kind, done.correction, done.critique) == ("examination", "Chest X-ray", "Ok")
    assert (done.score, done.coverage) == (1.0, 1.0)
    assert done.ratings.count() == 6
    assert done.ratings.get(criterion__key="quoted").evidence_turn == 3
    done.item.refresh_from_db()
    assert done.item.submitted == 1
    assert done.authoritative, "the only judgement wanted stands for the item"
    assert done.feedback.kind == "rating"
    assert done.feedback.status == "proposed"
    assert done.feedback.data == {"annotation": str(done.pk), "score": 1.0, "coverage": 1.0}
    entry = AuditEntry.objects.filter(action="annotation.submitted").get()
    assert entry.target == str(done.pk)
    assert "Ok" not in str(entry.data)


def test_a_double_submit_counts_once(begun, anna):
    submit(begun, anna, full())
    submit(begun, anna, full(critique="again"))
    begun.item.refresh_from_db()
    assert begun.item.submitted == 1
    assert Feedback.objects.count() == 1
    assert Annotation.objects.get(pk=begun.pk).critique == ""


def test_what_is_missing_is_named(begun, anna):
    sheet = changed(full(), "named", verdict=None)
    assert "“Names the right diagnosis”" in refused(begun, anna, sheet)
    sheet = changed(full(), "polite", 3, verdict="")
    assert "“Speaks plainly” at turn 3" in refused(begun, anna, sheet)


def test_evidence_must_be_there_and_stand_in_its_turn(begun, anna):
    none = changed(full(), "quoted", evidence="", evidence_turn=None)
    assert "need words" in refused(begun, anna, none)
    for words, turn in (
        ("C-reactive protein", 1),
        ("C-reactive protein", None),
        ("Troponin", 3),
        ("C-reactive protein", 99),
    ):
        sentence = refused(begun, anna, changed(full(), "quoted", evidence=words, evidence_turn=turn))
        assert "do not stand" in sentence, (words, turn)
    submit(begun, anna, changed(full(), "quoted", evidence="  C-reactive\n protein To see", evidence_turn=3))


def test_what_was_never_said_needs_a_reason_instead(begun, anna):
    silent = changed(full(), "quoted", verdict="not_met", evidence="", evidence_turn=None)
    assert "need words" in refused(begun, anna, silent)
    submit(begun, anna, changed(silent, "quoted", reason="No marker was ordered."))
    assert Annotation.objects.get(pk=begun.pk).score == pytest.approx(13 / 19)


def test_evidence_may_be_left_out_where_nothing_was_decided(begun, anna):
    submit(begun, anna, changed(full(), "quoted", verdict="cannot_tell", evidence="", evidence_turn=None))
    done = Annotation.objects.get(pk=begun.pk)
    assert done.score == 1.0
    assert done.coverage == pytest.approx(21 / 27)


def test_numbers_of_a_result_can_be_quoted(begun):
    turns = transcripts([begun.item.consultation_id])[begun.item.consultation_id]
    assert quotes("96 mg/L", turns[3])
    assert quotes("CRP 96 mg/L high 0–5", turns[3])
    assert quotes("Pulmonary embolism 20 %", turns[4])
    assert not quotes("97", turns[3])
    assert not quotes("  ", turns[3])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"first_wrong_turn": 2}, "must be one of the agent"),
        ({"correction": {"kind": "diagnosis", "text": ""}}, "both"),
        ({"correction": {"kind": "", "text": "Gout"}}, "both"),
    ],
)
def test_the_rest_is_checked_too(begun, anna, fields, words):
    assert words in refused(begun, anna, full(**fields))


def test_a_criterion_of_another_rubric_is_refused(begun, anna):
    sheet = full()
    sheet["ratings"].append(rating("elsewhere"))
    assert "does not have" in refused(begun, anna, sheet)


def test_another_s_sheet_is_refused(begun, anna):
    other = make_user(Role.ANNOTATOR)
    with pytest.raises(Refused, match="another annotator"):
        submit(begun, other, full())
    assert Annotation.objects.get(pk=begun.pk).draft == {}
    assert not annotations.save_draft(annotation=begun, by=other, number=9, draft=full())


def test_a_closed_queue_takes_nothing_more(begun, anna):
    begun.item.queue.closed_at = timezone.now()
    begun.item.queue.save()
    assert "closed" in refused(begun, anna, full())


def test_a_late_draft_never_replaces_a_newer_one(begun, anna):
    assert annotations.save_draft(annotation=begun, by=anna, number=2, draft={"critique": "newer"})
    assert not annotations.save_draft(annotation=begun, by=anna, number=1, draft={"critique": "late"})
    assert not annotations.save_draft(annotation=begun, by=anna, number=2, draft={"critique": "late"})
    assert Annotation.objects.get(pk=begun.pk).draft == {"critique": "newer"}
    submit(begun, anna, full())
    assert not annotations.save_draft(annotation=begun, by=anna, number=9, draft={})


def lapse(annotation) -> None:
    Annotation.objects.filter(pk=annotation.pk).update(reserved_until=timezone.now() - timedelta(minutes=1))


def test_typing_keeps_the_reservation(begun, anna):
    soon = timezone.now() + timedelta(minutes=2)
    Annotation.objects.filter(pk=begun.pk).update(reserved_until=soon)
    annotations.save_draft(annotation=begun, by=anna, number=1, draft={})
    assert Annotation.objects.get(pk=begun.pk).reserved_until > soon + timedelta(minutes=20)
    lapse(begun)
    annotations.save_draft(annotation=begun, by=anna, number=2, draft={})
    assert Annotation.objects.get(pk=begun.pk).reserved_until < timezone.now(), (
        "a lapsed place is not taken back unseen"
    )


def test_a_reservation_that_ran_out_still_submits_while_there_is_room(begun, anna):
    lapse(begun)
    queues.expire()
    submit(begun, anna, full())
    assert Annotation.objects.get(pk=begun.pk).status == "submitted"


def test_one_that_somebody_else_has_taken_is_refused_and_kept(begun, anna):
    lapse(begun)
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=begun.item.queue)
    assert "somebody else" in refused(begun, anna, full())
    begun.item.refresh_from_db()
    assert begun.item.submitted == 0


def test_an_item_never_gets_more_judgements_than_it_wants(begun, anna):
    """Both reservations ran out, and the first one's is written down already: one place, one judgement."""
    other = make_user(Role.ANNOTATOR)
    lapse(begun)
    theirs = taken(begun.item.queue, other)
    lapse(theirs)
    submit(begun, anna, full())
    assert "somebody else" in refused(theirs, other, full())
    begun.item.refresh_from_db()
    assert begun.item.submitted == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_just_being_expired_is_submitted(begun, anna):
    lapse(begun)
    while_it_expires(lambda: submit(begun, anna, full()))
    assert Annotation.objects.get(pk=begun.pk).status == "submitted"


def test_what_was_sent_back_is_corrected(begun, anna):
    submit(begun, anna, full())
    keeper = make_user(Role.ADJUDICATOR)
    queues.send_back(annotation=Annotation.objects.get(pk=begun.pk), by=keeper, reason="Look at turn 3 again")
    current = Annotation.objects.get(pk=begun.pk)
    assert current.draft == full(), "the sheet comes back as it was"
    submit(current, anna, changed(full(), "named", verdict="not_met"))
    done = Annotation.objects.get(pk=begun.pk)
    assert done.ratings.count() == 6
    assert done.ratings.get(criterion__key="named").verdict == "not_met"
    assert done.item.submitted == 1
    assert sorted(Feedback.objects.values_list("status", flat=True)) == ["proposed", "quarantined"]


def sent_back_and_given_away(annotation):
    """Sent back, given to somebody else who declines, so that its first annotator can take it up again."""
    keeper, other = make_user(Role.ADJUDICATOR), make_user(Role.ANNOTATOR)
    queues.send_back(annotation=Annotation.objects.get(pk=annotation.pk), by=keeper, reason="Look again")
    given = queues.reassign(annotation=Annotation.objects.get(pk=annotation.pk), to=other, by=keeper)
    queues.decline(annotation=given, by=other, reason="I know the patient")


def test_what_was_sent_back_and_given_away_is_corrected_after_all(begun, anna):
    submit(begun, anna, full())
    sent_back_and_given_away(begun)
    submit(taken(begun.item.queue, anna), anna, changed(full(), "named", verdict="not_met"))
    done = Annotation.objects.get(pk=begun.pk)
    assert done.status == "submitted"
    assert done.ratings.count() == 6
    assert done.ratings.get(criterion__key="named").verdict == "not_met"


def test_the_next_one_is_reserved_for_a_few_minutes_only(anna):
    queue, _ = make_sheet_queue(3)
    first = taken(queue, anna)
    ahead = annotations.take_ahead(annotation=first, by=anna)
    assert ahead.pk != first.pk
    assert ahead.reserved_until <= timezone.now() + annotations.AHEAD
    assert annotations.take_ahead(annotation=first, by=anna).pk == ahead.pk, "asked again, the same one"
    Annotation.objects.filter(pk=ahead.pk).update(reserved_until=timezone.now() - timedelta(seconds=1))
    others = {taken(queue, make_user(Role.ANNOTATOR)).item_id for _ in range(2)}
    assert ahead.item_id in others, "a window that was closed holds nothing for long"


def test_one_that_was_begun_keeps_its_whole_reservation(anna):
    queue, _ = make_sheet_queue(2)
    first = taken(queue, anna)
    ahead = annotations.take_ahead(annotation=first, by=anna)
    queues.renew(annotation=ahead, by=anna)
    annotations.save_draft(annotation=ahead, by=anna, number=1, draft={})
    again = annotations.take_ahead(annotation=first, by=anna)
    assert again.pk == ahead.pk
    assert again.reserved_until > timezone.now() + timedelta(minutes=20)


@pytest.fixture
def pair(anna):
    queue = make_queue(kind="preference", overlap=1)
    case = make_case()
    make_item(queue, consultation=make_judgeable(case=case), other=make_judgeable(case=case))
    return taken(queue, anna)


def test_a_comparison_is_kept_by_the_item_s_order(pair, anna):
    submit(pair, anna, preferred(accuracy="second", usefulness="first"))
    kept = dict(Preference.objects.values_list("dimension", "choice"))
    assert kept == {"proactiveness": "same", "accuracy": "second", "usefulness": "first", "language": "same"}
    done = Annotation.objects.get(pk=pair.pk)
    assert done.feedback.kind == "preference"
    assert done.score is None


def test_a_comparison_that_was_given_away_is_corrected_after_all(pair, anna):
    submit(pair, anna, preferred(accuracy="second"))
    sent_back_and_given_away(pair)
    submit(taken(pair.item.queue, anna), anna, preferred(accuracy="first"))
    kept = dict(Preference.objects.values_list("dimension", "choice"))
    assert kept == {"proactiveness": "same", "accuracy": "first", "usefulness": "same", "language": "same"}


def test_a_comparison_names_what_is_undecided_and_asks_why(pair, anna):
    sheet = preferred()
    sheet["preferences"].pop()
    assert "Language" in refused(pair, anna, sheet)
    silent = preferred(accuracy="first")
    for row in silent["preferences"]:
        row["why"] = ""
    assert "why" in refused(pair, anna, silent)


def test_a_consultation_without_the_agent_cannot_be_judged_turn_by_turn(anna):
    queue = make_queue(overlap=1)
    from tests.clinic.factories import make_consultation

    make_item(queue, consultation=make_consultation(), rubric_version=make_rubric(PER_TURN))
    assert "Decline it" in refused(taken(queue, anna), anna, {"ratings": []})


def test_what_a_reviewer_left_out_is_not_asked(anna):
    queue, _ = make_sheet_queue(1, QUOTED, {**NAMED, "kept": False})
    found = taken(queue, anna)
    submit(found, anna, {"ratings": [rating("quoted", evidence="Pneumonia", evidence_turn=5)]})
    assert Annotation.objects.get(pk=found.pk).score == 1.0
