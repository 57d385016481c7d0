"""Every address of learning by every role, at one's own site and of another: nothing opens that should not."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEntry, Feedback, Role, Webhook, WebhookDelivery
from clinic.services import feedback
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged
from tests.clinic.annotation.access_learning import NAMES

pytestmark = pytest.mark.django_db
ADJUDICATOR, KEEPERS, ADMIN = {Role.ADJUDICATOR}, {Role.ADJUDICATOR, Role.ADMIN}, {Role.ADMIN}
MAY = {
    "learning_review": ("get", ADJUDICATOR),
    "learning_decide": ("post", ADJUDICATOR),
    "learning_influence": ("get", KEEPERS),
    "learning_quarantine": ("post", ADJUDICATOR),
    "learning_at_work": ("get", set(Role.values)),
    "learning_exports": ("get", KEEPERS),
    "learning_export": ("post", KEEPERS),
    "learning_annotation_fhir": ("get", KEEPERS),
    "learning_webhooks": ("get", ADMIN),
    "learning_webhook_switch": ("post", ADMIN),
    "learning_webhook_test": ("post", ADMIN),
}
ROWS = ("learning_annotation_fhir", "learning_webhook_switch", "learning_webhook_test")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    make.make_serving_agent()
    monkeypatch.setattr("clinic.services.webhooks._wake", lambda: None)


def rows_at(site) -> dict[str, list]:
    person = make.make_user(Role.ANNOTATOR, site=site)
    held = make.make_consultation(case=make.make_case(site=site))
    annotation = judged.make_annotation(
        judged.make_item(judged.make_queue(site=site, overlap=1), consultation=held), person, {"ecg": "met"}
    )
    hook = Webhook.objects.create(site=site, url=f"https://{site.slug}.example.org/", secret="s" * 64)
    given = feedback.give(kind="comment", by=person, consultation=held)
    return {
        "learning_quarantine": [person.pk],
        "learning_export": ["csv"],
        "learning_annotation_fhir": [annotation.pk],
        "learning_webhook_switch": [hook.pk],
        "learning_webhook_test": [hook.pk],
        "feedback": [given.pk],
    }


def ask(client: Client, name: str, rows: dict[str, list]) -> int:
    fields = {"verb": "approve", "row": rows["feedback"], "reason": "Because", "active": "0"}
    answer = getattr(client, MAY[name][0])(
        reverse(name, args=rows.get(name, [])), fields if MAY[name][0] == "post" else {}
    )
    return answer.status_code


def state() -> list:
    return [
        list(Feedback.objects.order_by("pk").values_list("pk", "status")),
        list(Webhook.objects.order_by("pk").values_list("pk", "active")),
        WebhookDelivery.objects.count(),
        AuditEntry.objects.count(),
    ]


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make.make_user(role), backend="clinic.accounts.ClinicBackend")
    return client


def test_every_address_is_in_the_table():
    assert set(MAY) == NAMES


@pytest.mark.parametrize("role", Role.values)
def test_own_site(role):
    rows, client = rows_at(make.default_site()), signed_in(role)
    for name, (_, roles) in MAY.items():
        before = state()
        status = ask(client, name, rows)
        if role in roles:
            assert status in (200, 302), f"{role} opens {name}: {status}"
        else:
            assert status == 403, f"{role} opens {name}: {status}"
            assert state() == before, f"{role} changed something by {name}"


@pytest.mark.parametrize("role", sorted(KEEPERS))
def test_another_sites_rows_are_not_there(role):
    rows_at(make.default_site())
    rows, client = rows_at(make.make_site()), signed_in(role)
    for name in ROWS:
        before = state()
        status = ask(client, name, rows)
        assert status == (404 if role in MAY[name][1] else 403), f"{role} opens {name}: {status}"
        assert state() == before
    decided = Feedback.objects.get(pk=rows["feedback"][0])
    for name in ("learning_decide", "learning_quarantine"):
        ask(client, name, rows)
        decided.refresh_from_db()
        assert decided.status == "proposed", "ids of another site's rows do nothing"


def test_a_stranger_is_led_to_the_door():
    rows = rows_at(make.default_site())
    before = state()
    for name in NAMES:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(reverse(name, args=rows.get(name, [])))
            assert answer.status_code == 302, name
            assert "/accounts/login/" in answer["Location"]
    assert state() == before


def test_exports_and_webhooks_in_few_queries_and_the_secret_once(django_assert_max_num_queries, settings):
    rows_at(make.default_site())
    client = signed_in(Role.ADMIN)
    client.get(reverse("home"))
    for name in ("learning_exports", "learning_webhooks"):
        with django_assert_max_num_queries(8):
            assert client.get(reverse(name)).status_code == 200
    shown = client.post(reverse("learning_webhooks"), {"url": "https://new.example.org/"}).content.decode()
    secret = Webhook.objects.get(url="https://new.example.org/").secret
    assert secret in shown
    assert secret not in client.get(reverse("learning_webhooks")).content.decode()
    refused = client.post(reverse("learning_webhooks"), {"url": "https://10.0.0.1/"})
    assert refused.status_code == 422
    assert "private address" in refused.content.decode()


def test_counts_say_what_is_left_out_and_a_file_comes_down():
    rows_at(make.default_site())
    client = signed_in(Role.ADJUDICATOR)
    counted = client.post(reverse("learning_export", args=["sft"]), {"count": "1"}).content.decode()
    assert "0 rows" in counted
    assert "1 not approved yet" in counted
    answer = client.post(reverse("learning_export", args=["jsonl"]))
    assert 'filename="rounds-jsonl.jsonl"' in answer["Content-Disposition"]
    assert len(answer.content.splitlines()) == 1
    assert client.post(reverse("learning_export", args=["xml"])).status_code == 404
    assert client.get(reverse("learning_export", args=["csv"])).status_code == 405
