"""Snapshots, lineage, drift and alarms by every role, at one's own site and of another, and by strangers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEntry, Role
from tests.clinic import factories as make
from tests.training.snapshots.access import NAMES
from tests.training.snapshots.factories import learned, other_case
from training import alarms, snapshots
from training.models import Alarm, Snapshot

pytestmark = pytest.mark.django_db
READERS = {Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN}
ADMIN, KEEPERS = {Role.ADMIN}, {Role.ADJUDICATOR, Role.ADMIN}
MAY = {
    "training:snapshot_list": ("get", READERS),
    "training:snapshot_make": ("post", ADMIN),
    "training:snapshot_diff": ("get", READERS),
    "training:snapshot_detail": ("get", READERS),
    "training:snapshot_rebuild": ("post", ADMIN),
    "training:lineage_case": ("get", READERS),
    "training:drift": ("get", READERS),
    "training:alarm_list": ("get", READERS),
    "training:alarm_clear": ("post", KEEPERS),
}
ROWS = ("snapshot_diff", "snapshot_detail", "snapshot_rebuild", "lineage_case", "alarm_clear")


def rows_at(site) -> dict[str, tuple[list, dict]]:
    """(arguments, fields) of each address."""
    row = learned(case=other_case(0, site=site))
    made = snapshots.make(site=site, by=None)
    alarm = alarms.raise_(kind="run", subject="r", message="Broke off", site=site)
    return {
        "training:snapshot_diff": ([], {"a": str(made.pk), "b": str(made.pk)}),
        "training:snapshot_detail": ([made.pk], {}),
        "training:snapshot_rebuild": ([made.pk], {"without": []}),
        "training:lineage_case": ([], {"case": row.consultation.case.key}),
        "training:alarm_clear": ([alarm.pk], {"why": "Seen"}),
    }


def ask(client: Client, name: str, rows: dict[str, tuple[list, dict]]) -> int:
    arguments, fields = rows.get(name, ([], {}))
    return getattr(client, MAY[name][0])(reverse(name, args=arguments), fields).status_code


def state() -> list:
    return [Snapshot.objects.count(), Alarm.objects.filter(cleared_at=None).count(), AuditEntry.objects.count()]


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make.make_user(role), backend="clinic.accounts.ClinicBackend")
    return client


def test_every_address_is_in_the_table():
    assert set(MAY) == NAMES


@pytest.mark.parametrize("role", Role.values)
def test_roles_at_their_own_site_and_at_another(role):
    own, theirs = rows_at(make.default_site()), rows_at(make.make_site())
    client = signed_in(role)
    for name, (_, roles) in MAY.items():
        before = state()
        status = ask(client, name, own)
        assert status in ((200, 302) if role in roles else (403,)), f"{role} opens {name}: {status}"
        if role not in roles:
            assert state() == before, f"{role} changed something by {name}"
        if name.removeprefix("training:") in ROWS:
            before = state()
            assert ask(client, name, theirs) == (404 if role in roles else 403), f"{role} opens another's {name}"
            assert state() == before


def test_strangers_are_asked_to_sign_in():
    rows = rows_at(make.default_site())
    before = state()
    for name in NAMES:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=rows.get(name, ([], {}))[0]))
            assert answer.status_code == 302, name
            assert "/accounts/login/" in answer["Location"]
    assert state() == before


def test_another_sites_snapshot_is_not_compared_with():
    own, theirs = (rows_at(site)["training:snapshot_detail"][0][0] for site in (make.default_site(), make.make_site()))
    client = signed_in(Role.ADMIN)
    for a, b in ((own, theirs), (theirs, own)):
        assert client.get(reverse("training:snapshot_diff"), {"a": a, "b": b}).status_code == 404
    assert client.get(reverse("training:snapshot_diff"), {"a": own, "b": "nonsense"}).status_code == 404


def test_a_researcher_learns_nothing_of_a_real_patients_case():
    rows_at(make.default_site())
    case = make.make_case("patient")
    client = signed_in(Role.RESEARCHER)
    assert client.get(reverse("training:lineage_case"), {"case": case.key}).status_code == 404
    assert signed_in(Role.ADMIN).get(reverse("training:lineage_case"), {"case": case.key}).status_code == 200
