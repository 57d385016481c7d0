"""`manage consult` against a fake engine over real HTTP: the Episode, its story, and honest failures."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis
from clinic.models import CaseKind, Consultation
from tests.clinic import factories as make
from tests.doubles.engine import FakeEngine, Fault

pytestmark = pytest.mark.django_db


def says(kind: ActionKind, target: str) -> str:
    return StructuredCodec().encode(Action(kind, target, "It fits.", (Hypothesis("Pneumonia", 0.6),)))


SCRIPT = [
    says(ActionKind.EXAMINE, "Chest X-ray"),
    says(ActionKind.EXAMINE, "Blood culture"),
    says(ActionKind.DIAGNOSE, "Pneumonia"),
]


@contextmanager
def serving(script: list[str]) -> Iterator[FakeEngine]:
    """The engine in a thread of its own, registered as the serving agent: the command runs its own event loop."""
    engine, ready, loop = FakeEngine(script=script), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with engine:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    make.make_serving_agent(url=engine.url, model_name=engine.model)
    try:
        yield engine
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def consult(*arguments: str) -> dict:
    out = io.StringIO()
    call_command("consult", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.mark.parametrize(("kind", "source"), [(CaseKind.RECORD, "recorded"), (CaseKind.VIRTUAL, "simulated")])
def test_the_last_line_is_the_episode(kind, source):
    case = make.make_case(kind)
    with serving(SCRIPT):
        episode = consult("--case", case.key)
    assert (episode["case"], episode["end"], episode["diagnosis"]) == (case.key, "FINISH", "Pneumonia")
    found = [observation["source"] for turn in episode["turns"] for observation in turn["observations"]]
    assert found == [source, "unavailable"]
    assert episode["policy"]["version"].startswith("dx-test")
    assert episode["error"] is None
    assert not Consultation.objects.exists()


def test_the_agent_never_sees_results_or_the_answer_beforehand():
    case = make.make_case(CaseKind.RECORD, answer="Zebra fever")
    with serving(SCRIPT) as engine:
        consult("--case", str(case.pk))
    asked = [json.dumps(said.body) for said in engine.requests]
    assert "Consolidation" not in asked[0]
    assert "Consolidation" in asked[1]
    assert not any("Zebra" in body for body in asked)


def test_people_get_the_story(capsys):
    case = make.make_case()
    with serving(SCRIPT):
        call_command("consult", "--case", case.key)
    told = capsys.readouterr().out
    assert told.index("orders: Chest X-ray") < told.index("Consolidation") < told.index("diagnoses: Pneumonia")


def test_a_virtual_patient_is_drawn_without_a_row():
    with serving([says(ActionKind.DIAGNOSE, "Pneumonia")]):
        assert consult("--case", "virtual:test:0003")["case"].startswith("virtual:test:0003")


def test_another_policy_is_named_by_its_address():
    case = make.make_case()
    with serving(SCRIPT) as engine:
        policy = f"{engine.url}#{engine.model}"
        assert consult("--case", case.key, "--policy", policy)["policy"]["version"] == policy[:80]


def refused(*arguments: str) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("consult", *arguments, "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"ok": False, "error": str(error.value)}
    return str(error.value)


def test_failures_are_sentences(settings):
    settings.POLICY_URL = ""
    case, patient = make.make_case(), make.make_case(CaseKind.PATIENT)
    assert "No diagnostic agent" in refused("--case", case.key)
    make.make_serving_agent()
    assert "not answering" in refused("--case", case.key)
    assert "no case" in refused("--case", "demo:nobody")
    assert "no such virtual case" in refused("--case", "virtual:test:none")
    assert "real patient" in refused("--case", patient.key)
    assert "no registered agent" in refused("--case", case.key, "--policy", "dx-unknown")
    assert "URL#MODEL" in refused("--case", case.key, "--policy", "http://127.0.0.1:9")


def test_an_engine_that_fails_half_way_leaves_the_episode_and_exit_code_1():
    case = make.make_case()
    out = io.StringIO()
    with serving(SCRIPT) as engine:
        engine.faults.extend([Fault(""), Fault("http_500")])
        with pytest.raises(SystemExit) as ended:
            call_command("consult", "--case", case.key, "--json", stdout=out)
    assert ended.value.code == 1
    episode = json.loads(out.getvalue())
    assert episode["end"] == "ENV_ERROR"
    assert episode["turns"]
