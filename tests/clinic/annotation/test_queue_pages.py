"""The pages of queues: what they say, to whom, and how often they ask the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.models import AnnotationQueue, QueueItem, Role
from clinic.queue_progress import items_of, judgements_shown, load_of, queues_for, strata_of, with_judgements
from clinic.services import cases, queues
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.annotation.test_queue_building import closed
from tests.clinic.factories import make_consultation, make_endpoint, make_user, make_version

MOST = 8
pytestmark = pytest.mark.django_db
VERDICTS = {"ecg": "met", "names": "not_met", "repeats": "not_met"}


def client_of(user):
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    client.get(reverse("settings"))  # the session's own first writing is not the page's
    return client


@pytest.fixture
def keeper():
    return make_user(Role.ADJUDICATOR, first_name="Kit", last_name="Keeper")


@pytest.fixture
def person():
    return make_user(Role.ANNOTATOR, first_name="Ann", last_name="Otator")


def page(user, name, *arguments, **query):
    return client_of(user).get(reverse(name, args=arguments), query).content.decode()


FORM = {
    "title": "Winter", "statuses": "closed", "rest_percent": "100", "overlap": "2", "minutes": "30", "seed": "7",
    "gold_percent": "0", "repeat_percent": "0", "blind": "on",
}  # fmt: skip


def test_an_annotator_sees_what_waits_and_a_keeper_how_far_it_is(keeper, person):
    queue = make_queue(title="Chest pain")
    make_annotation(make_item(queue), person)
    make_item(queue)
    found = page(person, "queue_list")
    assert "Start<" in found
    assert reverse("sheet_next") + f"?queue={queue.pk}" in found
    assert "<progress" not in found
    queues.take_next(by=person, queue=queue)
    assert "Go on<" in page(person, "queue_list")
    kept = page(keeper, "queue_list")
    assert "<progress" in kept
    (row,) = queues_for(keeper)
    assert (row.item_count, row.finished, row.wanted_sum, row.submitted_sum) == (2, 0, 4, 1)


def test_nothing_is_left_for_who_has_judged_all(person):
    make_annotation(make_item(), person)
    assert "Nothing left for you" in page(person, "queue_list")


def test_the_form_counts_and_builds_what_it_counted(keeper):
    make_rubric()
    for _ in range(4):
        closed()
    closed("defer", "x")
    client = client_of(keeper)
    asked = {**FORM, "rest_percent": "50", "all_of": "deferred", "strata": "policy"}
    counted = client.post(reverse("queue_new"), asked, headers={"HX-Request": "true"}).content.decode()
    assert "3 items" in counted
    assert "<html" not in counted
    assert not AnnotationQueue.objects.exists()
    answer = client.post(reverse("queue_new"), {**asked, "build": "1"})
    queue = AnnotationQueue.objects.get()
    assert answer["Location"] == reverse("queue", args=[queue.pk])
    assert (queue.seed, queue.query["all_of"], queue.items.count()) == (7, ["deferred"], 3)
    assert "50 % of the rest" in page(keeper, "queue", queue.pk)


def test_the_form_says_what_is_wrong_and_what_has_no_rubric(keeper):
    closed()
    client = client_of(keeper)
    wrong = client.post(reverse("queue_new"), {**FORM, "rest_percent": "120", "build": "1"})
    assert wrong.status_code == 422
    assert "less than or equal to 100" in wrong.content.decode()
    backwards = {**FORM, "since": "2026-02-02", "until": "2026-02-01", "build": "1"}
    assert "before the first one" in client.post(reverse("queue_new"), backwards).content.decode()
    part = client.post(reverse("queue_new"), FORM, headers={"HX-Request": "true"}).content.decode()
    assert "1 left out: no rubric" in part
    refused = client.post(reverse("queue_new"), {**FORM, "build": "1"})
    assert "No rubric in force" in refused.content.decode()
    assert not AnnotationQueue.objects.exists()
    same = make_consultation().model_version
    twice = {**FORM, "first": same.pk, "second": same.pk, "build": "1"}
    assert "two different policies" in client.post(reverse("queue_new"), twice).content.decode()


def test_a_comparison_is_built_from_the_form_and_names_no_policy_to_annotators(keeper, person):
    one = make_endpoint(version=make_version(name="Model Alpha"))
    two = make_endpoint(version=make_version(name="Model Beta", status="candidate"))
    case = closed(endpoint=one).case
    closed(case=case, endpoint=two)
    asked = {**FORM, "first": one.model_version_id, "second": two.model_version_id, "build": "1", "strata": "policy"}
    client_of(keeper).post(reverse("queue_new"), asked)
    queue = AnnotationQueue.objects.get()
    assert "Model Alpha and Model Beta" in page(keeper, "queue_item", queue.items.get().pk)
    assert "Model Beta" not in page(person, "queue_list")
    queues.take_next(by=keeper, queue=queue)
    assert "Model Beta" not in page(keeper, "queue_item", queue.items.get().pk)


def test_the_load_counts_each_annotator_s_work(keeper, person):
    queue = make_queue(overlap=3)
    other = make_user(Role.ANNOTATOR)
    for seconds in (10, 20, 90):
        make_annotation(make_item(queue), person, seconds=seconds)
    for status in ("declined", "expired", "open", "returned"):
        make_annotation(make_item(queue), person, status=status, submitted_at=None, seconds=1000)
    make_annotation(make_item(queue), other)
    make_annotation(make_item(queue), origin="judge")
    first, second = load_of(queue)
    assert (first.done, first.open, first.returned, first.expired, first.declined) == (3, 1, 1, 1, 1)
    assert (first.seconds, second.seconds, second.done) == (20, None, 1)


def test_agreement_with_gold_and_with_oneself_is_the_keeper_s_to_see(keeper, person):
    rubric = make_rubric()
    known = make_item(make_queue(), rubric_version=rubric)
    make_annotation(known, verdicts=VERDICTS, authoritative=True)
    queue = make_queue(rubric_version=rubric)
    gold = make_item(queue, consultation=known.consultation, gold=True)
    make_annotation(gold, person, {**VERDICTS, "ecg": "not_met"}, authoritative=True)
    first = make_item(queue)
    make_annotation(first, person, {"ecg": "met", "names": "met"})
    repeat = make_item(queue, consultation=first.consultation, repeat_of=first)
    make_annotation(repeat, person, {"ecg": "met", "names": "not_met", "repeats": "met"})
    (load,) = load_of(queue)
    assert (load.gold, load.gold_n, load.again, load.again_n) == (pytest.approx(2 / 3), 3, 0.5, 2)
    assert "67 %" in page(keeper, "queue", queue.pk).replace("\xa0", " ").replace("67%", "67 %")
    seen = page(person, "queue_list")
    assert "Gold" not in seen
    assert client_of(person).get(reverse("queue", args=[queue.pk])).status_code == 403


def test_strata_are_counted(keeper):
    queue = make_queue(overlap=1)
    make_annotation(make_item(queue, stratum="Cough"))
    make_item(queue, stratum="Cough")
    make_item(queue, stratum="Fever")
    assert strata_of(queue) == [
        {"stratum": "Cough", "items": 2, "finished": 1, "wanted": 2, "submitted": 1},
        {"stratum": "Fever", "items": 1, "finished": 0, "wanted": 1, "submitted": 0},
    ]


def test_items_are_found_by_their_state(keeper, person):
    queue = make_queue(overlap=1)
    lapsed = make_item(queue)
    for state, item in {"done": make_item(queue), "in_work": make_item(queue), "declined": make_item(queue)}.items():
        status = {"done": "submitted", "in_work": "open", "declined": "declined"}[state]
        make_annotation(item, person, status=status, submitted_at=None)
    make_annotation(lapsed, status="open", reserved_until=timezone.now() - timedelta(minutes=1))
    titles = {item.pk: item.consultation.case.title for item in queue.items.all()}
    for state, count in {"": 4, "done": 1, "in_work": 1, "declined": 1, "waiting": 2}.items():
        found = page(keeper, "queue", queue.pk, state=state)
        assert sum(title in found for title in titles.values()) == count, state


def test_blind_means_nobody_reads_others_before_their_own_is_in(keeper, person):
    item = make_item(make_queue(overlap=3))
    theirs = make_annotation(item)
    assert not judgements_shown(item=item, user=person).exists()
    taken = queues.take_next(by=person, queue=item.queue)
    assert set(judgements_shown(item=item, user=person)) == {taken}
    # A keeper who could still take it waits like everybody; an administrator judges nothing.
    assert not judgements_shown(item=item, user=keeper).exists()
    assert "hidden from you" in page(keeper, "queue_item", item.pk)
    assert set(judgements_shown(item=item, user=make_user(Role.ADMIN))) == {theirs}
    mine = queues.take_next(by=keeper, queue=item.queue)
    assert set(judgements_shown(item=item, user=keeper)) == {mine}
    assert "hidden from you" in page(keeper, "queue_item", item.pk)
    taken.move_to("submitted", by=person, submitted_at=timezone.now())
    assert set(judgements_shown(item=item, user=person)) == {taken, theirs}
    QueueItem.objects.filter(pk=item.pk).update(submitted=3)
    assert set(judgements_shown(item=item, user=make_user(Role.ADJUDICATOR))) == {taken, theirs}
    item.queue.blind = False
    assert set(judgements_shown(item=item, user=keeper)) == {mine, taken, theirs}


@pytest.mark.parametrize("two", [False, True])
def test_while_one_judges_no_page_names_the_policy(two, keeper, person):
    alpha = make_endpoint(version=make_version(name="Model Alpha", status="candidate"))
    judged, plain = closed(endpoint=alpha), make_consultation()
    queue = make_queue(blind=not two)
    # As the second of two it is hidden as well, whatever the queue says of blindness.
    pair = {"consultation": plain, "other": judged} if two else {"consultation": judged}
    item = make_item(queue, stratum="Model Alpha", **pair)
    addresses = [("case_detail", judged.case_id), ("consultation", judged.pk), ("queue", queue.pk)]
    addresses.append(("queue_item", item.pk))
    assert all("Model Alpha" in page(keeper, *address) for address in addresses)
    taken = queues.take_next(by=keeper, queue=queue)
    assert [address for address in addresses if "Model Alpha" in page(keeper, *address)] == []
    assert "Model Alpha" in page(make_user(Role.ADMIN), "consultation", judged.pk)
    taken.move_to("submitted", by=keeper, submitted_at=timezone.now())
    assert all("Model Alpha" in page(keeper, *address) for address in addresses)


def test_a_reason_is_text_and_never_markup(keeper, person):
    item = make_item()
    taken = queues.take_next(by=person, queue=item.queue)
    queues.decline(annotation=taken, by=person, reason="<script>alert(1)</script>")
    found = page(keeper, "queue_item", item.pk)
    assert "&lt;script&gt;alert(1)" in found
    assert "<script>alert" not in found


def test_a_deleted_case_leaves_its_queue(keeper):
    item = make_item()
    assert item.consultation.case.title in page(keeper, "queue", item.queue_id)
    judged = with_judgements(items_of(item.queue), keeper)
    assert judged == [item]
    cases.delete(case=item.consultation.case, by=None)
    assert item.consultation.case.title not in page(keeper, "queue", item.queue_id)
    assert with_judgements(judged, keeper) == []
    assert client_of(keeper).get(reverse("queue_item", args=[item.pk])).status_code == 404


def fill(queue, rubric, count):
    people = [make_user(Role.ANNOTATOR) for _ in range(3)]
    for number in range(count):
        item = make_item(queue, rubric_version=rubric, stratum=f"S{number % 7}")
        for one in people[:2]:
            make_annotation(item, one, VERDICTS)


@pytest.mark.parametrize("name", ["queue_list", "queue_new", "queue", "queue_item"])
def test_pages_ask_a_fixed_number_of_questions(name, keeper, django_assert_max_num_queries):
    rubric, queue = make_rubric(), make_queue()
    fill(queue, rubric, 2)
    arguments = {"queue": [queue.pk], "queue_item": [queue.items.first().pk]}.get(name, [])
    client = client_of(keeper)
    asked = []
    for _ in range(2):
        with django_assert_max_num_queries(MOST) as queries:
            assert client.get(reverse(name, args=arguments)).status_code == 200
        asked.append(len(queries))
        fill(queue, rubric, 6)
        make_queue()
    assert asked[0] == asked[1]


def test_counting_asks_a_fixed_number_of_questions(keeper, django_assert_max_num_queries):
    make_rubric()
    client = client_of(keeper)
    asked = {**FORM, "all_of": ["deferred", "overridden"], "strata": ["complaint", "policy"], "repeat_percent": "10"}
    for count in (1, 8):
        for _ in range(count):
            closed()
        with django_assert_max_num_queries(MOST):
            client.post(reverse("queue_new"), asked, headers={"HX-Request": "true"})
    assert not QueueItem.objects.exists()
