"""kill -9 of a supervisor leaves no process behind (decisions.md 32), whatever its services do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clinic.local import keeper as keeper_script
from clinic.local.home import ROOT
from clinic.local.launch import start_time
from tests.local.processes import alive, descendants

SUPERVISOR = """
import os, sys, time
from pathlib import Path
from clinic.local.home import Home, Lock
from clinic.local.stack import Stack

home = Home(Path(sys.argv[1])).made()
lock = Lock(home.run / "owner.lock")
assert lock.take()
os.environ.pop("DATABASE_URL", None), os.environ.pop("VALKEY_URL", None)
stack = Stack(home, lock, throw_away=True)
if "stores" in sys.argv:
    stack.start_stores()
if "model" in sys.argv:
    os.environ.pop("POLICY_URL", None)
    stack.start_model()
    stack.model.wait_until_ready(stack.pause)
for number, script in enumerate(sys.argv[2].split("|")):
    child = stack.keeper.spawn([sys.executable, "-c", script], env=os.environ, log=home.log / f"{number}.log")
stack.publish(command="test", keeper=stack.keeper.pid)
print(stack.keeper.mark, flush=True)
time.sleep(600)
"""
QUIET = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{QUIET}'])"
FLEDGED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{QUIET}'], start_new_session=True)"


def start(home, scripts, *options):
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(home.path), "|".join(scripts), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    mark = process.stdout.readline().strip()
    assert mark, "the supervisor did not start"
    return process, mark


def remains(home, mark):
    """Processes with the mark, or with the home's path on their command line (PostgreSQL, Valkey)."""
    found = keeper_script.members([], mark)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            continue
        if alive and str(home.path).encode() in line and b"keeper.py" not in line:
            found.append(int(folder.name))
    return found


def gone_within(seconds, home, mark):
    deadline = time.monotonic() + seconds
    while remains(home, mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not remains(home, mark)


def test_stores_and_their_children_are_gone_after_kill_9(home):
    process, mark = start(home, [QUIET, PARENT], "stores")
    assert len(remains(home, mark)) >= 4
    process.kill()
    process.wait()
    assert gone_within(10, home, mark)
    assert not home.state_file.exists()
    assert not (home.path / "pg/data/postmaster.pid").exists(), "PostgreSQL was not shut down cleanly"


@pytest.mark.parametrize(
    "script", [PARENT, pytest.param(FLEDGED, marks=pytest.mark.slow)], ids=["a child", "a child in its own session"]
)
def test_grandchildren_are_gone(home, script):
    process, mark = start(home, [script])
    deadline = time.monotonic() + 5
    while len(keeper_script.members([], mark)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert gone_within(keeper_script.GRACE_SECONDS + 5, home, mark)


@pytest.mark.slow
def test_a_deaf_service_is_killed_after_the_grace(home):
    process, mark = start(home, [DEAF])
    time.sleep(0.5)
    process.kill()
    process.wait()
    assert gone_within(keeper_script.GRACE_SECONDS + 5, home, mark)


@pytest.mark.vllm
def test_the_engine_of_the_model_server_is_gone_too(home):
    process, _ = start(home, [QUIET], "model")
    before = descendants(process.pid)
    names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid, _ in before]
    assert any(b"VLLM" in name for name in names), "this machine's vLLM has no engine process; the test is void"
    process.kill()
    process.wait()
    deadline = time.monotonic() + keeper_script.GRACE_SECONDS + 5
    while alive(before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(before)


@pytest.mark.slow
def test_the_lock_is_held_until_everything_is_gone(home):
    from clinic.local.home import Lock

    process, mark = start(home, [QUIET], "stores")
    assert not Lock(home.run / "owner.lock").take()
    process.kill()
    process.wait()
    assert Lock(home.run / "owner.lock").take(wait=10)
    assert not remains(home, mark)


def test_a_terminated_keeper_does_not_end_the_services(home):
    process, mark = start(home, [QUIET])
    keeper = home.read_state()["keeper"]
    os.kill(keeper, signal.SIGTERM)
    time.sleep(0.3)
    assert remains(home, mark)
    process.kill()
    process.wait()
    assert gone_within(10, home, mark)


def test_without_a_keeper_the_death_signal_still_ends_a_service(home):
    process, mark = start(home, [QUIET])
    os.kill(home.read_state()["keeper"], signal.SIGKILL)
    process.kill()
    process.wait()
    assert gone_within(5, home, mark)


def test_a_pid_that_was_given_to_another_program_is_left_alone():
    bystander = subprocess.Popen([sys.executable, "-c", QUIET])
    try:
        earlier = keeper_script.Service(bystander.pid, start_time(bystander.pid) - 1, signal.SIGKILL)
        keeper_script.end([earlier], "ROUNDS_OWNER=nobody-has-this")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
