"""Starting, writing the record, signing, and who may serve: what is refused is said in a sentence."""

import pytest

from clinic.models import AuditEntry, ModelVersion, Role
from clinic.services.errors import Refused
from tests.clinic.factories import make_serving_agent, make_site, make_user, make_version
from tests.training.gates.factories import (
    TEXTS,
    make_candidate,
    make_check,
    make_gate,
    make_passed,
    make_record,
    make_signed,
)
from training import gates
from training.gates import profiles, records
from training.gates.starting import start_again
from training.models import Gate, OutboxMessage, Signature

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    make_serving_agent()
    return make_user(Role.ADMIN)


def refused(says, act):
    with pytest.raises(Refused, match=says):
        act()


def fail(gate, status="failed"):
    make_check(gate, outcome=status)
    gate.move_to(status, by=None)
    return gate


def test_a_gate_is_queued_with_its_task_and_what_it_will_judge_by(admin):
    candidate = make_candidate()
    gate = gates.start(candidate=candidate, by=admin, profile="demo")
    assert (gate.status, gate.primary, gate.profile_digest) == ("queued", "physicians", profiles.load("demo").digest)
    assert gate.baseline.status == "serving"
    message = OutboxMessage.objects.get()
    assert (message.task, message.arguments) == ("training.tasks.gate", [gate.pk])
    told = AuditEntry.objects.get(action="gate.started")
    assert told.data["candidate"] == candidate.version
    assert told.data["primary"] == "physicians"


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_only_administrators_start(admin, role):
    refused("Only an administrator", lambda: gates.start(candidate=make_candidate(), by=make_user(role)))
    assert not Gate.objects.exists()


def test_what_cannot_be_compared_is_refused(admin, settings):
    serving = make_serving_agent().model_version
    refused("serves already", lambda: gates.start(candidate=serving, by=admin))
    world = make_version(role="world", status="candidate")
    refused("is no agent", lambda: gates.start(candidate=world, by=admin))
    refused("no gate profile", lambda: gates.start(candidate=make_candidate(), by=admin, profile="easy"))
    elsewhere = make_candidate(by=make_user(Role.ADMIN, site=make_site()))
    refused("another site", lambda: gates.start(candidate=elsewhere, by=admin))
    settings.DEMO_LOGINS = False
    refused("for demonstrations", lambda: gates.start(candidate=make_candidate(), by=admin, profile="demo"))


def test_one_gate_at_a_time_and_never_until_it_passes(admin):
    candidate = make_candidate()
    running = make_gate(candidate)
    refused("being compared already", lambda: gates.start(candidate=candidate, by=admin, profile="demo"))
    fail(running, "undecided")
    refused("by this very profile", lambda: gates.start(candidate=candidate, by=admin, profile="demo"))
    second = gates.start(candidate=candidate, by=admin, profile="standard")
    second.move_to("running", by=None)
    fail(second)
    refused("did not pass gate", lambda: gates.start(candidate=candidate, by=admin, profile="demo"))


def test_a_gate_that_broke_off_goes_on(admin):
    gate = make_gate()
    refused("Only a gate that broke off", lambda: start_again(gate=gate, by=admin))
    gate.move_to("broke", by=None, error="No server.")
    start_again(gate=gate, by=admin)
    gate.refresh_from_db()
    assert (gate.status, gate.error) == ("queued", "")
    assert OutboxMessage.objects.filter(arguments=[gate.pk]).count() == 1


def test_the_draft_names_profile_run_and_what_was_not_run():
    gate = make_gate()
    make_check(gate)
    make_check(gate, "turns", "non_inferior", difference=1.0, low=0.5, high=1.5, margin=4.0, candidate=6, baseline=5)
    make_check(gate, "judge", "informative", "not_run", title="A judge of another family", candidate=None)
    gate.move_to("passed", by=None)
    told = gates.draft(gate)
    assert gate.candidate.version in told.modification
    assert "GRPO" in told.modification
    assert "“demo”" in told.protocol
    assert "Not run: A judge of another family." in told.protocol
    assert "worse" in told.impact
    assert "turns" in told.impact
    assert "real patients" in told.note


def test_a_record_needs_a_passed_gate_its_texts_and_somebody_of_the_site():
    refused("not passed|was passed", lambda: make_record(make_gate()))
    gate = make_passed()
    refused("none of the three", lambda: make_record(gate, impact="  "))
    for by in (make_user(Role.RESEARCHER), make_user(Role.ADMIN, site=make_site())):
        refused("writes the change record", lambda by=by: gates.write_record(gate=gate, by=by, **TEXTS))
    first = make_record(gate)
    again = make_record(gate, note="Better at coughs.")
    assert (again.pk, again.digest != first.digest) == (first.pk, True)


def test_two_people_sign_what_they_read():
    record = make_record()
    physician, admin = make_user(Role.ADJUDICATOR), make_user(Role.ADMIN)
    refused("Read it again", lambda: gates.sign(record=record, by=physician, role="physician", read="old"))
    refused("An administrator", lambda: gates.sign(record=record, by=physician, role="admin"))
    refused("as physician or as", lambda: gates.sign(record=record, by=physician, role="friend"))
    gates.sign(record=record, by=physician, role="physician", read=record.digest)
    refused("stays as it is", lambda: make_record(record.gate))
    refused("given already", lambda: gates.sign(record=record, by=make_user(Role.ADJUDICATOR), role="physician"))
    gates.sign(record=record, by=admin, role="admin")
    assert AuditEntry.objects.filter(action="gate.signed").count() == 2
    assert Signature.objects.filter(digest=record.digest).count() == 2


def test_who_started_the_run_and_strangers_do_not_sign():
    starter = make_user(Role.ADMIN)
    record = make_record(make_passed(make_candidate(by=starter)))
    refused("somebody else has to sign", lambda: gates.sign(record=record, by=starter, role="admin"))
    stranger = make_user(Role.ADJUDICATOR, site=make_site())
    refused("of this site", lambda: gates.sign(record=record, by=stranger, role="physician"))
    assert not records.may_sign(record, starter, "admin")
    assert records.may_sign(record, make_user(Role.ADMIN), "admin")


def test_nothing_serves_before_gate_record_and_both_signatures():
    candidate = make_candidate()
    refused("has not passed a gate", lambda: gates.may_promote(candidate))
    gate = make_passed(candidate)
    refused("nobody wrote the change record", lambda: gates.may_promote(candidate))
    record = make_record(gate)
    refused("an adjudicating physician and an administrator", lambda: gates.may_promote(candidate))
    gates.sign(record=record, by=make_user(Role.ADMIN), role="admin")
    refused("of an adjudicating physician", lambda: gates.may_promote(candidate))
    gates.sign(record=record, by=make_user(Role.ADJUDICATOR), role="physician")
    gates.may_promote(candidate)
    assert not gates.is_cleared(make_candidate())


def test_a_later_gate_that_it_did_not_pass_takes_the_clearance_away():
    undecided, failed = make_signed(), make_signed()
    fail(make_gate(undecided), "undecided")
    refused("newest gate of .* is undecided", lambda: gates.may_promote(undecided))
    fail(make_gate(failed))
    refused("did not pass gate", lambda: gates.may_promote(failed))


def test_better_than_what_served_then_is_not_enough():
    candidate = make_signed()
    gates.may_promote(candidate)
    ModelVersion.objects.filter(status="serving").update(status="retired")
    gates.may_promote(candidate)
    newer = make_version()
    refused(f"but {newer.version} serves now", lambda: gates.may_promote(candidate))


def test_a_demonstration_clears_nothing_in_production(settings):
    candidate = make_signed()
    gates.may_promote(candidate)
    settings.DEMO_LOGINS = False
    refused("for demonstrations", lambda: gates.may_promote(candidate))


def test_what_served_before_may_come_back():
    base = make_version()
    refused("has not passed", lambda: gates.may_promote(base))
    candidate = make_signed()
    gates.may_promote(candidate)
    base.move_to("retired", by=None)
    base.move_to("serving", by=None)
    gates.may_promote(base)
    base.move_to("retired", by=None)
    gates.may_promote(base)
    assert gates.is_cleared(make_version(role="world", status="candidate"))
    assert not gates.is_cleared(make_candidate())
