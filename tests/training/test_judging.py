"""A judge rates the items of a queue: evidence, errors that lower coverage alone, and going on where it broke off."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from statistics import fmean

import pytest
from django.utils import timezone

from agents.rubrics import Verdict
from clinic.models import Annotation, AnnotationOrigin, AuditEntry, Case, CaseKind, Rating, Role
from clinic.services import adjudication
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.annotation.sheets import make_judgeable
from tests.clinic.factories import make_consultation, make_site, make_user
from tests.training.judged import Killed, make_judged_queue
from training import judging, tasks
from training.judges import Instrument
from training.models import JudgeRun, JudgeRunStatus
from training.stored_episodes import stored_episodes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """What would go to the broker; no pause between tries."""
    found: list[int] = []
    monkeypatch.setattr("training.judging.send", found.append)
    monkeypatch.setattr("training.judging.PAUSE", 0.0)
    return found


@pytest.fixture
def keeper():
    return make_user(Role.ADJUDICATOR)


def started(queue, keeper=None):
    return judging.start(queue=queue, name="rules", by=keeper or make_user(Role.ADJUDICATOR))


def judged(queue):
    return Annotation.objects.filter(item__queue=queue, origin=AnnotationOrigin.JUDGE)


def test_it_rates_every_item_with_evidence_and_its_identity(keeper, sent, django_capture_on_commit_callbacks):
    queue = make_judged_queue(6)
    with django_capture_on_commit_callbacks(execute=True):
        run = started(queue, keeper)
    assert sent == [run.pk]
    assert tasks.judge(run.pk) == 6
    run.refresh_from_db()
    assert (run.status, run.done, run.total, run.errors) == (JudgeRunStatus.SUCCEEDED, 6, 6, 0)
    assert judged(queue).count() == 6
    one = judged(queue).first()
    assert one.judge == {"kind": "rules", "confidence": {}}
    assert one.annotator is None
    assert one.coverage == 1.0
    row = Rating.objects.filter(annotation__item__queue=queue, criterion__key="named", verdict="met").first()
    assert "Pneumonia" in row.evidence
    assert row.evidence_turn
    assert row.reason == "rule: diagnosed"
    actions = [entry.action for entry in AuditEntry.objects.filter(noun="judge_run")]
    assert actions == ["judge.started", "judge.succeeded"]


def test_a_judge_is_never_the_last_word(keeper):
    queue = make_judged_queue(2)
    judging.execute(run_id=started(queue, keeper).pk)
    assert not judged(queue).filter(authoritative=True).exists()
    assert adjudication.settle(item=queue.items.first()) is None


def means(queue):
    rows = [row for row in judged(queue) if row.score is not None]
    return fmean(row.score for row in rows), fmean(row.coverage for row in judged(queue))


def run_with(queue, judge):
    judged(queue).delete()
    JudgeRun.objects.filter(queue=queue).delete()
    run = started(queue)
    judging.execute(run_id=run.pk, judge=judge)
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_a_judge_killed_at_random_lowers_coverage_and_not_the_score(rate):
    """Each verdict that is there is the one of the whole judge, and so is the mean, up to which were drawn."""
    queue = make_judged_queue(120)
    run_with(queue, Killed(0.0))
    whole, full = means(queue)
    assert full == 1.0
    verdicts = dict(_said(queue))
    run = run_with(queue, Killed(rate, seed=1))
    killed, coverage = means(queue)
    assert coverage == pytest.approx(1 - rate**judging.TRIES, abs=0.05), "each was asked again once"
    assert run.errors > 0
    assert killed == pytest.approx(whole, abs=0.05)
    for at, verdict in _said(queue):
        assert verdict in (verdicts[at], "error")


def test_counted_as_not_met_a_killed_judge_would_lower_the_score():
    """The control: what other harnesses do moves the mean."""
    queue = make_judged_queue(120)
    run_with(queue, Killed(0.0))
    whole, _ = means(queue)
    run_with(queue, Killed(0.36, seed=1, instead=Verdict.NOT_MET))
    lowered, coverage = means(queue)
    assert coverage == 1.0, "and nobody would see it"
    assert lowered < whole - 0.08


def _said(queue):
    rows = Rating.objects.filter(annotation__item__queue=queue, annotation__origin=AnnotationOrigin.JUDGE)
    return [((one, key), verdict) for one, key, verdict in rows.values_list("annotation__item", "criterion", "verdict")]


def test_errors_are_asked_for_again_and_verdicts_stand(keeper):
    queue = make_judged_queue(30)
    run = started(queue, keeper)
    judging.execute(run_id=run.pk, judge=Killed(0.5))
    broken = Rating.objects.filter(verdict="error").count()
    assert broken
    again = started(queue, keeper)
    assert again == run, "it goes on in its row"
    whole = Killed(0.0)
    judging.execute(run_id=run.pk, judge=whole)
    assert whole.asked == broken, "only what failed is asked"
    run.refresh_from_db()
    assert (run.errors, run.done, judged(queue).count()) == (0, 30, 30)


def test_a_killed_worker_loses_nothing_and_another_goes_on(keeper):
    class Dies(Killed):
        async def rate(self, episode, criterion):
            if self.asked >= 30:
                raise KeyboardInterrupt
            return await super().rate(episode, criterion)

    queue = make_judged_queue(30)
    run = started(queue, keeper)
    with pytest.raises(KeyboardInterrupt):
        judging.execute(run_id=run.pk, judge=Dies(0.0))
    run.refresh_from_db()
    assert run.status == JudgeRunStatus.FAILED
    assert "kept" in run.error
    assert 9 <= judged(queue).count() < 30
    started(queue, keeper)
    judging.execute(run_id=run.pk)
    assert judged(queue).count() == 30


def test_a_worker_that_went_silent_is_replaced_and_a_living_one_is_not(keeper):
    queue = make_judged_queue(2)
    run = started(queue, keeper)
    run.move_to(JudgeRunStatus.RUNNING, by=keeper, seen_at=timezone.now())
    with pytest.raises(Refused, match="at work"):
        started(queue, keeper)
    JudgeRun.objects.filter(pk=run.pk).update(seen_at=timezone.now() - judging.SILENT - timedelta(seconds=1))
    assert started(queue, keeper).status == JudgeRunStatus.QUEUED
    assert judging.execute(run_id=run.pk) == 2


def test_a_second_delivery_does_nothing(keeper):
    queue = make_judged_queue(2)
    run = started(queue, keeper)
    assert judging.execute(run_id=run.pk) == 2
    assert judging.execute(run_id=run.pk) == 0
    assert judged(queue).count() == 2


def test_a_judge_that_was_changed_meanwhile_rates_nothing(keeper):
    queue = make_judged_queue(2)
    run = started(queue, keeper)
    JudgeRun.objects.filter(pk=run.pk).update(judge={"kind": "language", "model": "an earlier one", "prompt": "p"})
    assert judging.execute(run_id=run.pk, judge=Killed(0.0)) == 0
    run.refresh_from_db()
    assert run.status == JudgeRunStatus.FAILED
    assert run.error == "The judge was changed since this run was asked for; begin again."
    assert not judged(queue).exists()
    assert started(queue, keeper) != run, "begun again, it is the judge of now that rates"


def test_where_nothing_could_be_had_the_run_has_failed(keeper):
    queue = make_judged_queue(3)
    run = started(queue, keeper)
    judging.execute(run_id=run.pk, judge=Killed(1.0))
    run.refresh_from_db()
    assert run.status == JudgeRunStatus.FAILED
    assert "killed" in run.error
    assert judged(queue).filter(score=None, coverage=0.0).count() == 3


def test_a_rule_that_does_not_exist_is_an_error_and_not_a_verdict(keeper):
    rubric = make_rubric({"key": "odd", "text": "Is odd", "points": 3, "rule": {"sings": True}})
    queue = make_queue(rubric_version=rubric)
    make_item(queue, consultation=make_judgeable())
    run = started(queue, keeper)
    judging.execute(run_id=run.pk)
    row = Rating.objects.get(annotation__item__queue=queue)
    assert row.verdict == "error"
    assert "a rule is one of" in row.reason


def test_a_models_server_never_reads_a_real_patient_nor_a_credentialed_record(keeper):
    queue = make_judged_queue(2)
    real, credentialed = queue.items.first().consultation.case, make_consultation().case
    make_item(queue, consultation=make_consultation(case=credentialed), rubric_version=queue.rubric_version)
    Case.objects.filter(pk=credentialed.pk).update(credentialed=True)
    rules = Instrument("rules", "Rules", None, reads_out=False)
    model = Instrument("judge", "Model", None)
    assert judging.readable(queue, rules).count() == 3
    assert judging.readable(queue, model).count() == 2
    from tests.clinic.factories import make_case

    patient = make_case(CaseKind.PATIENT)
    make_item(queue, consultation=make_consultation(case=patient), rubric_version=queue.rubric_version)
    assert judging.readable(queue, rules).count() == 4
    assert judging.readable(queue, model).count() == 2
    assert real.kind != CaseKind.PATIENT


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.CLINICIAN, Role.RESEARCHER])
def test_only_who_keeps_queues_starts_it(role):
    queue = make_judged_queue(1)
    for by in (make_user(role), make_user(Role.ADJUDICATOR, site=make_site())):
        with pytest.raises(Refused):
            started(queue, by)
    with pytest.raises(Refused, match="not configured"):
        judging.start(queue=queue, name="gate", by=make_user(Role.ADMIN))


def test_a_queue_that_compares_has_nothing_to_rate(keeper):
    item = make_item(make_queue(), other=make_consultation())
    with pytest.raises(Refused, match="compares"):
        started(item.queue, keeper)


def test_the_judge_reads_the_words_that_physicians_judge():
    consultation = make_judgeable()
    episode = stored_episodes([consultation])[consultation.pk]
    assert episode.diagnosis == "Pneumonia"
    assert str(episode.end) == "FINISH"
    assert [turn.n for turn in episode.turns] == [1, 2, 3, 4, 5]
    assert "96" in episode.turns[3].text
    assert "CRP" in episode.turns[3].text
    assert episode.agent_turns == 3
    consultation.turns.filter(number=5).update(retracted_at=timezone.now())
    undone = stored_episodes([consultation])[consultation.pk]
    assert undone.diagnosis is None
    assert undone.end is None


def test_each_try_counts_and_cancelling_is_no_verdict():
    judge = Killed(1.0)
    consultation = make_judgeable()
    episode = stored_episodes([consultation])[consultation.pk]
    criterion = make_rubric().criteria.first().as_criterion()
    (rating,) = asyncio.run(judging.rate_surely(judge, episode, [criterion], tries=3, pause=0.0))
    assert judge.asked == 3
    assert rating.verdict is Verdict.ERROR
    assert "killed" in rating.reason


def test_what_a_person_judged_stays_as_it_was(keeper):
    queue = make_judged_queue(1)
    item = queue.items.get()
    mine = make_annotation(item, verdicts={"ecg": "met"})
    judging.execute(run_id=started(queue, keeper).pk)
    item.refresh_from_db()
    assert item.submitted == 1, "a judge is none of the wanted judgements"
    assert mine.ratings.count() == 1
