"""A schedule begins a run in its window (UTC), with enough new feedback and nothing in the way; else it says why."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection

from clinic.models import Case, StatusChange, User
from clinic.services.errors import Refused
from tests.clinic.factories import make_user, make_version
from tests.training.runs.factories import ask, make_admin
from tests.training.snapshots import factories as frozen
from training import runs
from training.models import Alarm, Gate, GateStatus, OutboxMessage, Run, RunStatus, Schedule
from training.runs import schedules

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
FORM = {"name": "Nightly", "trainer": "sft", "opens": time(22), "closes": time(5), "at_least": 1}


def nightly(by: User, **fields: object) -> Schedule:
    return schedules.save(site=by.site, by=by, **{**FORM, **fields})


@pytest.mark.parametrize(
    ("opens", "closes", "days", "clock", "inside"),
    [
        (1, 5, [], 2, True),
        (1, 5, [0], 2, True),
        (1, 5, [1], 2, False),
        (3, 5, [], 2, False),
        (22, 5, [], 2, True),
        (22, 5, [6], 2, True),  # opened on Sunday evening
        (22, 5, [0], 2, False),
        (22, 5, [0], 23, True),
        (22, 5, [], 12, False),
        (1, 2, [], 2, False),
    ],
)
def test_windows(opens, closes, days, clock, inside) -> None:
    schedule = Schedule(opens=time(opens), closes=time(closes), weekdays=days)
    assert schedules.is_open(schedule, MONDAY.replace(hour=clock, minute=0)) is inside


def test_it_begins_a_run_on_a_snapshot_of_its_own(admin: User) -> None:
    frozen.learned()
    schedule = nightly(admin)
    assert schedules.look_at(schedule.pk, now=MONDAY)
    run = Run.objects.get()
    assert (run.schedule, run.by, run.status) == (schedule, admin, RunStatus.QUEUED)
    assert run.snapshot.feedback_rows.exists()
    assert OutboxMessage.objects.get().arguments == [str(run.pk)]
    schedule.refresh_from_db()
    assert (schedule.why_not, schedule.looked_at) == ("", MONDAY)


def test_not_again_before_something_new_is_approved(admin: User) -> None:
    frozen.learned()
    schedule = nightly(admin)
    schedules.look_at(schedule.pk, now=MONDAY)
    run = runs.cancel(run=Run.objects.get(), by=admin)
    assert not schedules.look_at(schedule.pk, now=MONDAY)
    schedule.refresh_from_db()
    assert schedule.why_not == "0 of 1 new approved judgements since its last run."
    new = frozen.learned(1)
    if not StatusChange.objects.filter(target=str(new.pk), new="approved").exists():
        StatusChange.objects.create(noun="feedback", target=str(new.pk), old="proposed", new="approved")
    assert schedules.look_at(schedule.pk, now=MONDAY + timedelta(minutes=1))
    assert Run.objects.exclude(pk=run.pk).count() == 1


def test_judgements_that_no_snapshot_takes_begin_nothing(admin: User) -> None:
    judged = frozen.learned()
    schedule = nightly(admin)
    assert schedules.new_judgements(schedule) == 1
    for forbidden in ({"credentialed": True}, {"deleted_at": MONDAY}, {"key": "virtual:test:0001@0"}):
        Case.objects.filter(pk=judged.consultation.case_id).update(**forbidden)
        assert schedules.new_judgements(schedule) == 0, forbidden
        Case.objects.filter(pk=judged.consultation.case_id).update(
            credentialed=False, deleted_at=None, key="virtual:train:0001@0"
        )
    assert schedules.new_judgements(schedule) == 1


def test_each_thing_in_the_way_is_named(admin: User) -> None:
    frozen.learned()

    def reason(**fields: object) -> str:
        Schedule.objects.all().delete()
        schedule = nightly(admin, **fields)
        assert not schedules.look_at(schedule.pk, now=MONDAY)
        schedule.refresh_from_db()
        return schedule.why_not

    assert reason(enabled=False) == "It is switched off."
    assert reason(opens=time(8), closes=time(9)) == "It is outside its window."
    assert reason(at_least=2) == "1 of 2 new approved judgements since its last run."
    run = ask(admin)
    assert reason() == "The accelerator is in use: the run A run."
    runs.cancel(run=run, by=admin)
    gate(admin, run)
    assert reason().startswith("A gate waits to be looked at")
    assert Run.objects.count() == 1


def gate(by: User, run: Run) -> Gate:
    candidate = make_version(status="candidate")
    told = {"site": by.site, "profile": "demo", "profile_digest": "0", "primary": "reward", "folder": "x"}
    row = Gate(candidate=candidate, baseline=run.start, status=GateStatus.PASSED, n=200, **told)
    # Past the triggers, which tests of gates try: only its being there matters here.
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        row.save()
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    return row


def test_a_maker_who_runs_training_no_more_begins_nothing(admin: User) -> None:
    frozen.learned()
    schedule = nightly(admin)
    User.objects.filter(pk=admin.pk).update(role="clinician")
    assert not schedules.look_at(schedule.pk, now=MONDAY)
    schedule.refresh_from_db()
    assert "another administrator must save it" in schedule.why_not


def test_a_refused_run_is_why_not(admin: User, settings) -> None:
    frozen.learned()
    settings.TRAINING_DISK_GB = 0
    schedule = nightly(admin)
    assert not schedules.look_at(schedule.pk, now=MONDAY)
    schedule.refresh_from_db()
    assert "TRAINING_DISK_GB" in schedule.why_not
    assert not Run.objects.exists()
    assert Alarm.objects.get().kind == "disk", "nobody watches a schedule at night"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "name"),
        ({"closes": time(22)}, "different times"),
        ({"weekdays": [7]}, "days"),
        ({"at_least": 0}, "from 1"),
        ({"trainer": "x"}, "no trainer"),
        ({"config": {"start": "x"}}, "Rounds itself"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(admin: User, fields, words) -> None:
    with pytest.raises(Refused, match=words):
        nightly(admin, **fields)


def test_only_administrators_write_schedules_and_names_are_the_site_s(admin: User) -> None:
    first = nightly(admin)
    with pytest.raises(Refused, match="name"):
        nightly(admin)
    assert nightly(admin, schedule=first, at_least=9).at_least == 9
    with pytest.raises(Refused, match="Only administrators"):
        schedules.save(site=admin.site, by=make_user("researcher"), **FORM)
    assert make_admin().site == admin.site
