"""Evaluations as rows: one row a request, its statuses, its folder, alone in it, what is told to the audit log."""

from __future__ import annotations

import fcntl
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from agents.types import CaseRecord
from clinic.models import AuditEntry, CaseKind, IllegalTransition
from clinic.services.errors import Refused
from tests.clinic import factories as make
from tests.training.factories import make_evaluation
from training import services
from training.case_sets import CaseSet, open_cases
from training.evaluation.cases import record_case
from training.models import Evaluation
from training.opponents import opponent
from training.results import lines_of
from training.services import Wanted

pytestmark = pytest.mark.django_db
ASKED = Wanted("end-to-end", "virtual:test", limit=1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def begun():
    cases = CaseSet([record_case(CaseRecord("r1", "x", 50, "male", "Cough", answer="Flu"), "x")], "v1")

    def begin(**changes):
        given = {"wanted": ASKED, "opponent": opponent(policy="random"), "by": make.make_user("admin"), **changes}
        return services.begin(site=make.default_site(), folder="f", cases=cases, **given)

    return begin


def test_a_request_is_one_row_however_often_it_is_made(begun):
    first = begun()
    assert (first.status, first.total, first.policy) == ("running", 1, "random")
    assert begun().pk == first.pk  # left behind by a process that is gone
    assert begun(wanted=replace(ASKED, limit=2)).pk != first.pk
    with pytest.raises(IntegrityError), transaction.atomic():
        make_evaluation(folder="f", limit=1)


def test_no_limit_is_one_row_too():
    make_evaluation(folder="same")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_evaluation(folder="same")


def test_what_broke_off_may_run_again_with_its_history(begun, home):
    row = begun()
    services.fail(evaluation=row, by=row.by, reason="Interrupted.", cases=CaseSet([], "v1"), folder=home)
    assert (row.status, row.error) == ("failed", "Interrupted.")
    assert row.finished_at
    assert begun().status == "running"
    moves = [(move.old, move.new, move.reason) for move in row.history()]
    assert moves == [
        ("queued", "running", ""),
        ("running", "failed", "Interrupted."),
        ("failed", "running", "asked for again"),
    ]
    told = AuditEntry.objects.filter(noun="evaluation", target=str(row.pk)).order_by("seq")
    assert [entry.action for entry in told] == ["evaluation.started", "evaluation.failed", "evaluation.started"]


def test_a_finished_one_cannot_break_off():
    with pytest.raises(IllegalTransition):
        make_evaluation().move_to("failed", by=None)


def test_nobody_else_works_in_the_same_folder(home):
    site = make.default_site()
    wanted, who = ASKED, opponent(policy="random")
    found = open_cases(name=wanted.cases, site=site, limit=1)
    folder = home / "evaluations" / services._name(wanted, who, found)
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="already running"):
            services.evaluate(wanted=wanted, opponent=who, site=site, by=None)
    assert Evaluation.objects.count() == 0


def test_the_folder_differs_where_results_would_differ():
    def name(wanted=ASKED, contents="v1", **who):
        return services._name(wanted, opponent(**{"policy": "random", **who}), CaseSet([], contents))

    assert name(replace(ASKED, limit=9, at_once=1)) == name()
    others = [name(replace(ASKED, case_seed=1)), name(contents="v2"), name(seed=1), name(policy="greedy-oracle")]
    others += [name(replace(ASKED, protocol="rubric")), name(policy="random:3")]
    assert len({name(), *others}) == 7


def test_imported_cases_are_the_sites_own_and_never_patients():
    make.make_case(CaseKind.RECORD, origin="agentclinic", key="a")
    make.make_case(CaseKind.RECORD, origin="agentclinic", key="no-answer", answer="")
    make.make_case(CaseKind.RECORD, origin="agentclinic", site=make.make_site())
    make.make_case(CaseKind.PATIENT, origin="entered", answer="Flu")
    demo = make.make_case(CaseKind.VIRTUAL, origin="demo")
    site = make.default_site()
    assert [case.id for case in open_cases(name="agentclinic", site=site).cases] == ["a"]
    assert open_cases(name="demo", site=site).cases[0].record.extra["synthetic"] is True
    before = open_cases(name="demo", site=site).contents
    demo.content_hash = "changed"
    demo.save()
    assert open_cases(name="demo", site=site).contents != before
    with pytest.raises(Refused, match="entered"):
        open_cases(name="entered", site=site)


def test_a_registered_version_plays_in_its_own_codec():
    endpoint = make.make_endpoint(version=make.make_version(codec="diagagent"))
    version = endpoint.model_version.version
    assert opponent(policy="default").player.name == "default/diagagent"
    assert opponent(policy=f"medagents:{version}").player.name == f"medagents:{version}/diagagent"
    assert opponent(policy=version, codec="structured").player.identity.version == version
    with pytest.raises(Refused, match="There is no policy"):
        opponent(policy="dx-unknown")


def test_a_torn_line_is_not_read(tmp_path):
    file = tmp_path / "episodes.jsonl"
    file.write_text('{"header": {}}\n{"case": "a", "x": 1}\n{"case": "a", "x": 2}\n{"case": "b", "x')
    assert lines_of(file) == {"a": {"x": 2}}
    assert lines_of(tmp_path / "missing.jsonl") == {}
