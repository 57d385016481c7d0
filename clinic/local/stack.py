"""The parts of Rounds that run on this machine: started in order, watched, stopped in reverse order."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from clinic.local import default_model
from clinic.local.agent_servers import FOLDER, AgentServers
from clinic.local.home import ROOT, Home, Lock
from clinic.local.model_server import ModelServer, pinned_engine
from clinic.local.postgres import Postgres
from clinic.local.problem import LocalProblem
from clinic.local.processes import Child, Keeper
from clinic.local.services import Service
from clinic.local.valkey import Valkey
from clinic.local.world_server import World

TICK_SECONDS = 0.1


class Stopped(Exception):
    """Someone asked to stop: Ctrl-C, or a signal to terminate."""


class Stack:
    """Starts only what its caller asks for and what no environment variable names elsewhere.

    `env` is what programs need to use the parts; it grows as they start. Use as a context manager: whatever
    happens inside, everything started is stopped at the end, and a keeper sees to it even after kill -9.
    """

    def __init__(self, home: Home, lock: Lock | None = None, *, throw_away: bool = False) -> None:
        self.home, self._lock, self._throw_away = home, lock, throw_away
        self.keeper = Keeper(state_file=home.state_file if lock else None, hold=[lock.fd] if lock else [])
        self.services: list[Service] = []
        self.env = base_environment(home)
        self.model: AgentServers | None = None
        self._default_model: ModelServer | None = None
        if "POLICY_URL" not in self.env:
            model = default_model.chosen()
            self._default_model = ModelServer(home, self.keeper, model)
            self.env |= {"POLICY_URL": self._default_model.url, "POLICY_MODEL": model.name}
            self.env |= {"ROUNDS_EMBEDDED": "1", "POLICY_ENGINE": pinned_engine()}
        self.world: World | None = None
        self.stopping = False
        self._state: dict[str, Any] = {"pid": os.getpid()}

    def __enter__(self) -> Stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.stopping:  # a second Ctrl-C must not interrupt the orderly stop
            self.stopping = True
            raise Stopped

    def __exit__(self, *exception: object) -> None:
        self.stopping = True
        self.stop()

    def start_stores(self) -> None:
        """PostgreSQL and Valkey, at once; returns when both answer."""
        started: list[tuple[Postgres | Valkey, Child]] = []
        if "DATABASE_URL" not in self.env:
            postgres = Postgres(self.home, self.keeper, throw_away=self._throw_away)
            started.append((postgres, self._add(postgres.name, postgres.spawn, grace=20.0)))
            self.env["DATABASE_URL"] = postgres.url
            self.env["ROUNDS_PG_BIN"] = str(postgres.binaries)
        if "VALKEY_URL" not in self.env:
            valkey = Valkey(self.home, self.keeper)
            started.append((valkey, self._add(valkey.name, valkey.spawn)))
            self.env["VALKEY_URL"] = valkey.url
        for part, child in started:
            part.wait(child)

    def start_model(self) -> None:
        """Begin to bring up the version that serves; it goes on in `tick`. Not where POLICY_URL names another."""
        if self._default_model:
            # A command beside the owner of this home has files of its own.
            folder = self.home.run / (FOLDER if self._lock else f"{FOLDER}-{os.getpid()}")
            self.model = AgentServers(self.home, self.keeper, self._default_model, folder=folder)
            self.env["ROUNDS_AGENTS"] = str(folder)
            self.model.start()

    def offer_world(self) -> None:
        """Be ready to start the world model when somebody wants it. Not where WORLD_URL names another."""
        if "WORLD_URL" not in self.env:
            # A command beside the owner of this home has files of its own.
            folder = self.home.run if self._lock else self.home.run / f"world-{os.getpid()}"
            self.world = World(self.home, self.keeper, folder=folder)
            self.env["ROUNDS_WORLD"] = str(folder)

    def prepare(self) -> None:
        """Static files, migrations and demo data, in one process; its output is in prepare.log."""
        log = self.home.log / "prepare.log"
        log.unlink(missing_ok=True)
        child = self.python("-m", "clinic.local.prepare", log="prepare.log")
        code = child.wait()
        child.kill_rest()
        if code:
            lines = log.read_text(errors="replace").strip().splitlines() or ["no reason given"]
            raise LocalProblem(f"The database could not be prepared: {lines[-1]} (details: {log}).")

    def start_worker(self) -> None:
        arguments = ["-m", "celery", "--app", "clinic", "worker", "--beat", "--pool", "threads", "--concurrency", "4"]
        arguments += ["--queues", "default", "--loglevel", "INFO", "--hostname", "default@%h"]
        self._add("The worker", lambda: self.python(*arguments, log="worker.log"), grace=15.0)

    def start_gpu_worker(self) -> None:
        """One run or gate at a time; asked to stop, it waits for the trainer's checkpoint and hands the run on."""
        arguments = ["-m", "celery", "--app", "clinic", "worker", "--pool", "solo", "--concurrency", "1"]
        # A message that waits behind a run belongs to whoever is free first.
        arguments += ["--prefetch-multiplier", "1", "--without-gossip", "--without-mingle"]
        arguments += ["--queues", "gpu", "--loglevel", "INFO", "--hostname", "gpu@%h"]
        self._add("The training worker", lambda: self.python(*arguments, log="gpu_worker.log"), grace=30.0)

    def start_web(self, listener: socket.socket) -> None:
        """Uvicorn on a socket that stays open here, so that a restart refuses nobody."""
        listener.set_inheritable(True)
        arguments = ["-m", "uvicorn", "clinic.asgi:application", "--fd", str(listener.fileno())]
        arguments += ["--timeout-graceful-shutdown", "3", "--no-access-log"]
        fds = (listener.fileno(),)
        self._add("The web server", lambda: self.python(*arguments, log="web.log", pass_fds=fds))

    def python(self, *arguments: str, log: str | None, pass_fds: tuple[int, ...] = (), cwd: str | Path = ROOT) -> Child:
        """A program of the web environment, with the parts' addresses in its environment."""
        file = self.home.log / log if log else None
        command = [sys.executable, *arguments]
        return self.keeper.spawn(command, env=self.env, log=file, pass_fds=pass_fds, cwd=cwd)

    def _add(self, name: str, spawn: Any, *, grace: float = 10.0) -> Child:
        service = Service(name, spawn, grace=grace)
        self.services.append(service)
        return service.start()

    def publish(self, **facts: Any) -> None:
        """Tell other commands which parts run here and how to use them."""
        shared: tuple[str, ...] = ("DATABASE_URL", "VALKEY_URL", "ROUNDS_PG_BIN")
        shared += ("POLICY_URL", "POLICY_MODEL", "POLICY_ENGINE", "ROUNDS_EMBEDDED", "ROUNDS_WORLD", "ROUNDS_AGENTS")
        parts = {name: self.env[name] for name in shared if name in self.env}
        has_model = self.model is not None or self._default_model is None
        self._state |= {"env": parts, "has_model": has_model, **facts}
        self.home.write_state(self._state)

    def tick(self) -> None:
        for service in self.services:
            service.tick()
        if self.model:
            self.model.tick()
        if self.world:
            self._share(self.world)

    def _share(self, world: World) -> None:
        """Two model servers at once: an agent's second version goes before the world model (decisions.md 28)."""
        busy = self.model is not None and (self.model.wants_second or self.model.state not in ("ready", "failed"))
        if self.model and self.model.wants_second:
            world.yield_()
        elif self.model and world.is_wanted:
            self.model.give_way()
        world.tick(busy=busy)

    def pause(self) -> None:
        """What waiting loops do between two looks: keep everything up, then sleep a little."""
        for service in self.services:
            service.tick()
        time.sleep(TICK_SECONDS)

    def stop(self) -> None:
        """Web, worker and model first and at once, then the stores they use, then the keeper."""
        if self._lock:
            self.home.state_file.unlink(missing_ok=True)
        stores = (Postgres.name, Valkey.name)
        users: list[Service | AgentServers | World]
        users = [service for service in self.services if service.name not in stores]
        users += [model for model in (self.model, self.world) if model]
        for user in users:
            user.ask_to_stop()
        for part in [*reversed(users), *reversed(self.services)]:
            part.stop()
        self.keeper.close()
        if self._lock:
            self._lock.release()


def base_environment(home: Home) -> dict[str, str]:
    """The caller's environment, with the settings that this home adds where they are not given."""
    ours = {
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
        "ROUNDS_HOME": str(home.path),
        "ROUNDS_WEIGHTS": str(home.weights),
        "STATIC_ROOT": str(home.path / "static"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    if os.environ.get("ROUNDS_ENV", "local") == "local":
        ours["SECRET_KEY"] = home.secret_key()
    # An empty variable means "not set", as in an .env file.
    given = {name: value for name, value in os.environ.items() if value or name not in ADDRESSES}
    return {**ours, **given, "PYTHONPATH": str(ROOT)}


ADDRESSES = (
    "DATABASE_URL", "VALKEY_URL", "POLICY_URL", "POLICY_MODEL", "WORLD_URL", "WORLD_MODEL", "SECRET_KEY", "STATIC_ROOT",
)  # fmt: skip
