"""Why: red flags, arguments quoted from this patient, what is not excluded yet, what an order would do; by keyboard."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.models import Consultation, ModelVersion, Site, Training, Turn, User
from tests.clinic.factories import make_case
from tests.doubles.engine import FakeEngine
from tests.functional.conftest import SECONDS, Visitor, WebProcess

expect.set_options(timeout=SECONDS)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
HISTORY = {
    "hpi": "Pelvic pain since yesterday. Last period seven weeks ago, missed period. No fever. BP 84/50, pulse 118.",
    "drugs": "Lisinopril",
    "allergies": "Latex",
}


def said(target: str, ectopic: float, *others: Hypothesis) -> str:
    arguments = ("missed period", "vaginal bleeding"), ("fever",)
    first = Hypothesis("Ectopic pregnancy", ectopic, HypothesisGroup.CANT_MISS, *arguments)
    return StructuredCodec().encode(Action(ActionKind.EXAMINE, target, "Nothing is alarming here.", (first, *others)))


@pytest.fixture
def case(web: WebProcess):
    ModelVersion.objects.update(training=Training.VIRTUAL)
    fields = {"complaint": "Abdominal pain", "age_years": 29, "history": HISTORY}
    found = make_case(kind="patient", title="Pain and fainting", **fields)
    Site.objects.filter(pk=found.site_id).update(accepts_patient_cases=True)
    return found


@pytest.fixture
def room(visit: Visitor, engine: FakeEngine, clinician: User, case) -> Page:
    engine.rate = 0
    engine.script.append(said("Pregnancy test", 0.4, Hypothesis("Appendicitis", 0.3, HypothesisGroup.LIKELY)))
    engine.script.append(said("CT abdomen", 0.7, Hypothesis("Ovarian torsion", 0.1, HypothesisGroup.CANT_MISS)))
    page = visit(clinician)
    page.goto(reverse("consultation_new") + f"?case={case.pk}")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/consultations/*-*/")
    expect(page.locator("#turn-1.complete")).to_be_visible()
    expect(page.locator("#next")).to_contain_text("Pregnancy test")
    return page


def test_red_flags_stand_whatever_the_agent_says(room: Page) -> None:
    flags = room.locator("#red_flags")
    expect(flags).to_contain_text("Systolic pressure below 90")
    expect(flags).to_contain_text("BP 84/50")
    expect(room.locator("#turn-1")).to_contain_text("Nothing is alarming here.")
    room.get_by_role("button", name="Seen: Systolic pressure below 90 mmHg").click()
    expect(flags).to_contain_text("Seen by Clara Ward")
    room.reload()
    expect(flags).to_contain_text("Systolic pressure below 90")


def test_arguments_are_quoted_from_this_patient_or_not_in_this_record(room: Page) -> None:
    turn = Turn.objects.get(role="agent")
    # The short wire form has no room for arguments; a policy of another codec states them.
    turn.action["differential"][0] |= {"for": ["missed period", "vaginal bleeding"], "against": ["fever"]}
    turn.save(update_fields=["action"])
    room.reload()
    row = room.locator(".hypothesis", has_text="Ectopic pregnancy").first
    row.locator("summary").click()
    expect(row).to_contain_text("Last period seven weeks ago")
    expect(row.locator("li", has_text="vaginal bleeding")).to_contain_text("Not in this record")
    expect(row.locator("li", has_text="The record says otherwise")).to_contain_text("No fever.")
    expect(row.locator("h4").nth(1)).to_have_text("From the knowledge")
    row.locator("a.quote", has_text="Last period").first.click()
    assert room.evaluate("document.activeElement.id") == "fact-case-hpi"
    assert room.evaluate("CSS.highlights.has('quote')")


def test_nothing_is_closed_over_what_is_open(room: Page) -> None:
    entry = room.locator(".entry", has_text="Acute appendicitis")
    entry.locator("summary").click()
    entry.get_by_label("Or leave it open, because").fill("Surgeon is on her way.")
    entry.get_by_role("button", name="Leave open").click()
    expect(entry).to_contain_text("because Surgeon is on her way.")
    expect(room.locator("#ledger h2")).to_contain_text("open")
    found = Consultation.objects.get()
    assert found.ledger.get(key="appendicitis").status == "accepted"
    other = room.locator(".entry", has_text="Small-bowel obstruction")
    other.locator("summary").click()
    other.get_by_role("checkbox").first.check()
    other.get_by_role("button", name="Exclude").click()
    expect(other.locator(".state.excluded")).to_have_text("Excluded")
    assert found.ledger.get(key="sbo").evidence[0]["text"]


def test_a_result_moves_the_differential_and_warns_of_the_next_order(room: Page) -> None:
    room.keyboard.press("r")
    room.get_by_label("Report").fill("hCG positive.")
    room.get_by_role("button", name="Enter result").click()
    expect(room.locator("#turn-3.complete")).to_be_visible()
    expect(room.locator("#red_flags")).to_contain_text("Low pressure in pregnancy")
    expect(room.locator(".changes")).to_contain_text("Ectopic pregnancy +30")
    expect(room.locator(".changes")).to_contain_text("Ovarian torsion new")
    expect(room.locator(".changes")).to_contain_text("Appendicitis gone")
    card = room.locator("#card")
    expect(card).to_contain_text("May be pregnant")
    expect(card).to_contain_text("kidney function")
    expect(card).to_contain_text("Would move")
    expect(room.locator(".spark.rank").first).to_contain_text("Rank at each turn: 1, 1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_reasoning_is_accessible_unfolded(room: Page, theme: str) -> None:
    room.emulate_media(color_scheme=theme, reduced_motion="reduce")
    room.evaluate("document.querySelectorAll('.room details').forEach((one) => (one.open = true))")
    found = Axe().run(room, options=RULES).response["violations"]
    assert [f"{rule['id']}: {node['html'][:140]}" for rule in found for node in rule["nodes"]] == []
    room.set_viewport_size({"width": 390, "height": 844})
    for tab in ("Patient", "Conversation", "Differential"):
        room.get_by_role("tab", name=tab).click()
        assert room.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_what_is_unfolded_or_typed_survives_a_redraw(room: Page) -> None:
    row, entry = room.locator(".hypothesis").first, room.locator(".entry", has_text="Acute appendicitis")
    row.locator("summary").click()
    entry.locator("summary").click()
    entry.get_by_label("Or leave it open, because").fill("Half a sent")
    with room.expect_response("**/panel/"):
        room.evaluate("refresh()")
    room.wait_for_timeout(300)
    expect(row).to_have_attribute("open", "")
    expect(entry.get_by_label("Or leave it open, because")).to_have_value("Half a sent")
