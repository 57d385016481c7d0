"""The wrong policy is never served in silence: other weights, other files and other names are noticed at one probe."""

from __future__ import annotations

import pytest
from django.utils import timezone

from agents.errors import PolicyError
from agents.identity import Fingerprint, Row
from agents.weights import merge
from clinic.models import AuditEntry, Consultation
from clinic.services import agent_processes, consultations, prompts, versions
from clinic.services.errors import Refused, sentence
from tests.clinic.factories import make_case, make_user
from tests.doubles.served import Served
from tests.training.serving.factories import admin, clear, fingerprint_of, make_candidate, make_run, register
from training import places, serving
from training.models import Alarm
from training.serving import identity


def shifted(fingerprint: Fingerprint, by: float) -> Fingerprint:
    """The same answers with log-probs so far away."""
    return fingerprint.read_as([[p - by for p in row.logprobs] for row in fingerprint.rows])


def test_a_version_that_answers_as_its_trainer_said_is_itself(base, fleet):
    version = make_candidate(base)
    endpoint = serving.bring_up(version)
    assert serving.check_identity(endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.identity_ok, endpoint.identity_detail["distance"]) == (True, 0.0)
    assert (endpoint.model_name, endpoint.url) == (version.version, fleet.engine(version.version).url)
    assert not Alarm.objects.exists()


def test_wrong_weights_under_the_right_name_are_noticed(base, fleet):
    version = make_candidate(base)
    fleet.loaded[version.version] = "base"
    endpoint = serving.bring_up(version)
    assert not serving.check_identity(endpoint)
    alarm = Alarm.objects.get(kind="identity", subject=version.version)
    assert "nats per token away" in alarm.message
    endpoint.refresh_from_db()
    assert endpoint.identity_ok is False
    serving.check_identity(endpoint)
    assert Alarm.objects.count() == 1, "the same fault is one open alarm"


@pytest.mark.parametrize(("folder", "file"), [("adapters", merge.ADAPTER), ("weights", merge.WEIGHTS)])
def test_a_swapped_file_is_noticed_within_one_probe(base, fleet, folder, file):
    version = make_candidate(base)
    endpoint = serving.bring_up(version)
    assert serving.check_identity(endpoint)
    path = getattr(places, folder)() / version.version / file
    other = bytearray(path.read_bytes())
    other[-2] ^= 0xFF
    path.write_bytes(other)
    assert not serving.check_identity(endpoint)
    assert file in Alarm.objects.get().message


def test_a_server_that_knows_another_name_is_noticed(base, fleet):
    version = make_candidate(base)
    endpoint = serving.bring_up(version)
    with Served() as engine:
        endpoint.url = engine.url
        assert not serving.check_identity(endpoint)
    assert "world-x" in endpoint.identity_detail["why"]


def test_a_silent_server_is_no_other_version(base, fleet):
    version = make_candidate(base)
    endpoint = serving.bring_up(version)
    endpoint.url = "http://127.0.0.1:9/v1"
    assert not serving.check_identity(endpoint)
    assert endpoint.identity_ok is None
    assert not Alarm.objects.exists()


def test_the_first_answers_of_weights_that_nobody_fingerprinted_are_kept_and_then_hold(served, fleet):
    endpoint = served.endpoints.get()
    assert serving.check_identity(endpoint)
    served.refresh_from_db()
    assert served.manifest["fingerprint_from"] == "its first answers"
    assert len(served.manifest["fingerprint"]["rows"]) == 8
    assert AuditEntry.objects.filter(action="version.fingerprinted", target=served.version).count() == 1
    fleet.engine(served.version).weights = "something else"
    assert not serving.check_identity(served.endpoints.get())


def test_arithmetic_is_no_other_version_and_the_start_is(base):
    version = make_candidate(base)
    own = fingerprint_of(version.version)
    assert identity.judged(version, own, shifted(own, 0.05)).ok
    version.manifest["fingerprint_of_start"] = shifted(own, 0.1).as_dict()
    assert identity.judged(version, own, shifted(own, 0.03)).ok
    found = identity.judged(version, own, shifted(own, 0.08))
    assert (found.ok, "trained from" in found.why) == (False, True)


def test_what_is_too_like_its_start_rests_on_its_files(base):
    version = make_candidate(base)
    own = fingerprint_of(version.version)
    version.manifest["fingerprint_of_start"] = shifted(own, 0.01).as_dict()
    found = identity.judged(version, own, shifted(own, 0.02))
    assert (found.ok, "Too like" in found.why) == (True, True)


def test_a_fingerprint_is_about_its_own_tokens():
    one, other = Fingerprint((Row((1,), (2,), (-1.0,)),)), Fingerprint((Row((1,), (3,), (-1.0,)),))
    with pytest.raises(ValueError, match="different tokens"):
        identity.identity.distance(one, other)
    with pytest.raises(ValueError, match="one log-prob for each"):
        Row((1,), (2, 3), (-1.0,))


def test_what_answers_as_something_else_gets_no_new_consultation(served, fleet):
    case, user = make_case(), make_user()
    served.endpoints.update(identity_ok=False)
    with pytest.raises(Refused, match="does not answer as the version"):
        consultations.start(case=case, by=user)
    served.endpoints.update(identity_ok=True)
    assert consultations.start(case=case, by=user).model_version == served


def test_the_timer_looks_at_everything_that_serves(served, fleet):
    shadow = make_candidate(served.base)
    serving.bring_up(shadow)
    versions.begin_shadow(version=shadow, by=None)
    assert serving.watch() == {served.version: True, shadow.version: True}
    assert agent_processes.state(shadow).state == "ready"


def test_answers_that_are_no_numbers_are_another_version(base, fleet, monkeypatch):
    """Neither near nor far: NaN > TOLERANCE is false, and a broken server would pass."""
    version = make_candidate(base)
    endpoint = serving.bring_up(version)

    async def broken(self, body):
        ids = body["prompt"]
        return {"prompt_logprobs": [None, *({str(token): {"logprob": float("nan")}} for token in ids[1:])]}

    monkeypatch.setattr("agents.probe_client.ProbeClient._choice", broken)
    assert not serving.check_identity(endpoint)
    assert (endpoint.identity_ok, "no numbers" in endpoint.identity_detail["why"]) == (False, True)
    with pytest.raises(ValueError, match="finite"):
        Row((1,), (2,), (float("nan"),))


def test_somebody_elses_server_that_tells_no_tokens_is_not_called_another_version(served, fleet, monkeypatch):
    """Chat alone is enough to serve: it cannot be probed, which is no reason to close the clinic."""

    async def chat_only(self, body):
        raise PolicyError("the model server answered 404", code="policy_rejected")

    monkeypatch.setattr("agents.probe_client.ProbeClient._choice", chat_only)
    assert serving.watch() == {served.version: False}
    endpoint = served.endpoints.get()
    assert (endpoint.identity_ok, "cannot be probed" in endpoint.identity_detail["why"]) == (None, True)
    assert not Alarm.objects.exists()
    assert consultations.start(case=make_case(), by=make_user()).model_version == served


def test_a_server_without_token_ids_does_not_end_the_round(served, fleet, monkeypatch):
    async def other(self, body):
        return {"text": "Hello"}

    monkeypatch.setattr("agents.probe_client.ProbeClient._choice", other)
    assert serving.watch() == {served.version: False}
    assert "no token ids" in served.endpoints.get().identity_detail["why"]


def test_what_an_earlier_server_answered_says_nothing_of_the_next(served, fleet):
    serving.check_identity(served.endpoints.get())
    moved = versions.register_endpoint(by=None, version=served, url="http://127.0.0.1:9/v1", model_name=served.version)
    assert (moved.identity_at, moved.identity_ok, moved.identity_detail) == (None, None, {})


def test_an_open_consultation_is_not_answered_by_what_is_known_to_be_another_version(served, fleet):
    """Its turn would carry the name of a version that did not speak."""
    held = consultations.start(case=make_case(), by=make_user())
    turn = held.turns.get(role="agent")
    assert prompts.prompt_for_turn(turn.pk).identity["version"] == served.version
    served.endpoints.update(identity_ok=False)
    with pytest.raises(PolicyError, match="another version") as refused:
        prompts.prompt_for_turn(turn.pk)
    assert "Everything is saved" in sentence(refused.value.code)


def test_a_retired_version_is_probed_while_consultations_keep_it(served, fleet):
    assert serving.watch() == {served.version: True}
    held = consultations.start(case=make_case(), by=make_user())
    version = clear(make_candidate(served.base))
    serving.promote(version=version, by=admin())
    fleet.engine(served.version).weights = "something else"
    assert serving.watch() == {version.version: True, served.version: False}
    Consultation.objects.filter(pk=held.pk).update(status="closed", closed_at=timezone.now())
    assert serving.watch() == {version.version: True}


def test_a_trainer_that_ended_in_broken_weights_registers_nothing(base):
    rows = [{"prompt": [1], "answer": [2], "logprobs": [float("nan")]}]
    run = make_run(base, manifest={"probe": {"kind": "greedy-1", "rows": rows}})
    with pytest.raises(Refused, match="what is no number"):
        register(run)


def test_whoever_says_who_it_is_answers(served, fleet):
    """The chip on every page tells it, also of a version that has just come up."""
    endpoint = served.endpoints.get()
    assert serving.check_identity(endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.probe_ok, endpoint.probed_at) == (True, endpoint.identity_at)
    endpoint.url = "http://127.0.0.1:9/v1"
    assert not serving.check_identity(endpoint)
    assert (endpoint.probe_ok, endpoint.identity_ok) == (False, None)
