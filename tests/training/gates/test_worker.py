"""From the button to the verdict: the page asks, the gpu queue gets the message, its task decides, the page shows."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.celery import app
from clinic.models import Role
from tests.clinic.factories import make_serving_agent, make_user
from tests.training.gates.factories import make_candidate
from tests.training.gates.players import Skill, SkilledSeats, brought
from training.gates import executing
from training.models import Gate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small")]


def test_a_gate_asked_for_on_the_page_is_decided_by_the_workers_task(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, list[Any]]] = []
    broker = SimpleNamespace(send_task=lambda name, args, **how: sent.append((name, json.loads(json.dumps(args)))))
    monkeypatch.setattr("training.outbox.current_app", broker)
    monkeypatch.setattr(executing, "ServedSeats", SkilledSeats(Skill(right=0.95), Skill(right=0.3)))
    monkeypatch.setattr(executing, "bring_both_up", brought)
    make_serving_agent()
    candidate, client = make_candidate(), Client()
    client.force_login(make_user(Role.ADMIN), backend="clinic.accounts.ClinicBackend")
    address = client.post(reverse("training:gate_start"), {"candidate": candidate.pk, "profile": "demo"})["Location"]
    assert "HX-Refresh" not in client.get(address, headers={"HX-Request": "true"}).headers

    [(name, arguments)] = sent
    app.loader.import_default_modules()
    assert app.amqp.router.route({}, name)["queue"].name == "gpu"
    assert app.tasks[name].apply(args=arguments).get() == "passed"

    assert Gate.objects.get().status == "passed"
    assert client.get(address, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    page = client.get(address).content.decode()
    assert "Passed" in page
    assert "Change record" in page
    # Sent once more, as an outbox may: nothing is played again.
    assert app.tasks[name].apply(args=arguments).get() == "passed"
