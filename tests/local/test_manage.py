"""Which parts a management command gets, and what it leaves behind."""

import os
import subprocess
import sys

import pytest

from clinic.local import manage
from clinic.local.home import ROOT
from clinic.local.manage import READY, Needs, needs_of
from clinic.local.stack import ADDRESSES


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("", Needs.NOTHING),
        ("check", Needs.NOTHING),
        ("consult --help", Needs.NOTHING),
        ("migrate", Needs.STORES),
        ("import_cases agentclinic x.jsonl", READY),
        ("consult --case x", READY | Needs.MODEL),
        ("evaluate e2e --policy oracle", READY),
        ("evaluate e2e --policy=random", READY),
        ("evaluate e2e --policy greedy-oracle", READY),
        ("evaluate e2e --policy random:3", READY),
        ("evaluate e2e --policy=http://box:8000/v1#m", READY),
        ("evaluate e2e --policy mine --url http://box:8000/v1 --model m", READY),
        ("evaluate e2e --policy dx-123", READY | Needs.MODEL),
    ],
)
def test_needs(line, needs):
    assert needs_of(line.split()) == needs


@pytest.mark.parametrize(("served", "enough"), [("rounds-agent", False), ("smollm2-135m-instruct", True)])
def test_the_untrained_world_is_never_the_agent_that_ships(monkeypatch, home, served, enough):
    monkeypatch.delenv("POLICY_URL", raising=False)
    state = {"has_model": True, "env": {"POLICY_MODEL": served}}
    assert manage._others_will_do(Needs.MODEL, home, state, bare=True) is enough
    assert manage._others_will_do(Needs.MODEL, home, state) is True


def run_manage(home, *arguments, **kwargs):
    env = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    command = [sys.executable, str(ROOT / "run.py"), "manage", *arguments]
    env |= {"ROUNDS_HOME": str(home.path)}
    return subprocess.run(command, env=env, capture_output=True, text=True, **kwargs)


@pytest.mark.slow
def test_output_is_the_commands_own_and_everything_is_stopped(home):
    done = run_manage(home, "migrate", "--plan", "contenttypes", "zero")
    assert (done.returncode, done.stdout) == (0, "Planned operations:\n  No planned migration operations.\n"), (
        done.stderr
    )
    assert not home.state_file.exists()
    assert not (home.path / "pg/data/postmaster.pid").exists()


@pytest.mark.slow
def test_the_exit_code_is_the_commands_own(home):
    assert run_manage(home, "check", "--no-such-option").returncode == 2
    assert run_manage(home, "migrate", "no_such_app").returncode == 1
