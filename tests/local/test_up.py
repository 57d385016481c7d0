"""`run.py up` as a person has it: reachable, restarted, refused twice, stopped by Ctrl-C, gone after kill -9."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clinic.local.home import ROOT, Lock
from clinic.local.ports import free_port
from clinic.local.stack import ADDRESSES
from clinic.local.up import responds
from tests.local.processes import descendants

pytestmark = pytest.mark.slow
START_SECONDS = 90


class Running:
    """run.py as a child, with the model elsewhere and without demo data; its words are in `said`."""

    def __init__(self, home, port):
        env = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
        env |= {"ROUNDS_HOME": str(home.path), "ROUNDS_PORT": str(port), "ROUNDS_DEMO": "0"}
        self.env = env | {"POLICY_URL": "http://127.0.0.1:9/v1", "POLICY_MODEL": "none"}
        self.said = ""
        self.address = f"http://127.0.0.1:{port}/"
        self.process = self.command(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, **kwargs):
        return subprocess.Popen([sys.executable, str(ROOT / "run.py")], env=self.env, **kwargs)

    def _read(self):
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, text):
        deadline = time.monotonic() + START_SECONDS
        while text not in self.said:
            assert time.monotonic() < deadline, f"no {text!r} in: {self.said}"
            assert self.process.poll() is None, self.said
            time.sleep(0.1)

    def ended(self):
        code = self.process.wait(30)
        self._reader.join(5)
        return code


@pytest.fixture
def running(home):
    found = Running(home, free_port())
    yield found
    if found.process.poll() is None:
        found.process.send_signal(signal.SIGINT)
        found.process.wait(30)


def web_pid(process):
    """The uvicorn among the supervisor's children."""
    (pid,) = [pid for pid, _ in descendants(process.pid) if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def test_a_day_of_the_supervisor(home, running):
    running.wait_for("Rounds is at")
    assert responds(running.address)

    second = running.command(stderr=subprocess.PIPE, text=True)
    assert "Rounds is already running at" in second.communicate(timeout=30)[1]
    assert second.returncode == 1

    os.kill(web_pid(running.process), signal.SIGKILL)
    assert responds(running.address), "whoever comes while the web restarts is kept waiting, not refused"
    running.wait_for("The web server ended unexpectedly (signal 9)")

    running.process.send_signal(signal.SIGINT)
    assert running.ended() == 0
    assert running.said.rstrip().endswith("rounds: stopped")
    assert Lock(home.run / "owner.lock").take()
    assert not (home.path / "pg/data/postmaster.pid").exists()


def test_kill_9_while_running_and_a_new_start(home, running):
    running.wait_for("Rounds is at")
    running.process.kill()
    running.process.wait()
    assert Lock(home.run / "owner.lock").take(wait=20)
    assert not responds(running.address)
    assert not home.state_file.exists()
