"""`run.py test`: lint, types, import contracts, then pytest on stores of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinic.local.home import ROOT, Home, Lock
from clinic.local.problem import LocalProblem, say
from clinic.local.stack import Stack, Stopped

BIN = Path(sys.executable).parent
MOST_PROCESSES = 4
"""Each has its own PostgreSQL and Valkey."""
CHECKS = {
    "lint": [str(BIN / "ruff"), "check", "."],
    "types": [str(BIN / "mypy"), "agents", "clinic", "training"],
    "import contracts": [str(BIN / "lint-imports"), "--no-cache"],
}


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that is gone afterwards; PostgreSQL's account may pass through it, but not look around."""
    with tempfile.TemporaryDirectory(prefix="rounds-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        home = Home(Path(folder)).made()
        try:
            yield home
        finally:
            remove_moved_data(home)


def remove_moved_data(home: Home) -> None:
    """PostgreSQL's data where it had to live elsewhere, as another account (clinic.local.postgres)."""
    note = home.path / "pg" / "moved-to"
    if note.exists():
        shutil.rmtree(note.read_text().strip())


def test(arguments: list[str]) -> int:
    """Exit code 0 only if every check and pytest went well. The last line is pytest's summary."""
    os.environ.setdefault("ROUNDS_WEIGHTS", str(Home.default().weights))
    with temporary_home() as home:
        lock = Lock(home.run / "owner.lock")
        lock.take()
        with Stack(home, lock, throw_away=True) as stack:
            try:
                stack.start_stores()
                failed = [name for name, command in CHECKS.items() if not _check(name, command, stack.env)]
                if failed:
                    say(f"failed before the tests: {', '.join(failed)}")
                codes = [_run([sys.executable, "-m", "pytest", *part], stack) for part in parts(arguments)]
            except Stopped:
                return 130
    return next((code for code in codes if code), 1 if failed else 0)


def parts(arguments: list[str]) -> list[list[str]]:
    """What pytest is called with, one run after the other: most tests side by side on every processor, then those that
    need the machine to themselves. Whoever names tests gets one plain run of them."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    if processes < 2 or not set(arguments) <= {"--fast", "--drills"}:
        return [arguments]
    together = [*arguments, "--part=together", "-n", str(processes), "--dist=loadfile", "-q"]
    return [together] if "--fast" in arguments else [together, [*arguments, "--part=alone"]]


def _check(name: str, command: list[str], env: dict[str, str]) -> bool:
    began = time.monotonic()
    found = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    verdict = "ok" if found.returncode == 0 else "FAILED"
    say(f"{name}: {verdict} ({time.monotonic() - began:.1f} s)")
    if found.returncode:
        print(found.stdout, file=sys.stderr, flush=True)
    return found.returncode == 0


def _run(command: list[str], stack: Stack) -> int:
    # The address reserved for a default model is no model: tests that need one start it.
    reserved = {"POLICY_URL", "POLICY_MODEL"} - set(os.environ)
    env = {name: value for name, value in stack.env.items() if name not in reserved}
    child = stack.keeper.spawn(command, env=env, cwd=ROOT)
    while (code := child.poll()) is None:
        stack.pause()
    if code < 0:
        raise LocalProblem(f"pytest was ended by signal {-code}.")
    return code
