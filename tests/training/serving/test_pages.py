"""The deployments page decides as the services do, and a version's card is told by its rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import Consultation, Role, Training
from clinic.services import consultations, versions
from tests.clinic.factories import make_case, make_serving_agent, make_site, make_user
from tests.training.gates.factories import make_check, make_gate
from tests.training.serving.factories import admin, clear, make_candidate
from training import serving
from training.models import Evaluation, Snapshot
from training.serving import attributes, known_here
from training.serving.card import card_of
from training.serving.known_here import Known

LIST = "training:deployment_list"


def signed_in(user=None) -> Client:
    client = Client()
    client.force_login(user or admin(), backend="clinic.accounts.ClinicBackend")
    return client


def told(reply) -> list[str]:
    return [str(message) for message in reply.context["messages"]]


@pytest.fixture
def cleared(served, fleet):
    return clear(make_candidate(served.base))


def test_promoted_and_rolled_back_by_two_buttons(served, cleared):
    client = signed_in()
    reply = client.post(reverse("training:promote", args=[cleared.version]), follow=True)
    assert "serves new consultations from now on" in told(reply)[0]
    assert versions.serving_agent()[0] == cleared
    assert f"Roll back to {served.version}" in reply.content.decode()
    press = {"reason": "Odd differentials.", "serving": cleared.version}
    assert f'name="serving" value="{cleared.version}"' in reply.content.decode()
    reply = client.post(reverse("training:rollback"), press, follow=True)
    assert versions.serving_agent()[0] == served
    assert "Odd differentials." in reply.content.decode()
    reply = client.post(reverse("training:rollback"), press, follow=True)
    assert "does not serve any more" in told(reply)[0], "a second press takes nothing else back"


def test_a_refusal_is_a_sentence(served, fleet):
    version = make_candidate(served.base)
    client = signed_in()
    assert "gate" in told(client.post(reverse("training:promote", args=[version.version]), follow=True))[0]
    assert "Say why" in told(client.post(reverse("training:rollback"), {"reason": ""}, follow=True))[0]
    assert (
        "share" in told(client.post(reverse("training:canary", args=[version.version]), {"share": "x"}, follow=True))[0]
    )


def test_canary_shadow_and_out_again(served, cleared):
    client = signed_in()
    reply = client.post(reverse("training:canary", args=[cleared.version]), {"share": "25"}, follow=True)
    assert "25% of new consultations" in told(reply)[0]
    assert cleared.endpoints.get().traffic_share == 0.25
    client.post(reverse("training:withdraw", args=[cleared.version]), {"reason": "Enough seen."})
    cleared.refresh_from_db()
    assert cleared.status == "retired"
    other = make_candidate(served.base)
    reply = client.post(reverse("training:shadow", args=[other.version]), follow=True)
    assert "answers unseen" in told(reply)[-1]
    assert "It answers with the next turn" in reply.content.decode()


def test_while_servers_start_the_page_asks_again(served, fleet):
    client = signed_in()
    still = client.get(reverse(LIST)).content.decode()
    assert "every 3s" not in still
    part = client.get(reverse(LIST), headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="board"')


def test_an_alarm_stands_on_top(served, fleet):
    fleet.engine(served.version)
    versions.keep_fingerprint(version=served, name="x", fingerprint=_fingerprint("other"), source="the trainer")
    assert not serving.check_identity(served.endpoints.get())
    page = signed_in().get(reverse(LIST)).content.decode()
    assert f"{served.version} is not what answers." in page
    assert "Something else answers" in page


def _fingerprint(weights):
    from tests.training.serving.factories import fingerprint_of

    return fingerprint_of(weights).as_dict()


def test_the_card_tells_the_whole_story_to_a_clinician(served, cleared):
    run = card_of(cleared).run
    manifest = {
        "feedback": [{"id": "1", "split": "train"}, {"id": "2", "split": "validation"}],
        "cases": [{"key": "a", "person": "p"}, {"key": "b", "person": "p"}],
        "annotators": {"1": {}, "2": {}, "3": {}},
        "excluded": {"no consent to learn from it": ["3", "4"]},
        "removed": [{"case": "c"}],
    }
    run.snapshot = Snapshot.objects.create(site=run.site, digest="d" * 64, manifest=manifest, folder="x")
    run.save(update_fields=["snapshot"])
    serving.promote(version=cleared, by=admin())
    page = signed_in(make_user()).get(reverse("version_detail", args=[cleared.version])).content.decode()
    for words in (
        "2 judgements", "of 3 physicians on 2 cases", "dddddddddddd", "What changed", "Trained further.",
        "1 of 2 judgements, split by patient", "2 no consent to learn from it", "1 near-duplicates",
        "Signed by", "Adjudicating physician", "204 sealed cases, profile demo",
        "Trained on virtual patients", "never sees a real patient", "As registered",
    ):  # fmt: skip
        assert words in page, words
    assert reverse("training:run_detail", args=[run.pk]) not in page, "a clinician cannot open it"
    assert "greedy-1" not in page, "the fingerprint's numbers are not for a page"


def test_people_of_the_training_room_get_links(served, cleared):
    run = card_of(cleared).run
    page = signed_in(make_user(Role.RESEARCHER)).get(reverse("version_detail", args=[cleared.version])).content.decode()
    assert reverse("training:run_detail", args=[run.pk]) in page


def test_a_version_that_nobody_trained_has_a_plain_card(db):
    version = make_serving_agent().model_version
    page = signed_in(make_user()).get(reverse("version_detail", args=[version.version])).content.decode()
    assert "How it came to be" not in page
    assert "An untrained base model" in page
    assert "has not been compared" in page


def test_the_thirty_one_attributes_are_all_there_and_say_what_is_not_known(served, cleared):
    found = attributes.groups(card_of(cleared), Known())
    assert [len(group.attributes) for group in found] == [4, 4, 2, 4, 2, 4, 5, 4, 2]
    assert all(one.text for group in found for one in group.attributes)
    external = next(group for group in found if group.title == "External validation")
    assert not any(one.known for one in external.attributes)
    performance = next(group for group in found if group.title == "Performance")
    assert "accuracy: 0.800 (+0.100 to +0.300 against who served)" in performance.attributes[0].text


def test_limits_name_what_was_not_run(served, fleet):
    version = make_candidate(served.base)
    gate = make_gate(version)
    make_check(gate)
    nothing = {"candidate": None, "baseline": None, "difference": None, "low": None, "high": None, "p": None}
    make_check(gate, "judge", "informative", "not_run", title="Another judge", **nothing)
    gate.move_to("passed", by=None)
    assert "Not run: another judge." in card_of(version).limits
    version.training = Training.EXTERNAL
    assert "not known here" in card_of(version).limits[0]


def test_a_version_that_was_taken_back_says_so_and_not_that_it_serves(served, cleared):
    by = admin()
    serving.promote(version=cleared, by=by)
    serving.roll_back(by=by, reason="Odd differentials.")
    page = signed_in(make_user()).get(reverse("version_detail", args=[cleared.version])).content.decode()
    assert "Taken back" in page
    assert "Odd differentials." in page


def test_a_later_gate_takes_no_signature_off_the_card_and_is_a_limit(served, cleared):
    gate = make_gate(cleared, baseline=served)
    make_check(gate, title="Diagnosis right", outcome="failed")
    gate.move_to("failed", by=None)
    card = card_of(cleared)
    assert (card.gate, len(card.signatures), card.note) == (gate, 2, "Trained further.")
    assert "It did not pass its newest gate: diagnosis right." in card.limits


def test_what_was_measured_elsewhere_answers_the_attributes_of_other_sources(served, cleared):
    """45 CFR 170.315(b)(11)(iv)(B)(6), (7)(iii) and (8)(ii): rows know it, so the card does."""
    by = make_user(Role.RESEARCHER)
    rows = {"identity": {"version": cleared.version}, "status": "succeeded", "protocol": "end-to-end", "by": by}
    told_ = {"accuracy": 0.4, "ci": {"accuracy": [0.3, 0.5]}}
    for case_set in ("medrbench", "virtual:test"):
        Evaluation.objects.create(
            site=by.site, case_set=case_set, policy="x", total=50, done=50, folder=case_set, summary=told_, **rows
        )
    user = make_user()
    for _ in range(3):
        held = consultations.start(case=make_case(), by=user)
        Consultation.objects.filter(pk=held.pk).update(model_version=cleared)
    found = {
        one.title: one
        for group in attributes.groups(card_of(cleared), known_here.of(cleared, user))
        for one in group.attributes
    }
    assert found["Where else it was assessed"].text == "On published cases: medrbench."
    assert by.display_name in found["Who tested it there"].text
    assert found["Validity, other sources"].text == "medrbench, 50 cases, right 40% (30% to 50%)."
    assert found["Validity in local data"].text == "Not known: 3 consultations, none with a known answer."
    assert not found["Validity in local data"].known
    other = make_user(site=make_site())
    assert known_here.of(cleared, other).outside == ()


def test_the_attributes_open_in_the_card_and_on_a_page_of_their_own(served, cleared):
    client, address = signed_in(make_user()), reverse("training:source_attributes", args=[cleared.version])
    assert address in client.get(reverse("version_detail", args=[cleared.version])).content.decode()
    whole, part = client.get(address).content.decode(), client.get(address, headers={"HX-Request": "true"}).content
    assert whole.count("<dt>") == part.count(b"<dt>") == 31
    assert "<h1>Source attributes</h1>" in whole
    assert b"<h1>" not in part
    assert client.get(reverse("training:source_attributes", args=["dx-none"])).status_code == 404


def test_local_validity_is_counted_and_small_groups_are_not_shown():
    rows = [SimpleNamespace(right=n < 9, sex="female" if n < 10 else "male", age="40–64") for n in range(15)]
    known = Known(used=tuple(rows))
    assert attributes._locally(known) == "9 of 15 diagnoses right, in 15 consultations of this site in 16 weeks."
    assert attributes._locally_by_group(known) == "Right: female 90% of 10; 40–64 60% of 15."
