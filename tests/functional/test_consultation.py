"""One consultation as a clinician holds it: from the list of cases to the closing diagnosis, in a real browser."""

from __future__ import annotations

import signal

import pytest
from playwright.sync_api import Page, expect

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.models import Consultation, ModelOutput, Turn, User
from tests.clinic.factories import make_case
from tests.doubles.engine import FakeEngine
from tests.functional.conftest import SECONDS, Visitor, WebProcess

expect.set_options(timeout=SECONDS)
REASON = "Cough and fever for three days speak for an infection of the lung. A raised marker would support it."


def said(kind: ActionKind, target: str, *, pneumonia: float = 0.5, reason: str = REASON) -> str:
    differential = (
        Hypothesis("Pneumonia", pneumonia, HypothesisGroup.LIKELY),
        Hypothesis("Pulmonary embolism", 0.2, HypothesisGroup.CANT_MISS),
    )
    return StructuredCodec().encode(Action(kind, target, reason, differential))


def begin(page: Page, title: str) -> None:
    page.goto("/cases/")
    page.get_by_role("link", name=f"Consult on {title}").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/consultations/*-*/")


def give_reasons(page: Page) -> None:
    """Why each can't-miss hypothesis stays open, which the review sheet asks for."""
    for field in page.locator(".open-entries input").all():
        field.fill("Unlikely at this age.")


def words_of(page: Page) -> list[str]:
    return page.locator("#timeline .turn").all_inner_texts()


@pytest.fixture
def title(web: WebProcess) -> str:
    return make_case(title="Cough since Friday").title


def test_from_case_to_diagnosis_in_two_tabs(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    engine.script.extend(
        [
            said(ActionKind.ASK, "Do you bring up any phlegm?"),
            said(ActionKind.EXAMINE, "C-reactive protein", pneumonia=0.6),
            said(ActionKind.DIAGNOSE, "Community-acquired pneumonia", pneumonia=0.8),
        ]
    )
    engine.rate = 25
    page = visit(clinician)
    begin(page, title)
    streaming = page.locator("#turn-1[aria-busy=true]")
    expect(streaming.locator("[data-field=reason]")).to_contain_text("Cough and fever")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    engine.rate = 300

    expect(page.locator("#turn-1:not(.streaming) .target")).to_have_text("Do you bring up any phlegm?")
    expect(page.locator("#differential")).to_contain_text("50 %")
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_role("button", name="Let the patient answer").click()
    expect(page.locator("#turn-2.patient")).to_be_visible()
    expect(page.locator("#turn-3 .target")).to_have_text("C-reactive protein")
    expect(page.locator("#differential .change").first).to_contain_text("+10")

    page.keyboard.press("o")
    expect(page.locator("#order")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#turn-4.simulated")).to_contain_text("Simulated")
    expect(page.locator("#turn-4 .values")).to_contain_text("96")
    expect(page.locator("#findings .simulated", has_text="C-reactive protein").first).to_be_visible()

    expect(page.locator("#turn-5.final .target")).to_have_text("Community-acquired pneumonia")
    assert "The record says" not in page.content()
    page.get_by_label("Your diagnosis").fill("Pneumonia of the right lower lobe")
    give_reasons(page)
    page.get_by_role("button", name="Close consultation").click()
    expect(page.locator("#status")).to_have_text("Closed")
    expect(page.locator("#next")).to_contain_text("The record says")

    expect(other.locator("#status")).to_have_text("Closed")
    assert words_of(other) == words_of(page)
    page.reload()
    assert words_of(page) == words_of(other)
    assert Consultation.objects.get().diagnosis == "Pneumonia of the right lower lobe"


def test_stop_and_continue(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    engine.rate = 8
    page = visit(clinician)
    begin(page, title)
    expect(page.locator("#turn-1 [data-field=reason]")).not_to_be_empty()
    page.keyboard.press(".")
    expect(page.locator("#status")).to_have_text("Stopped")
    assert engine.requests[-1].cancelled
    engine.rate = 400
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#turn-2.complete")).to_be_visible()


def test_a_failure_says_what_is_safe(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    engine.fail("drop", times=1)
    page = visit(clinician)
    begin(page, title)
    expect(page.locator("#turn-1.failed .trouble")).to_contain_text("saved")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#turn-2.complete")).to_be_visible()


def test_a_killed_web_process_loses_nothing(
    visit: Visitor, web: WebProcess, engine: FakeEngine, clinician: User, title: str
) -> None:
    engine.rate = 20
    page = visit(clinician)
    begin(page, title)
    expect(page.locator("#turn-1 [data-field=reason]")).not_to_be_empty()
    web.end(signal.SIGKILL)
    expect(page.locator("#link-state")).to_have_text("Reconnecting")
    engine.rate = 400
    web.start()
    expect(page.locator("#link-state")).to_have_text("Live", timeout=30_000)
    expect(page.locator("#turn-1.complete")).to_be_visible(timeout=30_000)
    turn = Turn.objects.get(number=1)
    assert turn.attempt > 1
    assert ModelOutput.objects.get(turn=turn, complete=True).text == engine.requests[-1].text
    expect(page.locator("#turn-1 .target")).to_have_text(turn.action["target"])


def test_without_javascript(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    engine.rate = 0
    engine.script.append(said(ActionKind.EXAMINE, "Chest X-ray"))
    engine.script.append(said(ActionKind.DIAGNOSE, "Pneumonia"))
    page = visit(clinician, java_script_enabled=False)
    begin(page, title)
    expect(page.locator("#turn-1.complete .target")).to_have_text("Chest X-ray")  # the page reloads by itself
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#turn-2")).to_contain_text("Consolidation")
    expect(page.locator("#turn-3.final")).to_be_visible()
    page.get_by_label("Your diagnosis").fill("Pneumonia")
    give_reasons(page)
    page.get_by_role("button", name="Close consultation").click()
    expect(page.locator("#status")).to_have_text("Closed")


def test_hostile_model_text_is_only_text(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    hostile = "<img src=x onerror=alert(1)><b hx-get=/x>bold</b>"
    engine.script.append(said(ActionKind.ASK, "WHAT", reason="WHY").replace("WHAT", hostile).replace("WHY", hostile))
    page = visit(clinician)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    begin(page, title)
    expect(page.locator("#turn-1.complete .target")).to_contain_text("onerror")
    page.locator("#say summary").click()
    page.get_by_label("To the agent").fill(hostile)
    page.get_by_role("button", name="Say", exact=True).click()
    expect(page.locator("#turn-2")).to_contain_text(hostile)
    assert page.locator(".turn img, .turn [hx-get]").count() == 0
    assert dialogs == []


def test_an_answer_shown_only_when_complete(visit: Visitor, engine: FakeEngine, clinician: User, title: str) -> None:
    page = visit(clinician)
    page.goto("/settings/")
    page.get_by_label("Show an answer only when it is complete").check()
    page.get_by_role("button", name="Save").click()
    engine.rate = 15
    begin(page, title)
    expect(page.locator("#turn-1.streaming")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Agent is working")
    page.wait_for_timeout(1500)
    assert engine.requests[0].sent > 5
    assert page.locator("#turn-1 [data-field=reason]").inner_text() == ""
    engine.rate = 400
    expect(page.locator("#turn-1.complete")).to_be_visible()
