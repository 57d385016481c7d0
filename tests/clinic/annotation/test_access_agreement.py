"""Who opens the pages of agreement and of the judge: roles, other sites, strangers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AnnotationOrigin, Role
from tests.clinic import factories as base
from tests.clinic.annotation import access_agreement
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric

pytestmark = pytest.mark.django_db
KEEPERS = {Role.ADJUDICATOR, Role.ADMIN}
READERS = KEEPERS | {Role.ANNOTATOR}
ALLOWED = {
    "agreement": KEEPERS,
    "agreement_queue": KEEPERS,
    "agreement_item": KEEPERS,
    "agreement_adjudicate": {Role.ADJUDICATOR},
    "training:judge": READERS,
    "training:judge_start": KEEPERS,
    "training:judge_version": READERS,
}
POSTS = {"agreement_adjudicate", "training:judge_start"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("training.judging.send", lambda run: None)


def rows(site):
    """(arguments, form) of each address at one site."""
    queue = make_queue(site=site, overlap=2, rubric_version=make_rubric(site=site))
    item = make_item(queue, consultation=base.make_consultation(case=base.make_case(site=site)))
    make_annotation(item, verdicts={"ecg": "met"})
    make_annotation(item, verdicts={"ecg": "not_met"})
    make_annotation(item, origin=AnnotationOrigin.JUDGE, verdicts={"ecg": "met"}, judge={"kind": "rules"})
    return {
        "agreement": ([], {}),
        "agreement_queue": ([queue.pk], {}),
        "agreement_item": ([item.pk], {}),
        "agreement_adjudicate": ([item.pk], {}),
        "training:judge": ([], {}),
        "training:judge_start": ([], {"queue": str(queue.pk), "judge": "rules"}),
        "training:judge_version": ([item.rubric_version_id], {}),
    }


def asked(client, name, arguments, form):
    address = reverse(name, args=arguments)
    return client.post(address, form) if name in POSTS else client.get(address)


def test_every_address_is_walked():
    assert set(ALLOWED) == access_agreement.NAMES


@pytest.mark.parametrize("role", list(Role.values))
def test_roles_on_their_own_site_and_on_another(role):
    own, elsewhere = base.default_site(), base.make_site()
    client = Client()
    client.force_login(base.make_user(role, site=own), backend="clinic.accounts.ClinicBackend")
    mine, theirs = rows(own), rows(elsewhere)
    for name, allowed in ALLOWED.items():
        expected = {200, 302, 422} if role in allowed else {403}
        assert asked(client, name, *mine[name]).status_code in expected, name
        arguments, form = theirs[name]
        if arguments or form:
            answer = asked(client, name, arguments, form)
            assert answer.status_code == (404 if role in allowed else 403), name


def test_strangers_are_asked_to_sign_in():
    for name, (arguments, form) in rows(base.default_site()).items():
        answer = asked(Client(), name, arguments, form)
        assert answer.status_code == 302
        assert reverse("account_login") in answer["Location"]
