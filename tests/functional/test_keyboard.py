"""A whole consultation without the mouse: every step by Tab, Enter and the single keys, the focus always in sight."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from agents.types import ActionKind
from clinic.models import Consultation, Endpoint, Feedback, Finding, SimulatedResult, Training, Turn, User
from tests.clinic.factories import make_case
from tests.doubles.engine import FakeEngine
from tests.functional.conftest import SECONDS, Visitor, WebProcess
from tests.functional.test_consultation import said

expect.set_options(timeout=SECONDS)
FOCUSED = "(document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim())"


def focused(page: Page) -> str:
    return str(page.evaluate(FOCUSED))


def tab_to(page: Page, name: str, *, back: bool = False, most: int = 200) -> None:
    """By Tab alone, as somebody without a mouse finds it."""
    for _ in range(most):
        if name in (focused(page), page.evaluate("document.activeElement.textContent.trim()")):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab does not lead to {name!r}; the focus is on {focused(page)!r}")


def start(page: Page, title: str) -> None:
    page.goto("/cases/")
    tab_to(page, f"Consult on {title}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/consultations/new/**")
    tab_to(page, "Start")
    page.keyboard.press("Enter")
    page.wait_for_url("**/consultations/*-*/")


def give_reasons(page: Page) -> None:
    """Into every field of the review sheet that asks why a can't-miss hypothesis stays open."""
    for _ in range(page.locator(".open-entries input").count()):
        tab_to_reason(page)
        page.keyboard.type("Unlikely at this age.")


def tab_to_reason(page: Page) -> None:
    for _ in range(20):
        if page.evaluate("document.activeElement.name?.startsWith('reason-') && !document.activeElement.value"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("no reason field in reach")


@pytest.fixture
def virtual(web: WebProcess) -> str:
    return make_case(title="Cough since Friday").title


def test_the_focus_comes_back_after_a_redraw_that_took_it(
    visit: Visitor, engine: FakeEngine, clinician: User, virtual: str
) -> None:
    engine.script.append(said(ActionKind.EXAMINE, "Chest X-ray"))
    page = visit(clinician)
    start(page, virtual)
    expect(page.locator("#order")).to_be_visible()
    page.keyboard.press("o")
    page.evaluate("document.activeElement.blur(); refresh()")
    expect(page.locator("#order")).to_be_focused()

    page.locator("#room .room-head, header").first.click(position={"x": 2, "y": 2})
    page.evaluate("document.activeElement.blur(); refresh()")
    with page.expect_response("**/panel/"):
        page.evaluate("refresh()")
    assert focused(page) != "order", "whoever went elsewhere is left there"


def test_a_virtual_case(visit: Visitor, engine: FakeEngine, clinician: User, virtual: str) -> None:
    engine.rate = 0
    engine.script.extend(
        [
            said(ActionKind.EXAMINE, "C-reactive protein"),
            said(ActionKind.EXAMINE, "Chest X-ray", pneumonia=0.6),
            said(ActionKind.EXAMINE, "Blood culture", pneumonia=0.7),
            said(ActionKind.DIAGNOSE, "Pneumonia", pneumonia=0.8),
            said(ActionKind.DIAGNOSE, "Community-acquired pneumonia", pneumonia=0.8),
        ]
    )
    page = visit(clinician)
    start(page, virtual)
    expect(page.locator("#turn-1 .target")).to_have_text("C-reactive protein")

    expect(page.locator("#order")).to_be_visible()
    page.keyboard.press("o")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-2.simulated")).to_contain_text("96")
    expect(page.locator("#turn-3 .target")).to_have_text("Chest X-ray")
    expect(page.locator("#next .ask")).to_have_text("The agent suggests: Chest X-ray")
    expect(page.locator("#order")).to_be_focused()

    page.keyboard.press("r")
    expect(page.locator("#result-text")).to_be_visible()
    page.locator("#result-examination").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Lactate")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Lactate, unit")).to_have_value("mmol/L")
    tab_to(page, "result-value")
    page.keyboard.type("45000")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("outside what is physically possible")
    expect(page.locator("#result-value")).to_have_value("45000")
    expect(page.locator("#result-value")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("1.4")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-4.entered")).to_contain_text("1.4")
    expect(page.locator("#turn-5 .target")).to_have_text("Blood culture")
    expect(page.locator("#next .ask")).to_have_text("The agent suggests: Blood culture")
    expect(page.locator("#order")).to_be_focused()

    page.keyboard.press("n")
    expect(page.locator("#reason-code")).to_be_focused()
    page.keyboard.type("Takes")
    tab_to(page, "Tell the agent")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-6")).to_contain_text("Not needed: Blood culture. Takes too long.")
    expect(page.locator("#turn-7.final .target")).to_have_text("Pneumonia")
    expect(page.locator("#diagnosis")).to_be_focused()

    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.get_by_role("button", name="Undo this step")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#turn-6.retracted .undone")).to_contain_text("Undone by Clara Ward at")
    expect(page.locator("#turn-7.retracted")).to_be_visible()
    expect(page.locator("#order")).to_be_focused()

    page.keyboard.press("n")
    page.keyboard.type("Would not")  # without a pause: no letter may be taken for a key of the room
    tab_to(page, "Tell the agent")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-9.final .target")).to_have_text("Community-acquired pneumonia")
    expect(page.locator("#diagnosis")).to_be_visible()
    tab_to(page, "diagnosis")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Lobar pneumonia")
    give_reasons(page)
    tab_to(page, "Close consultation")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Closed")
    expect(page.locator("#next")).to_contain_text("Lobar pneumonia")

    assert Consultation.objects.get().diagnosis == "Lobar pneumonia"
    kinds = list(Feedback.objects.order_by("at").values_list("kind", "status"))
    assert ("rejected", "withdrawn") in kinds
    assert ("rejected", "proposed") in kinds
    assert ("diagnosis", "proposed") in kinds
    assert SimulatedResult.objects.get().name == "C-reactive protein"
    assert Finding.objects.get(source="entered").values[0]["unit"] == "mmol/L"


def test_a_real_patients_case(visit: Visitor, engine: FakeEngine, clinician: User, serving: Endpoint) -> None:
    serving.model_version.training = Training.EXTERNAL
    serving.model_version.save(update_fields=["training"])
    title = make_case("patient", title="Cough since Monday").title
    engine.rate = 0
    engine.script.extend(
        [
            said(ActionKind.ASK, "Do you bring up any phlegm?"),
            said(ActionKind.EXAMINE, "Blood pressure", pneumonia=0.6),
            said(ActionKind.DIAGNOSE, "Pneumonia", pneumonia=0.8),
        ]
    )
    page = visit(clinician)
    start(page, title)
    expect(page.locator("#turn-1 .target")).to_be_visible()
    assert page.locator("[data-simulated], .simulated").count() == 0
    expect(page.locator("#answer")).to_be_visible()
    tab_to(page, "answer")
    page.keyboard.type("Yellow phlegm since yesterday.")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-2")).to_contain_text("Yellow phlegm")
    expect(page.locator("#turn-3 .target")).to_have_text("Blood pressure")

    expect(page.get_by_label("Systolic blood pressure, unit")).to_have_value("mmHg")
    assert page.get_by_role("button", name="Order", exact=True).count() == 0
    tab_to(page, "result-value")
    page.keyboard.type("128")
    tab_to(page, "result-value-2")
    page.keyboard.type("76")
    page.keyboard.press("Enter")
    expect(page.locator("#turn-4.entered .values")).to_contain_text("128")
    expect(page.locator("#turn-5.final")).to_be_visible()
    expect(page.locator("#diagnosis")).to_be_visible()
    tab_to(page, "diagnosis")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Pneumonia")
    give_reasons(page)
    tab_to(page, "Close consultation")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Closed")
    values = Finding.objects.get(name="Blood pressure").values
    assert [(value["name"], value["value"]) for value in values] == [
        ("Systolic blood pressure", 128.0),
        ("Diastolic blood pressure", 76.0),
    ]
    assert not SimulatedResult.objects.exists()
    assert not Turn.objects.filter(source="simulated").exists()
