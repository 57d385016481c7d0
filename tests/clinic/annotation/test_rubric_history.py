"""Differences between versions, and what older annotations score under a newer one."""

import pytest
from django.urls import reverse

from clinic.models import Rating, Role
from clinic.rubric_history import differences, older_annotations, rescored
from clinic.services import cases, rubric_criteria, rubrics
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import default_site, make_consultation, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def physician():
    return make_user(Role.ADJUDICATOR)


@pytest.fixture
def first():
    return make_rubric()


@pytest.fixture
def second(first, physician):
    """The ECG counts less, the diagnosis is reworded, the penalty is gone, and smoking is new."""
    version = rubrics.new_version(rubric=first.rubric, by=physician)
    ecg, names, repeats = version.criteria.all()
    rubric_criteria.change(criterion=ecg, by=physician, fields={"points": 4})
    rubric_criteria.change(criterion=names, by=physician, fields={"text": "Names the right diagnosis first"})
    rubric_criteria.remove(criterion=repeats, by=physician)
    rubric_criteria.add(version=version, by=physician, fields={"text": "Asks about smoking", "points": 6})
    return rubrics.publish(version=version, by=physician)


def test_what_changed(first, second):
    found = {one.key: one for one in differences(first, second)}
    assert {key: one.kind for key, one in found.items()} == {
        "ecg": "changed", "names": "changed", "repeats": "removed", "asks-about-smoking": "added",
    }  # fmt: skip
    assert [(c.name, c.old, c.new) for c in found["ecg"].changes] == [("Points", 8, 4)]
    assert found["ecg"].carries
    assert not found["names"].carries
    pieces = [(piece.how, piece.text) for piece in found["names"].changes[0].pieces]
    assert pieces == [("same", "Names the right diagnosis"), ("new", " first")]


def test_older_judgements_are_carried_where_the_words_are_the_same(first, second, physician):
    item = make_item(make_queue(rubric_version=first, overlap=1))
    annotation = make_annotation(item, verdicts={"ecg": "met", "names": "not_met", "repeats": "met"})
    before = list(Rating.objects.values())
    (row,) = rescored(second, list(older_annotations(second, physician)))
    assert row.annotation == annotation
    assert row.old.value == pytest.approx((8 - 4) / 18)
    # Of 4 + 10 + 6 points only the ECG's 4 have a verdict that still answers the question.
    assert (row.new.value, row.new.coverage) == (1.0, pytest.approx(4 / 20))
    assert (row.carried, row.asked) == (1, 3)
    assert list(Rating.objects.values()) == before
    annotation.refresh_from_db()
    assert annotation.score is None


def test_a_sign_that_was_turned_folds_the_other_way(physician):
    turned = {"key": "asks", "text": "Repeats a question already answered", "points": 5, "per_turn": True}
    version = make_rubric(turned, {"key": "ecg", "text": "Orders an ECG", "points": 5})
    annotation = make_annotation(make_item(make_queue(rubric_version=version, overlap=1)), verdicts={"ecg": "met"})
    criterion = version.criteria.get(key="asks")
    for turn, verdict in ((1, "met"), (3, "not_met")):
        Rating.objects.create(annotation=annotation, criterion=criterion, turn=turn, verdict=verdict)
    after = rubrics.new_version(rubric=version.rubric, by=physician)
    rubric_criteria.change(criterion=after.criteria.get(key="asks"), by=physician, fields={"points": -5})
    rubrics.publish(version=after, by=physician)
    (row,) = rescored(after, list(older_annotations(after, physician)))
    assert (row.old.value, row.new.value) == (0.5, 0.0)


def test_a_criterion_judged_in_another_way_is_not_carried(first, physician):
    make_annotation(make_item(make_queue(rubric_version=first, overlap=1)), verdicts={"ecg": "met"})
    after = rubrics.new_version(rubric=first.rubric, by=physician)
    rubric_criteria.change(criterion=after.criteria.get(key="ecg"), by=physician, fields={"per_turn": True})
    (row,) = rescored(after, list(older_annotations(after, physician)))
    assert row.carried == 2
    assert row.new.value is None


def test_what_is_still_blind_is_not_shown(first, second, physician):
    queue = make_queue(rubric_version=first)
    item = make_item(queue)
    theirs = make_annotation(item)
    assert not older_annotations(second, physician).exists()
    assert set(older_annotations(second, theirs.annotator)) == {theirs}
    assert set(older_annotations(second, make_user(Role.ADMIN))) == {theirs}
    last = make_annotation(item)
    assert set(older_annotations(second, physician)) == {theirs, last}
    mine = make_annotation(item, physician, status="returned", submitted_at=None)
    assert not older_annotations(second, physician).exists()
    queue.blind = False
    queue.save()
    assert set(older_annotations(second, physician)) == {theirs, last}
    assert mine.status == "returned"


def test_a_deleted_case_takes_its_judgements_out_of_sight(first, second, physician):
    item = make_item(make_queue(rubric_version=first, overlap=1))
    make_annotation(item)
    assert older_annotations(second, physician).exists()
    cases.delete(case=item.consultation.case, by=None)
    assert not older_annotations(second, physician).exists()


def test_the_pages_take_few_queries(first, second, physician, client, django_assert_max_num_queries):
    queue = make_queue(rubric_version=first, overlap=1)
    for _ in range(12):
        item = make_item(queue, consultation=make_consultation())
        make_annotation(item, verdicts={"ecg": "met", "names": "met", "repeats": "not_met"})
    client.force_login(physician, backend="clinic.accounts.ClinicBackend")
    make_rubric(site=default_site())
    for address in (
        reverse("rubric_rescore", args=[second.pk]),
        reverse("rubric_diff", args=[second.pk]),
        reverse("rubric", args=[second.pk]),
        reverse("rubric_list"),
        reverse("rubric_new"),
    ):
        client.get(address)
        with django_assert_max_num_queries(8):
            assert client.get(address).status_code == 200
