"""The Virtual clinic's pages: every condition has a card, the gates are shown as they are, patients are called in."""

from typing import Any

import pytest
from django.urls import reverse

from clinic import cards
from clinic.gate_charts import WIDTH, gate_rows, reliability_chart
from clinic.models import Case, KnowledgeCheck, Role
from clinic.services import virtual_clinic
from tests.clinic.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor(client: Any) -> Any:
    user = make_user(role=Role.CLINICIAN)
    client.force_login(user)
    return client


def test_the_overview_names_every_complaint_and_says_that_no_check_ran(doctor: Any) -> None:
    page = doctor.get(reverse("virtual_clinic")).content.decode()
    assert "Not reviewed by a physician" in page
    assert "have not been computed" in page
    for group in cards.known().groups.values():
        assert group.name in page or group.name.replace("&", "&amp;") in page


def test_a_failing_gate_is_shown_as_failing(doctor: Any) -> None:
    gate = {"value": 0.99, "bounds": [0.75, 0.92], "holds": False, "detail": "300 test cases"}
    KnowledgeCheck.objects.create(
        version=virtual_clinic.knowledge_version(),
        gates={"oracle_top1": gate},
        reliability=[{"probability": 0.5, "right": 0.4, "n": 10}],
        finished_at="2026-01-01T00:00:00Z",
    )
    page = doctor.get(reverse("virtual_clinic")).content.decode()
    assert "oracle top1" in page
    assert ">fails<" in page


@pytest.mark.parametrize("condition_id", ["pe", "acs", "migraine", "sepsis"])
def test_a_card_shows_ratios_derived_from_its_rates(doctor: Any, condition_id: str) -> None:
    page = doctor.get(reverse("virtual_condition", args=[condition_id])).content.decode()
    card = cards.card(condition_id)
    assert card is not None
    assert card.condition.name in page
    rate = next(rate for rates in card.findings.values() for rate in rates if rate.ratio)
    assert rate.ratio == pytest.approx(rate.p / rate.background)
    assert "style=" not in page


def test_every_condition_has_a_card() -> None:
    assert all(cards.card(key) for key in cards.known().conditions)
    assert cards.card("no_such") is None


def test_an_unknown_condition_is_not_found(doctor: Any) -> None:
    assert doctor.get(reverse("virtual_condition", args=["no-such"])).status_code == 404


def test_a_new_patient_opens_as_a_case(doctor: Any) -> None:
    response = doctor.post(reverse("virtual_new_patient"), {"group": "headache"})
    case = Case.objects.get()
    assert response.url == reverse("case_detail", args=[case.pk])
    assert "VIRTUAL" in doctor.get(response.url).content.decode()
    assert case.answer not in doctor.get(response.url).content.decode()


def test_an_unknown_complaint_is_a_sentence(doctor: Any) -> None:
    response = doctor.post(reverse("virtual_new_patient"), {"group": "<b>"}, follow=True)
    assert "does not know this complaint" in response.content.decode()


def test_the_case_bank_does_not_bury_other_cases(doctor: Any) -> None:
    site = doctor.get(reverse("case_list")).wsgi_request.user.site
    Case.objects.create(
        site=site, kind="virtual", origin="virtual", key="virtual:test:1@x", title="Bank", complaint="c"
    )
    assert "virtual:test" not in doctor.get(reverse("case_list")).content.decode()
    assert "Bank" in doctor.get(reverse("case_list"), {"kind": "bank"}).content.decode()


def test_a_gate_is_drawn_inside_its_axis() -> None:
    rows = gate_rows(
        {
            "a": {"value": 0.9, "bounds": [0.75, 0.92], "holds": True, "detail": ""},
            "b": {"value": 116, "bounds": [80, None], "holds": True, "detail": ""},
            "c": {"value": 0, "bounds": [0, 0], "holds": True, "detail": ""},
        }
    )
    for row in rows:
        assert 0 <= row.band_x < row.band_x + row.band_width <= WIDTH + 2
        assert 0 < row.at < WIDTH
    assert rows[0].band_x < rows[0].at < rows[0].band_x + rows[0].band_width


def test_a_perfectly_calibrated_point_lies_on_the_diagonal() -> None:
    chart = reliability_chart([{"probability": 0.3, "right": 0.3, "n": 5}])
    (point,) = chart["points"]
    assert point["x"] + point["y"] == pytest.approx(chart["size"])
