"""The demo loop's story: it stops at what did not happen, its people are scripted and apart, its ratings repeat."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from clinic.local import demo_loop
from clinic.local.home import Home, Lock
from clinic.local.problem import LocalProblem
from clinic.models import Consultation, Feedback, FeedbackStatus
from clinic.services import demo
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.clinic.annotation.sheets import make_judgeable
from tests.training.gates.factories import make_candidate
from tests.training.snapshots.factories import learned, other_case
from training import judging
from training.demo import consulting, learning, rating
from training.demo.people import People, people
from training.demo.story import STEPS, NotAsExpected, Story
from training.models import Run, Snapshot

pytestmark = pytest.mark.django_db


def a_story(**steps: Any) -> Story:
    """One whose steps are these functions; those not named do nothing."""

    class Scripted(Story):
        __slots__ = ()

    for name in STEPS:
        done = steps.get(name, dict)
        setattr(Scripted, f"_{name}_step", lambda self, done=done: done())
    return Scripted("http://127.0.0.1:1/", 2, {}, 0, lambda step, text: None)


def refuse() -> dict[str, Any]:
    raise NotAsExpected("The run broke off.")


def test_every_step_is_told_and_timed():
    story = a_story(run=lambda: {"version": "dx-1"})
    assert story.play()
    assert [step["name"] for step in story.steps] == list(STEPS)
    assert all(step["ok"] and step["seconds"] >= 0 for step in story.steps)
    assert story.steps[3]["version"] == "dx-1"


@pytest.mark.parametrize("problem", [NotAsExpected, Refused, LocalProblem])
def test_it_ends_at_what_did_not_happen(problem):
    def broken() -> dict[str, Any]:
        raise problem("The run broke off.")

    story = a_story(run=broken)
    assert not story.play()
    assert [step["name"] for step in story.steps] == ["consultations", "ratings", "snapshot", "run"]
    assert story.steps[-1]["error"] == "The run broke off."


def test_a_fault_of_ours_is_not_taken_for_a_step_that_failed():
    with pytest.raises(ZeroDivisionError):
        a_story(run=lambda: {"x": 1 / 0}).play()


def test_its_people_are_found_again_and_nobody_has_two_parts():
    first, again = people(), people()
    assert first == again
    parts = [first.clinician, *first.physicians, first.adjudicator, first.starter, first.promoter]
    assert len({one.pk for one in parts}) == len(parts)
    assert all(one.is_demo for one in parts)


def test_somebody_elses_login_is_not_taken_over():
    demo.seed()
    make.make_user(username="demo-admin-2")
    with pytest.raises(Refused, match="demo-admin-2 is somebody else here"):
        people()


@pytest.fixture
def judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's part of a judge's run, done where it is asked for."""
    start = judging.start

    def at_once(**asked: Any) -> Any:
        run = start(**asked)
        judging.execute(run_id=run.pk)
        return run

    monkeypatch.setattr(judging, "start", at_once)


def held(cast: People, many: int) -> list[Consultation]:
    case = {"site": cast.site, "answer": "Pneumonia"}
    rows = [make_judgeable(clinician=cast.clinician, case=make.make_case(**case)) for _ in range(many)]
    for row in rows:
        row.turns.filter(role="agent").update(policy={"version": row.model_version.version})
        consulting.close(row, cast)
    return rows


def test_ratings_are_of_two_people_each_and_approved_by_a_third(judged_at_once):
    cast = people()
    told = rating.rate_all(cast, held(cast, 3), seed=0, title="Loop")
    assert told["ratings"] == 6
    assert told["judge"] == "succeeded"
    given = Feedback.objects.filter(status=FeedbackStatus.APPROVED, kind="rating")
    assert told["approved"] >= given.count() > 0
    assert not given.filter(by=cast.adjudicator).exists()


def test_an_unsigned_promotion_must_be_refused_in_words():
    make.make_serving_agent()
    story = Story("http://127.0.0.1:1/", 1, {}, 0, lambda step, text: None)
    story._run = Run.objects.get(version=make_candidate())
    assert "gate" in story._promotion_is_refused()


def test_who_speaks_is_told_by_every_turn():
    consultation = make.make_consultation()
    version = consultation.model_version
    mine, other = {"version": version.version}, {"version": "dx-other"}
    assert learning.speaks(consultation, version, [mine, mine])
    assert not learning.speaks(consultation, version, [mine, other])
    assert not learning.speaks(consultation, version, [])


def test_the_command_asks_for_parts_of_its_own(monkeypatch):
    monkeypatch.delenv("ROUNDS_WEB", raising=False)
    with pytest.raises(CommandError, match="needs parts of its own"):
        call_command("demo_loop", stdout=io.StringIO(), stderr=io.StringIO())


def test_the_command_prints_the_story_and_fails_with_it(monkeypatch):
    monkeypatch.setenv("ROUNDS_WEB", "http://127.0.0.1:1/")
    monkeypatch.setattr(Story, "play", lambda self: self.steps.append({"name": "run", "ok": False}) or False)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("demo_loop", "--json", stdout=out, stderr=io.StringIO())
    told = json.loads(out.getvalue().splitlines()[-1])
    assert told["ok"] is False
    assert told["steps"] == [{"name": "run", "ok": False}]


def test_the_home_is_begun_anew_and_only_by_one(tmp_path, monkeypatch):
    home = Home(tmp_path / "demo-loop").made()
    (home.path / "old.txt").write_text("from the last time")
    fresh, lock = demo_loop._fresh(home)
    assert not (fresh.path / "old.txt").exists()
    assert fresh.run.is_dir()
    monkeypatch.setattr(Lock, "take", lambda self, wait=0: False)
    (fresh.path / "kept.txt").write_text("of the one that is played")
    with pytest.raises(LocalProblem, match="is running"):
        demo_loop._fresh(home)
    assert (fresh.path / "kept.txt").exists()
    del lock


def test_the_snapshot_step_says_what_was_frozen(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    for number in range(2):
        learned(number, case=other_case(number, site=people().site))
    told = Story("http://127.0.0.1:1/", 2, {}, 0, lambda step, text: None)._snapshot_step()
    assert (told["feedback"], told["cases"], told["annotators"]) == (2, 2, 2)
    assert told["digest"] == Snapshot.objects.get().digest
