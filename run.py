#!/usr/bin/env python3
"""Rounds on one machine: makes what it needs from the pinned requirements, then starts it.

  python3 run.py                  start everything; prints the address and the demo logins (same as: up)
  python3 run.py up               PostgreSQL, Valkey, model server, worker and web until Ctrl-C
  python3 run.py test [OPTIONS]   lint, types, import contracts and tests, on services of their own
                   --fast           without the real model, the browser and slow tests: under a minute
                   --drills         with the fault drills at full counts
                   anything else    goes to pytest, for example: test tests/agents -k codec
  python3 run.py smoke            one whole consultation over HTTP and WebSocket in a temporary folder; one JSON line
  python3 run.py manage COMMAND   a Django management command; starts the parts it needs, stops what it started
  python3 run.py env NAME         make or repair one environment: web, test, serve or train

Environment variables (.env.example has all of them):
  ROUNDS_PORT          port of the web pages (8000)
  ROUNDS_HOME          folder for the database, weights and logs (var)
  DATABASE_URL, VALKEY_URL, POLICY_URL
                       use this PostgreSQL, Valkey or OpenAI-compatible model server; that part is not started
  POLICY_MODEL         the model's name at POLICY_URL
  ROUNDS_TORCH_INDEX   an extra package index that has the CPU build of torch
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TORCH = "torch==2.13.0+cpu"
COMMANDS = ("up", "test", "smoke", "manage")
ENVS = {  # name -> (folder, requirement file, needs torch first, room in GB)
    "web": (".venv", "web.txt", False, 0.8),
    "test": (".venv", "test.txt", False, 1.2),
    "serve": (".venv-serve", "serve.txt", True, 5.0),
    "train": (".venv-train", "train.txt", True, 4.0),
}
CAUSES = (  # what pip prints -> what it means
    ("No space left on device", "the disk is full"),
    ("DO NOT MATCH THE HASHES", "a package differs from its pinned hash"),
    ("Temporary failure in name resolution", "the package index cannot be reached (no network?)"),
    ("NewConnectionError", "the package index cannot be reached (no network?)"),
    ("ConnectTimeout", "the package index cannot be reached (no network?)"),
    ("ProxyError", "the package index cannot be reached (a proxy refused)"),
    ("No matching distribution found", "the package index has no fitting build of a pinned package"),
)


class Problem(Exception):
    """Something a person must see as one sentence."""


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    command = arguments[0] if arguments else "up"
    try:
        check_platform()
        if command == "env" and len(arguments) == 2 and arguments[1] in ENVS:
            ensure(arguments[1])
            return 0
        if command not in COMMANDS:
            raise Problem(f"Unknown command {' '.join(arguments)!r}; python3 run.py --help lists them.")
        python = ensure("test" if command == "test" else "web")
    except Problem as problem:
        print(f"rounds: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rounds: stopped; run it again to go on.", file=sys.stderr)
        return 130
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    argv = [str(python), "-m", "clinic.local", command, *arguments[1:]]
    if command != "manage":  # a management command may name files relative to where it was typed
        os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(python, argv, environment)


def check_platform() -> None:
    if sys.version_info < (3, 11) or sys.version_info >= (3, 14):
        running = platform.python_version()
        raise Problem(f"Rounds needs Python 3.11, 3.12 or 3.13; this is {running}. Try: python3.11 run.py")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        here = f"{platform.system()} {platform.machine()}"
        raise Problem(f"run.py supports Linux on x86-64; this is {here}. Use docker-compose.yml there.")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise Problem(
            "This Python cannot make virtual environments; install its venv package "
            "(on Debian and Ubuntu: apt install python3-venv) and run again."
        )


def ensure(name: str) -> Path:
    """The Python of an environment, made or repaired first if its requirements changed. Instant if not."""
    folder, _, _, _ = ENVS[name]
    python = ROOT / folder / "bin" / "python"
    if is_current(name):
        return python
    with exclusive(f"another run.py to finish making {folder}"):
        if not is_current(name):
            build(name)
    return python


def fingerprint(name: str) -> str:
    _, requirements, with_torch, _ = ENVS[name]
    wanted = (ROOT / "requirements" / requirements).read_bytes()
    made_with = f"{sys.version_info[:2]} {TORCH if with_torch else ''}"
    return hashlib.sha256(wanted + made_with.encode()).hexdigest()


def stamp_file(name: str) -> Path:
    return ROOT / ENVS[name][0] / ".rounds.json"


def stamps(name: str) -> dict[str, str]:
    try:
        return json.loads(stamp_file(name).read_text())
    except (OSError, ValueError):
        return {}


def is_current(name: str) -> bool:
    return stamps(name).get(name) == fingerprint(name) and (stamp_file(name).parent / "bin/python").exists()


def build(name: str) -> None:
    folder, requirements, with_torch, room = ENVS[name]
    target = ROOT / folder
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < room:
        raise Problem(f"Making {folder} needs {room:.1f} GB of disk, and {ROOT} has {free:.1f} GB free.")
    started = time.monotonic()
    make_venv(target)
    unfinished = target / ".rounds-unfinished"  # while it exists, packages may be half copied
    unfinished.touch()
    if with_torch:
        install_torch(target)
    packages = (ROOT / "requirements" / requirements).read_text().count("==")
    arguments = ["--require-hashes", "--no-deps", "-r", str(ROOT / "requirements" / requirements)]
    pip(target, f"{folder}: {packages} packages", arguments, packages)
    made = {name: fingerprint(name)}
    if name == "test":  # the test requirements contain the web's
        made["web"] = fingerprint("web")
    stamp_file(name).write_text(json.dumps(made))
    unfinished.unlink()
    say(f"{folder}: ready after {time.monotonic() - started:.0f} s")


def make_venv(target: Path) -> None:
    """A virtual environment of this Python; one that was left unfinished or is broken is made anew."""
    python = target / "bin" / "python"
    probe = "import sys, pip; print(sys.version_info[:2] == tuple(map(int, sys.argv[1:])))"
    version = [str(part) for part in sys.version_info[:2]]
    if python.exists() and not (target / ".rounds-unfinished").exists():
        found = subprocess.run([str(python), "-c", probe, *version], capture_output=True, text=True)
        if found.stdout.strip() == "True":
            return
    say(f"{target.name}: making the virtual environment")
    command = [sys.executable, "-m", "venv", "--clear", str(target)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        detail = (made.stderr or made.stdout).strip().splitlines()
        reason = cause(made.stderr + made.stdout) or (detail[-1] if detail else "no reason given")
        raise Problem(
            f"The virtual environment {target.name} could not be made: {reason}. If Python's venv package "
            "is missing, install it (on Debian and Ubuntu: apt install python3-venv)."
        )


def install_torch(target: Path) -> None:
    index = os.environ.get("ROUNDS_TORCH_INDEX")
    arguments = ["--no-deps", TORCH] + (["--extra-index-url", index] if index else [])
    try:
        pip(target, f"{target.name}: {TORCH}, the CPU build", arguments, 1)
    except Problem as problem:
        raise Problem(
            f"{problem} Set ROUNDS_TORCH_INDEX to a package index that has {TORCH} for Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} (PyTorch publishes one for CPU builds), "
            "or set POLICY_URL to a model server that is already running."
        ) from problem


def pip(target: Path, what: str, arguments: list[str], count: int) -> None:
    """Run pip install, showing how far it is; the whole output goes to pip.log in the environment."""
    command = [str(target / "bin" / "python"), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    say(f"{what}: downloading and checking")
    log = target / "pip.log"
    with (
        subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
        log.open("a") as record,
    ):
        assert process.stdout
        seen, spoke, output = 0, time.monotonic(), []
        for line in process.stdout:
            record.write(line)
            output.append(line)
            seen += line.startswith(("Collecting ", "Processing "))
            if line.startswith("Installing collected packages"):
                say(f"{what}: unpacking")
            elif time.monotonic() - spoke > 10:
                spoke = time.monotonic()
                say(f"{what}: {min(seen, count)} of {count} fetched")
    if process.returncode:
        text = "".join(output)
        errors = [line.strip() for line in output if line.startswith("ERROR")]
        reason = cause(text) or (errors[-1] if errors else "pip failed")
        raise Problem(f"{what} could not be installed: {reason} (details: {log}).")


def cause(text: str) -> str | None:
    return next((meaning for sign, meaning in CAUSES if sign in text), None)


class exclusive:
    """One builder at a time: a lock on the requirements folder, free as soon as its holder is gone."""

    def __init__(self, awaited: str) -> None:
        self.awaited = awaited

    def __enter__(self) -> None:
        self.handle = os.open(ROOT / "requirements", os.O_RDONLY)
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {self.awaited}")
            fcntl.flock(self.handle, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        os.close(self.handle)


def say(text: str) -> None:
    print(f"rounds: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
