"""A page asks the database a fixed number of questions, six at most, however much there is to show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clinic.facts import read_facts
from clinic.middleware import RENEWED
from clinic.models import Consultation, Role, User
from clinic.services import ledger, red_flags
from tests.clinic.factories import (
    CRP,
    make_case,
    make_consultation,
    make_finding,
    make_simulated_result,
    make_site,
    make_turn,
    make_user,
)

MOST = 6
pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    client.get(reverse("settings"))  # the session's own first writing is not the page's
    return client


def asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    print(address, len(queries), *(query["sql"][:110] for query in queries), sep="\n  ")
    return len(queries)


def add_turns(room: Consultation, many: int) -> None:
    for n in range(many):
        entries = [
            {
                "diagnosis": name,
                "probability": p,
                "group": "likely",
                "for": ["CRP 96", "fever"],
                "against": ["no cough"],
            }
            for name, p in (("Pneumonia", 0.4 + 0.01 * n), ("Pulmonary embolism", 0.2), (f"Other {n}", 0.1))
        ]
        action = {"action": "examine", "target": "C-reactive protein", "reason": "R", "differential": entries}
        make_turn(room, "agent", action=action, policy={"version": "dx-1"})
        turn = make_turn(room, "environment", source="simulated", matched="C-reactive protein", text="CRP 96 mg/L")
        make_simulated_result(turn, name="C-reactive protein", values=[CRP])
        said = make_turn(room, "clinician", text="Fever.", source="entered", by=make_user(site=room.site))
        make_finding(room.case, consultation=room, turn=said, name="Fever?", text="Fever.", values=[], by=said.by)
        undone = make_turn(room, "clinician", text="No.", by=said.by, retracted_at=timezone.now(), retracted_by=said.by)
        assert undone.retracted_by is not None


@pytest.fixture
def room() -> Consultation:
    site = make_site()
    case = make_case(site=site, complaint="Cough", history={"hpi": "BP 82/50, coughing blood.", "drugs": "Warfarin"})
    room = make_consultation(case=case, clinician=make_user(site=site))
    facts = read_facts(room)
    ledger.open_ledger(room, facts)
    (alert, *_) = red_flags.raise_flags(room, facts)
    red_flags.acknowledge(alert=alert, by=room.clinician)
    ledger.accept(entry=room.ledger.earliest("id"), by=room.clinician, reason="Watch.")
    return room


@pytest.mark.parametrize("page", ["consultation", "consultation_panel"])
def test_the_room_asks_as_often_for_thirty_rounds_as_for_one(room, page) -> None:
    client, address = signed_in(room.clinician), reverse(page, args=[room.pk])
    add_turns(room, 1)
    first = asked(client, address)
    add_turns(room, 29)
    assert asked(client, address) == first <= MOST


def test_a_second_factor_does_not_break_the_budget(room, settings) -> None:
    settings.SECOND_FACTOR_ROLES = []
    client = signed_in(room.clinician)
    add_turns(room, 2)
    plain = asked(client, reverse("consultation", args=[room.pk]))
    assert plain + 1 <= MOST  # whether there is a second factor is one more question


Maker = Callable[[Consultation], str]
PAGES: dict[str, Maker] = {
    "case_list": lambda _: reverse("case_list"),
    "case_detail": lambda room: reverse("case_detail", args=[room.case_id]),
    "consultation_list": lambda _: reverse("consultation_list"),
    "consultation_new": lambda room: reverse("consultation_new") + f"?case={room.case_id}",
    "version_list": lambda _: reverse("version_list"),
    "version_detail": lambda room: reverse("version_detail", args=[room.model_version.version]),
    "virtual_clinic": lambda _: reverse("virtual_clinic"),
    "virtual_condition": lambda _: reverse("virtual_condition", args=["pe"]),
    "people": lambda _: reverse("people"),
    "audit_log": lambda _: reverse("audit_log"),
    "settings": lambda _: reverse("settings"),
    "intake": lambda _: reverse("case_new"),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_budget(room, page) -> None:
    client, address = signed_in(make_user(Role.ADMIN, site=room.site)), PAGES[page](room)
    first = asked(client, address)
    for _ in range(3):
        other = make_consultation(case=make_case(site=room.site), clinician=make_user(site=room.site))
        add_turns(other, 1)
    assert asked(client, address) == first <= MOST


def test_a_session_lasts_while_it_is_used_and_is_written_now_and_then(room, settings) -> None:
    client = signed_in(room.clinician)
    key = client.session.session_key
    ends = Session.objects.get(pk=key).expire_date
    client.get(reverse("settings"))
    assert Session.objects.get(pk=key).expire_date == ends
    session = client.session
    session[RENEWED] -= settings.SESSION_COOKIE_AGE / 5
    session.save()
    Session.objects.filter(pk=key).update(expire_date=timezone.now() + timezone.timedelta(minutes=1))
    client.get(reverse("settings"))
    assert Session.objects.get(pk=key).expire_date >= ends
    assert client.session[SESSION_KEY] == str(room.clinician.pk)


def test_nobody_gets_a_session_by_looking_in() -> None:
    Client().get(reverse("account_login"))
    client = Client()
    client.cookies["sessionid"] = "long-gone"
    client.get(reverse("account_login"))
    assert not Session.objects.filter(session_data__contains=RENEWED).exists()
    assert Session.objects.count() == 0
