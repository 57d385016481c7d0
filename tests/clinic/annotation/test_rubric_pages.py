"""The pages of rubrics: what is typed is checked and kept, every verb works without JavaScript, texts stay texts."""

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import Role, RubricRole, RubricStatus, RubricVersion
from clinic.services import cases, rubric_drafts, rubrics
from clinic.services.errors import Refused
from clinic.tasks import draft_rubric
from tests.clinic.annotation.factories import make_annotation, make_item, make_queue, make_rubric
from tests.clinic.factories import make_case, make_user

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>{{ version }}<img src=x onerror=alert(1)>"


def signed_in(user):
    client = Client()
    client.force_login(user, backend="clinic.accounts.ClinicBackend")
    return client


@pytest.fixture
def physician():
    return make_user(Role.ANNOTATOR)


@pytest.fixture
def client(physician):
    return signed_in(physician)


def made(client, **fields):
    posted = {"title": "Chest pain", "scope": "general", "start": "blank", "flow": "single", **fields}
    answer = client.post(reverse("rubric_new"), posted)
    assert answer.status_code == 302, answer.content
    return RubricVersion.objects.latest("created_at")


def do(client, version, verb, **fields):
    return client.post(reverse("rubric_do", args=[version.pk]), {"do": verb, **fields}, follow=True)


def criterion(client, version, **fields):
    return client.post(reverse("rubric_criterion", args=[version.pk]), fields)


def add(client, version, text="Orders an ECG.", points="8"):
    return criterion(client, version, text=text, points=points, axis="safety")


def test_a_deleted_case_takes_its_rubric_out_of_sight(client, physician):
    case = make_case(site=physician.site)
    version = make_rubric(title="Of the deleted", scope="case", case=case)
    general = make_rubric(title="Of everything")
    pages = [reverse("rubric", args=[version.pk]), reverse("rubric_export", args=[version.pk]) + "?format=rounds"]
    assert all(client.get(address).status_code == 200 for address in pages)
    cases.delete(case=case, by=None)
    assert [client.get(address).status_code for address in pages] == [404, 404]
    for words in ("", "deleted", case.title):
        assert "Of the deleted" not in client.get(reverse("rubric_list"), {"q": words}).content.decode()
    assert "Of everything" in client.get(reverse("rubric_list")).content.decode()
    with pytest.raises(Refused):
        rubrics.new_version(rubric=version.rubric, by=physician)
    assert rubrics.new_version(rubric=general.rubric, by=physician).number == 2


def test_the_way_of_one_author(client, physician):
    case = make_case(site=physician.site)
    assert b"selected" in client.get(reverse("rubric_new"), {"case": case.pk}).content
    version = made(client, scope="case", case=case.pk)
    assert version.rubric.case == case
    examples = {"example": ["ECG ordered", "  "], "example_verdict": ["not_met", "met"]}
    criterion(client, version, text="Orders an ECG.", points="8", axis="safety", evidence_required="1", **examples)
    add(client, version, "Asks about smoking.", "3")
    ecg, smoking = version.criteria.all()
    assert (ecg.points, ecg.axis, ecg.evidence_required, ecg.never) == (8, "safety", True, False)
    assert ecg.examples == [{"text": "ECG ordered", "verdict": "not_met"}]
    criterion(client, version, key=smoking.key, do="up")
    criterion(client, version, key=smoking.key, do="save", text="Asks about smoking.", points="5", axis="economy")
    assert version.criteria.first().points == 5
    do(client, version, "guideline", guideline="Judge what was done.")
    assert b"is in force" in do(client, version, "publish").content
    assert b"never changes" in add(client, version).content
    second = do(client, version, "begin").context["version"]
    criterion(client, second, key=smoking.key, do="remove")
    assert second.criteria.count() == 1
    do(client, second, "discard")
    assert RubricVersion.objects.get(pk=second.pk).status == RubricStatus.DISCARDED
    do(client, version, "archive")
    assert b"Nothing found" in client.get(reverse("rubric_list"), {"q": "no such"}).content
    assert b"Chest pain" not in client.get(reverse("rubric_list")).content
    assert b"Chest pain" in client.get(reverse("rubric_list"), {"archived": 1}).content


def test_what_is_refused_stays_in_its_form(client):
    version = made(client)
    answer = add(client, version, "Words not to be lost.", "99")
    assert answer.status_code == 422
    assert b"Words not to be lost." in answer.content
    assert b"-10 to 10" in answer.content
    add(client, version)
    key = version.criteria.get().key
    answer = criterion(client, version, key=key, text="Other words.", points="99", axis="safety")
    assert (answer.status_code, b"Other words." in answer.content) == (422, True)
    assert version.criteria.get().text == "Orders an ECG."
    wrong = client.post(reverse("rubric_new"), {"title": "Kept", "scope": "complaint", "group": "none"})
    assert (wrong.status_code, b'value="Kept"' in wrong.content) == (422, True)


def test_the_check_speaks_while_it_is_typed(client):
    version = made(client)
    add(client, version)
    check = reverse("rubric_check", args=[version.pk])
    said = client.post(check, {"text": "Fails to order an ECG; asks.", "points": "4"}).content
    assert b"reads like a fault" in said
    assert b"split it" in said
    assert b"the same as criterion 1" in client.post(check, {"text": "orders ECG", "points": "4"}).content
    own = {"text": "orders ECG", "points": "4", "key": version.criteria.get().key}
    assert b"the same" not in client.post(check, own).content
    assert client.post(check, {"text": "  ", "points": ""}).content.strip() == b""
    assert b"Nothing to object" in client.post(check, {"text": "Asks about rash.", "points": "5"}).content


def test_a_panel_by_its_pages(client):
    people = [make_user(Role.ANNOTATOR) for _ in RubricRole]
    version = made(client, flow="panel")
    roles = {f"role-{role}": user.pk for role, user in zip(RubricRole.values, people, strict=True)}
    assert b"four different" in do(client, version, "assign", **{**roles, "role-weigher": people[0].pk}).content
    do(client, version, "assign", **roles)
    first, second, reviewer, weigher = map(signed_in, people)
    add(first, version)
    add(second, version, "Requests an electrocardiogram.")
    do(first, version, "done")
    page = first.get(reverse("rubric", args=[version.pk])).content
    assert b"Requests an" not in page
    do(second, version, "done")
    one, two = version.criteria.all()
    criterion(reviewer, version, key=one.key, do="merge", other=two.key, text="Orders an ECG early.")
    criterion(reviewer, version, key=two.key, do="keep")
    criterion(reviewer, version, key=two.key, do="drop")
    do(reviewer, version, "done")
    do(weigher, version, "send_back", note="Why early?")
    do(reviewer, version, "done", note="Guideline.")
    criterion(weigher, version, key=one.key, text="Orders an ECG early.", points="9")
    assert b"is in force" in do(weigher, version, "publish").content
    assert [(row.text, row.points, row.kept) for row in version.criteria.all()] == [
        ("Orders an ECG early.", 9, True), ("Requests an electrocardiogram.", 0, False),
    ]  # fmt: skip


def test_texts_stay_texts(client, physician):
    example = {"text": HOSTILE, "verdict": "met"}
    version = make_rubric(
        {"key": "a", "text": HOSTILE, "points": 5, "guideline": HOSTILE, "examples": [example]},
        title=HOSTILE,
        status=RubricStatus.WRITING,
    )
    source = {"kind": "model", "model": HOSTILE, "state": "failed", "error": HOSTILE}
    RubricVersion.objects.filter(pk=version.pk).update(guideline=HOSTILE, origin="generated", source=source)
    do(client, version, "publish", read="1")
    make_annotation(make_item(make_queue(rubric_version=version)), verdicts={"a": "met"})
    after = do(client, version, "begin").context["version"]
    criterion(client, after, key="a", do="save", text=HOSTILE + "!", points="4", axis="safety", guideline="x")
    do(client, after, "publish", read="1")
    for name in ("rubric", "rubric_diff", "rubric_rescore", "rubric_state"):
        for one in (version, after):
            content = client.get(reverse(name, args=[one.pk])).content
            assert b"<script>alert" not in content
            assert b"<img src=x" not in content
    assert b"<script>alert" not in client.get(reverse("rubric_list")).content


def test_no_such_step_or_criterion(client):
    version = made(client)
    assert do(client, version, "dance").status_code == 404
    assert criterion(client, version, key="none", do="remove").status_code == 404
    assert client.get(reverse("rubric_diff", args=[version.pk])).status_code == 404
    assert client.get(reverse("rubric_rescore", args=[version.pk])).status_code == 404


def test_a_draft_from_the_knowledge_by_the_page(client):
    version = made(client, scope="complaint", group="chest_pain", start="rules")
    assert version.origin == "generated"
    page = client.get(reverse("rubric", args=[version.pk])).content
    assert b"I have read each criterion" in page
    assert b"No physician wrote" in do(client, version, "publish").content


def test_no_model_is_said_on_the_page(client, physician, settings):
    settings.JUDGE_URL = ""
    assert b"no model is set up" in client.get(reverse("rubric_new")).content
    case = make_case(site=physician.site)
    posted = {"title": "T", "scope": "case", "case": case.pk, "start": "model"}
    answer = client.post(reverse("rubric_new"), posted)
    assert (answer.status_code, b"JUDGE_URL is not set" in answer.content) == (422, True)


def test_the_task_is_the_one_that_is_sent():
    assert draft_rubric.name == rubric_drafts.TASK
