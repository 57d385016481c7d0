"""Lists ask the database a constant, small number of questions, and show only what is theirs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.models import CaseKind, Role, User
from clinic.services import audit
from tests.clinic.factories import (
    make_case,
    make_consultation,
    make_serving_agent,
    make_site,
    make_turn,
    make_user,
    make_version,
)

QUERIES = 6
LISTS = ("case_list", "consultation_list", "version_list", "audit_log")


@pytest.fixture
def admin(transactional_db: None) -> User:
    make_serving_agent()
    return make_user(Role.ADMIN)


@pytest.fixture
def visitor(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend="clinic.accounts.ClinicBackend")
    client.get(reverse("settings"))  # the session's own first writing is no page's
    return client


def fill(user: User, count: int) -> None:
    for _ in range(count):
        consultation = make_consultation(case=make_case(), clinician=user)
        make_turn(consultation, "agent")
        make_version(status="candidate")
        audit.record(by=user, action="test.done", noun="test", target="1")


def questions(visitor: Client, address: str) -> int:
    """How many statements the page sends; beginning and ending a transaction asks nothing."""
    with CaptureQueriesContext(connection) as captured:
        assert visitor.get(address).status_code == 200
    return sum(query["sql"].split()[0] in ("SELECT", "UPDATE", "INSERT", "DELETE") for query in captured)


@pytest.mark.parametrize("name", LISTS)
def test_queries_are_few_and_constant(visitor, admin, name) -> None:
    fill(admin, 2)
    few = questions(visitor, reverse(name))
    fill(admin, 30)
    assert questions(visitor, reverse(name)) == few <= QUERIES


def test_people_are_counted_in_one_query(visitor, admin) -> None:
    few = questions(visitor, reverse("people"))
    for _ in range(12):
        make_user(site=admin.site)
    assert questions(visitor, reverse("people")) == few <= QUERIES + 1  # and the open invitations
    assert visitor.get(reverse("people")).context["page"].total == 13


def test_the_room_asks_as_often_for_many_turns_as_for_few(visitor, admin) -> None:
    room = make_consultation(clinician=admin)
    address = reverse("consultation", args=[room.pk])
    make_turn(room, "environment", source="recorded")
    few = questions(visitor, address)
    for _ in range(15):
        make_turn(room, "environment", source="recorded")
    assert questions(visitor, address) == few <= 6


def test_search_kind_and_pages(visitor, admin) -> None:
    make_case(CaseKind.RECORD, title="Murmur and fever")
    for _ in range(30):
        make_case()
    assert [case.title for case in visitor.get("/cases/?q=murmur").context["page"].rows] == ["Murmur and fever"]
    assert visitor.get("/cases/?kind=record").context["page"].total == 1
    second = visitor.get("/cases/?kind=virtual&page=2").context["page"]
    assert (second.first, second.last, second.total, second.next) == (26, 30, 30, None)
    assert "kind=virtual&amp;page=1" in visitor.get("/cases/?kind=virtual&page=2").content.decode()
    assert visitor.get("/cases/?page=nonsense").context["page"].number == 1


def test_a_partial_answers_htmx(visitor, admin) -> None:
    make_case()
    part = visitor.get("/cases/", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="rows">')
    assert "<html" not in part
    back = visitor.get("/cases/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in back.content.decode()
    assert "HX-Request" in back["Vary"]


def test_another_site_is_invisible(visitor) -> None:
    other = make_site()
    case = make_case(site=other, title="Elsewhere")
    room = make_consultation(case=case)
    assert b"Elsewhere" not in visitor.get("/cases/").content
    assert visitor.get(reverse("case_detail", args=[case.pk])).status_code == 404
    assert visitor.get(reverse("consultation", args=[room.pk])).status_code == 404
    assert visitor.get(reverse("consultation_panel", args=[room.pk])).status_code == 404
    assert visitor.post(reverse("consultation_stop", args=[room.pk])).status_code == 404


@pytest.mark.parametrize("name", ["people", "audit_log"])
@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_only_administrators_administer(transactional_db, name, role) -> None:
    client = Client()
    client.force_login(make_user(role), backend="clinic.accounts.ClinicBackend")
    assert client.get(reverse(name)).status_code == 403
    assert client.post(reverse("people_invite"), {"email": "a@example.org", "role": "admin"}).status_code == 403


@pytest.mark.parametrize("name", [*LISTS, "people", "case_new", "consultation_new", "settings"])
def test_strangers_are_sent_to_the_door(db, name) -> None:
    answer = Client().get(reverse(name))
    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/")
