"""Gates played by players of known skill: the better passes, the same and the random do not, and nothing is lost."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from agents.rubrics import Rating, Verdict
from clinic.services.errors import Refused
from tests.clinic.factories import make_serving_agent
from tests.training.gates.conftest import CASES as N
from tests.training.gates.factories import make_candidate, make_gate
from tests.training.gates.players import Skill, SkilledSeats, brought
from training import gates
from training.gates import executing, profiles, sealed
from training.gates.bringing_up import Brought
from training.models import Gate, OutboxMessage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small")]
SAME = Skill(right=0.3)
BETTER = Skill(right=0.95)


def queued(**fields) -> Gate:
    make_serving_agent()
    return make_gate(make_candidate(), status="queued", n=0, total=0, **fields)


def played(candidate: Skill, baseline: Skill = SAME, *, gate: Gate | None = None, **more) -> Gate:
    gate = gate or queued()
    gates.execute(gate.pk, opens=SkilledSeats(candidate, baseline), brings=more.get("brings", brought))
    gate.refresh_from_db()
    return gate


def outcome(gate: Gate, name: str) -> str:
    return gate.checks.get(name=name).outcome


def test_a_better_candidate_passes_and_every_check_is_kept():
    gate = played(BETTER)
    assert gate.status == "passed", [(c.name, c.outcome, c.why) for c in gate.checks.exclude(outcome="passed")]
    primary = gate.checks.get(kind="primary")
    assert primary.name == "reward"
    assert primary.low > 0
    assert primary.n == gate.n == N
    assert [check.name for check in gate.checks.all()] == [wanted.name for wanted in profiles.load("demo").checks]
    assert outcome(gate, "judge") == outcome(gate, "shadow") == "not_run"
    assert "GATE_JUDGE_URL" in gate.checks.get(name="judge").why
    assert gate.checks.get(name="divergence").candidate == pytest.approx(0.05)
    assert gate.checks.get(name="identity").outcome == "passed"
    assert (gate.doing, gate.done, gate.total) == ("", 2 * N + 2 * 4 * 2 + 6, 2 * N + 2 * 4 * 2 + 6)


def test_the_same_and_a_random_one_do_not_pass():
    assert played(SAME).status == "undecided"
    assert played(Skill(right=0.3, orders=("Skin biopsy", "Vital signs"))).status in ("undecided", "failed")


def test_a_worse_one_fails():
    gate = played(Skill(right=0.0), Skill(right=0.9))
    assert gate.status == "failed"
    assert outcome(gate, "reward") == "failed"


def test_repeating_what_it_reads_is_found_out():
    gate = played(Skill(right=0.95, repeats_notes=True))
    assert gate.checks.get(name="sentinel").candidate == 1.0
    assert (outcome(gate, "sentinel"), gate.status) == ("failed", "failed")


def test_listing_diagnoses_is_found_out_and_earns_nothing():
    gate = played(Skill(right=0.95, lists=True))
    assert gate.checks.get(name="listing").candidate == 1.0
    assert gate.checks.get(name="accuracy").candidate == 0.0
    assert gate.status == "failed"


def test_unreadable_answers_are_found_out():
    gate = played(Skill(right=0.95, malformed=0.9))
    assert outcome(gate, "malformed") == "failed"
    assert gate.status == "failed"


def test_repeated_orders_are_counted():
    gate = played(Skill(right=0.95, orders=("Complete blood count", "CBC")))
    assert gate.checks.get(name="repeated").candidate == 1.0
    assert gate.checks.get(name="repeated").baseline == 0.0


def test_without_outcomes_it_breaks_off_with_a_sentence_and_goes_on_later():
    gate = played(Skill(breaks=True))
    assert gate.status == "broke"
    assert f"Only 0 of {N} cases" in gate.error
    assert not gate.checks.exists()
    gate.move_to("queued", by=None)
    gate = played(BETTER, gate=gate)
    assert gate.status == "passed"
    lines = (executing.places.gates() / gate.folder / "baseline.jsonl").read_text().splitlines()
    assert len(lines) == 1 + N, "the baseline was not played again"


def test_another_version_at_the_address_stops_it_before_a_case_is_played():
    def wrong(gate, tell) -> Brought:
        raise Refused("What answers at the address of dx-1 is not dx-1.")

    seats = SkilledSeats(BETTER, SAME)
    gate = queued()
    gates.execute(gate.pk, opens=seats, brings=wrong)
    gate.refresh_from_db()
    assert (gate.status, seats.opened) == ("broke", 0)
    assert "is not dx-1" in gate.error


def test_a_version_swapped_while_it_played_decides_nothing():
    def swapped():
        raise Refused("What answers at the address of dx-1 is not dx-1.")

    gate = queued()
    gates.execute(
        gate.pk, opens=SkilledSeats(BETTER, SAME), brings=lambda gate, tell: replace(brought(gate, tell), again=swapped)
    )
    gate.refresh_from_db()
    assert (gate.status, gate.checks.count()) == ("broke", 0)


def test_two_workers_at_once_play_it_once():
    gate, seats = queued(), SkilledSeats(BETTER, SAME)
    with executing._alone(executing.places.gates() / gate.folder):
        assert gates.execute(gate.pk, opens=seats, brings=brought) == "queued"
    assert seats.opened == 0
    assert gates.execute(gate.pk, opens=seats, brings=brought) == "passed"


def test_a_second_delivery_does_nothing():
    gate = played(BETTER)
    seats = SkilledSeats(SAME, SAME)
    assert gates.execute(gate.pk, opens=seats, brings=brought) == "passed"
    assert seats.opened == 0
    alive = queued()
    Gate.objects.filter(pk=alive.pk).update(status="running", seen_at=timezone.now())
    assert gates.execute(alive.pk, opens=seats, brings=brought) == "running"
    assert seats.opened == 0


def test_a_gate_whose_worker_died_is_sent_again_and_finished():
    gate = queued()
    long_ago = timezone.now() - timedelta(minutes=5)
    Gate.objects.filter(pk=gate.pk).update(status="running", seen_at=long_ago)
    OutboxMessage.objects.all().delete()
    assert (gates.recover(), gates.recover()) == (1, 0)
    assert OutboxMessage.objects.get().arguments == [gate.pk]
    assert played(BETTER, gate=gate).status == "passed"


def test_a_message_that_the_broker_lost_is_sent_again_and_seldom():
    gate = queued(seen_at=timezone.now() - timedelta(minutes=2))
    assert gates.recover() == 0
    Gate.objects.filter(pk=gate.pk).update(seen_at=timezone.now() - timedelta(minutes=11))
    assert (gates.recover(), gates.recover()) == (1, 0)


def test_a_profile_that_was_changed_meanwhile_decides_nothing():
    gate = queued(profile_digest="0" * 64)
    assert played(BETTER, gate=gate).status == "broke"
    gate.refresh_from_db()
    assert "was changed since" in gate.error


def test_a_crash_leaves_a_gate_that_broke_off():
    def crash(gate, tell):
        raise RuntimeError("out of memory")

    gate = queued()
    with pytest.raises(RuntimeError):
        gates.execute(gate.pk, opens=SkilledSeats(BETTER, SAME), brings=crash)
    gate.refresh_from_db()
    assert (gate.status, gate.error) == ("broke", "RuntimeError: out of memory")


def test_only_sealed_patients_are_played_and_their_planting_is_apart():
    gate = played(BETTER)
    folder = executing.places.gates() / gate.folder
    rows = [json.loads(line) for line in (folder / "candidate.jsonl").read_text().splitlines()[1:]]
    assert all(row["case"].startswith("virtual:sealed:") for row in rows)
    assert sealed.PLANTED not in (folder / "candidate.jsonl").read_text()
    assert sealed.PLANTED in (folder / "candidate-with-a-planted-diagnosis.jsonl").read_text()


class Sceptic:
    """A language judge by script: what it says of one rubric's criteria, or that it cannot."""

    identity = {"kind": "language", "model": "sceptic", "prompt": "p"}
    client = None

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.asked = fails, 0

    async def rate(self, episode, criterion) -> Rating:
        self.asked += 1
        verdict = Verdict.ERROR if self.fails else Verdict.MET
        return Rating(criterion.id, verdict)

    async def same_diagnosis(self, predicted, reference) -> bool:
        return False


@pytest.mark.parametrize(("fails", "outcome", "n"), [(False, "passed", N), (True, "not_run", 0)])
def test_a_judge_of_another_family_rates_both_and_its_failure_is_no_score(monkeypatch, fails, outcome, n):
    judge = Sceptic(fails=fails)
    monkeypatch.setattr(executing.judges, "of_gates", lambda seed: SimpleNamespace(speaks=judge))
    gate = played(BETTER)
    check = gate.checks.get(name="judge")
    assert (check.outcome, check.n) == (outcome, n)
    assert judge.asked >= 2 * N
    assert ("not one whole set" in check.why) is fails


def test_the_same_model_as_judge_and_gate_judge_is_refused_in_a_sentence(settings):
    settings.JUDGE_URL = settings.GATE_JUDGE_URL = "http://127.0.0.1:9/v1"
    settings.JUDGE_MODEL = settings.GATE_JUDGE_MODEL = "one"
    gate = played(BETTER)
    assert gate.status == "broke"
    assert "name the same model" in gate.error
