"""Ten consultations judged end to end without the mouse, two compared, and a session that ended in between."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from clinic.models import Annotation, Feedback, Preference, QueueItem, Rating, Role, User
from clinic.services import queues
from clinic.services.annotations import save_draft
from tests.clinic.annotation.factories import make_item, make_queue
from tests.clinic.annotation.sheets import full, make_judgeable, make_sheet_queue, taken
from tests.clinic.factories import PASSWORD, make_case, make_user
from tests.functional.conftest import SECONDS, Visitor, WebProcess
from tests.functional.test_keyboard import tab_to
from tests.functional.test_pages import problems

expect.set_options(timeout=SECONDS)


@pytest.fixture
def anna(web: WebProcess) -> User:
    return make_user(Role.ANNOTATOR, username="anna", first_name="Anna", last_name="Reed")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def title(page: Page, words: str) -> None:
    expect(page.locator("#sheet h1")).to_have_text(words)


def judge(page: Page) -> None:
    """By the small rubric: evidence for the first, a verdict for each of the others, one at every agent turn.

    Until the button is no longer dimmed, as it is while a sheet has only just come.
    """
    press(page, "1", "e", "j", "j")
    expect(page.locator("#picked q")).to_have_text("C-reactive protein")
    press(page, "Enter")
    expect(page.locator(".slot").first.locator("[data-chip] q")).to_have_text("C-reactive protein")
    press(page, "1", "2", "1", "1", "3")
    expect(page.locator("#todo")).to_have_text("All judged")
    expect(page.locator("[data-submit]")).to_be_enabled()


def ahead(page: Page) -> None:
    """Until the next one lies ready, as it does for anybody who reads before judging."""
    page.wait_for_selector("#sheet[data-ready=next]")


def test_ten_consultations_without_the_mouse(visit: Visitor, anna: User) -> None:
    make_sheet_queue(10)
    page = visit(anna)
    page.goto("/annotation/")
    tab_to(page, "Annotate")
    press(page, "Enter")
    page.wait_for_url("**/annotation/sheets/**")
    for number in range(1, 11):
        title(page, f"Cough {number}")
        judge(page)
        if number == 4:
            press(page, "e", "k", "k", "w", "Escape")
            page.keyboard.press("c")
            page.keyboard.type("Ne")
            press(page, "Tab")
            page.keyboard.type("Chest X-ray")
            press(page, "Tab", "Space", "Tab")
            page.keyboard.type("Late.")
            press(page, "Enter")  # a new line: in a text it is one
            page.keyboard.type("Still safe.")
            press(page, "Control+Enter")
            continue
        if number < 10:
            ahead(page)
        press(page, "Enter")
    page.wait_for_url("**/annotation/done/**")
    expect(page.locator("main")).to_contain_text("You have judged 10")

    done = Annotation.objects.filter(annotator=anna, status="submitted").order_by("item__position")
    assert [row.item.consultation.case.title for row in done] == [f"Cough {n}" for n in range(1, 11)]
    assert Rating.objects.count() == 60
    quoted = set(Rating.objects.exclude(evidence="").values_list("evidence", "evidence_turn"))
    assert quoted == {("C-reactive protein", 3)}
    assert Feedback.objects.filter(kind="rating", by=anna).count() == 10
    assert all(row.authoritative for row in done)
    fourth = done[3]
    assert (fourth.first_wrong_turn, fourth.correction_kind, fourth.correction) == (3, "examination", "Chest X-ray")
    assert (fourth.harm, fourth.critique) == ("none", "Late.\nStill safe.")


def test_save_to_next(visit: Visitor, anna: User) -> None:
    """What was fetched ahead replaces the sheet as soon as it is saved; the figure is printed, not judged."""
    make_sheet_queue(4)
    page = visit(anna)
    page.goto("/annotation/next/")
    for number in (1, 2, 3):
        title(page, f"Cough {number}")
        judge(page)
        ahead(page)
        press(page, "Enter")
    title(page, "Cough 4")
    spent = page.evaluate("performance.getEntriesByName('save-to-next').map((entry) => entry.duration)")
    print("save to next, ms:", ", ".join(f"{ms:.0f}" for ms in spent))
    assert len(spent) == 3
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1, "the page was never loaded again"
    assert page.url.endswith(f"/{Annotation.objects.get(status='open').pk}/")


ENTER_AS_IT_COMES = """() => new MutationObserver(() => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true})
)).observe(document.querySelector("#sheet").parentElement, {childList: true})"""
IN_FRONT = "() => [document.title, document.querySelector('#sheet').getAttribute('aria-busy')]"


def test_a_key_held_too_long_submits_no_sheet_unseen(visit: Visitor, anna: User) -> None:
    queue, _ = make_sheet_queue(3)
    first = taken(queue, anna)
    second = queues.take_next(by=anna, queue=queue, besides=[first.pk])
    assert second is not None
    save_draft(annotation=second, by=anna, number=1, draft=full())
    page = visit(anna)
    page.goto(f"/annotation/sheets/{first.pk}/")
    judge(page)
    ahead(page)
    page.evaluate(ENTER_AS_IT_COMES)
    page.keyboard.down("Enter")
    title(page, "Cough 2")
    waiting = ["Annotate: Cough 2 · Rounds", None]
    assert page.evaluate(IN_FRONT) == waiting, "a second Enter at once is not for this sheet"
    expect(page.locator("#todo")).to_have_text("All judged")
    expect(page.locator("[data-submit]")).to_be_enabled()
    page.keyboard.down("Enter")  # still held: the same key again, as a repeat
    assert page.evaluate(IN_FRONT) == waiting
    page.keyboard.up("Enter")
    ahead(page)
    press(page, "Enter")
    title(page, "Cough 3")


def test_a_draft_on_its_way_is_not_overtaken_by_a_refusal(visit: Visitor, anna: User) -> None:
    make_sheet_queue(1)
    page = visit(anna)
    held: list[Route] = []
    page.route("**/draft/", lambda route: route.continue_() if held else held.append(route))
    page.goto("/annotation/next/")
    with page.expect_request("**/draft/"):
        judge(page)
        press(page, "c")
        page.keyboard.type("Ne")  # a correction without its words is refused
    press(page, "Control+Enter")
    page.wait_for_timeout(500)  # longer than a refusal takes
    held[0].continue_()
    expect(page.locator("#refusal")).to_contain_text("both")
    press(page, "Tab")
    page.keyboard.type("Chest X-ray")
    expect(page.locator("#state")).to_contain_text("Saved")
    press(page, "Control+Enter")
    page.wait_for_url("**/annotation/done/**")


def test_two_compared_blind(visit: Visitor, anna: User) -> None:
    queue, case = make_queue(kind="preference", overlap=1), make_case(title="Cough, twice")
    item = make_item(queue, consultation=make_judgeable(case=case), other=make_judgeable(case=case))
    page = visit(anna)
    page.goto("/annotation/next/")
    title(page, "Cough, twice")
    assert item.consultation.model_version.name not in page.content()
    press(page, "1", "2", "0", "1")
    press(page, "Enter")
    expect(page.locator("#refusal")).to_contain_text("Say why")
    page.locator(".slot input").first.focus()
    press(page, "r")
    page.keyboard.type("It asks about smoking.")
    press(page, "Control+Enter")
    page.wait_for_url("**/annotation/done/**")
    swapped = Annotation.objects.get().swapped
    a, b = ("second", "first") if swapped else ("first", "second")
    kept = dict(Preference.objects.values_list("dimension", "choice"))
    assert kept == {"proactiveness": a, "accuracy": b, "usefulness": "same", "language": a}


def test_a_session_that_ended_loses_nothing(visit: Visitor, anna: User) -> None:
    make_sheet_queue(2)
    page = visit(anna)
    page.goto("/annotation/next/")
    judge(page)
    expect(page.locator("#state")).to_contain_text("Saved")
    Session.objects.all().delete()
    press(page, "t")
    page.keyboard.type("Written after the session ended.")
    expect(page.locator("#signed-out")).to_contain_text("You are signed out. Everything stays on this page.")
    press(page, "Control+Enter")
    expect(page.locator("#state")).to_contain_text("signed out")
    assert Annotation.objects.get(draft__isnull=False, draft_number__gt=0).status == "open"

    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").press("Enter")
    other = opened.value
    other.get_by_label("User name").fill("anna")
    other.get_by_label("Password").fill(PASSWORD)
    other.keyboard.press("Enter")
    expect(other.locator("h1")).to_have_text("You are signed in")
    other.close()
    page.bring_to_front()
    expect(page.locator("#signed-out")).to_be_hidden()
    expect(page.locator("#state")).to_contain_text("Saved")
    assert page.locator("#critique").input_value() == "Written after the session ended."
    page.locator("#critique").focus()
    press(page, "Control+Enter")
    title(page, "Cough 2")
    assert Annotation.objects.get(status="submitted").critique == "Written after the session ended."


def test_declining_without_a_session_warns_before_words_are_lost(visit: Visitor, anna: User) -> None:
    make_sheet_queue(1)
    page = visit(anna)
    page.goto("/annotation/next/")
    Session.objects.all().delete()
    press(page, "t")
    page.keyboard.type("Kept nowhere else.")
    expect(page.locator("#state")).to_contain_text("Not saved")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.locator(".decline summary").click()
    page.locator("#decline-reason").fill("I know the patient")
    page.locator("[data-decline]").click(no_wait_after=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert page.locator("#critique").input_value() == "Kept nowhere else."


def test_what_was_typed_is_there_again_and_a_newer_draft_stays(visit: Visitor, anna: User) -> None:
    make_sheet_queue(1)
    page = visit(anna)
    page.goto("/annotation/next/")
    press(page, "2", "t")
    page.keyboard.type("Half a thought")
    expect(page.locator("#state")).to_contain_text("Saved")
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.locator("#critique")).to_have_value("Half a thought")
    expect(second.locator(".slot").first.locator("input:checked")).to_have_value("not_met")
    second.keyboard.press("t")
    second.keyboard.type(", and more")
    expect(second.locator("#state")).to_contain_text("Saved")
    page.keyboard.type("!")
    expect(page.locator("#refusal")).to_contain_text("newer draft")
    page.keyboard.type("?")
    page.wait_for_timeout(1200)  # longer than a draft waits
    assert Annotation.objects.get().draft["critique"] == "Half a thought, and more"


def test_words_are_selected_by_key_and_by_mouse(visit: Visitor, anna: User) -> None:
    make_sheet_queue(1)
    page = visit(anna)
    page.goto("/annotation/next/")
    press(page, "e", "j", "j", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    expect(page.locator("#picked q")).to_have_text("To see how")
    press(page, "Shift+ArrowDown", "Enter")
    place = page.locator(".slot").first
    expect(place.locator("[data-chip] q")).to_have_text("To see how inflamed you are.")
    expect(place.locator("[data-chip] .where")).to_have_text("turn 3")
    press(page, "x")
    expect(place.locator("[data-chip]")).to_be_hidden()
    box = page.locator("#turn-2 .said").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + 8, steps=3)
    page.mouse.up()
    expect(page.locator("#picked")).to_be_visible()
    chosen = page.locator("#picked q").inner_text()
    assert "Never in my life.".startswith(chosen), "whole words, whatever was touched"
    page.locator("[data-take]").click()
    expect(place.locator("[data-chip] q")).to_have_text(chosen)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sheets_are_accessible(visit: Visitor, anna: User, theme: str) -> None:
    _, items = make_sheet_queue(2)
    pairs, case = make_queue(kind="preference", overlap=1), make_case()
    make_item(pairs, consultation=make_judgeable(case=case), other=make_judgeable(case=case))
    page = visit(anna, color_scheme=theme, reduced_motion="reduce")
    found = {}
    for address in (f"/annotation/next/?queue={items[0].queue_id}", f"/annotation/next/?queue={pairs.pk}"):
        page.goto(address)
        page.wait_for_selector("#sheet.pair" if str(pairs.pk) in address else "#sheet")
        press(page, "1", "e")
        found[address] = problems(page)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
        page.set_viewport_size({"width": 1440, "height": 900})
    for address in ("/annotation/done/", "/annotation/signed-in/"):
        page.goto(address)
        found[address] = problems(page)
    assert not any(found.values()), found
    assert QueueItem.objects.count() == 3
