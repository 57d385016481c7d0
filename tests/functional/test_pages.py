"""Every page: accessible in both themes, no wider than a telephone, and the room within its budget."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from agents.world.virtual import case_id, open_case
from clinic.models import Endpoint, Role, Site, User
from clinic.services import rubrics
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import (
    CRP,
    make_case,
    make_consultation,
    make_finding,
    make_simulated_result,
    make_turn,
    make_user,
)
from tests.functional.conftest import Visitor
from tests.training.factories import make_evaluated, make_evaluation

REQUESTS, KILOBYTES = 6, 60
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
DIFFERENTIAL = [
    {"diagnosis": "Pneumonia", "probability": 0.5, "group": "likely", "for": ["Fever"], "against": []},
    {"diagnosis": "Pulmonary embolism", "probability": 0.2, "group": "cant_miss", "for": [], "against": []},
]


def agent(consultation: Any, kind: str, target: str, **fields: Any) -> None:
    action = {"action": kind, "target": target, "reason": "A reason.", "differential": DIFFERENTIAL}
    make_turn(consultation, "agent", action=action, attempt=1, policy={"version": "dx-1"}, **fields)


def make_rooms(clinician: User, endpoint: Endpoint) -> dict[str, str]:
    """A room in each state, by its state."""
    found = {}
    for status in ("waiting", "failed", "stopped", "diagnosed", "deferred", "closed", "thinking"):
        closing = {"closed_at": timezone.now(), "diagnosis": "Pneumonia"} if status == "closed" else {}
        room = make_consultation(case=make_case(), clinician=clinician, endpoint=endpoint, status=status, **closing)
        agent(room, "ask", "Do you smoke?")
        make_turn(room, "patient", text="Never.", source="recorded", request="Do you smoke?")
        agent(room, "examine", "C-reactive protein")
        turn = make_turn(room, "environment", text="CRP 96 mg/L", matched="C-reactive protein", source="simulated")
        make_simulated_result(turn, name="C-reactive protein", values=[CRP])
        make_turn(room, "environment", text="Not in this record.", request="MRI", source="unavailable")
        make_finding(room.case)
        if status in ("failed", "stopped"):
            make_turn(room, "agent", text="", status=status, error_code="policy_timeout" if status == "failed" else "")
        elif status == "thinking":
            late = timezone.now() + timezone.timedelta(hours=1)
            make_turn(room, "agent", text="", status="streaming", attempt=1, lease_expires_at=late)
        else:
            last = {"diagnosed": "diagnose", "deferred": "defer", "closed": "diagnose"}.get(status, "examine")
            agent(room, last, "Chest X-ray")
        found[status] = reverse("consultation", args=[room.pk])
    return found


def world_pages(clinician: User) -> list[str]:
    """The page of the world model as it greets, and with draws of a virtual patient."""
    record = open_case(case_id("test", 3)).record()
    case = make_case(site=clinician.site, key=record.id, answer=record.answer, sheet=[])
    page = reverse("virtual_world")
    return [page, f"{page}?case={case.pk}&examination=CRP,+chest+X-ray&count=4"]


def queue_pages(site: Site) -> list[str]:
    """Queues as keepers see them: the list, a new one, and one with an item in every state."""
    queue = make_queue(site=site, query={"all_of": ["deferred"], "rest_percent": 20, "strata": ["complaint"]})
    item = make_item(queue, stratum="Cough")
    for status in ("submitted", "declined", "expired", "open"):
        make_annotation(item, status=status, submitted_at=None, seconds=90, reason="Because of this.", score=0.5)
    make_item(queue, stratum="Fever", gold=True)
    names = [reverse("queue_list"), reverse("queue_new"), reverse("queue", args=[queue.pk])]
    return [*names, reverse("queue_item", args=[item.pk])]


def rubric_pages(site: Site) -> list[str]:
    """A draft with what the check says of it, and a second version beside its first."""
    first = make_rubric(site=site)
    second = rubrics.new_version(rubric=first.rubric, by=first.published_by)
    rubrics.publish(version=second, by=first.published_by)
    draft = make_rubric({"key": "a", "text": "Fails to ask.", "points": 4}, site=site, status="writing")
    pages = [reverse("rubric", args=[version.pk]) for version in (draft, second)]
    pages += [reverse(name, args=[second.pk]) for name in ("rubric_diff", "rubric_rescore")]
    return [reverse("rubric_list"), reverse("rubric_new"), *pages]


@pytest.fixture
def admin(clinician: User) -> User:
    return make_user(Role.ADMIN, username="ada", site=clinician.site)


@pytest.fixture
def addresses(clinician: User, admin: User, serving: Endpoint) -> list[str]:
    rooms = make_rooms(admin, serving)
    case = make_case()
    names = "case_list case_new consultation_list version_list people audit_log settings mfa_index mfa_activate_totp"
    pages = [reverse(name) for name in names.split()]
    pages += [reverse("case_detail", args=[case.pk]), reverse("consultation_new") + f"?case={case.pk}"]
    pages += [reverse("version_detail", args=[serving.model_version.version]), reverse("account_change_password")]
    pages += [reverse("virtual_clinic"), reverse("virtual_condition", args=["pe"]), *world_pages(clinician)]
    played = make_evaluated(make_evaluation(site=clinician.site))
    pages += [reverse("training:evaluation_list"), reverse("training:evaluation_detail", args=[played.evaluation_id])]
    pages += [reverse("training:evaluation_episode", args=[played.evaluation_id, played.number])]
    who = {"version": serving.model_version.version}
    other = make_evaluated(make_evaluation(site=clinician.site, identity=who), correct=False, diagnosis="Gout")
    both = [played.evaluation_id, other.evaluation_id]
    compare = reverse("training:evaluation_compare")
    pages += [f"{compare}?of={both[0]}&of={both[1]}", f"{compare}?of={both[0]}"]
    pages += [reverse("training:evaluation_beside", args=[*both, 1])]
    pages += queue_pages(clinician.site)
    pages += rubric_pages(clinician.site)
    return [*pages, "/cases/?q=nothing-like-this", "/no-such-page/", *rooms.values()]


def problems(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(visit: Visitor, admin: User, addresses: list[str], theme: str) -> None:
    page = visit(admin, color_scheme=theme, reduced_motion="reduce")
    found = {}
    for address in addresses:
        page.goto(address)
        if failures := problems(page):
            found[address] = failures
    assert found == {}


def test_the_door_is_accessible(visit: Visitor) -> None:
    page = visit(None)
    for address in ("/accounts/login/", "/join/nobody/", "/accounts/password/reset/"):
        page.goto(address)
        assert problems(page) == [], address
    page.goto("/accounts/login/")
    page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    page.evaluate("document.querySelectorAll('input').forEach((input) => input.removeAttribute('placeholder'))")
    assert any(problem.startswith("label") for problem in problems(page))


def test_no_page_is_wider_than_a_telephone(visit: Visitor, admin: User, addresses: list[str]) -> None:
    page = visit(admin, viewport={"width": 390, "height": 844})
    wide = {}
    for address in addresses:
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[address] = width
    assert wide == {}


def test_the_room_stays_within_its_budget(visit: Visitor, clinician: User, serving: Endpoint) -> None:
    page = visit(clinician)
    address = make_rooms(clinician, serving)["waiting"]
    sizes: dict[str, int] = {}
    page.on("response", lambda response: sizes.update({response.url: len(gzip.compress(response.body(), 6))}))
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(address)
    page.locator("#link-state", has_text="Live").wait_for()
    page.wait_for_load_state("networkidle")
    assert len(sizes) + len(sockets) <= REQUESTS, [*sizes, *sockets]
    total = sum(sizes.values())
    print(f"room: {len(sizes)} requests and {len(sockets)} socket, {total} bytes gzipped")
    assert total <= KILOBYTES * 1000, sizes


def test_keys_reach_everything(visit: Visitor, clinician: User, serving: Endpoint) -> None:
    page = visit(clinician)
    page.goto(make_rooms(clinician, serving)["waiting"])
    page.locator("#link-state", has_text="Live").wait_for()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "turn-1"
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.id") == "turn-1"
    page.keyboard.press("r")
    assert page.evaluate("document.activeElement.id") == "result-examination"
    page.keyboard.type("j/.")  # letters while typing are letters
    assert page.locator("#result-examination").input_value().startswith("j/.")
    page.locator("#hypotheses").focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "say-text"
    page.locator("#hypotheses").focus()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()


def test_narrow_screens_show_one_part_at_a_time(visit: Visitor, clinician: User, serving: Endpoint) -> None:
    page = visit(clinician, viewport={"width": 390, "height": 844})
    page.goto(make_rooms(clinician, serving)["waiting"])
    page.get_by_role("tab", name="Differential").click()
    assert page.locator("#hypotheses").is_visible()
    assert not page.locator("#talk").is_visible()
    page.get_by_role("tab", name="Differential").press("ArrowLeft")
    assert page.locator("#talk").is_visible()
