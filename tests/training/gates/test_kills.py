"""A worker is killed in the middle of a gate: the next one goes on, and there is one verdict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.clinic.factories import make_serving_agent
from tests.training.gates.conftest import CASES
from tests.training.gates.factories import make_candidate, make_gate
from tests.training.gates.players import Skill, SkilledSeats, brought
from training import gates, places
from training.gates import profiles
from training.models import Gate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small")]
PROGRAM = """
import sys, django
from pathlib import Path
django.setup()
from tests.training.gates.players import Skill, SkilledSeats, brought
from training.evaluation import cases
from training.gates import executing, profiles
profiles.FOLDER = Path(sys.argv[2])
cases.reference_examinations = lambda case: ["vitals", "cbc"]
slow = SkilledSeats(Skill(right=0.95, pause=0.3), Skill(right=0.3, pause=0.3))
executing.execute(int(sys.argv[1]), opens=slow, brings=brought)
"""


def worker(gate: Gate) -> subprocess.Popen[bytes]:
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    told = {"DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "clinic.settings", "PYTHONPATH": str(settings.BASE_DIR)}
    command = [sys.executable, "-c", PROGRAM, str(gate.pk), str(profiles.FOLDER)]
    return subprocess.Popen(command, env=os.environ | told)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def test_what_was_played_stays_and_the_verdict_comes_once():
    make_serving_agent()
    gate = make_gate(make_candidate(), status="queued", n=0)
    folder = places.gates() / gate.folder
    process = worker(gate)
    deadline = time.monotonic() + 60
    while len(lines(folder / "candidate.jsonl")) < 6:
        assert time.monotonic() < deadline, "the worker plays nothing"
        assert process.poll() is None, "the worker ended by itself"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {row["case"]: row for row in lines(folder / "candidate.jsonl") if "case" in row}
    assert Gate.objects.get(pk=gate.pk).status == "running"
    Gate.objects.filter(pk=gate.pk).update(seen_at=timezone.now() - timedelta(minutes=5))
    assert gates.recover() == 1
    seats = SkilledSeats(Skill(right=0.95), Skill(right=0.3))
    assert gates.execute(gate.pk, opens=seats, brings=brought) == "passed"
    after = [row for row in lines(folder / "candidate.jsonl") if "case" in row]
    assert len(after) == CASES
    assert all(row == before.get(row["case"], row) for row in after), "what was finished was not played again"
    assert gates.execute(gate.pk, opens=seats, brings=brought) == "passed"
    decided = Gate.objects.get(pk=gate.pk)
    assert decided.checks.count() == len(profiles.load("demo").checks)
    assert [change.new for change in decided.history()] == ["running", "running", "passed"]
