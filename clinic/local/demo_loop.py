"""`run.py manage demo_loop`: the command with a whole installation of its own, beside the one that may be running.

Its home is var/demo-loop, begun anew each time and kept afterwards, so that `ROUNDS_HOME=var/demo-loop python3 run.py`
shows every page of the story. The agent is the tiny one (ROUNDS_MODEL=tiny); everything else is as in `run.py up`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

from clinic.local.checks import remove_moved_data
from clinic.local.home import ROOT, Home, Lock
from clinic.local.ports import HOST, listen
from clinic.local.problem import LocalProblem, say
from clinic.local.stack import TICK_SECONDS, Stack, Stopped
from clinic.local.up import wait_for_web


def demo_loop(arguments: list[str]) -> int:
    """The command's exit code; what was started is stopped, and the home stays."""
    os.environ.setdefault("ROUNDS_WEIGHTS", str(Home.default().weights))
    os.environ["ROUNDS_MODEL"] = "tiny"
    home, lock = _fresh(Home(Home.default().path / "demo-loop"))
    with listen(0, HOST) as listener, Stack(home, lock) as stack:
        try:
            address = f"http://{HOST}:{listener.getsockname()[1]}/"
            stack.start_stores()
            stack.start_model()
            stack.prepare()
            stack.start_web(listener)
            stack.start_worker()
            stack.start_gpu_worker()
            wait_for_web(stack, address)
            stack.publish(web=address, command="manage demo_loop")
            if stack.model:
                stack.model.wait_until_ready(stack.pause)
            say(f"the pages of this story are at {address} while it is played")
            stack.env["ROUNDS_WEB"] = address
            code = _play(stack, arguments)
        except Stopped:
            return 130
    say(f"what was made is kept: ROUNDS_HOME={os.path.relpath(home.path)} ROUNDS_MODEL=tiny python3 run.py shows it")
    return code


def _play(stack: Stack, arguments: list[str]) -> int:
    child = stack.keeper.spawn([sys.executable, str(ROOT / "manage.py"), *arguments], env=stack.env, cwd=os.getcwd())
    while (code := child.poll()) is None:
        stack.tick()
        time.sleep(TICK_SECONDS)
    return code if code >= 0 else 128 - code


def _fresh(home: Home) -> tuple[Home, Lock]:
    """The home with nothing in it, and its lock; LocalProblem where a demo loop is being played in it."""
    home.made()
    lock = Lock(home.run / "owner.lock")
    if not lock.take(wait=10):
        raise LocalProblem(f"A demo loop is running in {home.path} already; wait for it, or stop it.")
    remove_moved_data(home)
    for entry in home.path.iterdir():
        if entry != home.run:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for entry in home.run.iterdir():
        if entry.name != "owner.lock":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return home.made(), lock
