"""Deployments by role: who sees training reads, an administrator decides, others know nothing of it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEntry, ModelVersion, Role
from tests.clinic.factories import default_site, make_serving_agent, make_site, make_user, make_version
from training.models import Deployment

pytestmark = pytest.mark.django_db
READERS = (Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN)
ACTS = ("promote", "canary", "shadow", "withdraw")


@pytest.fixture
def candidate():
    make_serving_agent()
    return make_version(status="candidate")


def client_of(role, site=None):
    client = Client()
    client.force_login(make_user(role, site=site or default_site()), backend="clinic.accounts.ClinicBackend")
    return client


def state():
    statuses = sorted(ModelVersion.objects.values_list("pk", "status"))
    return statuses, Deployment.objects.count(), AuditEntry.objects.filter(noun="deployment").count()


@pytest.mark.parametrize("role", Role.values)
def test_the_page_is_for_those_who_see_training(candidate, role):
    reply = client_of(role).get(reverse("training:deployment_list"))
    assert reply.status_code == (200 if role in READERS else 403)
    if role in READERS:
        buttons = f'action="{reverse("training:shadow", args=[candidate.version])}"'.encode()
        assert (buttons in reply.content) is (role == Role.ADMIN)


@pytest.mark.parametrize("role", Role.values)
def test_the_source_attributes_are_for_everybody(candidate, role):
    assert client_of(role).get(reverse("training:source_attributes", args=[candidate.version])).status_code == 200


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
@pytest.mark.parametrize("name", [*ACTS, "rollback"])
def test_only_an_administrator_decides(candidate, role, name):
    before = state()
    arguments = [] if name == "rollback" else [candidate.version]
    reply = client_of(role).post(reverse(f"training:{name}", args=arguments), {"reason": "x", "share": "10"})
    assert reply.status_code == 403
    assert state() == before


@pytest.mark.parametrize("name", [*ACTS, "rollback"])
def test_nothing_is_decided_by_a_link(candidate, name):
    arguments = [] if name == "rollback" else [candidate.version]
    assert client_of(Role.ADMIN).get(reverse(f"training:{name}", args=arguments)).status_code == 405


PAGES = ("deployment_list", "source_attributes")


@pytest.mark.parametrize("name", [*PAGES, "rollback", *ACTS])
def test_strangers_are_asked_to_sign_in(candidate, name):
    of_one = name in ACTS or name == "source_attributes"
    address = reverse(f"training:{name}", args=[candidate.version] if of_one else [])
    reply = Client().get(address) if name in PAGES else Client().post(address)
    assert reply.status_code == 302
    assert reply.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", ACTS)
def test_a_version_that_is_none_or_no_agent_is_not_found(candidate, name):
    world = make_version(role="world", status="candidate")
    for version in ("dx-none", world.version):
        assert client_of(Role.ADMIN).post(reverse(f"training:{name}", args=[version])).status_code == 404


def test_another_sites_gate_is_not_linked(candidate):
    reply = client_of(Role.ADMIN, make_site()).get(reverse("training:deployment_list"))
    assert reply.status_code == 200
    assert b"Its gate" not in reply.content
