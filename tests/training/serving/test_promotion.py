"""Who serves: only what its gate and two people let through, switched in one transaction, and taken back at once."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection, transaction

from clinic.models import AuditEntry, Role, StatusChange
from clinic.services import agent_processes, consultations, versions
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_user
from tests.doubles.fleet import until
from tests.training.gates.factories import make_check, make_gate, make_passed, make_record, starter_of
from tests.training.serving.factories import admin, clear, make_base, make_candidate, make_serving
from training import serving
from training.gates import records
from training.models import Deployment
from training.serving import promotion

pytestmark = pytest.mark.django_db


@pytest.fixture
def cleared(served, fleet):
    return clear(make_candidate(served.base))


def test_a_cleared_version_serves_and_the_one_before_is_retired_but_stays_up(served, cleared, fleet):
    made = serving.promote(version=cleared, by=admin())
    assert (made.version, made.before, made.kind, made.share) == (cleared, served, "full", 1.0)
    assert made.gate.candidate == cleared
    assert versions.serving_agent()[0] == cleared
    served.refresh_from_db()
    assert served.status == "retired"
    assert sorted(fleet.keeper.running) == sorted([served.version, cleared.version])
    assert AuditEntry.objects.filter(action="deployment.full", target=cleared.version).count() == 1


def test_new_consultations_go_to_the_new_version_and_open_ones_keep_theirs(served, cleared):
    user = make_user()
    old = consultations.start(case=make_case(), by=user)
    serving.promote(version=cleared, by=admin())
    new = consultations.start(case=make_case(), by=user)
    old.refresh_from_db()
    assert (old.model_version, new.model_version) == (served, cleared)
    assert old.endpoint.url != new.endpoint.url


def test_a_version_without_its_gate_or_its_signatures_is_refused(served, fleet):
    version = make_candidate(served.base)
    with pytest.raises(Refused, match="gate"):
        serving.promote(version=version, by=admin())
    assert versions.serving_agent()[0] == served
    assert version.version not in fleet.starts, "nothing is started for what may not serve"


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.ANNOTATOR, Role.ADJUDICATOR, Role.RESEARCHER])
def test_only_an_administrator_decides(served, cleared, role):
    for act in (
        lambda by: serving.promote(version=cleared, by=by),
        lambda by: serving.shadow(version=cleared, by=by),
        lambda by: serving.roll_back(by=by, reason="x"),
        lambda by: serving.withdraw(version=cleared, by=by, reason="x"),
    ):
        with pytest.raises(Refused, match="administrator"):
            act(make_user(role))


def test_what_answers_as_something_else_is_not_promoted(served, cleared, fleet):
    fleet.loaded[cleared.version] = "base"
    with pytest.raises(Refused, match="Nothing was changed"):
        serving.promote(version=cleared, by=admin())
    assert versions.serving_agent()[0] == served


def test_a_server_that_does_not_start_changes_nothing(served, cleared, fleet):
    fleet.broken.add(cleared.version)
    with pytest.raises(Refused, match="did not start"):
        serving.promote(version=cleared, by=admin())
    assert versions.serving_agent()[0] == served


def test_rolled_back_at_once_and_again_promoted(served, cleared, fleet):
    by = admin()
    serving.promote(version=cleared, by=by)
    back = serving.roll_back(by=by, reason="Clinicians report nonsense.")
    assert (back.version, back.before, back.kind) == (served, cleared, "rollback")
    assert back.seconds < 60
    assert fleet.starts.count(served.version) == 1, "its server had never stopped"
    assert versions.serving_agent()[0] == served
    last = StatusChange.objects.filter(noun="modelversion", target=str(served.pk)).last()
    assert (last.new, last.reason) == ("serving", "Clinicians report nonsense.")
    serving.promote(version=cleared, by=by)
    assert serving.roll_back(by=by, reason="Again.").version == served


def test_there_is_something_before_or_a_sentence(served, fleet):
    with pytest.raises(Refused, match="No version served before"):
        serving.roll_back(by=admin(), reason="x")
    with pytest.raises(Refused, match="Say why"):
        serving.roll_back(by=admin(), reason=" ")


def test_after_a_restart_the_promoted_version_serves(served, cleared, fleet):
    serving.promote(version=cleared, by=admin())
    (fleet.folder / "serving").unlink()
    agent_processes.tell_supervisor()  # what preparing does, before anything else starts
    fleet.keeper._look()
    assert fleet.keeper._serving == cleared.version


def test_a_canary_answers_its_share_of_new_consultations_by_their_own_ids(served, cleared):
    by = admin()
    made = serving.promote(version=cleared, by=by, share=0.3, kind="canary")
    assert (made.kind, made.share) == ("canary", 0.3)
    ids = [uuid.UUID(int=n * 7919) for n in range(600)]
    chosen = [versions.agent_for(key)[0] for key in ids]
    assert 0.24 < chosen.count(cleared) / 600 < 0.36
    assert [versions.agent_for(key)[0] for key in ids] == chosen
    assert versions.serving_agent()[0] == served
    served.refresh_from_db()
    assert served.status == "serving"


def test_a_canary_that_answers_as_something_else_gets_none(served, cleared):
    serving.promote(version=cleared, by=admin(), share=0.9, kind="canary")
    cleared.endpoints.update(identity_ok=False)
    assert {versions.agent_for(uuid.UUID(int=n))[0] for n in range(50)} == {served}


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
def test_a_canary_is_a_part(served, cleared, share):
    with pytest.raises(Refused, match="share"):
        serving.promote(version=cleared, by=admin(), share=share, kind="canary")


def test_a_canary_keeps_the_second_place_but_not_from_a_rollback(served, cleared, fleet):
    by, third = admin(), clear(make_candidate(served.base))
    serving.promote(version=cleared, by=by)
    serving.promote(version=served, by=by)
    serving.shadow(version=third, by=by)
    with pytest.raises(Refused, match=f"{third.version} has the second one as shadow"):
        serving.promote(version=cleared, by=by)
    assert serving.roll_back(by=by, reason="At once.").version == cleared
    assert cleared.version in fleet.keeper.running


def test_a_canary_is_promoted_in_full_or_taken_out(served, cleared):
    by = admin()
    serving.promote(version=cleared, by=by, share=0.5, kind="canary")
    serving.promote(version=cleared, by=by)
    assert cleared.endpoints.get().traffic_share == 1.0
    assert versions.serving_agent()[0] == cleared


def test_taken_out_of_canary_it_answers_only_what_it_has(served, cleared):
    by = admin()
    serving.promote(version=cleared, by=by, share=0.99, kind="canary")
    made = serving.withdraw(version=cleared, by=by, reason="Too slow.")
    assert (made.kind, made.version) == ("withdrawn", cleared)
    assert {versions.agent_for(uuid.UUID(int=n))[0] for n in range(50)} == {served}
    with pytest.raises(Refused, match="neither shadow nor canary"):
        serving.withdraw(version=cleared, by=by, reason="x")


def test_a_shadow_needs_no_gate_and_serves_nobody(served, fleet):
    version = make_candidate(served.base)
    assert serving.shadow(version=version, by=admin()).kind == "shadow"
    assert {versions.agent_for(uuid.UUID(int=n))[0] for n in range(50)} == {served}
    with pytest.raises(Refused, match="in shadow already"):
        serving.shadow(version=make_candidate(served.base), by=admin())
    with pytest.raises(Refused, match="cannot go into shadow"):
        serving.shadow(version=served, by=admin())


def test_what_passed_by_the_demonstrations_profile_sees_no_patient(served, cleared):
    assert cleared.may_see_patients
    serving.promote(version=cleared, by=admin())
    cleared.refresh_from_db()
    assert not cleared.may_see_patients


def test_decisions_about_serving_are_only_ever_added(served, cleared):
    serving.promote(version=cleared, by=admin())
    assert Deployment.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM clinic_modelversion WHERE role = 'agent' AND status = 'serving'")
        assert cursor.fetchone() == (1,)


def test_a_promotion_that_somebody_else_was_quicker_with_changes_nothing(served, cleared, monkeypatch):
    ready, same = promotion._ready, type(cleared).objects.get(pk=cleared.pk)

    def meanwhile(version, patience=None):
        monkeypatch.setattr(promotion, "_ready", ready)
        serving.promote(version=same, by=admin())
        return ready(version)

    monkeypatch.setattr(promotion, "_ready", meanwhile)
    with pytest.raises(Refused, match="meanwhile"):
        serving.promote(version=cleared, by=admin())
    assert Deployment.objects.count() == 1
    with pytest.raises(Refused, match="serves already"):
        serving.promote(version=cleared, by=admin())


def test_without_a_supervisor_nothing_is_promised(base, settings):
    settings.EMBEDDED_AGENTS = ""
    with pytest.raises(Refused, match="Nothing here starts servers"):
        serving.bring_up(make_candidate(base))


def test_who_started_the_run_does_not_let_its_version_serve(served, cleared):
    """decisions.md 24: an admin promotes, never the run's starter."""
    starter = starter_of(cleared)
    assert starter.is_site_admin
    for kind, share in (("full", 1.0), ("canary", 0.1)):
        with pytest.raises(Refused, match="You started the run"):
            serving.promote(version=cleared, by=starter, kind=kind, share=share)
    assert versions.serving_agent()[0] == served


def test_what_failed_a_gate_since_it_served_is_not_promoted_again(served, cleared):
    by = admin()
    serving.promote(version=cleared, by=by)
    serving.roll_back(by=by, reason="Doubts.")
    gate = make_gate(cleared, baseline=served)
    make_check(gate, outcome="failed")
    gate.move_to("failed", by=None)
    with pytest.raises(Refused, match="did not pass gate"):
        serving.promote(version=cleared, by=by)
    assert versions.serving_agent()[0] == served


def test_a_second_press_of_roll_back_takes_nothing_else_back(served, cleared, fleet):
    by, third = admin(), clear(make_candidate(served.base))
    serving.promote(version=cleared, by=by)
    gate = make_passed(third, baseline=cleared)
    record = make_record(gate)
    records.sign(record=record, by=make_user(Role.ADJUDICATOR), role="physician")
    records.sign(record=record, by=make_user(Role.ADMIN), role="admin")
    serving.promote(version=third, by=by)
    assert serving.roll_back(by=by, reason="Nonsense.", of=third.version).version == cleared
    with pytest.raises(Refused, match="does not serve any more"):
        serving.roll_back(by=by, reason="Nonsense.", of=third.version)
    assert versions.serving_agent()[0] == cleared


def test_the_mark_of_a_demonstration_leaves_the_fingerprint_that_was_just_taken(served, fleet):
    """Without it a later probe would take the fingerprint anew, from whatever answers then."""
    version = clear(make_candidate(served.base, known=False))
    serving.promote(version=version, by=admin())
    version.refresh_from_db()
    assert version.manifest["demo"] is True
    assert version.manifest["fingerprint_from"] == "its first answers"


def test_a_canary_that_may_not_see_patients_takes_no_share_of_theirs(served, cleared):
    type(served).objects.filter(pk=served.pk).update(training="virtual")
    serving.promote(version=cleared, by=admin(), share=0.99, kind="canary")
    ids = [uuid.UUID(int=n) for n in range(50)]
    assert {versions.agent_for(key, of_patient=True)[0] for key in ids} == {served}
    assert cleared in {versions.agent_for(key)[0] for key in ids}


def test_what_served_before_becomes_no_canary_and_the_sentence_says_so(served, cleared):
    by = admin()
    serving.promote(version=cleared, by=by)
    with pytest.raises(Refused, match="is retired and cannot become a canary"):
        serving.promote(version=served, by=by, kind="canary", share=0.1)


@pytest.mark.django_db(transaction=True)
def test_of_two_promotions_at_once_the_second_is_compared_with_what_serves_then(home, fleet):
    """Both were compared with the base; once one of them serves, the other has been compared with nothing that does."""
    base = make_base()
    make_serving()
    agent_processes.tell_supervisor()
    first, second = (clear(make_candidate(base)) for _ in range(2))
    for version in (first, second):
        versions.register_endpoint(by=None, version=version, url="http://127.0.0.1:9/v1", model_name=version.version)
    by, told = admin(), []

    def promote_second() -> None:
        try:
            serving.promote(version=second, by=by)
        except Refused as refused:
            told.append(str(refused))
        finally:
            connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promotion, "_ready", lambda *args, **options: None)
        with transaction.atomic():
            versions.lock()
            thread = threading.Thread(target=promote_second)
            thread.start()
            until(waits_for_the_lock)
            versions.promote(version=first, by=by)
        thread.join(20)
    assert versions.serving_agent()[0] == first
    assert len(told) == 1
    assert f"{first.version} serves now" in told[0]


def waits_for_the_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() == (1,)


def test_a_server_too_busy_to_say_who_it_is_is_asked_again(served, cleared, monkeypatch):
    silent = iter([True, True])
    real = promotion.check_identity

    def busy(endpoint):
        if next(silent, False):
            endpoint.identity_ok = None
            return False
        return real(endpoint)

    monkeypatch.setattr(promotion, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(promotion, "check_identity", busy)
    assert serving.promote(version=cleared, by=admin()).version == cleared


def test_a_server_that_stays_silent_changes_nothing(served, cleared, monkeypatch):
    monkeypatch.setattr(promotion, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(promotion, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(promotion, "check_identity", lambda endpoint: False)
    with pytest.raises(Refused, match="does not answer"):
        serving.promote(version=cleared, by=admin())
    assert versions.serving_agent()[0] == served
