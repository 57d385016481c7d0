"""One open alarm per kind and subject, cleared by a person who says why."""

from __future__ import annotations

import pytest

from clinic.models import AuditEntry
from clinic.services.errors import Refused
from tests.clinic import factories as make
from training import alarms
from training.models import Alarm

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("installation", [True, False])
def test_seen_again_it_stays_one_row_with_the_newest_words(installation):
    site = None if installation else make.default_site()
    first = alarms.raise_(kind="identity", subject="dx-1", message="Differs", site=site)
    again = alarms.raise_(kind="identity", subject="dx-1", message="Still differs", site=site, data={"probe": 2})
    assert first.pk == again.pk
    assert (Alarm.objects.get().message, Alarm.objects.get().data) == ("Still differs", {"probe": 2})
    assert Alarm.objects.get().seen_at > first.seen_at
    alarms.raise_(kind="identity", subject="dx-2", message="Differs", site=site)
    assert Alarm.objects.count() == 2
    assert AuditEntry.objects.filter(action="alarm.raised").count() == 2


def test_cleared_with_a_reason_and_raised_anew():
    admin = make.make_user("admin")
    alarm = alarms.raise_(kind="drift.turns", subject="dx-1", message="Longer", site=admin.site)
    with pytest.raises(Refused, match="Say what was found"):
        alarms.clear(alarm=alarm, by=admin, why=" ")
    alarms.clear(alarm=alarm, by=admin, why="A new ward began")
    assert (alarm.cleared_by, alarm.cleared_why) == (admin, "A new ward began")
    with pytest.raises(Refused, match="cleared already"):
        alarms.clear(alarm=alarm, by=admin, why="Again")
    assert alarms.raise_(kind="drift.turns", subject="dx-1", message="Longer", site=admin.site).pk != alarm.pk
    assert AuditEntry.objects.filter(action="alarm.cleared").count() == 1


def test_who_may_clear_and_see():
    here, there = make.default_site(), make.make_site()
    mine = alarms.raise_(kind="run", subject="r", message="Broke off", site=here)
    everywhere = alarms.raise_(kind="disk", subject="home", message="Full")
    for person in (make.make_user("researcher"), make.make_user("clinician"), make.make_user("admin", site=there)):
        with pytest.raises(Refused, match="Only an administrator"):
            alarms.clear(alarm=mine, by=person, why="Seen")
    assert set(Alarm.objects.visible_to(make.make_user("researcher"))) == {mine, everywhere}
    assert set(Alarm.objects.visible_to(make.make_user("admin", site=there))) == {everywhere}
    assert not Alarm.objects.visible_to(make.make_user("clinician")).exists()
    alarms.clear(alarm=everywhere, by=make.make_user("admin", site=there), why="Freed")
    alarms.clear(alarm=mine, by=make.make_user("adjudicator"), why="Looked at")
