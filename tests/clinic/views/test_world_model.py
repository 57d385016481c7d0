"""The page of the world model: draws of virtual patients against the truth, marked and kept; never a real patient."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync
from django.urls import reverse

from agents.world.virtual import case_id, open_case
from clinic.local import world_state
from clinic.local.world_state import WorldState
from clinic.models import CaseKind, Consultation, Role, WorldDraw
from clinic.services import virtual_clinic
from clinic.services.errors import SENTENCES
from clinic.world_truth import ChoiceTruth, NumberTruth, truths
from tests.clinic.factories import default_site, make_case, make_serving_agent, make_user
from tests.doubles.served import Served

pytestmark = pytest.mark.django_db
PAGE = "virtual_world"


@pytest.fixture
def served(settings):
    with Served() as engine:
        settings.WORLD_URL, settings.WORLD_MODEL = engine.url, engine.model
        yield engine


@pytest.fixture
def case():
    found = virtual_clinic._case(default_site(), None, case_id("test", 3))
    found.save()
    return found


@pytest.fixture
def user(client):
    found = make_user()
    client.force_login(found)
    return found


def draw(client, case, number=0, exam="crp", **options):
    data = {"case": case.pk, "exam": exam, "number": number, "count": 4}
    return client.post(reverse("virtual_world_draw"), data, **options)


HTMX = {"headers": {"HX-Request": "true"}}


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ANNOTATOR, Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN])
def test_everyone_who_is_signed_in_may_play(client, served, case, role):
    client.force_login(make_user(role))
    assert client.get(reverse(PAGE)).status_code == 200
    assert draw(client, case, **HTMX).status_code == 200


def test_nobody_else(client, case):
    assert client.get(reverse(PAGE)).status_code == 302


def test_a_page_waits_for_its_draws_and_then_shows_them(client, user, served, case):
    address = reverse(PAGE)
    asked = {"case": case.pk, "examination": "CRP", "count": 4}
    html = client.get(address, asked).content.decode()
    assert html.count('hx-trigger="written, submit"') == 4
    assert served.requests == [], "reading a page asks no model"
    for number in range(4):
        draw(client, case, number, **HTMX)
    html = client.get(address, asked).content.decode()
    assert html.count('class="wm-draw simulated"') == 4
    assert html.count("hx-trigger") == 0
    assert html.count('class="dot-drawn"') == 4
    row = WorldDraw.objects.first()
    for mark in (row.model, row.version, str(row.seed), "The monitor said nothing."):
        assert mark in html


def streamed(client, case, number=0):
    """The pieces as they came: (number of the try, text)."""
    data = {"case": case.pk, "exam": "crp", "number": number, "count": 4}
    response = client.post(reverse("virtual_world_stream"), data)

    async def read():
        return b"".join([part async for part in response.streaming_content])

    lines = async_to_sync(read)().splitlines()
    return [(piece["try"], piece["text"]) for piece in map(json.loads, lines)]


def test_a_draw_is_shown_while_it_is_written_and_then_kept(client, user, served, case):
    pieces = streamed(client, case)
    assert len(pieces) > 1
    row = WorldDraw.objects.get()
    assert "".join(text for _, text in pieces).strip() == row.text
    assert {number for number, _ in pieces} == {0}, "one try"
    draw(client, case, **HTMX)
    assert (len(served.requests), WorldDraw.objects.count()) == (1, 1), "what was written is what is drawn"


def test_what_breaks_off_while_it_is_written_is_said_by_the_draw(client, user, served, case):
    served.fail("http_500", times=9)
    assert streamed(client, case) == []
    assert WorldDraw.objects.count() == 0
    assert SENTENCES["world_unavailable"] in draw(client, case, **HTMX).content.decode()


def test_a_draw_brings_its_drawing_along(client, user, served, case):
    html = draw(client, case, **HTMX).content.decode()
    assert 'id="slot-crp-0"' in html
    assert 'id="plot-crp" hx-swap-oob="true"' in html
    assert "1 of 4 drawn" in html


def test_the_same_draw_twice_is_one(client, user, served, case):
    first, second = draw(client, case, **HTMX), draw(client, case, **HTMX)
    assert first.content == second.content
    assert (len(served.requests), WorldDraw.objects.count()) == (1, 1)


def test_without_javascript_it_leads_back_to_the_page(client, user, served, case):
    response = draw(client, case)
    assert response.status_code == 302
    assert client.get(response.url).content.decode().count('class="wm-draw simulated"') == 1


def test_what_the_monitor_refused_is_told_apart(client, user, served, case):
    served.script.extend(["C-reactive protein: 96000 mg/L (0-8) HH"] * 3)
    html = draw(client, case, **HTMX).content.decode()
    assert "Unavailable" in html
    assert html.count("is not possible") == 3
    assert 'class="wm-draw refused"' in html
    assert "dot-drawn" not in html


def test_a_models_text_is_text(client, user, served, case):
    served.script.extend(["<script>alert(1)</script> sinus rhythm"] * 3)
    html = draw(client, case, exam="ecg", **HTMX).content.decode()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_outage_is_said_and_can_be_tried_again(client, user, served, case):
    served.fail("http_500")
    html = draw(client, case, **HTMX).content.decode()
    assert SENTENCES["world_unavailable"] in html.replace("&#x27;", "'")
    assert "Try again" in html
    assert "hx-trigger" not in html, "it does not try again by itself"
    assert 'class="wm-draw simulated"' in draw(client, case, **HTMX).content.decode()


@pytest.mark.parametrize("kind", [CaseKind.PATIENT, CaseKind.RECORD])
def test_only_virtual_patients(client, user, served, kind):
    other = make_case(kind, key="virtual:test:9999@x" if kind == CaseKind.RECORD else "mrn")
    assert client.get(reverse(PAGE), {"case": other.pk}).status_code == 404
    assert draw(client, other, **HTMX).status_code == 404
    assert served.requests == []


def test_sealed_patients_stay_sealed(client, user, served):
    sealed = virtual_clinic._case(default_site(), None, case_id("sealed", 0))
    sealed.save()
    assert client.get(reverse(PAGE), {"case": sealed.pk}).status_code == 404


@pytest.mark.parametrize("wrong", [{"exam": "no_such"}, {"number": "99"}, {"number": "x"}])
def test_nonsense_is_not_found(client, user, served, case, wrong):
    data = {"case": case.pk, "exam": "crp", "number": 0, "count": 4, **wrong}
    assert client.post(reverse("virtual_world_draw"), data).status_code == 404


def test_what_the_catalogue_does_not_know_is_said(client, user, served, case):
    html = client.get(reverse(PAGE), {"case": case.pk, "examination": "zxqv"}).content.decode()
    assert "names no examination of the catalogue" in html


def test_while_it_starts_the_page_asks_again(client, user, settings, tmp_path):
    settings.WORLD_URL, settings.EMBEDDED_WORLD, settings.WEIGHTS_FOLDER = "", str(tmp_path), str(tmp_path / "none")
    html = client.get(reverse(PAGE)).content.decode()
    assert "The world model is starting" in html
    assert 'hx-trigger="every 3s"' in html
    assert world_state.wanted_at(tmp_path)
    assert "HX-Refresh" not in client.get(reverse("virtual_world_status")).headers
    world_state.write(tmp_path, WorldState("failed", reason="No memory."))
    response = client.get(reverse("virtual_world_status"))
    assert response.headers["HX-Refresh"] == "true"
    assert "No memory." in response.content.decode()


def test_a_consultation_on_it_can_be_chosen_and_says_so(client, user, served):
    make_serving_agent()
    case = make_case()
    assert 'value="language"' in client.get(reverse("consultation_new"), {"case": case.pk}).content.decode()
    client.post(reverse("consultation_new"), {"case": case.pk, "world": "language", "alone": "1"})
    held = Consultation.objects.get()
    assert held.world == "language"
    client.post(reverse("consultation_order", args=[held.pk]), {"examination": "CRP"})
    html = client.get(reverse("consultation", args=[held.pk])).content.decode()
    draw = WorldDraw.objects.get()
    assert f"Simulated by {draw.model}, version" in html
    assert str(draw.seed) in html
    assert "Language world" in html


def test_it_is_not_offered_for_a_real_patient(client, user, served):
    make_serving_agent()
    case = make_case(CaseKind.PATIENT)
    assert 'value="language"' not in client.get(reverse("consultation_new"), {"case": case.pk}).content.decode()


def test_the_truth_of_a_value_holds_its_own_quantiles():
    (crp,) = truths(open_case(case_id("test", 3)), "crp")
    assert isinstance(crp, NumberTruth)
    assert list(crp.quantiles) == sorted(crp.quantiles)
    assert crp.own == open_case(case_id("test", 3)).patient.value("crp")


def test_the_truth_of_a_report_is_a_distribution():
    found = truths(open_case(case_id("test", 3)), "chest_xray")
    assert all(isinstance(one, ChoiceTruth) for one in found)
    assert sum(one.probability for one in found) == pytest.approx(1)
    assert sum(one.own for one in found) == 1
