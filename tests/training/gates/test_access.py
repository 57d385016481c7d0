"""Gates by every role, at one's own site and of another, and by strangers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEntry, Role
from tests.clinic import factories as make
from tests.training.gates.access import NAMES
from tests.training.gates.factories import TEXTS, make_candidate, make_gate, make_passed, make_record
from training.models import Gate, Signature

pytestmark = pytest.mark.django_db
READERS = {Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN}
ADMIN, KEEPERS = {Role.ADMIN}, {Role.ADJUDICATOR, Role.ADMIN}
MAY = {
    "training:gate_list": ("get", READERS),
    "training:gate_detail": ("get", READERS),
    "training:gate_start": ("post", ADMIN),
    "training:gate_again": ("post", ADMIN),
    "training:gate_record": ("post", KEEPERS),
    "training:gate_sign": ("post", KEEPERS),
}
OF_A_ROW = ("gate_detail", "gate_again", "gate_record", "gate_sign")


def rows_at(site) -> dict[str, tuple[list, dict]]:
    """(arguments, fields) of each address."""
    make.make_serving_agent()
    starter = make.make_user(Role.ADMIN, site=site)
    broke = make_gate(make_candidate(by=starter), site=site)
    broke.move_to("broke", by=None)
    passed = make_passed(make_candidate(by=starter), site=site)
    signed = make_record(make_passed(make_candidate(by=starter), site=site))
    return {
        "training:gate_detail": ([passed.pk], {}),
        "training:gate_start": ([], {"candidate": make_candidate(by=starter).pk, "profile": "demo"}),
        "training:gate_again": ([broke.pk], {}),
        "training:gate_record": ([passed.pk], TEXTS),
        "training:gate_sign": ([signed.gate_id], {"role": "physician", "read": signed.digest}),
    }


def ask(client: Client, name: str, rows: dict[str, tuple[list, dict]]) -> int:
    arguments, fields = rows.get(name, ([], {}))
    return getattr(client, MAY[name][0])(reverse(name, args=arguments), fields).status_code


def state() -> list:
    return [Gate.objects.count(), Signature.objects.count(), AuditEntry.objects.count()]


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
        if name.removeprefix("training:") in OF_A_ROW:
            before = state()
            assert ask(client, name, theirs) == (404 if role in roles else 403), f"{role} opens another's {name}"
            assert state() == before


def test_another_sites_candidate_is_not_offered():
    theirs = rows_at(make.make_site())
    before = Gate.objects.count()
    assert ask(signed_in(Role.ADMIN), "training:gate_start", theirs) == 302
    assert Gate.objects.count() == before


def test_strangers_are_asked_to_sign_in():
    rows = rows_at(make.default_site())
    before = state()
    for name in NAMES:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=rows.get(name, ([], {}))[0]))
            assert answer.status_code == 302, name
            assert "/accounts/login/" in answer["Location"]
    assert state() == before
