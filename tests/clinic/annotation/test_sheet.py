"""The sheet's page: what it shows and hides, what it costs, and how it works with and without scripts."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clinic.models import Annotation, AnnotationQueue, Preference, QueueItem, Role
from clinic.services import annotations, queues
from clinic.sheet import sheet_of
from clinic.sheet_form import preference_sheet, rubric_sheet
from tests.clinic.annotation.factories import make_item, make_queue
from tests.clinic.annotation.sheets import (
    changed,
    crowd,
    full,
    make_judgeable,
    make_sheet_queue,
    posted,
    preferred,
    spoken,
    taken,
)
from tests.clinic.factories import make_case, make_user
from tests.doubles.hostile import hostile_texts

pytestmark = pytest.mark.django_db
QUERIES = 8
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def anna():
    return make_user(Role.ANNOTATOR)


@pytest.fixture
def client(anna):
    client = Client()
    client.force_login(anna, backend="clinic.accounts.ClinicBackend")
    client.get(reverse("sheet_done"))  # the first request of a session is the one that renews it
    return client


@pytest.fixture
def begun(anna):
    return taken(make_sheet_queue(3)[0], anna)


@pytest.fixture
def pair(anna):
    queue = make_queue(kind="preference", overlap=1)
    case = make_case()
    make_item(queue, consultation=make_judgeable(case=case), other=make_judgeable(case=case))
    return taken(queue, anna)


def url(name, annotation):
    return reverse(name, args=[annotation.pk])


def test_transcript_and_criteria(client, begun):
    html = client.get(url("sheet", begun)).content.decode()
    for words in ("Do you smoke?", "Never in my life.", "Simulated", "Orders inflammation markers", "+6", "−8"):
        assert words in html, words
    assert html.count('class="slot') == 6, "three criteria once, one at each of the agent’s three turns"
    assert "Evidence required" in html
    assert "Never</span>" in html


def test_blind_means_that_nobody_is_named(client, begun):
    named = begun.item.consultation.model_version
    html = client.get(url("sheet", begun)).content.decode()
    for secret in ("dx-secret", named.name, named.version, begun.item.consultation.clinician.display_name):
        assert secret not in html, secret
    AnnotationQueue.objects.update(blind=False)
    assert named.name in client.get(url("sheet", begun)).content.decode(), "what serves is told where nobody is blind"


def queries(client, method, address, data=None, **headers) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = getattr(client, method)(address, data or {}, **headers)
    assert answer.status_code < 400, answer.content[:300]
    return [row["sql"] for row in seen.captured_queries]


def test_the_page_costs_few_queries_however_long_it_is(client, anna, begun):
    short = queries(client, "get", url("sheet", begun))
    assert len(short) <= QUERIES, short
    for _ in range(5):
        spoken(begun.item.consultation, "ask", "And since when?")
    assert len(queries(client, "get", url("sheet", begun))) == len(short)


def test_a_draft_costs_few_queries(client, begun):
    seen = queries(client, "post", url("sheet_draft", begun), {"number": 1, "critique": "x"}, **JSON)
    assert len(seen) <= QUERIES, seen


def test_page_and_submit_cost_the_same_in_a_full_queue(client, anna, drill_count):
    rows = drill_count(300, 100_000)
    queue, _ = make_sheet_queue(4)
    first = taken(queue, anna)
    before = [
        len(queries(client, "get", url("sheet", first))),
        len(queries(client, "post", url("sheet", first), posted(full()), **JSON)),
    ]
    crowd(queue, rows)
    second = taken(queue, anna)
    after = [
        len(queries(client, "get", url("sheet", second))),
        len(queries(client, "post", url("sheet", second), posted(full()), **JSON)),
    ]
    assert after == before
    assert after[0] <= QUERIES


OTHERS = ("auditentry", "audithead", "pg_advisory", "webhook", "auth", "session", "clinic_user", "SAVEPOINT")


def test_a_submit_writes_in_few_queries_of_its_own(client, anna, begun):
    """Apart from session and user, the log, addresses to tell, and what settles the item."""
    seen = queries(client, "post", url("sheet", begun), posted(full()), **JSON)
    settles = next(n for n, sql in enumerate(seen) if 'SET "submitted"' in sql)
    own = [sql for sql in seen[: settles + 1] if not any(word in sql for word in OTHERS)]
    assert len(own) <= QUERIES + 1, "\n".join(own)


def test_what_is_submitted_leads_to_the_next(client, begun):
    answer = client.post(url("sheet", begun), posted(full()), **JSON)
    assert answer.json() == {"next": reverse("sheet_next") + f"?queue={begun.item.queue_id}"}
    assert Annotation.objects.get(pk=begun.pk).draft == full()
    follow = client.get(answer.json()["next"])
    assert follow.status_code == 302
    assert str(begun.pk) not in follow["Location"]


def test_a_refusal_keeps_everything_on_the_page(client, begun):
    data = posted(changed(full(critique="Asked too late."), "named", verdict=""))
    told = client.post(url("sheet", begun), data, **JSON)
    assert told.status_code == 422
    assert "Names the right diagnosis" in told.json()["sentence"]
    page = client.post(url("sheet", begun), data)
    assert page.status_code == 422
    html = page.content.decode()
    assert "Not judged yet" in html
    assert "Asked too late." in html
    assert html.count("checked") == 5


def test_without_scripts_a_form_is_enough(client, anna, begun):
    saved = client.post(url("sheet_draft", begun), {"critique": "Half a thought"}, follow=True)
    assert "Half a thought" in saved.content.decode()
    answer = client.post(url("sheet", begun), posted(full()), follow=True)
    assert answer.redirect_chain[0][0].startswith(reverse("sheet_next"))
    assert answer.status_code == 200
    assert answer.context["sheet"].annotation.pk != begun.pk


def test_a_late_draft_says_so(client, begun):
    assert client.post(url("sheet_draft", begun), {"number": 5, "critique": "new"}, **JSON).json()["saved"]
    late = client.post(url("sheet_draft", begun), {"number": 4, "critique": "old"}, **JSON).json()
    assert late["saved"] is False
    assert late["number"] == 5
    assert Annotation.objects.get(pk=begun.pk).draft["critique"] == "new"


def test_a_draft_takes_up_what_ran_out_or_says_that_it_is_gone(client, begun):
    Annotation.objects.filter(pk=begun.pk).update(reserved_until=timezone.now() - timedelta(minutes=1))
    assert client.post(url("sheet_draft", begun), {"number": 1}, **JSON).json()["sentence"] == ""
    assert Annotation.objects.get(pk=begun.pk).reserved_until > timezone.now()
    Annotation.objects.filter(pk=begun.pk).update(reserved_until=timezone.now() - timedelta(minutes=1))
    assert queues.take_next(by=make_user(Role.ANNOTATOR), queue=begun.item.queue).item_id == begun.item_id
    told = client.post(url("sheet_draft", begun), {"number": 2, "critique": "mine"}, **JSON).json()
    assert "somebody else" in told["sentence"]
    assert Annotation.objects.get(pk=begun.pk).draft["critique"] == "mine"


def test_the_next_sheet_comes_ahead_once(client, begun):
    answer = client.post(url("sheet_ahead", begun))
    html = answer.content.decode()
    assert html.lstrip().startswith("<form")
    assert "Cough 2" in html
    ahead = Annotation.objects.exclude(pk=begun.pk).get()
    again = client.post(url("sheet_ahead", begun), {"have": str(ahead.pk)})
    assert (again.status_code, again["X-Ahead"]) == (204, "kept")
    assert client.post(url("sheet_open", ahead)).json() == {"sentence": ""}
    ahead.refresh_from_db()
    assert ahead.reserved_until > timezone.now() + timedelta(minutes=20)


def test_nothing_is_ahead_of_the_last(client, anna):
    last = taken(make_sheet_queue(1)[0], anna)
    assert client.post(url("sheet_ahead", last))["X-Ahead"] == "none"
    client.post(url("sheet", last), posted(full()))
    done = client.get(reverse("sheet_next") + f"?queue={last.item.queue_id}", follow=True).content.decode()
    assert "No more to judge" in done
    assert "You have judged 1" in done


def test_one_that_was_taken_over_cannot_be_opened(client, begun):
    client.post(url("sheet_ahead", begun))
    ahead = Annotation.objects.exclude(pk=begun.pk).get()
    Annotation.objects.filter(pk=ahead.pk).update(reserved_until=timezone.now() - timedelta(minutes=1))
    item = QueueItem.objects.get(pk=ahead.item_id)
    queues.assign(item=item, to=make_user(Role.ANNOTATOR), by=make_user(Role.ADJUDICATOR))
    answer = client.post(url("sheet_open", ahead))
    assert answer.status_code == 409
    assert "somebody else" in answer.json()["sentence"]


def test_declined_with_a_reason(client, begun):
    typed = posted(full(critique="Half a thought"))
    again = client.post(url("sheet_decline", begun), {**typed, "decline_reason": ""}, follow=True).content.decode()
    assert Annotation.objects.get(pk=begun.pk).status == "open"
    assert "Half a thought" in again
    assert again.count("checked") == 6
    answer = client.post(url("sheet_decline", begun), {"decline_reason": "I know the patient"})
    assert answer["Location"].startswith(reverse("sheet_next"))
    assert Annotation.objects.get(pk=begun.pk).status == "declined"
    assert "disabled" in client.get(url("sheet", begun)).content.decode()


def test_what_was_sent_back_says_why(client, anna, begun):
    annotations.submit(annotation=begun, by=anna, sheet=full())
    queues.send_back(
        annotation=Annotation.objects.get(pk=begun.pk), by=make_user(Role.ADJUDICATOR), reason="Turn 3 <again>"
    )
    html = client.get(url("sheet", begun)).content.decode()
    assert "Turn 3 &lt;again&gt;" in html
    assert html.count("checked") == 6
    assert client.post(url("sheet", begun), posted(full()), **JSON).status_code == 200


def test_a_submitted_sheet_is_read_from_its_rows(client, anna, begun):
    annotations.submit(annotation=begun, by=anna, sheet=full(harm="mild"))
    Annotation.objects.filter(pk=begun.pk).update(draft={})
    sheet = sheet_of(begun.pk, anna)
    assert sorted(map(str, sheet.draft["ratings"])) == sorted(map(str, full()["ratings"]))
    assert sheet.draft["harm"] == "mild"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_comparison_is_shown_in_its_order_and_kept_in_the_item_s(client, pair, swapped):
    Annotation.objects.filter(pk=pair.pk).update(swapped=swapped)
    sheet = sheet_of(pair.pk, pair.annotator)
    first = sheet.sides[0][1][0].turn.consultation_id
    assert first == (pair.item.other_id if swapped else pair.item.consultation_id)
    data = {"p@accuracy": "a", "p@usefulness": "b", "p@proactiveness": "same", "p@language": "same", "w@accuracy": "x"}
    assert client.post(url("sheet", pair), data, **JSON).status_code == 200
    kept = dict(Preference.objects.values_list("dimension", "choice"))
    assert (kept["accuracy"], kept["usefulness"]) == (("second", "first") if swapped else ("first", "second"))
    html = client.get(url("sheet", pair)).content.decode()
    assert 'name="p@accuracy" value="a" checked' in html


def test_a_comparison_costs_few_queries_too(client, pair):
    assert len(queries(client, "get", url("sheet", pair))) <= QUERIES


def test_a_form_is_read_as_it_was_meant():
    assert rubric_sheet(posted(full())) == full()
    read = rubric_sheet({"v@@a@b": "met", "v@2@x": "perfect", "e@2@x": "a\0b", "t@2@x": "-1", "seconds": "1e9"})
    assert [row["criterion"] for row in read["ratings"]] == ["a@b", "x"]
    assert read["ratings"][1]["verdict"] == ""
    assert read["ratings"][1]["evidence"] == "ab"
    assert read["ratings"][1]["evidence_turn"] is None
    assert read["seconds"] == 0
    assert rubric_sheet({"critique": "One.\r\nTwo."})["critique"] == "One.\nTwo."
    assert preference_sheet({"p@accuracy": "c"}, swapped=False)["preferences"] == []
    assert preferred(accuracy="first")["preferences"][1]["choice"] == "first"


class Shape(HTMLParser):
    """Every element with the names of its attributes, and where they lead: what could act is among these."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        links = [value or "" for name, value in attrs if name in ("href", "action", "formaction", "src")]
        self.found.append((tag, *(name for name, _ in attrs), *links))


def shape(html: str) -> list[tuple[str, ...]]:
    parser = Shape()
    parser.feed(html)
    return parser.found


def filled(annotation, anna, text: str) -> str:
    """The page with this text wherever somebody's words come in."""
    sheet = sheet_of(annotation.pk, anna)
    sheet.case.title = sheet.case.complaint = sheet.case.answer = sheet.queue.title = text
    sheet.case.history = {"hpi": text}
    sheet.trouble = sheet.annotation.reason = text
    sheet.annotation.status = "returned"
    sheet.annotation.rubric_version.guideline = text
    for row in sheet.annotation.criterion_rows:
        row |= {"text": text, "guideline": text, "examples": [{"text": text, "verdict": text}]}
    for one in sheet.turns:
        turn = one.turn
        turn.text = turn.matched = turn.request = text
        if turn.action:
            turn.action |= {"target": text, "reason": text}
        object.__setattr__(one, "said", text)
    typed = full(critique=text, correction={"kind": "diagnosis", "text": text})
    sheet.annotation.draft = changed(typed, "quoted", evidence=text, reason=text)
    return render_to_string("clinic/annotation/sheet_body.html", {"sheet": sheet, "csrf_token": "x"})


def test_no_text_becomes_anything_that_acts(begun, anna):
    harmless = shape(filled(begun, anna, "words"))
    assert len(harmless) > 100
    for text in [text for text in hostile_texts() if text.strip()][::8]:
        assert shape(filled(begun, anna, text)) == harmless, text


def test_the_check_can_fail(begun, anna):
    assert shape("<p onclick=x>") != shape("<p>")
    assert shape("<b>") != shape("<b><script>")
