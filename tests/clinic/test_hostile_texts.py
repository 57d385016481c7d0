"""A thousand hostile model texts: whatever field they come in, the rendered turn holds words and nothing that acts."""

from html.parser import HTMLParser
from typing import ClassVar

import nh3
import pytest

from clinic.models import Turn
from clinic.rendering import ATTRIBUTES, TAGS, turn_html
from tests.doubles.hostile import hostile_texts

TEXTS = hostile_texts()
MAY_LINK = "#"


class Acting(HTMLParser):
    """Collects whatever in a document could act."""

    FORBIDDEN: ClassVar[set[str]] = {
        "script", "iframe", "object", "embed", "form", "input", "button", "link", "meta", "base", "style", "img",
        "image", "a", "template", "math", "noscript", "audio", "video", "textarea", "select", "foreignobject",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.FORBIDDEN:
            self.found.append(tag)
        for name, value in attrs:
            acts = name.startswith(("on", "hx-", "data-hx", "xlink")) or name in (
                "style",
                "href",
                "src",
                "srcdoc",
                "formaction",
            )
            if acts or "javascript:" in (value or "").lower():
                self.found.append(f"{tag} {name}")
            if name == "id":
                self.ids.append(value or "")


def acting(html: str) -> Acting:
    parser = Acting()
    parser.feed(html)
    return parser


def agent_turn(text: str) -> Turn:
    entry = {"diagnosis": text, "probability": 0.4, "group": "likely", "for": [text], "against": [text]}
    action = {"action": "examine", "target": text, "reason": text, "differential": [entry]}
    return Turn(
        number=3, role="agent", status="complete", text=text, action=action, policy={"version": text, "engine": text}
    )


def result_turn(text: str) -> Turn:
    return Turn(
        number=3, role="environment", status="complete", text=text, request=text, matched=text, source="simulated"
    )


def said_turn(text: str) -> Turn:
    return Turn(number=3, role="patient", status="complete", text=text)


@pytest.mark.parametrize("make", [agent_turn, result_turn, said_turn])
def test_no_text_becomes_anything_that_acts(make):
    for text in TEXTS:
        found = acting(turn_html(make(text)))
        assert found.found == [], f"{text!r} became {found.found}"
        assert found.ids == ["turn-3"], f"{text!r} made the ids {found.ids}"


@pytest.mark.parametrize("text", TEXTS[:60], ids=range(60))
def test_no_piece_of_a_text_becomes_anything_that_acts(text):
    """A stream may be cut at any place: after every token what was said so far is rendered once more."""
    for cut in range(1, len(text), 3):
        assert acting(turn_html(said_turn(text[:cut]))).found == []


def test_the_second_line_of_defence_holds_alone():
    """The sanitiser by itself, as if a template had forgotten to escape."""
    for text in TEXTS:
        cleaned = nh3.clean(text, tags=TAGS, attributes=ATTRIBUTES, url_schemes=set(), link_rel=None)
        assert acting(cleaned).found == [], text


def test_the_check_can_fail():
    assert acting("<p onclick=x>").found
    assert acting("<div hx-get=/x>").found
    assert acting("<script>x</script>").found
