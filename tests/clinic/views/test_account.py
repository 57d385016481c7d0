"""Signing in with a second factor, changing a password: every page of it is ours and works."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client
from django.urls import reverse

from clinic.models import User
from tests.clinic.factories import PASSWORD, make_site, make_user


@pytest.fixture
def person(db) -> User:
    return make_user(username="totp-person")


def sign_in(client: Client, person: User) -> str:
    """Where the door leads."""
    form = {"login": person.username, "password": PASSWORD}
    return client.post(reverse("account_login"), form).headers.get("Location", "")


def code_for(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def set_up(client: Client) -> str:
    """Activate the second factor through its page, after saying the password once more; the secret."""
    asked = client.get(reverse("mfa_activate_totp")).headers["Location"]
    assert 'class="door-card"' in client.get(asked).content.decode()
    client.post(asked, {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    secret = re.search(r'id="authenticator_secret"[^>]* value="([A-Z2-7]+)"', page)[1]
    assert 'class="qr"' in page
    done = client.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})
    assert done.status_code == 302, done.content.decode()
    return secret


def test_the_second_factor_from_setting_up_to_signing_in(person) -> None:
    client = Client()
    assert sign_in(client, person) == reverse("home")
    secret = set_up(client)
    assert "recovery codes" in client.get(reverse("mfa_index")).content.decode().lower()

    other = Client()
    assert sign_in(other, person).startswith(reverse("mfa_authenticate"))
    assert other.get(reverse("case_list")).status_code == 302
    page = other.get(reverse("mfa_authenticate")).content.decode()
    assert 'class="door-card"' in page
    assert other.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    # A code counts once: the next one is of the counter after it.
    later = format_hotp_value(hotp_value(secret, max(yield_hotp_counters_from_time())))
    answer = other.post(reverse("mfa_authenticate"), {"code": later})
    assert answer.headers["Location"] == reverse("home")
    assert other.get(reverse("case_list")).status_code == 200


def test_a_site_may_require_it(db) -> None:
    person = make_user(site=make_site(requires_second_factor=True))
    client = Client()
    sign_in(client, person)
    assert client.get(reverse("case_list")).headers["Location"] == reverse("mfa_activate_totp")
    set_up(client)
    assert client.get(reverse("case_list")).status_code == 200


def test_a_password_is_changed(person) -> None:
    client = Client()
    sign_in(client, person)
    form = {"oldpassword": PASSWORD, "password1": "seven quiet herons", "password2": "seven quiet herons"}
    assert client.post(reverse("account_change_password"), form).status_code == 302
    person.refresh_from_db()
    assert person.check_password("seven quiet herons")


def test_a_wrong_password_says_so(person) -> None:
    page = Client().post(reverse("account_login"), {"login": person.username, "password": "wrong"})
    assert "not correct" in page.content.decode()
    assert 'role="alert"' in page.content.decode()


@pytest.mark.parametrize("address", ["/no-such-page/", "/cases/00000000-0000-4000-8000-000000000000/"])
def test_what_does_not_exist_is_a_page_too(person, address) -> None:
    client = Client()
    sign_in(client, person)
    page = client.get(address)
    assert page.status_code == 404
    assert "There is no such page" in page.content.decode()


def test_a_form_out_of_date_is_explained(person) -> None:
    page = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "x", "password": "y"})
    assert page.status_code == 403
    assert "This form is out of date" in page.content.decode()


def test_a_failure_shows_no_traceback(person, monkeypatch) -> None:
    client = Client(raise_request_exception=False)
    sign_in(client, person)

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("clinic.views.cases.page_of", broken)
    page = client.get(reverse("case_list"))
    assert page.status_code == 500
    assert "Something failed on our side" in page.content.decode()
    assert "secret detail" not in page.content.decode()
