"""Who gets which item next: reservations, overlap under concurrency, declining, sending back, reassigning."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from clinic.models import Annotation, AnnotationStatus, AuditEntry, Feedback, Handover, Role
from clinic.services import queues
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import make_consultation, make_site, make_user

pytestmark = pytest.mark.django_db


def lapse(annotation):
    Annotation.objects.filter(pk=annotation.pk).update(reserved_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def queue():
    return make_queue(overlap=2)


@pytest.fixture
def person():
    return make_user(Role.ANNOTATOR)


def test_the_own_open_one_comes_first_and_then_the_next_position(queue, person):
    first, second = make_item(queue), make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    assert taken.item == first
    assert taken.reserved_until > timezone.now() + timedelta(minutes=29)
    assert queues.take_next(by=person, queue=queue) == taken
    assert queues.take_next(by=person, queue=queue, besides=[taken.pk]).item == second
    assert AuditEntry.objects.filter(action="annotation.taken").count() == 2


def test_what_was_fetched_early_comes_after_what_it_was_fetched_behind(queue, person):
    for _ in range(4):
        make_item(queue)
    front = queues.take_next(by=person, queue=queue)
    ahead = queues.take_next(by=person, queue=queue, besides=[front.pk])
    Annotation.objects.filter(pk=ahead.pk).update(reserved_until=timezone.now() + timedelta(minutes=2))
    assert queues.take_next(by=person, queue=queue) == front
    given = queues.assign(item=make_item(queue, position=0), to=person, by=make_user(Role.ADJUDICATOR))
    sent_back = make_annotation(make_item(queue), person, status="returned", submitted_at=None)
    Annotation.objects.filter(pk=ahead.pk).update(draft_number=1)
    found = []
    while len(found) < 4:
        found.append(queues.take_next(by=person, queue=queue, besides=[one.pk for one in found]))
    assert found == [ahead, sent_back, front, given]


def test_no_item_is_judged_by_more_than_its_overlap(queue):
    item = make_item(queue)
    people = [make_user(Role.ANNOTATOR) for _ in range(3)]
    assert [bool(queues.take_next(by=one, queue=queue)) for one in people] == [True, True, False]
    lapse(item.annotations.get(annotator=people[0]))
    assert queues.take_next(by=people[2], queue=queue).item == item
    assert item.annotations.get(annotator=people[0]).status == AnnotationStatus.EXPIRED


def test_nobody_gets_an_item_twice_nor_their_own_consultation(queue, person):
    make_annotation(make_item(queue), person)
    make_item(queue, consultation=make_consultation(clinician=person))
    handed = make_item(queue).consultation
    Handover.objects.create(consultation=handed, sender=person, receiver=handed.clinician)
    make_item(queue, rubric_version=None, other=make_consultation(clinician=person))
    second = make_consultation()
    Handover.objects.create(consultation=second, sender=person, receiver=second.clinician)
    make_item(queue, rubric_version=None, other=second)
    assert queues.take_next(by=person, queue=queue) is None
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue)


def test_a_repeat_comes_only_to_who_submitted_the_first(queue, person):
    item = make_item(queue)
    repeat = make_item(queue, consultation=item.consultation, repeat_of=item, rubric_version=item.rubric_version)
    taken = queues.take_next(by=person, queue=queue)
    assert taken.item == item
    assert queues.take_next(by=person, queue=queue, besides=[taken.pk]) is None
    taken.move_to("submitted", by=person, submitted_at=timezone.now())
    assert queues.take_next(by=person, queue=queue).item == repeat


def test_a_gold_item_never_comes_to_who_judged_it_before(queue, person):
    known = make_item(make_queue(overlap=1))
    make_annotation(known, person, authoritative=True)
    make_item(queue, consultation=known.consultation, rubric_version=known.rubric_version, gold=True)
    assert queues.take_next(by=person, queue=queue) is None
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue).item.gold


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RESEARCHER, Role.ADMIN])
def test_only_those_who_annotate_take(queue, role):
    make_item(queue)
    with pytest.raises(Refused):
        queues.take_next(by=make_user(role), queue=queue)


def test_another_site_s_and_a_closed_queue_s_items_stay(queue, person):
    make_item(queue)
    stranger = make_user(Role.ANNOTATOR, site=make_site())
    with pytest.raises(Refused):
        queues.take_next(by=stranger, queue=queue)
    assert queues.take_next(by=stranger) is None
    queue.closed_at = timezone.now()
    queue.save()
    assert queues.take_next(by=person) is None
    with pytest.raises(Refused, match="closed"):
        queues.take_next(by=person, queue=queue)


def test_a_deleted_case_is_not_offered(queue, person):
    item = make_item(queue)
    item.consultation.case.deleted_at = timezone.now()
    item.consultation.case.save()
    assert queues.take_next(by=person, queue=queue) is None


def test_a_reservation_is_renewed_and_taken_up_again_while_there_is_room(queue, person):
    item = make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    lapse(taken)
    assert queues.expire() == 1
    assert queues.renew(annotation=taken, by=person) > timezone.now()
    assert taken.status == AnnotationStatus.OPEN
    lapse(taken)
    for _ in range(2):
        queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue)
    with pytest.raises(Refused, match="somebody else has taken"):
        queues.renew(annotation=taken, by=person)
    with pytest.raises(Refused, match="not reserved for you"):
        queues.renew(annotation=item.annotations.exclude(annotator=person).first(), by=person)


def test_one_that_ran_out_is_taken_up_with_its_draft(queue, person):
    make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    Annotation.objects.filter(pk=taken.pk).update(draft={"critique": "begun"})
    lapse(taken)
    queues.expire()
    again = queues.take_next(by=person, queue=queue)
    assert again == taken
    assert again.draft == {"critique": "begun"}


def test_what_is_assigned_does_not_expire(queue, person):
    item = make_item(queue)
    keeper = make_user(Role.ADJUDICATOR)
    given = queues.assign(item=item, to=person, by=keeper)
    assert given.reserved_until is None
    assert queues.expire(now=timezone.now() + timedelta(days=99)) == 0
    assert queues.take_next(by=person, queue=queue) == given
    with pytest.raises(Refused, match="had this item"):
        queues.assign(item=item, to=person, by=keeper)
    with pytest.raises(Refused, match="keep its queues"):
        queues.assign(item=item, to=make_user(Role.ANNOTATOR), by=person)


def test_declined_goes_to_somebody_else(queue, person):
    item = make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    with pytest.raises(Refused, match="why"):
        queues.decline(annotation=taken, by=person, reason=" ")
    queues.decline(annotation=taken, by=person, reason="I know this patient")
    assert queues.take_next(by=person, queue=queue) is None
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue).item == item
    entry = AuditEntry.objects.get(action="annotation.declined")
    assert "patient" not in str(entry.data)
    assert Annotation.objects.get(pk=taken.pk).reason == "I know this patient"


def test_sent_back_it_waits_for_its_annotator_and_teaches_nothing(queue, person):
    item = make_item(queue)
    done = make_annotation(item, person, authoritative=True)
    done.feedback = Feedback.objects.create(
        site=queue.site, kind="rating", consultation=item.consultation, by=person, status="approved"
    )
    done.save()
    given = done.feedback
    keeper = make_user(Role.ADJUDICATOR)
    with pytest.raises(Refused, match="keep its queues"):
        queues.send_back(annotation=done, by=person, reason="x")
    queues.send_back(annotation=done, by=keeper, reason="The third verdict has no evidence")
    item.refresh_from_db()
    given.refresh_from_db()
    current = Annotation.objects.get(pk=done.pk)
    assert (current.status, current.authoritative, current.submitted_at) == ("returned", False, None)
    assert item.submitted == 0
    assert given.status == "quarantined"
    assert current.feedback is None
    assert queues.take_next(by=person, queue=queue) == done
    with pytest.raises(Refused, match="Only a submitted"):
        queues.send_back(annotation=done, by=keeper, reason="again")


def test_what_was_adjudicated_stands(queue, person):
    item = make_item(queue)
    done, keeper = make_annotation(item, person), make_user(Role.ADJUDICATOR)
    make_annotation(item, keeper, origin="adjudication", authoritative=True)
    with pytest.raises(Refused, match="adjudicated"):
        queues.send_back(annotation=done, by=keeper, reason="x")


def test_reassigned_it_leaves_the_first_s_hands(queue, person):
    item = make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    other, keeper = make_user(Role.ANNOTATOR), make_user(Role.ADMIN)
    given = queues.reassign(annotation=taken, to=other, by=keeper)
    assert (given.annotator, given.item, given.assigned_by) == (other, item, keeper)
    assert taken.status == AnnotationStatus.EXPIRED
    with pytest.raises(Refused, match="Choose an annotator"):
        queues.reassign(annotation=given, to=make_user(Role.CLINICIAN), by=keeper)
    own = make_user(Role.ANNOTATOR)
    mine = make_item(queue, consultation=make_consultation(clinician=own))
    with pytest.raises(Refused, match="nobody judges their own"):
        queues.assign(item=mine, to=own, by=keeper)


def test_the_order_of_two_is_drawn_for_each_person_and_kept(queue):
    items = [make_item(queue, rubric_version=None, other=make_consultation()) for _ in range(12)]
    one, two = make_user(Role.ANNOTATOR), make_user(Role.ANNOTATOR)
    orders = [[queues.second_first(item, person) for item in items] for person in (one, two)]
    assert orders[0] != orders[1]
    assert all(len(set(order)) == 2 for order in orders)
    taken = queues.take_next(by=one, queue=queue)
    assert taken.swapped == orders[0][0]
    assert taken.rubric_version is None


def test_one_place_is_held_by_one_though_two_reservations_ran_out(person):
    queue = make_queue(overlap=1)
    item, other = make_item(queue), make_user(Role.ANNOTATOR)
    theirs = queues.take_next(by=other, queue=queue)
    lapse(theirs)
    mine = queues.take_next(by=person, queue=queue)
    lapse(mine)
    queues.renew(annotation=theirs, by=other)
    assert item.annotations.get(annotator=person).status == AnnotationStatus.EXPIRED
    with pytest.raises(Refused, match="somebody else has taken"):
        queues.renew(annotation=mine, by=person)


def test_a_lapsed_one_is_not_renewed_into_a_full_item(person):
    queue = make_queue(overlap=1)
    item = make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    lapse(taken)
    make_annotation(item)
    with pytest.raises(Refused, match="somebody else has taken"):
        queues.renew(annotation=taken, by=person)


def while_it_expires(act):
    """`act`, begun while the sweep has expired what ran out and not yet committed."""
    expired, failures = threading.Event(), []

    def sweep():
        try:
            with transaction.atomic():
                queues.expire()
                expired.set()
                until_somebody_waits()
        except Exception as error:  # noqa: BLE001 a thread's failure must reach the test
            failures.append(error)
        finally:
            expired.set()
            connection.close()

    thread = threading.Thread(target=sweep)
    thread.start()
    expired.wait(60)
    try:
        return act()
    finally:
        thread.join(60)
        assert not failures


def until_somebody_waits():
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waited for what is being expired")


@pytest.mark.django_db(transaction=True)
def test_what_is_just_being_expired_is_taken_by_the_next():
    queue = make_queue(overlap=1)
    item = make_item(queue)
    lapse(queues.take_next(by=make_user(Role.ANNOTATOR), queue=queue))
    other = make_user(Role.ANNOTATOR)
    assert while_it_expires(lambda: queues.take_next(by=other, queue=queue)).item == item


@pytest.mark.django_db(transaction=True)
def test_what_is_just_being_expired_is_taken_up_again(person):
    queue = make_queue(overlap=1)
    make_item(queue)
    taken = queues.take_next(by=person, queue=queue)
    lapse(taken)
    while_it_expires(lambda: queues.renew(annotation=taken, by=person))
    assert Annotation.objects.get().status == AnnotationStatus.OPEN


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_get_more_than_the_overlap():
    rubric = make_rubric()
    queue = make_queue(overlap=2, rubric_version=rubric)
    for _ in range(4):
        make_item(queue)
    people = [make_user(Role.ANNOTATOR) for _ in range(8)]
    barrier, failures = threading.Barrier(len(people)), []

    def work(person):
        try:
            barrier.wait()
            mine = []
            while taken := queues.take_next(by=person, queue=queue, besides=mine):
                mine.append(taken.pk)
        except Exception as error:  # noqa: BLE001 a thread's failure must reach the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    held = Counter(Annotation.objects.values_list("item", flat=True))
    assert set(held.values()) == {2}
    assert len(held) == 4
