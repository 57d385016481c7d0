"""A thousand hostile model texts in a real browser, stored and streamed: nothing runs, nothing is fetched."""

from __future__ import annotations

from playwright.sync_api import Request

from agents.types import MAX_TURNS
from clinic.models import Consultation, Turn, User
from tests.clinic.factories import make_consultation, make_turn
from tests.doubles.hostile import MARK, hostile_texts
from tests.functional.conftest import Visitor, WebProcess

TURNS = 10
TEXTS = hostile_texts()


def hostile_consultation(clinician: User) -> Consultation:
    """All thousand texts in the stored turns of one consultation, in every field that a model or a world fills."""
    held = make_consultation(clinician=clinician)
    share = len(TEXTS) // TURNS
    for number in range(TURNS):
        texts = TEXTS[number * share : (number + 1) * share]
        entries = [
            {"diagnosis": text, "probability": 0.001, "group": group, "for": [text], "against": [text]}
            for group, text in zip(("likely", "cant_miss", "other") * share, texts[: share // 2], strict=False)
        ]
        action = {
            "action": "examine",
            "target": texts[0],
            "reason": "\n".join(texts[share // 2 :]),
            "differential": entries,
        }
        make_turn(
            held, role="agent", status="complete", action=action, text=action["reason"], policy={"version": texts[1]}
        )
    return held


def test_nothing_runs_and_nothing_is_fetched(visit: Visitor, web: WebProcess, clinician: User) -> None:
    assert TURNS < MAX_TURNS
    held = hostile_consultation(clinician)
    page = visit(clinician)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(address(request)))
    page.on("dialog", lambda dialog: asked.append("dialog"))
    page.goto(f"/consultations/{held.pk}/")
    page.wait_for_timeout(500)
    stream(page, held)
    page.wait_for_timeout(500)
    assert page.evaluate(f"window.{MARK}") is None
    own = f"{web.address}/"
    assert [url for url in asked if not url.startswith((own, own.replace("http", "ws"), "data:image/svg"))] == []
    assert page.locator("#timeline script, #timeline iframe, #timeline img, #timeline form, #timeline a").count() == 0
    assert (
        page.locator("#timeline [hx-get], #timeline [data-hx-post], #timeline [onclick], #timeline [style]").count()
        == 0
    )
    assert not Turn.objects.filter(consultation=held, role="clinician").exists()
    assert page.url == f"{own}consultations/{held.pk}/"


def address(request: Request) -> str:
    return request.url


def stream(page: object, held: Consultation) -> None:
    """Every text as it would arrive over the socket, cut at each of its characters."""
    page.evaluate(  # type: ignore[attr-defined]
        """([texts, turn]) => texts.forEach((text, n) => {
            let at = 0;
            for (const piece of Array.from(text)) {
                for (const field of ["target", "reason", "differential"])
                    apply({type: "token", turn: turn + n, attempt: 1, seq: 1000 + n, data: {field, text: piece, at}});
                at += 1;
            }
        })""",
        [TEXTS[:100], TURNS + 1],
    )
