"""`run.py manage COMMAND`: the parts a command needs, the command, and away with what was started."""

from __future__ import annotations

import os
import signal
import sys
import time
from enum import Flag, auto
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinic.local.default_model import SMOLLM
from clinic.local.demo_loop import demo_loop
from clinic.local.home import ROOT, Home, Lock, owner_lock
from clinic.local.problem import say
from clinic.local.stack import TICK_SECONDS, Stack, Stopped, base_environment
from clinic.local.world_server import wait_for_others


class Needs(Flag):
    NOTHING = 0
    STORES = auto()  # PostgreSQL and Valkey
    TABLES = auto()  # migrated, with the demo data
    MODEL = auto()
    WORLD = auto()  # the language world model


READY = Needs.STORES | Needs.TABLES
BY_COMMAND = {
    "help": Needs.NOTHING,
    "version": Needs.NOTHING,
    "check": Needs.NOTHING,
    "collectstatic": Needs.NOTHING,
    "oracle": Needs.NOTHING,
    "train_default": Needs.NOTHING,
    "makemigrations": Needs.STORES,
    "migrate": Needs.STORES,
    "restore": Needs.STORES,
    "consult": READY | Needs.MODEL,
    "evaluate": READY | Needs.MODEL,
    "demo_loop": READY | Needs.MODEL,
    "cross_world": READY | Needs.MODEL,
}
WITHOUT_MODEL = ("oracle", "greedy-oracle", "random")
"""Policies that are computed and never ask the model server."""
BY_WORLD = {"language": Needs.WORLD, "trained": Needs.WORLD, "untrained": Needs.MODEL}
"""What a value of --world is answered by; the untrained one is the bare base, served as the default model."""


def needs_of(arguments: list[str]) -> Needs:
    """What a command line needs; a command that is not listed gets the database with its tables."""
    if not arguments or {"--help", "-h", "--version"} & set(arguments):
        return Needs.NOTHING
    needs = BY_COMMAND.get(arguments[0], READY)
    for world in _options("--world", arguments):
        needs |= BY_WORLD.get(world, Needs.NOTHING)
    policy = _option("--policy", arguments) or ""
    elsewhere = "://" in policy or _option("--url", arguments)
    return needs & ~Needs.MODEL if elsewhere or policy.partition(":")[0] in WITHOUT_MODEL else needs


def _option(name: str, arguments: list[str]) -> str | None:
    return next(iter(_options(name, arguments)), None)


def _options(name: str, arguments: list[str]) -> list[str]:
    """Every value of an option that may be repeated."""
    apart = [value for said, value in pairwise(arguments) if said == name]
    joined = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{name}=")]
    return apart + joined


def manage(arguments: list[str]) -> int:
    needs = needs_of(arguments)
    if arguments[:1] == ["demo_loop"] and needs != Needs.NOTHING:
        return demo_loop(arguments)
    bare = "untrained" in _options("--world", arguments)
    if bare:
        os.environ["ROUNDS_MODEL"] = "smollm2"  # not the agent that ships
    home = Home.default()
    if needs == Needs.NOTHING:
        nowhere = {"DATABASE_URL": "postgresql://rounds@/rounds", "VALKEY_URL": "unix:///nowhere"}
        _become(arguments, {**nowhere, **base_environment(home)})
    lock = owner_lock(home)
    guests = Lock(home.run / "guests.lock")
    if lock is None:
        guests.take(shared=True, wait=10)
        os.set_inheritable(guests.fd, True)  # held by the command until it ends
        state = home.read_state()
        theirs = state.get("env", {})
        if _others_will_do(needs, home, state, bare=bare):
            _become(arguments, {**base_environment(home), **theirs})
        ours = ("POLICY_", "ROUNDS_WORLD", "ROUNDS_AGENTS")
        os.environ.update({name: value for name, value in theirs.items() if not name.startswith(ours)})
    return _with_own_parts(arguments, needs, home, lock, guests)


def _others_will_do(needs: Needs, home: Home, state: dict[str, Any], *, bare: bool = False) -> bool:
    """Whether the parts of the running owner are enough; it is asked for the world model, and waited for.

    `bare`: its model must be the base without any adapter.
    """
    if Needs.MODEL in needs and not state.get("has_model"):
        return False
    if bare and "POLICY_URL" not in os.environ and state.get("env", {}).get("POLICY_MODEL") != SMOLLM.name:
        return False
    if Needs.WORLD not in needs or os.environ.get("WORLD_URL"):
        return True
    if state.get("command") != "up" or "ROUNDS_WORLD" not in state.get("env", {}):
        return False
    wait_for_others(Path(state["env"]["ROUNDS_WORLD"]), pause=lambda: time.sleep(TICK_SECONDS))
    return True


def _become(arguments: list[str], environment: dict[str, str]) -> None:
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *arguments], environment)


def _with_own_parts(arguments: list[str], needs: Needs, home: Home, lock: Lock | None, guests: Lock) -> int:
    with Stack(home, lock) as stack:
        try:
            stack.start_stores()
            if Needs.MODEL in needs:
                stack.start_model()
            if Needs.WORLD in needs:
                stack.offer_world()
            if Needs.TABLES in needs and lock is not None:
                stack.prepare()
            if lock is not None:
                stack.publish(command=f"manage {arguments[0]}")
            if stack.model:
                stack.model.wait_until_ready(stack.pause)
            if stack.world:
                stack.world.wait_until_ready(stack.pause)
            code = _run(stack, arguments)
            if lock is not None and not guests.take():
                say("waiting for another command that uses the same database")
                guests.take(wait=3600)
        except Stopped:
            return 130
    return code


def _run(stack: Stack, arguments: list[str]) -> int:
    """In this terminal: Ctrl-C reaches the command itself, and we wait for what it makes of it."""
    # A handler, not SIG_IGN: the command would inherit that and be deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    child = stack.python(str(ROOT / "manage.py"), *arguments, log=None, cwd=os.getcwd())
    while (code := child.poll()) is None:
        stack.tick()
        time.sleep(TICK_SECONDS)
    signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
