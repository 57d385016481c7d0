"""The learning loop walked in a browser: from approved feedback to a new version that serves, and one step back.

What a worker does (the run, the gate) is done here by its own functions, with a trainer and players in place of
torch and a model; servers are fake engines behind the keeper as it is. `manage demo_loop` does it with real parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page, expect

from clinic.models import Consultation, ModelVersion, Role, Turn, User
from clinic.services import agent_processes, versions
from tests.clinic.annotation.factories import make_rubric
from tests.clinic.factories import make_case, make_user
from tests.doubles.fleet import Fleet, until
from tests.functional.conftest import SECONDS, Visitor, WebProcess, free_port
from tests.functional.test_consultation import begin
from tests.training.gates.players import Skill, SkilledSeats
from tests.training.runs.factories import make_python
from tests.training.serving import factories
from tests.training.snapshots.factories import learned
from training import gates, runs, serving
from training.gates import profiles
from training.models import Deployment, Gate, GateStatus, Run, RunStatus, Snapshot

expect.set_options(timeout=SECONDS)
ASKED_FOR = (
    {"key": "ecg", "text": "Orders an electrocardiogram", "points": 8, "axis": "safety", "rule": {"examined": ["ECG"]}},
    {"key": "names", "text": "Names the right diagnosis", "points": 10, "axis": "accuracy"},
)
LOAD = profiles.load
OLD, NEW = Skill(right=0.6), Skill(right=0.65, orders=("ECG", "Complete blood count"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """For this process, which does the worker's part, and for the web process, which reads its environment."""
    settings.WEIGHTS_FOLDER = str(tmp_path / "weights")
    settings.EMBEDDED_AGENTS = str(tmp_path / "run" / "agents")
    settings.TRAINER_PYTHON = str(make_python(tmp_path))
    monkeypatch.setenv("ROUNDS_HOME", str(tmp_path))
    monkeypatch.setenv("ROUNDS_WEIGHTS", settings.WEIGHTS_FOLDER)
    monkeypatch.setattr("training.evaluation.cases._kept", {})
    monkeypatch.setattr("training.evaluation.cases.reference_examinations", lambda case: ["vitals", "cbc"])
    monkeypatch.setattr(profiles, "load", quick)
    return tmp_path


@pytest.fixture
def fleet(home: Path, settings: Any) -> Iterator[Fleet]:
    with Fleet(home, rate=200) as fleet:
        settings.EMBEDDED_AGENTS = str(fleet.folder)
        yield fleet


@pytest.fixture
def before(transactional_db: None, fleet: Fleet) -> ModelVersion:
    """What serves before anything was learned."""
    factories.make_base()
    version = factories.make_serving()
    agent_processes.tell_supervisor()
    serving.bring_up(version)
    return version


@pytest.fixture
def web(before: ModelVersion, fleet: Fleet, tmp_path: Path) -> Iterator[WebProcess]:
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path="/" + connection.settings_dict["NAME"]))
    environment = {**os.environ, "DATABASE_URL": database, "ROUNDS_ENV": "local", "ROUNDS_AGENTS": str(fleet.folder)}
    process = WebProcess(free_port(), tmp_path / "web.log", environment)
    process.start()
    yield process
    process.end()
    assert "Traceback" not in process.log.read_text(), process.log.read_text()


def quick(name: str) -> profiles.Profile:
    """A profile as it is, and as it says it is, played with few patients and wide margins: in seconds."""
    whole = LOAD(name)
    kept = [check for check in whole.checks if check.name in ("physicians", "accuracy", "malformed", "identity")]
    checks = tuple(replace(check, margin=0.7) if check.margin else check for check in kept)
    return replace(whole, cases=24, at_least=22, checks=checks)


def in_worker(work: Callable[..., Any], *given: Any, **named: Any) -> None:
    """In a thread, as Playwright's event loop runs in this one, with a database connection of its own."""

    def whole() -> None:
        try:
            work(*given, **named)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(whole).result()


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def freeze(page: Page) -> Snapshot:
    page.goto("/training/snapshots/")
    page.get_by_label("Name").fill("First")
    button(page, "Make a snapshot")
    expect(page.locator("h1")).to_contain_text("First")
    return Snapshot.objects.get()


def train(page: Page, snapshot: Snapshot) -> Run:
    page.goto("/training/runs/new/")
    page.get_by_label("Trainer").select_option("sft")
    page.get_by_label("Snapshot").select_option(str(snapshot.pk))
    page.get_by_label("Settings").fill('{"steps": 4}')
    button(page, "Start the run")
    expect(page.locator("#live")).to_contain_text("Queued")
    run = Run.objects.get()
    in_worker(runs.execute, str(run.pk))
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED, run.error
    expect(page.locator("#live")).to_contain_text("Finished")  # the live part reloads the page at the end
    expect(page.get_by_role("heading", name="KL to the start")).to_be_visible()
    return run


def compare(page: Page, version: ModelVersion) -> Gate:
    page.goto("/training/gates/")
    page.get_by_label("Candidate").select_option(str(version.pk))
    page.get_by_label("Profile").select_option("demo")
    button(page, "Start the gate")
    expect(page.locator("h1")).to_contain_text("Queued")
    gate = Gate.objects.get()
    in_worker(gates.execute, gate.pk, opens=SkilledSeats(NEW, OLD))
    gate.refresh_from_db()
    assert gate.status == GateStatus.PASSED, [gate.error, *((c.name, c.why) for c in gate.checks.all())]
    page.reload()
    expect(page.locator("h1")).to_contain_text("Passed")
    return gate


def write(page: Page) -> None:
    for field in ("Modification", "Protocol", "Impact"):
        page.get_by_label(field).fill(f"{field}, told by who started it.")
    button(page, "Write the record")
    expect(page.get_by_text("Written by")).to_be_visible()


def sign(page: Page, gate: Gate, place: str) -> None:
    page.goto(f"/training/gates/{gate.pk}/")
    button(page, f"Sign as {place}")
    expect(page.get_by_role("button", name=f"Sign as {place}")).to_have_count(0)


def consulted(page: Page, title: str) -> set[str]:
    """Who spoke in a new consultation on this case, by the identity kept on each turn."""
    begin(page, title)
    held = Consultation.objects.latest("created_at")
    spoken = Turn.objects.filter(consultation=held, role="agent", status="complete")
    until(spoken.exists, SECONDS / 1000)
    expect(page.locator("#timeline .turn").first).to_be_visible()
    return {held.model_version.version, *(turn.policy["version"] for turn in spoken)}


def test_from_feedback_to_the_next_consultation_and_back(
    visit: Visitor, before: ModelVersion, clinician: User, fleet: Fleet
) -> None:
    rubric = make_rubric(*ASKED_FOR)
    for number in range(4):
        learned(number, version=rubric)
    title = make_case(title="Cough since Friday").title
    starter, promoter = make_user(Role.ADMIN), make_user(Role.ADMIN)
    physician = make_user(Role.ADJUDICATOR)

    page = visit(starter)
    run = train(page, freeze(page))
    candidate = run.version
    assert candidate is not None
    weights = factories.fingerprint_of(candidate.version).as_dict()  # a real trainer leaves it in its manifest
    versions.keep_fingerprint(version=candidate, name="probe", fingerprint=weights, source="the trainer")
    gate = compare(page, candidate)
    page.goto("/training/deployments/")
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)  # passed, and nobody signed
    page.goto(f"/training/gates/{gate.pk}/")
    write(page)
    expect(page.get_by_role("button", name="Sign as")).to_have_count(0)  # not who started the run

    sign(visit(physician), gate, "adjudicating physician")
    page = visit(promoter)
    sign(page, gate, "administrator")
    page.goto("/training/deployments/")
    button(page, "Promote")
    expect(page.get_by_text("serves new consultations from now on")).to_be_visible(timeout=4 * SECONDS)

    clinic = visit(clinician)
    assert consulted(clinic, title) == {candidate.version}
    clinic.goto(reverse("version_detail", args=[candidate.version]))
    expect(clinic.get_by_text("Impact, told by who started it.")).to_be_visible()

    page.get_by_text("Roll back…").click()
    page.get_by_label("Why").fill("Odd differentials.")
    button(page, f"Roll back to {before.version}")
    expect(page.get_by_text("Odd differentials.")).to_be_visible(timeout=4 * SECONDS)
    assert consulted(clinic, title) == {before.version}
    assert list(Deployment.objects.order_by("at").values_list("kind", flat=True)) == ["full", "rollback"]
