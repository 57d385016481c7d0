"""Evaluation pages: who sees them, what they say, and that they ask the database a constant number of questions."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.models import Role
from tests.clinic.factories import make_serving_agent, make_site, make_user
from tests.training.episodes import episode
from tests.training.factories import make_evaluated, make_evaluation

pytestmark = pytest.mark.django_db
QUERIES = 7


def visitor(role: str = Role.CLINICIAN, **fields) -> Client:
    client = Client()
    client.force_login(make_user(role, **fields), backend="clinic.accounts.ClinicBackend")
    return client


@pytest.fixture
def reader() -> Client:
    make_serving_agent()
    return visitor()


def questions(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return sum(query["sql"].split()[0] in ("SELECT", "UPDATE", "INSERT", "DELETE") for query in captured)


def detail(evaluation) -> str:
    return reverse("training:evaluation_detail", args=[evaluation.pk])


def opened(row) -> str:
    return reverse("training:evaluation_episode", args=[row.evaluation_id, row.number])


def test_the_list_says_what_came_of_each(reader):
    make_evaluation(policy="greedy-oracle")
    make_evaluation(policy="mine", status="running", summary={}, done=3)
    html = reader.get(reverse("training:evaluation_list")).content.decode()
    assert "greedy-oracle" in html
    assert "62 %" in html
    assert "Running 3/40" in html
    assert '<a href="/training/evaluations/" aria-current="page">' in html


def test_an_empty_list_teaches_the_command(reader):
    assert b"manage evaluate end-to-end" in reader.get(reverse("training:evaluation_list")).content


def test_one_evaluation_shows_intervals_pictures_groups_and_published_rows(reader):
    evaluation = make_evaluation()
    make_evaluated(evaluation)
    html = reader.get(detail(evaluation)).content.decode()
    assert "0.500 – 0.750" in html
    assert "said 0.65, right 0.50, 20 cases" in html
    assert "too few to show" in html
    assert html.count(">reported v1<") == 15
    assert html.count(">reported v2<") == 18
    assert "this evaluation" in html
    assert "Virtual patients, simulated results" in html
    assert "style=" not in html  # the content security policy would drop it


def test_wins_and_losses_are_read_apart(reader):
    evaluation = make_evaluation()
    make_evaluated(evaluation)
    make_evaluated(evaluation, correct=False, diagnosis="Asthma", answer="Gout")
    make_evaluated(evaluation, correct=False, diagnosis="", end="DEFER")
    make_evaluated(evaluation, correct=False, diagnosis="", end="MAX_TURNS")
    everything = reader.get(detail(evaluation))
    assert len(everything.context["page"].rows) == 4
    html = everything.content.decode()
    assert 'Wrong <span class="quiet">1</span>' in html
    assert "?ended=failed" not in html
    for ended, ends in {
        "right": ["FINISH"],
        "wrong": ["FINISH"],
        "deferred": ["DEFER"],
        "unfinished": ["MAX_TURNS"],
    }.items():
        page = reader.get(detail(evaluation) + f"?ended={ended}")
        assert [row.end for row in page.context["page"].rows] == ends
    lost = reader.get(detail(evaluation) + "?ended=wrong").content.decode()
    assert "Asthma" in lost
    assert "Gout" in lost
    assert b"None ended like that." in reader.get(detail(evaluation) + "?ended=failed").content
    assert len(reader.get(detail(evaluation) + "?ended=nonsense").context["page"].rows) == 4


def test_an_unfinished_one_has_a_page(reader):
    evaluation = make_evaluation(status="failed", summary={}, error="Interrupted. The same command goes on from here.")
    assert b"Interrupted." in reader.get(detail(evaluation)).content
    assert reader.get(detail(make_evaluation(protocol="rubric", summary={}, status="running"))).status_code == 200


def test_an_episode_reads_as_a_consultation(reader):
    html = reader.get(opened(make_evaluated(make_evaluation()))).content.decode()
    assert html.index('id="turn-1"') < html.index('id="turn-2"') < html.index('id="turn-3"')
    assert "Simulated" in html
    assert "No clinician took part" in html
    assert "turn environment complete simulated" in html
    assert "Cough and fever" in html


def test_what_a_model_says_is_never_markup(reader):
    evil = episode("<script>alert(1)</script>", malformed=1, case="virtual:test:0001").as_dict()
    html = reader.get(opened(make_evaluated(make_evaluation(), episode=evil, end="MALFORMED"))).content.decode()
    assert "<script>alert" not in html
    assert "could not be read as exactly one action" in html


def test_points_of_a_single_turn_evaluation(reader):
    turns = [{"step": 0, "asked": "Troponin", "hit": True, "hit_remaining": False}]
    row = make_evaluated(make_evaluation(protocol="single-turn"), episode=None, end="", result={"turns": turns})
    html = reader.get(opened(row)).content.decode()
    assert "Troponin" in html
    assert "it does not lead one" in html


def test_questions_are_few_and_constant(reader):
    evaluation = make_evaluation()
    make_evaluated(evaluation)
    places = [reverse("training:evaluation_list"), detail(evaluation)]
    reader.get(places[0])  # the session is written with the first page
    few = [questions(reader, place) for place in places]
    for _ in range(30):
        make_evaluation()
        make_evaluated(evaluation)
    assert [questions(reader, place) for place in places] == few
    assert max(few) <= QUERIES
    assert questions(reader, opened(evaluation.episodes.first())) <= QUERIES
    assert reader.get(detail(evaluation) + "?page=2").context["page"].first == 26


@pytest.mark.parametrize("role", Role.values)
def test_every_role_of_the_site_reads_and_no_other_site(role):
    row = make_evaluated(make_evaluation())
    places = [detail(row.evaluation), opened(row)]
    client, stranger = visitor(role), visitor(role, site=make_site())
    assert [client.get(place).status_code for place in places] == [200, 200]
    assert [stranger.get(place).status_code for place in places] == [404, 404]
    assert row.evaluation.policy not in stranger.get(reverse("training:evaluation_list")).content.decode()
    assert Client().get(places[0]).status_code == 302
