"""What no page, command, task or UPDATE may do: the database refuses it itself."""

import pytest
from django.db import DatabaseError, connection, transaction

from clinic.models import ModelVersion, Role, StatusChange, User
from clinic.services import versions
from tests.clinic.factories import make_endpoint, make_user, make_version
from tests.training.gates.factories import (
    make_candidate,
    make_check,
    make_gate,
    make_passed,
    make_record,
    make_signed,
    starter_of,
)
from training.models import ChangeRecord, Gate, GateCheck, Run, Signature

pytestmark = pytest.mark.django_db


def refuses(says, act):
    with pytest.raises(DatabaseError, match=says), transaction.atomic():
        act()


def vacate():
    """Nobody serves: there is one place per role."""
    ModelVersion.objects.filter(status="serving").update(status="retired")


def passes(gate):
    Gate.objects.filter(pk=gate.pk).update(status="passed")


def test_a_gate_with_its_primary_improved_and_nothing_open_passes():
    gate = make_gate()
    make_check(gate)
    make_check(gate, "judge", "required", "not_run", may_be_missing=True)
    make_check(gate, "deferred", "informative", "failed")
    passes(gate)
    assert Gate.objects.get(pk=gate.pk).status == "passed"


@pytest.mark.parametrize(
    ("primary", "other", "says"),
    [
        (None, {}, "primary endpoint"),
        ({"outcome": "undecided"}, {}, "primary endpoint"),
        ({"low": -0.01}, {}, "primary endpoint"),
        ({"name": "accuracy"}, {}, "primary endpoint"),
        ({"kind": "informative"}, {}, "primary endpoint"),
        ({}, {"outcome": "failed"}, "did not pass"),
        ({}, {"outcome": "undecided"}, "did not pass"),
        ({}, {"outcome": "not_run"}, "did not pass"),
        ({}, {"kind": "required", "outcome": "failed"}, "did not pass"),
        ({}, {"low": -0.2, "high": 0.3}, "reaches its margin"),
        ({}, {"margin": None}, "reaches its margin"),
    ],
)
def test_no_update_passes_a_gate_whose_checks_do_not(primary, other, says):
    gate = make_gate()
    if primary is not None:
        make_check(gate, **primary)
    make_check(gate, **{"name": "rubric", "kind": "non_inferior", **other})
    refuses(says, lambda: passes(gate))
    assert Gate.objects.get(pk=gate.pk).status == "running"


def test_only_the_demonstration_may_have_fewer_than_200_pairs():
    strict = make_gate(profile="standard", n=199)
    make_check(strict, "accuracy")
    refuses("200 paired cases", lambda: passes(strict))
    demo = make_gate(n=20)
    make_check(demo)
    passes(demo)


def test_a_gate_is_never_born_decided():
    for status in ("passed", "failed", "undecided"):
        refuses("decided after it was played", lambda status=status: make_gate(status=status))


def test_a_decided_gate_and_its_checks_stand():
    gate = make_passed()
    check = gate.checks.first()
    changes = (
        lambda: Gate.objects.filter(pk=gate.pk).update(n=1),
        lambda: Gate.objects.filter(pk=gate.pk).update(status="failed"),
        lambda: Gate.objects.filter(pk=gate.pk).update(candidate=make_candidate()),
        lambda: GateCheck.objects.filter(pk=check.pk).update(low=0.2),
        lambda: make_check(gate, "rubric", "non_inferior"),
        lambda: check.delete(),
        lambda: gate.checks.all().delete(),
        lambda: Gate.objects.filter(pk=gate.pk).delete(),
    )
    for change in changes:
        refuses("decided gate", change)


def test_a_failed_gate_cannot_be_turned_into_a_passed_one():
    gate = make_gate()
    make_check(gate, outcome="failed")
    gate.move_to("failed", by=None)
    refuses("never changes", lambda: passes(gate))


def test_the_endpoint_is_named_before_the_first_case():
    gate = make_gate()
    refuses("named before", lambda: Gate.objects.filter(pk=gate.pk).update(primary="accuracy"))
    refuses("named before", lambda: Gate.objects.filter(pk=gate.pk).update(profile_digest="0"))


def test_a_record_belongs_to_a_passed_gate_and_stands_once_signed():
    open_gate, by = make_gate(), make_user(Role.ADMIN)
    fields = {"modification": "m", "protocol": "p", "impact": "i", "digest": "d", "by": by}
    refuses("that was passed", lambda: ChangeRecord.objects.create(gate=open_gate, **fields))
    record = make_record()
    ChangeRecord.objects.filter(pk=record.pk).update(note="Still open.")
    Signature.objects.create(record=record, role="admin", by=make_user(Role.ADMIN), digest=record.digest)
    refuses("signed change record", lambda: ChangeRecord.objects.filter(pk=record.pk).update(note="Later."))
    refuses("signed change record", lambda: ChangeRecord.objects.filter(pk=record.pk)._raw_delete("default"))


@pytest.mark.parametrize(
    ("role", "person"),
    [("physician", Role.ADMIN), ("physician", Role.ANNOTATOR), ("admin", Role.ADJUDICATOR), ("admin", Role.RESEARCHER)],
)
def test_a_role_is_signed_by_who_has_it(role, person):
    record, by = make_record(), make_user(person)
    refuses(
        "signs as physician", lambda: Signature.objects.create(record=record, role=role, by=by, digest=record.digest)
    )


def test_signatures_are_of_the_text_by_two_people_who_did_not_start_the_run():
    starter = make_user(Role.ADMIN)
    record = make_record(make_passed(make_candidate(by=starter)))
    physician = make_user(Role.ADJUDICATOR)

    def sign(by, role="admin", digest=record.digest):
        return Signature.objects.create(record=record, role=role, by=by, digest=digest)

    refuses("what they read", lambda: sign(make_user(Role.ADMIN), digest="another"))
    refuses("started the run", lambda: sign(starter))
    first = sign(physician, "physician")
    User.objects.filter(pk=physician.pk).update(role=Role.ADMIN)
    refuses("two_different_people_sign", lambda: sign(physician))
    refuses("never changed", lambda: Signature.objects.filter(pk=first.pk).update(digest="x"))
    refuses("never changed", lambda: first.delete())


def _sql(query, values):
    with connection.cursor() as cursor:
        cursor.execute(query, values)


WAYS = {
    "update": lambda version, status: ModelVersion.objects.filter(pk=version.pk).update(status=status),
    "move_to": lambda version, status: version.move_to(status, by=None),
    "save": lambda version, status: (setattr(version, "status", status), version.save()),
    "bulk_update": lambda version, status: (
        setattr(version, "status", status),
        ModelVersion.objects.bulk_update([version], ["status"]),
    ),
    "sql": lambda version, status: _sql(
        "UPDATE clinic_modelversion SET status = %s WHERE id = %s", [status, version.pk]
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", ["serving", "canary"])
def test_what_a_run_made_serves_by_no_way_before_two_signatures(way, status):
    for candidate in (make_candidate(), make_passed().candidate, make_record().gate.candidate):
        refuses("passed gate and two signatures", lambda c=candidate: WAYS[way](c, status))
    signed = make_signed()
    vacate()
    WAYS[way](signed, status)
    assert ModelVersion.objects.get(pk=signed.pk).status == status


def test_the_service_of_the_clinic_is_no_way_round():
    candidate = make_candidate()
    make_endpoint(version=candidate)
    refuses("passed gate", lambda: versions.promote(version=candidate, by=make_user(Role.ADMIN)))


def test_one_failed_gate_keeps_it_out_whatever_another_says():
    signed = make_signed()
    later = make_gate(signed)
    make_check(later, outcome="failed")
    later.move_to("failed", by=None)
    refuses("passed gate", lambda: WAYS["update"](signed, "serving"))


def test_what_served_before_comes_back():
    signed = make_signed()
    vacate()
    signed.move_to("serving", by=None)
    signed.move_to("retired", by=None)
    later = make_gate(signed, baseline=make_version(status="candidate"))
    make_check(later, outcome="failed")
    later.move_to("failed", by=None)
    vacate()
    signed.move_to("serving", by=None)


def test_a_forged_history_alone_clears_nothing():
    candidate = make_candidate()
    StatusChange.objects.create(noun="modelversion", target=str(candidate.pk), old="candidate", new="serving", by=None)
    refuses("passed gate", lambda: WAYS["update"](candidate, "serving"))


def test_a_run_cannot_be_parted_from_its_version_to_slip_past():
    candidate = make_candidate()
    run = Run.objects.get(version=candidate)
    refuses("keeps the version", lambda: Run.objects.filter(pk=run.pk).update(version=None))
    refuses("keeps the version", lambda: Run.objects.filter(pk=run.pk).update(by=make_user(Role.ADMIN)))
    refuses("never removed", lambda: Run.objects.filter(pk=run.pk).delete())
    serving = make_version()
    other = Run.objects.create(site=run.site, trainer="sft", recipe="default", status="succeeded", folder="other")
    refuses("cannot serve already", lambda: Run.objects.filter(pk=other.pk).update(version=serving))


def test_world_models_and_imported_versions_have_no_gate_of_this_kind():
    make_version(role="world", status="serving")
    world = make_candidate(role="world")
    ModelVersion.objects.filter(role="world", status="serving").update(status="retired")
    world.move_to("serving", by=None)
    refuses("passed gate", lambda: ModelVersion.objects.filter(pk=world.pk).update(role="agent"))
    assert starter_of(world)
    make_version(role="judge", status="serving")
