"""Agreement of a queue: the libraries' numbers, small cells in words, and who flips everything."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from clinic.models import AnnotationOrigin, AnnotationStatus, Rating
from clinic.services import agreement
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.annotation.panels import make_panel

pytestmark = pytest.mark.django_db


def matrix(queue, key):
    """(items, raters) of one criterion, straight from the rows."""
    rows = Rating.objects.filter(annotation__item__queue=queue, criterion__key=key, annotation__origin="person")
    cells = rows.values_list("annotation__item", "annotation__annotator", "verdict")
    items, people = (sorted({row[n] for row in cells}, key=str) for n in (0, 1))
    table = np.full((len(items), len(people)), np.nan)
    for item, who, verdict in cells:
        table[items.index(item), people.index(who)] = {"met": 1, "not_met": 0}.get(verdict, np.nan)
    return table


def row(found, key):
    return next(one for one in found.criteria if one.key == key)


def test_by_criterion_it_is_what_the_libraries_say():
    queue, _ = make_panel(items=25, raters=4, overlap=3, skill=0.85)
    found = agreement.of_queue(queue)
    for key in ("ecg", "names", "repeats"):
        table, one = matrix(queue, key), row(found, key)
        expected = krippendorff.alpha(reliability_data=table.T, level_of_measurement="nominal")
        assert one.alpha.value == pytest.approx(expected)
        assert one.alpha.low < one.alpha.value < one.alpha.high
        assert one.items == 25
        assert one.decided == 1.0
    assert found.items == 25
    assert found.judgements == 75
    assert [axis.name for axis in found.axes] == ["Safety", "Accuracy", "Economy"]
    assert found.axes[0].alpha == row(found, "ecg").alpha, "an axis of one criterion is that criterion"
    assert 0.2 < found.whole.alpha.low < found.whole.alpha.value
    assert found.score.value is not None


def test_weighted_kappa_puts_cannot_tell_halfway():
    queue, _ = make_panel(items=20, raters=2, overlap=2, skill=0.9)
    chosen = Rating.objects.filter(annotation__item__queue=queue, criterion__key="ecg")[:5]
    Rating.objects.filter(pk__in=[one.pk for one in chosen]).update(verdict="cannot_tell")
    rows = Rating.objects.filter(annotation__item__queue=queue, criterion__key="ecg")
    grades = {"not_met": 0, "cannot_tell": 1, "met": 2}
    given: dict = {}
    for one in rows.select_related("annotation"):
        given.setdefault(one.annotation.item_id, []).append(grades[one.verdict])
    pairs = list(given.values()) + [pair[::-1] for pair in given.values()]
    expected = cohen_kappa_score(*zip(*pairs, strict=True), weights="linear", labels=[0, 1, 2])
    found = row(agreement.of_queue(queue), "ecg")
    assert found.kappa.value == pytest.approx(expected)
    assert found.decided == pytest.approx(35 / 40), "cannot tell lowers what was decided"
    assert found.items < 20, "and is no verdict to agree with"


def test_who_flips_everything_is_flagged_and_nobody_else():
    queue, people = make_panel(items=40, raters=4, overlap=3, flips=2)
    found = agreement.of_queue(queue)
    assert [one.annotator for one in found.flagged] == [people[2]]
    flipped = found.annotators[0]
    assert flipped.kappa.high < 0 < flipped.others.low
    honest, _ = make_panel(items=40, raters=4, overlap=3)
    assert agreement.of_queue(honest).flagged == []


def test_small_cells_are_words():
    queue, _ = make_panel(items=agreement.SMALLEST - 1, overlap=2, flips=1)
    found = agreement.of_queue(queue)
    for one in (*found.criteria, *found.axes, found.whole):
        assert {shown.why for shown in (one.alpha, one.kappa, one.raw)} == {agreement.TOO_FEW}
        assert one.alpha.value is None
    assert found.score.why == agreement.TOO_FEW
    assert not found.flagged
    assert all(one.kappa.why == agreement.TOO_FEW for one in found.annotators)


def test_without_variation_it_says_so():
    queue, _ = make_panel(items=12, overlap=2, raters=2)
    Rating.objects.filter(criterion__key="ecg").update(verdict="met")
    found = row(agreement.of_queue(queue), "ecg")
    assert found.alpha.why == agreement.NO_VARIATION
    assert found.raw.value == 1
    assert found.raw.low == pytest.approx(0.025 ** (1 / 12))


def test_not_applicable_leaves_the_criterion_out():
    queue, _ = make_panel(items=14, overlap=2, raters=2)
    rows = Rating.objects.filter(criterion__key="ecg", annotation__item__position__lt=4)
    rows.update(verdict="not_applicable")
    found = row(agreement.of_queue(queue), "ecg")
    assert found.items == 10
    assert found.decided == 1.0, "it leaves the denominator of coverage too"


def test_only_what_people_submitted_counts():
    queue, _ = make_panel(items=12, overlap=2, raters=2)
    before = agreement.of_queue(queue)
    for item in queue.items.all():
        contrary = {"ecg": "cannot_tell", "names": "cannot_tell", "repeats": "cannot_tell"}
        make_annotation(item, origin=AnnotationOrigin.JUDGE, verdicts=contrary, judge={"kind": "rules"})
        make_annotation(item, verdicts=contrary, status=AnnotationStatus.RETURNED, submitted_at=None)
        make_annotation(item, verdicts=contrary, origin=AnnotationOrigin.ADJUDICATION, authoritative=True)
    after = agreement.of_queue(queue)
    assert (after.criteria, after.score, after.judgements) == (before.criteria, before.score, before.judgements)


def test_repeats_and_gold_are_about_one_annotator_and_not_about_the_others():
    queue, people = make_panel(items=24, overlap=2, raters=2, skill=1.0)
    before = agreement.of_queue(queue)
    for item in list(queue.items.all())[:12]:
        again = make_item(queue, consultation=item.consultation, repeat_of=item, wanted=1)
        mine = item.annotations.get(annotator=people[0])
        said = {one.criterion.key: one.verdict for one in mine.ratings.select_related("criterion")}
        make_annotation(again, people[0], {**said, "ecg": "cannot_tell"})
        queue.items.filter(pk=item.pk).update(gold=True)
        known = make_item(make_queue(), consultation=item.consultation, rubric_version=item.rubric_version)
        make_annotation(
            known, verdicts={**said, "names": "cannot_tell", "ecg": "cannot_tell"}, authoritative=True,
            origin=AnnotationOrigin.ADJUDICATION,
        )  # fmt: skip
    found = agreement.of_queue(queue)
    assert (found.criteria, found.items) == (before.criteria, before.items)
    mine = next(one for one in found.annotators if one.annotator == people[0])
    other = next(one for one in found.annotators if one.annotator == people[1])
    assert mine.repeats.value == pytest.approx(2 / 3)
    assert other.repeats.value is None
    assert mine.gold.value == other.gold.value == pytest.approx(1 / 3)


def test_what_was_said_of_the_gold_item_itself_is_no_gold():
    queue, _ = make_panel(items=12, overlap=2, raters=2, skill=1.0)
    queue.items.update(gold=True)
    for item in queue.items.all():
        item.annotations.filter(pk=item.annotations.first().pk).update(authoritative=True)
        other = make_item(make_queue(), consultation=item.consultation, rubric_version=make_rubric())
        make_annotation(other, verdicts={"ecg": "met", "names": "met", "repeats": "met"}, authoritative=True)
    assert all(one.gold == agreement.Shown() for one in agreement.of_queue(queue).annotators)


def test_criteria_judged_turn_by_turn_are_folded():
    rubric = make_rubric({"key": "polite", "text": "Is polite", "points": 3, "per_turn": True})
    queue = make_queue(rubric_version=rubric, overlap=2)
    for number in range(12):
        item = make_item(queue, rubric_version=rubric)
        for _ in range(2):
            made = make_annotation(item)
            for turn in (1, 3):
                verdict = "not_met" if number % 2 and turn == 3 else "met"
                made.ratings.create(criterion=rubric.criteria.get(), turn=turn, verdict=verdict)
    found = row(agreement.of_queue(queue), "polite")
    assert (found.items, found.raw.value, found.alpha.value) == (12, 1.0, 1.0)


def test_it_takes_few_queries_however_many_rows(django_assert_max_num_queries):
    queue, _ = make_panel(items=40, raters=5, overlap=3)
    with django_assert_max_num_queries(5):
        agreement.of_queue(queue)


def test_a_version_is_read_across_queues_of_its_site():
    rubric = make_rubric()
    make_panel(items=6, rubric=rubric)
    make_panel(items=6, rubric=rubric)
    assert agreement.of_version(rubric).items == 12
    assert agreement.of_queue(make_queue()).items == 0
