"""Who may ask for a run and with what; nothing begins without a row, and nothing is sent before the commit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from clinic.models import AuditEntry, ModelVersion, Role, User
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.training.runs.factories import ask, make_admin, make_snapshot
from training import outbox, runs
from training.models import Alarm, OutboxMessage, Run, RunStatus
from training.runs.lease import LostLease, claim

pytestmark = pytest.mark.django_db


def grpo(by: User, **fields: object) -> Run:
    return runs.start(site=by.site, by=by, trainer="grpo", **fields)


def test_a_run_and_its_message_are_written_together(admin: User, serving: ModelVersion) -> None:
    run = grpo(admin, config={"steps": 2}, seed=7, name="  Night  ")
    assert (run.status, run.start, run.seed, run.name) == (RunStatus.QUEUED, serving, 7, "Night")
    message = OutboxMessage.objects.get()
    assert (message.task, message.arguments, message.sent_at) == ("training.tasks.run", [str(run.pk)], None)
    assert AuditEntry.objects.latest("seq").action == "run.started"


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_only_administrators_start(serving: ModelVersion, role: str) -> None:
    with pytest.raises(Refused, match="Only administrators"):
        grpo(make.make_user(role))


def test_not_for_another_site(admin: User) -> None:
    with pytest.raises(Refused, match="Only administrators"):
        runs.start(site=make.make_site(), by=admin, trainer="grpo")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"trainer": "magic"}, "no trainer"),
        ({"recipe": "no-such"}, "cannot be used"),
        ({"recipe": "../gates/default"}, "cannot be used"),
        ({"config": ["steps"]}, "table of names"),
        ({"config": {"base": "/etc"}}, "set by Rounds itself"),
        ({"config": {"serve_command": ["sh"]}}, "set by Rounds itself"),
        ({"config": {"steps": "many"}}, '“steps” must be a whole number from 1, not "many"'),
        ({"config": {"steps": 0}}, "“steps” must be"),
        ({"config": {"group": 1}}, "“group” must be a whole number from 2"),
        ({"config": {"lr": float("nan")}}, "“lr” must be a number from 0"),
        ({"config": {"learning_rate": 0.1}}, "no setting “learning_rate”; there are .*lr"),
        ({"config": {"rollouts": "file:///etc"}}, "own, local or the address of a server"),
        ({"seed": -1}, "seed"),
        ({"trainer": "sft"}, "choose a snapshot"),
    ],
)
def test_what_cannot_be_run_is_refused(admin: User, fields, words) -> None:
    with pytest.raises(Refused, match=words):
        runs.start(**{"site": admin.site, "by": admin, "trainer": "grpo", **fields})
    assert not Run.objects.exists()


def test_a_snapshot_of_another_site_is_refused(admin: User) -> None:
    snapshot = make_snapshot(admin)
    other = make_admin(make.make_site())
    with pytest.raises(Refused, match="another site"):
        runs.start(site=other.site, by=other, trainer="sft", snapshot=snapshot)


def test_an_agent_s_trainer_does_not_go_on_from_a_world_model(admin: User) -> None:
    world = make.make_version(role="world", version="world-1")
    with pytest.raises(Refused, match="teaches the agent"):
        grpo(admin, start=world)


def test_a_clone_is_a_new_run_with_the_same_settings(admin: User) -> None:
    run = ask(admin, steps=9)
    twin = runs.clone(run=run, by=admin)
    assert twin.pk != run.pk
    assert twin.cloned_from == run
    same = ("trainer", "recipe", "snapshot", "start", "config", "seed", "name")
    assert [getattr(twin, name) for name in same] == [getattr(run, name) for name in same]


def test_without_a_broker_the_message_waits(admin: User, monkeypatch, django_capture_on_commit_callbacks) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr("celery.current_app.send_task", away)
    with django_capture_on_commit_callbacks(execute=True):
        run = grpo(admin)
    assert OutboxMessage.objects.filter(sent_at=None).count() == 1
    assert outbox.flush() == 0
    sent: list[object] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda task, **told: sent.append((task, told["args"])))
    assert outbox.flush() == 1
    assert sent == [("training.tasks.run", [str(run.pk)])]
    assert outbox.flush() == 0


def test_a_run_that_succeeded_or_waits_is_not_resumed(admin: User) -> None:
    run = ask(admin)
    with pytest.raises(Refused, match="queued"):
        runs.resume(run=run, by=admin)


def test_without_a_checkpoint_there_is_nothing_to_resume(admin: User) -> None:
    run = ask(admin)
    runs.cancel(run=run, by=admin)
    with pytest.raises(Refused, match="no whole checkpoint"):
        runs.resume(run=run, by=admin)


def test_what_is_over_is_not_cancelled(admin: User) -> None:
    run = runs.cancel(run=ask(admin), by=admin)
    with pytest.raises(Refused, match="cancelled already"):
        runs.cancel(run=run, by=admin)


def test_a_running_run_with_a_silent_worker_is_cancelled_at_once(admin: User) -> None:
    run = ask(admin)
    held = claim(run.pk)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    runs.cancel(run=run, by=admin)
    run.refresh_from_db()
    assert (run.status, run.lease_until) == (RunStatus.CANCELLED, None)
    assert "had gone silent" in run.history().last().reason
    with pytest.raises(LostLease):
        held.beat(step=1)
    assert claim(run.pk) is None


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_refused_and_told_as_an_alarm(admin: User, settings) -> None:
    settings.TRAINING_DISK_GB = 0
    with pytest.raises(Refused, match=r"of the 0\.0 GB allowed"):
        grpo(admin)
    assert not Run.objects.exists()
    alarm = Alarm.objects.get(kind="disk")
    assert "TRAINING_DISK_GB" in alarm.message
    assert alarm.site is None
    with pytest.raises(Refused, match="GB allowed"):
        grpo(admin)
    assert Alarm.objects.count() == 1


def test_cancelling_a_running_run_asks_its_supervisor(admin: User) -> None:
    run = ask(admin)
    held = claim(run.pk)
    runs.cancel(run=run, by=admin)
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    assert held.beat() is True
