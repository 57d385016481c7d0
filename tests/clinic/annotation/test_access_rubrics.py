"""Rubrics by role: those who annotate or keep queues see their own site's; others know nothing of them."""

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEntry, Role, Rubric, RubricStatus, RubricVersion
from clinic.services import rubrics
from tests.clinic.annotation.access_rubrics import NAMES, ROOTS, VERSIONS
from tests.clinic.annotation.factories import make_rubric
from tests.clinic.factories import default_site, make_site, make_user

pytestmark = pytest.mark.django_db
POSTS = {"rubric_do", "rubric_criterion", "rubric_check", "rubric_import"}
READERS = (Role.ANNOTATOR, Role.ADJUDICATOR, Role.ADMIN)
DATA = {"do": "guideline", "guideline": "New.", "text": "Orders an ECG.", "points": "3"}


@pytest.fixture
def rows():
    """At each site a rubric in its second version."""
    found = {}
    for whose, site in (("own", default_site()), ("elsewhere", make_site())):
        first = make_rubric(site=site)
        by = first.published_by
        second = rubrics.new_version(rubric=first.rubric, by=by)
        rubrics.publish(version=second, by=by)
        draft = make_rubric(site=site, status=RubricStatus.WRITING)
        found[whose] = {
            name: draft if name in ("rubric_do", "rubric_criterion", "rubric_check") else second for name in VERSIONS
        }
    return found


def client_of(role):
    client = Client()
    client.force_login(make_user(role), backend="clinic.accounts.ClinicBackend")
    return client


def ask(client, name, *arguments):
    address = reverse(name, args=arguments)
    return client.post(address, DATA) if name in POSTS else client.get(address)


def state():
    return Rubric.objects.count(), RubricVersion.objects.count(), AuditEntry.objects.count()


def test_every_address_is_walked():
    assert ROOTS | VERSIONS == NAMES


@pytest.mark.parametrize("role", READERS)
def test_those_who_annotate_open_their_own_sites(rows, role):
    client = client_of(role)
    for name in VERSIONS:
        assert ask(client, name, rows["own"][name].pk).status_code in (200, 302), name
    for name in ROOTS:
        assert ask(client, name).status_code in (200, 302), name


@pytest.mark.parametrize("role", READERS)
def test_another_sites_rubrics_do_not_exist(rows, role):
    client, before = client_of(role), state()
    for name in VERSIONS:
        assert ask(client, name, rows["elsewhere"][name].pk).status_code == 404, name
    assert state() == before


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RESEARCHER])
def test_others_are_refused(rows, role):
    client, before = client_of(role), state()
    for name in VERSIONS:
        assert ask(client, name, rows["own"][name].pk).status_code == 403, name
    for name in ROOTS:
        assert ask(client, name).status_code == 403, name
    assert state() == before


def test_nobody_gets_in_without_signing_in(rows):
    client, before = Client(), state()
    addresses = [reverse(name, args=[rows["own"][name].pk]) for name in VERSIONS] + [reverse(n) for n in ROOTS]
    for address in addresses:
        for answer in (client.get(address), client.post(address, DATA)):
            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("account_login"))
    assert state() == before
