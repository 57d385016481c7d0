"""One holder at a time: a claim raises the fence, and who lost it writes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from clinic.models import User
from tests.training.runs.factories import ask
from training.models import Run, RunStatus
from training.runs import lease
from training.runs.lease import LostLease, claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(admin: User) -> Run:
    return ask(admin)


def lapse(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claim_takes_a_queued_run(run: Run, settings) -> None:
    held = claim(run.pk)
    assert held is not None
    assert (held.run.status, held.fence) == (RunStatus.RUNNING, 1)
    left = held.run.lease_until - timezone.now()
    assert timedelta(0) < left <= timedelta(seconds=settings.RUN_LEASE_SECONDS + 5)
    assert held.run.worker == lease.worker_name()


def test_what_is_held_or_over_cannot_be_claimed(run: Run) -> None:
    held = claim(run.pk)
    assert claim(run.pk) is None
    with held.settled() as row:
        row.move_to(RunStatus.FAILED, by=None, lease_until=None)
    assert claim(run.pk) is None


def test_who_lost_the_lease_can_neither_beat_nor_settle(run: Run) -> None:
    first = claim(run.pk)
    lapse(run)
    second = claim(run.pk)
    assert second.fence == 2
    with pytest.raises(LostLease):
        first.beat([{"step": 1}], doing="late")
    with pytest.raises(LostLease), first.settled():
        pass
    run.refresh_from_db()
    assert run.doing == ""
    assert not run.metrics.exists()


def test_a_lapsed_lease_that_nobody_took_is_still_ours(run: Run) -> None:
    held = claim(run.pk)
    lapse(run)
    assert held.beat() is False
    run.refresh_from_db()
    assert run.lease_until > timezone.now()


def test_a_beat_writes_lines_and_says_whether_to_cancel(run: Run) -> None:
    held = claim(run.pk)
    held.beat([{"step": 1, "reward": 0.5}], step=1, steps=3)
    held.beat([{"step": 1, "reward": 0.7}])
    assert [row.values["reward"] for row in run.metrics.all()] == [0.7]
    Run.objects.filter(pk=run.pk).update(cancel_asked_at=timezone.now())
    assert held.beat() is True


def test_lines_and_row_are_written_together_or_not_at_all(run: Run) -> None:
    held = claim(run.pk)
    with pytest.raises(Exception, match="run_step_within_steps"):
        held.beat([{"step": 9}], step=9, steps=3)


def test_a_run_that_is_given_back_is_free_at_once(run: Run) -> None:
    claim(run.pk).give_back()
    held = claim(run.pk)
    assert held.fence == 2
    assert held.takeovers() == 1


def test_takeovers_count_from_the_last_time_somebody_asked(run: Run) -> None:
    claim(run.pk).give_back()
    held = claim(run.pk)
    with held.settled() as row:
        row.move_to(RunStatus.FAILED, by=None, lease_until=None)
    held.run.refresh_from_db()
    held.run.move_to(RunStatus.QUEUED, by=None)
    assert claim(run.pk).takeovers() == 0


def test_a_step_that_waited_twice_for_the_database_is_written_once(admin: User) -> None:
    held = claim(ask(admin).pk)
    held.beat([{"step": 1, "loss": 2.0}, {"step": 1, "loss": 2.0, "val_loss": 3.0}])
    assert held.run.metrics.get().values == {"step": 1, "loss": 2.0, "val_loss": 3.0}
