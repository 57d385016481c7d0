"""The people page: links shown once, roles, disabling; and the door for the invited."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import Role, User
from tests.clinic.factories import make_user


@pytest.fixture
def admin(db) -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def visitor(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend="clinic.accounts.ClinicBackend")
    return client


def link_in(page: str) -> str:
    return re.search(r'id="link"[^>]* value="http://[^/]+(/[^"]+)"', page)[1]


def test_an_invitation_leads_to_an_account(visitor) -> None:
    page = visitor.post(reverse("people_invite"), {"email": "new@example.org", "role": "clinician"})
    link = link_in(page.content.decode())
    assert link not in visitor.get(reverse("people")).content.decode()
    facts = {"first_name": "New", "last_name": "Person", "username": "new", "password": "seven quiet herons"}
    stranger = Client()
    assert "differ" in stranger.post(link, {**facts, "again": "other"}).content.decode()
    assert stranger.post(link, {**facts, "again": facts["password"]}).status_code == 302
    assert stranger.get(link).status_code == 410
    door = stranger.post(reverse("account_login"), {"login": "new", "password": facts["password"]})
    assert door.headers["Location"] == reverse("home")


def test_a_refused_invitation_says_why(visitor, admin) -> None:
    page = visitor.post(reverse("people_invite"), {"email": admin.email, "role": "clinician"})
    assert page.status_code == 422
    assert "already has an account" in page.content.decode()


def test_role_disable_and_enable(visitor, admin) -> None:
    person = make_user(site=admin.site)
    visitor.post(reverse("people_role", args=[person.pk]), {"role": "researcher"})
    visitor.post(reverse("people_disable", args=[person.pk]))
    person.refresh_from_db()
    assert (person.role, person.is_active) == ("researcher", False)
    visitor.post(reverse("people_enable", args=[person.pk]))
    person.refresh_from_db()
    assert person.is_active


def test_the_last_administrator_stays(visitor, admin) -> None:
    page = visitor.post(reverse("people_role", args=[admin.pk]), {"role": "clinician"}, follow=True)
    assert "last active administrator" in page.content.decode()


def test_a_password_link_works_once(visitor, admin) -> None:
    person = make_user(site=admin.site)
    link = link_in(visitor.post(reverse("people_password", args=[person.pk])).content.decode())
    page = Client().get(link, follow=True)
    assert page.status_code == 200
    assert b"password" in page.content.lower()


def test_people_of_other_sites_do_not_exist(visitor) -> None:
    from tests.clinic.factories import make_site

    stranger = make_user(site=make_site())
    for name in ("people_role", "people_disable", "people_password", "people_second_factor"):
        assert visitor.post(reverse(name, args=[stranger.pk])).status_code == 404


def test_settings_are_kept_and_checked(visitor) -> None:
    chosen = {"theme": "dark", "time_zone": "Asia/Tokyo", "whole": "on"}
    visitor.post(reverse("settings"), chosen)
    page = visitor.get(reverse("settings")).content.decode()
    assert 'data-theme="dark"' in page
    visitor.cookies["preferences"] = "theme=<script>&time_zone=../../etc/passwd"
    assert 'data-theme="auto"' in visitor.get(reverse("settings")).content.decode()


def test_the_audit_log_says_whether_its_chain_is_whole(visitor, admin) -> None:
    visitor.post(reverse("people_invite"), {"email": "x@example.org", "role": "annotator"})
    page = visitor.get(reverse("audit_log") + "?verify=1").content.decode()
    assert "The chain is whole" in page
    assert "person.invited" in page
