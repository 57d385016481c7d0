"""What a judge is worth: agreement with physicians, drift, calibration, its corrected mean, what it may reward."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sklearn.metrics import cohen_kappa_score

from clinic.models import Annotation, AnnotationOrigin, Feedback, FeedbackKind, FeedbackStatus, Rating, Role
from clinic.services import feedback
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import make_user
from tests.training.judged import CRITERIA, Contrary, Killed, make_judged_queue
from training import instrument, judging

pytestmark = pytest.mark.django_db
RULES = {"kind": "rules"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("training.judging.send", lambda run: None)
    monkeypatch.setattr("training.judging.PAUSE", 0.0)


def judged(queue, judge=None):
    run = judging.start(queue=queue, name="rules", by=make_user(Role.ADJUDICATOR))
    judging.execute(run_id=run.pk, judge=judge)
    return queue.rubric_version


def of(found, key):
    return next(row for row in found.criteria if row.key == key)


def test_agreement_with_physicians_is_cohens_kappa():
    version = judged(make_judged_queue(60, physicians=60, wrong=0.15))
    found = instrument.report(version)
    for key in ("ecg", "named", "short"):
        rows = Rating.objects.filter(criterion__key=key).order_by("annotation__item")
        said = [
            list(rows.filter(annotation__origin=origin).values_list("verdict", flat=True))
            for origin in (AnnotationOrigin.JUDGE, AnnotationOrigin.PERSON)
        ]
        one = of(found, key)
        assert one.kappa.value == pytest.approx(cohen_kappa_score(*said))
        assert one.kappa.low < one.kappa.value < one.kappa.high
        assert (one.pairs, one.coverage, one.errors) == (60, 1.0, 0)
    assert found.items == 60
    assert found.identity == RULES
    assert 0.5 < found.whole.value < 0.9


def test_a_criterion_on_which_the_judge_is_wrong_is_not_rewarded():
    version = judged(make_judged_queue(50, physicians=50, wrong=0.05), Contrary("ecg"))
    allowed = instrument.rewardable(version, identity=RULES)
    assert {key: may for key, (may, _) in allowed.items()} == {"ecg": False, "named": True, "short": True}
    assert "under the floor" in allowed["ecg"][1]
    assert of(instrument.report(version, identity=RULES), "ecg").kappa.value < 0


def test_too_few_consultations_count_as_under_the_floor():
    version = judged(make_judged_queue(instrument.SMALLEST - 1, physicians=50))
    allowed = instrument.rewardable(version)
    assert not any(may for may, _ in allowed.values())
    assert all("are needed" in why for _, why in allowed.values())


def test_the_lower_end_of_the_interval_decides_and_not_the_estimate():
    version = judged(make_judged_queue(22, physicians=22, wrong=0.2))
    for row in instrument.report(version).criteria:
        assert row.rewardable == (row.kappa.low >= instrument.FLOOR)
    rows = instrument.report(version).criteria
    assert any(row.kappa.value > instrument.FLOOR and not row.rewardable for row in rows)


def test_verdicts_that_never_vary_show_no_agreement():
    version = judged(make_judged_queue(30, physicians=30))
    Rating.objects.filter(criterion__key="ecg").update(verdict="met")
    assert "hardly vary" in instrument.rewardable(version)["ecg"][1]


def test_without_any_judgement_nothing_is_rewarded():
    version = make_rubric(*CRITERIA)
    allowed = instrument.rewardable(version)
    assert set(allowed) == {"ecg", "named", "short"}
    assert not any(may for may, _ in allowed.values())


def test_an_error_is_no_disagreement():
    """Killed, it is asked about less; whether it agrees on the rest stays as it was."""
    queue = make_judged_queue(80, physicians=80)
    version = judged(queue, Killed(0.6, seed=3))
    for row in instrument.report(version).criteria:
        assert row.errors > 0
        assert row.coverage < 1
        assert row.kappa.value == 1
        assert row.kappa.low < 1


def test_what_an_adjudicator_settled_is_the_reference():
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    assert of(instrument.report(version), "ecg").kappa.value == 1
    flip = {"met": "not_met", "not_met": "met"}
    for item in queue.items.all():
        mine = item.annotations.get(origin=AnnotationOrigin.PERSON)
        said = {row.criterion.key: row.verdict for row in mine.ratings.select_related("criterion")}
        contrary = {**said, "ecg": flip[said["ecg"]]}
        make_annotation(item, verdicts=contrary, origin=AnnotationOrigin.ADJUDICATION, authoritative=True, score=0.5)
    found = instrument.report(version)
    assert of(found, "ecg").kappa.value == pytest.approx(-1, abs=0.1)
    assert of(found, "named").kappa.value == 1
    assert found.scores.physicians.value == pytest.approx(0.5)


def test_a_tie_of_physicians_is_no_reference():
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    flip = {"met": "not_met", "not_met": "met"}
    for item in queue.items.all()[:12]:
        mine = item.annotations.get(origin=AnnotationOrigin.PERSON)
        said = {row.criterion.key: row.verdict for row in mine.ratings.select_related("criterion")}
        make_annotation(item, verdicts={**said, "ecg": flip[said["ecg"]]})
    found = instrument.report(version)
    assert of(found, "ecg").pairs == 18
    assert of(found, "named").pairs == 30


@pytest.mark.parametrize("status", [FeedbackStatus.WITHDRAWN, FeedbackStatus.QUARANTINED])
def test_what_was_withdrawn_or_quarantined_is_no_reference(status):
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    taken = queue.items.all()[:12]
    for item in queue.items.all():
        mine = item.annotations.get(origin=AnnotationOrigin.PERSON)
        given = feedback.give(kind=FeedbackKind.RATING, by=mine.annotator, consultation=item.consultation)
        Annotation.objects.filter(pk=mine.pk).update(feedback=given, authoritative=True)
        if item in taken:
            Feedback.objects.filter(pk=given.pk).update(status=status)
    found = instrument.report(version)
    assert {row.pairs for row in found.criteria} == {18}
    assert not any(row.rewardable for row in found.criteria)
    assert found.scores.physicians.labelled == 18
    assert found.items == 30, "the judge's own stay"


def test_it_drifts_where_the_newest_month_agrees_less():
    queue = make_judged_queue(80, physicians=80, wrong=0.05)
    version = judged(queue)
    rows = list(Annotation.objects.filter(origin=AnnotationOrigin.JUDGE).order_by("item__position"))
    for month, part in ((1, rows[:40]), (2, rows[40:])):
        at = datetime(2026, month, 10, tzinfo=UTC)
        Annotation.objects.filter(pk__in=[row.pk for row in part]).update(submitted_at=at)
    steady = instrument.report(version)
    assert [period.name for period in steady.periods] == ["2026-01", "2026-02"]
    assert not steady.drifted
    late = Rating.objects.filter(annotation__in=[row.pk for row in rows[40:]], criterion__key__in=["ecg", "named"])
    met = list(late.filter(verdict="met").values_list("pk", flat=True))
    late.update(verdict="met")
    Rating.objects.filter(pk__in=met).update(verdict="not_met")
    drifted = instrument.report(version)
    assert drifted.drifted
    assert drifted.periods[1].kappa.high < drifted.periods[0].kappa.low


def test_few_physicians_correct_the_judges_mean():
    """A judge that misses every ECG is too strict; thirty physicians say by how much."""
    queue = make_judged_queue(150, physicians=40)
    version = judged(queue)
    true = instrument.report(version).scores.judge.value
    Annotation.objects.filter(origin=AnnotationOrigin.JUDGE).delete()
    judging.JudgeRun.objects.all().delete()

    class Strict(Killed):
        async def rate(self, episode, criterion):
            from agents.rubrics import Rating as Said
            from agents.rubrics import Verdict

            return Said("ecg", Verdict.NOT_MET) if criterion.id == "ecg" else await super().rate(episode, criterion)

    judged(queue, Strict(0.0))
    scores = instrument.report(version).scores
    assert not scores.judge.low <= true <= scores.judge.high
    assert scores.corrected.low <= true <= scores.corrected.high
    assert scores.physicians.low <= true <= scores.physicians.high
    assert scores.corrected.width < scores.physicians.width
    assert (scores.corrected.labelled, scores.corrected.unlabelled) == (40, 110)


def test_calibration_where_it_says_how_sure_it_is():
    version = judged(make_judged_queue(40, physicians=40), Contrary("ecg", confidence=0.9))
    found = instrument.report(version, identity=RULES)
    assert found.sure_of == 120
    assert found.ece == pytest.approx(0.9 - 2 / 3, abs=1e-6)
    (bar,) = found.reliability
    assert (bar.stated, bar.correct) == (pytest.approx(0.9), pytest.approx(2 / 3))
    silent = judged(make_judged_queue(12, physicians=12))
    assert instrument.report(silent).sure_of == 0
    assert instrument.report(silent).ece is None


def test_another_judges_annotations_are_another_judges():
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    other = {"kind": "language", "model": "m", "prompt": "p"}
    assert instrument.report(version, identity=other).items == 0
    for item in queue.items.all()[:5]:
        make_annotation(item, origin=AnnotationOrigin.JUDGE, verdicts={"ecg": "met"}, judge={**other, "confidence": {}})
    assert instrument.report(version, identity=other).items == 5
    assert instrument.report(version, identity=RULES).items == 30
    assert instrument.identities(instrument.judgements(version)) == [RULES, other]


def test_an_earlier_versions_criterion_counts_where_its_words_are_the_same():
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    version.move_to("retired", by=version.published_by)
    newer = type(version).objects.create(
        rubric=version.rubric, number=2, created_by=version.created_by, published_by=version.published_by
    )
    for row in CRITERIA:
        text = "Names pneumonia by name" if row["key"] == "named" else row["text"]
        newer.criteria.create(**{**row, "text": text})
    allowed = instrument.rewardable(newer)
    assert {key: may for key, (may, _) in allowed.items()} == {"ecg": True, "named": False, "short": True}


def test_repeats_and_a_second_queue_make_no_second_consultation():
    """Ten consultations, each judged three times, are ten: the floor is not reached and the interval not narrowed."""
    queue = make_judged_queue(10, physicians=10)
    version = judged(queue)
    before = instrument.report(version)
    second = make_queue(rubric_version=version)
    for item in list(queue.items.all()):
        for place in (
            make_item(queue, consultation=item.consultation, repeat_of=item),
            make_item(second, consultation=item.consultation),
        ):
            for row in item.annotations.all():
                said = {one.criterion.key: one.verdict for one in row.ratings.select_related("criterion")}
                fields = {"origin": row.origin, "judge": row.judge, "score": row.score, "coverage": row.coverage}
                make_annotation(place, row.annotator, said, **fields)
    after = instrument.report(version)
    assert after.items == 10
    assert [(row.pairs, row.rewardable) for row in after.criteria] == [(10, False)] * 3
    assert [row.kappa for row in after.criteria] == [row.kappa for row in before.criteria]
    assert after.scores == before.scores
    assert after.scores.corrected.labelled == 10


def test_the_newest_that_the_judge_said_of_a_consultation_counts():
    queue = make_judged_queue(30, physicians=30)
    version = judged(queue)
    flip = {"met": "not_met", "not_met": "met"}
    second = make_queue(rubric_version=version)
    for item in queue.items.all():
        mine = item.annotations.get(origin=AnnotationOrigin.JUDGE)
        said = {one.criterion.key: one.verdict for one in mine.ratings.select_related("criterion")}
        again = make_item(second, consultation=item.consultation)
        make_annotation(again, None, {**said, "ecg": flip[said["ecg"]]}, origin=mine.origin, judge=mine.judge)
    found = instrument.report(version)
    assert of(found, "ecg").kappa.value < 0, "though it was right in the first queue, before"
    assert (of(found, "named").kappa.value, of(found, "ecg").pairs) == (1, 30)


def test_it_takes_few_queries(django_assert_max_num_queries):
    version = judged(make_judged_queue(30, physicians=30))
    with django_assert_max_num_queries(4):
        instrument.report(version)
