"""The pages of learning: what they show, how many queries they take, what their forms do."""

from __future__ import annotations

import pytest
from django.urls import reverse

from clinic.models import CaseKind, Feedback, FeedbackUse, Role
from clinic.services import approval, feedback
from tests.clinic import factories as make
from tests.clinic.annotation.planted import plant
from tests.training.factories import SUMMARY, make_evaluation

pytestmark = pytest.mark.django_db
QUERIES = 8


@pytest.fixture
def adjudicator(client):
    found = make.make_user(Role.ADJUDICATOR)
    client.force_login(found, backend="clinic.accounts.ClinicBackend")
    return found


def give(by=None, *, kind="accepted", target="Chest X-ray", **fields) -> Feedback:
    held = make.make_consultation(case=fields.pop("case", None))
    turn = make.make_turn(held, "agent", status="complete")
    return feedback.give(kind=kind, by=by or held.clinician, consultation=held, turn=turn, target=target, **fields)


def test_the_review_lists_what_waits_in_few_queries(client, adjudicator, django_assert_max_num_queries):
    for number in range(6):
        give(target=f"Examination {number}")
    hidden = give(target="No consent here", consent=False)
    give(target="Of a patient", case=make.make_case(CaseKind.PATIENT))
    client.get(reverse("home"))  # the session is prolonged once in a while, which is not the page's doing
    with django_assert_max_num_queries(QUERIES):
        answer = client.get(reverse("learning_review"))
    said = answer.content.decode()
    assert "Examination 5" in said
    assert said.count("Not exported: no consent to learn from it") == 2
    assert f'value="{hidden.pk}"' in said, "it can be approved all the same"


def test_filters(client, adjudicator):
    one, other = give(target="Mine only"), give(kind="rejected", target="Turned down", reason="Clot unlikely")
    approval.quarantine(ids=[other.pk], by=adjudicator, reason="Too quick")

    def shown(**query):
        return client.get(reverse("learning_review"), query).content.decode()

    assert "Mine only" in shown()
    assert "Turned down" not in shown(), "what waits comes first"
    both = shown(state="all")
    assert "Mine only" in both
    assert "Turned down" in both
    assert "Too quick" in both, "the reason of the decision is kept and shown"
    assert "Turned down" in shown(state="quarantined", kind="rejected")
    assert "Mine only" not in shown(state="all", kind="rejected")
    assert "Turned down" not in shown(state="all", by=one.by_id)
    assert "Mine only" in shown(state="all", policy=one.model_version.version)
    assert "Mine only" not in shown(state="all", policy="dx-unknown")


def test_a_batch_by_the_form_says_what_stayed(client, adjudicator):
    rows = [give(), give(consent=False), give(adjudicator)]
    answer = client.post(
        reverse("learning_decide"),
        {"row": [row.pk for row in rows], "verb": "approve", "query": "state=all"},
        follow=True,
    )
    assert answer.redirect_chain[0][0].endswith("?state=all")
    said = answer.content.decode()
    assert "2 approved." in said
    assert "1 of them without consent" in said
    assert "1 your own" in said
    refused = client.post(reverse("learning_decide"), {"row": [rows[0].pk], "verb": "quarantine"}, follow=True)
    assert "Say why" in refused.content.decode()
    assert client.post(reverse("learning_decide"), {"verb": "delete"}).status_code == 404
    odd = client.post(reverse("learning_decide"), {"verb": "approve", "row": "x"}, follow=True)
    assert "at least one" in odd.content.decode()


def test_the_flipper_is_proposed_for_quarantine_and_a_person_decides(
    client, adjudicator, django_assert_max_num_queries
):
    _, flip = plant()
    client.get(reverse("home"))  # the session is prolonged once in a while, which is not the page's doing
    with django_assert_max_num_queries(QUERIES):
        answer = client.get(reverse("learning_influence"))
    said = answer.content.decode()
    assert said.count("Proposed for quarantine:") == 1
    assert f"Proposed for quarantine: {flip.display_name}" in said
    assert "would turn 3 criteria over; with it, 0." in said
    (line, *_) = answer.context["table"]
    assert line.differs
    reason = next(person.reason for person in answer.context["people"] if person.user == flip)
    client.post(reverse("learning_quarantine", args=[flip.pk]), {"reason": reason})
    theirs = Feedback.objects.filter(by=flip)
    assert set(theirs.values_list("status", flat=True)) == {"quarantined"}
    assert theirs[0].history().get().reason == reason


def test_what_became_of_mine_in_few_queries(client, django_assert_max_num_queries):
    me = make.make_user(Role.CLINICIAN)
    client.force_login(me, backend="clinic.accounts.ClinicBackend")
    adjudicator = make.make_user(Role.ADJUDICATOR)
    parent = make.make_version(status="retired", version="dx-parent")
    version = make.make_version(status="candidate", version="dx-child", name="Child", manifest={"parent": "dx-parent"})
    used, waits, apart, gone, silent, ready = (give(me, target=f"Row {n}") for n in range(6))
    approval.approve(ids=[used.pk, silent.pk, ready.pk], by=adjudicator)
    approval.quarantine(ids=[apart.pk], by=adjudicator, reason="Against all others")
    feedback.withdraw(feedback=gone, by=me)
    feedback.allow(feedback=silent, by=me, consent=False)
    FeedbackUse.objects.create(feedback=used, model_version=version, weight=0.25)
    make_evaluation(identity={"version": parent.version}, summary={**SUMMARY, "accuracy": 0.5})
    make_evaluation(identity={"version": version.version}, summary={**SUMMARY, "accuracy": 0.75})
    client.get(reverse("home"))  # the session is prolonged once in a while, which is not the page's doing
    with django_assert_max_num_queries(QUERIES):
        answer = client.get(reverse("learning_at_work"))
    said = answer.content.decode()
    for words in (
        "counted 0.25: the cap", "Not used: not approved yet", "Not used: quarantined", "Against all others",
        "Not used: withdrawn by who gave it", "Not used: no consent", "Approved; in no version yet",
        "1 of your rows, together counted as 0.25", ">0.50<", ">0.75<",
    ):  # fmt: skip
        assert words in said, words
    assert waits.target in said


def test_without_an_evaluation_nothing_is_claimed_to_have_moved(client):
    me = make.make_user(Role.CLINICIAN)
    client.force_login(me, backend="clinic.accounts.ClinicBackend")
    version = make.make_version(status="candidate", manifest={"parent": "dx-parent"})
    FeedbackUse.objects.create(feedback=give(me), model_version=version)
    make_evaluation(identity={"version": version.version}, case_set="virtual:validation")
    make_evaluation(identity={"version": "dx-parent"}, case_set="virtual:test")
    said = client.get(reverse("learning_at_work")).content.decode()
    assert "were not evaluated on the same cases yet" in said
    assert "Before" not in said


def test_before_any_version_was_trained_from_feedback_the_page_says_so(client):
    me = make.make_user(Role.CLINICIAN)
    client.force_login(me, backend="clinic.accounts.ClinicBackend")
    give(me)

    def claims() -> bool:
        said = client.get(reverse("learning_at_work")).content.decode()
        assert "A version that is trained on something you gave is named here" in said
        return "No version has been trained from feedback yet" in said

    assert claims()
    FeedbackUse.objects.create(feedback=give(), model_version=make.make_version(status="candidate"))
    assert not claims(), "one has, though from somebody else's"


def test_empty_pages_teach_the_next_step(client, adjudicator):
    for name in ("learning_review", "learning_influence", "learning_at_work"):
        assert 'class="panel-box empty"' in client.get(reverse(name)).content.decode()


def test_the_review_fetches_what_is_proposed_for_quarantine(client, adjudicator):
    plant()
    assert "?part=flagged" in client.get(reverse("learning_review")).content.decode()
    part = client.get(reverse("learning_influence") + "?part=flagged", headers={"HX-Request": "true"}).content.decode()
    assert part.count("Proposed for quarantine") == 1
    assert "<html" not in part
    assert "Quarantine 20 rows" in part
