"""The agents that this machine serves: the default model and versions made from it, at most two at once.

Blue and green: a version that is asked for comes up beside the one that serves; the switch is rows, not processes.
The one that served stays up, so that a rollback takes no start, until another version or the world model needs its
place; it is stopped only when it answers nobody any more (decisions.md 28).
"""

from __future__ import annotations

import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from clinic.local import agent_state, default_model
from clinic.local.agent_state import AgentState, Wish
from clinic.local.home import Home
from clinic.local.model_server import ModelServer, pinned_engine
from clinic.local.problem import LocalProblem, say
from clinic.local.processes import Keeper

FOLDER = "agents"
"""Of the owner of a home, below its run folder; a command beside the owner has one of its own, gone with it."""
MOST = 2
IDLE_SECONDS = 1800.0
"""A version beside the serving one that nobody asked for this long is stopped."""
FRESH_SECONDS = 120.0
"""A wish younger than this is somebody waiting or speaking; an older one keeps a server only while nobody else asks."""
URGENT_SECONDS = 30.0
DRAIN_SECONDS = 120.0
SETTLE_SECONDS = 3.0
"""A server that is to be stopped waits so long at least: who saw it ready a moment ago is just sending the request."""
LOOK_SECONDS = 0.5
METRICS_SECONDS = 2.0
AGAIN_SECONDS = 20.0
"""After a failure a new wish is needed, and this much time."""


class Server(Protocol):
    """What the keeper of servers uses of one."""

    state: str

    @property
    def url(self) -> str: ...
    @property
    def served_name(self) -> str: ...
    @property
    def gave_up(self) -> str: ...
    def start(self) -> None: ...
    def tick(self) -> None: ...
    def ask_to_stop(self) -> None: ...
    def stop(self) -> None: ...


class AgentServer(ModelServer):
    """One version's merged weights; known to requests by the version's name."""

    title, kv_cache_gib = "An agent's server", "2"

    def __init__(self, home: Home, keeper: Keeper, version: str, weights: Path) -> None:
        self.part, self._version, self._weights = version, version, weights
        super().__init__(home, keeper)

    @property
    def served_name(self) -> str:
        return self._version

    @property
    def folder(self) -> Path | None:
        return self._weights

    def start(self) -> None:
        if (self._weights / "config.json").is_file():
            super().start()
        else:
            self._fail(f"The weights of {self._version} are not in {self._weights}.")


class AgentServers:
    """Starts, keeps and stops them; `tick` is called a few times a second by the supervisor's loop."""

    def __init__(
        self,
        home: Home,
        keeper: Keeper,
        default: ModelServer,
        *,
        folder: Path,
        make: Callable[[Home, Keeper, str, Path], Server] = AgentServer,
        busy: Callable[[str], int | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._keeper, self._make, self._clock = home, keeper, make, clock
        self._busy = busy or requests_running
        self.default, self.folder = default, folder
        self.folder.mkdir(parents=True, exist_ok=True)
        usual = home.run / FOLDER
        self._own_folder = folder != usual
        if self._own_folder and (usual / agent_state.SERVING).is_file():
            shutil.copy(usual / agent_state.SERVING, folder)
        agent_state.clear(self.folder)
        self.running: dict[str, Server] = {}
        self._draining: dict[str, float] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._looked = 0.0
        self._told: dict[str, AgentState] = {}

    # --- what the rest of the supervisor sees ----------------------------------------------------------------------
    @property
    def state(self) -> str:
        """That of the server whose version serves."""
        server = self._primary
        return server.state if server else "installing"

    @property
    def wants_second(self) -> bool:
        """Whether a version beside the serving one is needed now, so that the world model has to wait."""
        return any(self._clock() - wish.at <= FRESH_SECONDS for wish in self._others())

    def start(self) -> None:
        """Begin to bring the serving version up; it goes on in `tick`."""
        self._look()

    def tick(self) -> None:
        for server in list(self.running.values()):
            server.tick()
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._look()

    def give_way(self) -> None:
        """Stop what is only kept warm: somebody asked for the world model."""
        for wish in agent_state.wishes(self.folder):
            if self._clock() - wish.at > FRESH_SECONDS:
                agent_state.forget(self.folder, wish.version)
        for version in [version for version in self.running if version != self._serving]:
            self._drain(version)

    def wait_until_ready(self, pause: Callable[[], None]) -> None:
        """Keep the steps going until the serving version answers; raises when a step failed."""
        say("waiting for the agent's model server")
        while self.state != "ready":
            self.tick()
            server = self._primary
            if server is not None and server.gave_up:
                raise LocalProblem(server.gave_up)
            pause()
        self._tell()

    def ask_to_stop(self) -> None:
        for server in self.running.values():
            server.ask_to_stop()

    def stop(self) -> None:
        for server in self.running.values():
            server.stop()
        self.running.clear()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            agent_state.clear(self.folder)

    # --- which should run ------------------------------------------------------------------------------------------
    @property
    def _default_version(self) -> str:
        folder = self.default.folder
        return default_model.version_of(folder) if folder else ""

    @property
    def _serving(self) -> str:
        """The version that serves by the rows' last word, else the default ("" until that has a name)."""
        told = agent_state.serving(self.folder)
        return told.version if told else self._default_version

    @property
    def _primary(self) -> Server | None:
        return self.running.get(self._serving) or self.running.get("")

    def _others(self) -> list[Wish]:
        """Wishes for other versions that may be granted: consultations that wait first, then what runs, then by age."""
        now = self._clock()
        found = [wish for wish in agent_state.wishes(self.folder) if wish.version != self._serving]
        found = [wish for wish in found if now - wish.at <= IDLE_SECONDS and self._may_start(wish)]
        return sorted(found, key=self._rank, reverse=True)

    def _rank(self, wish: Wish) -> tuple[bool, bool, float]:
        """What runs and is in use keeps its place, or two that are both wanted would replace each other for ever."""
        now = self._clock()
        in_use = wish.version in self.running and now - wish.at <= FRESH_SECONDS
        return now - wish.urgent_at <= URGENT_SECONDS, in_use, wish.at

    def _may_start(self, wish: Wish) -> bool:
        failed_at, _ = self._failed.get(wish.version, (0.0, ""))
        return not failed_at or (wish.at > failed_at and self._clock() - failed_at >= AGAIN_SECONDS)

    def _look(self) -> None:
        self._looked = self._clock()
        self._name_the_default()
        self._let_go()
        told = agent_state.serving(self.folder)
        self._ensure(self._serving, Path(told.folder) if told else None)
        settled = self.state in ("ready", "failed")
        wanted = self._others()[: MOST - 1]
        for wish in wanted if settled else ():
            if self._place_for(wish):
                self._ensure(wish.version, Path(wish.folder))
        self._end_idle({wish.version for wish in wanted})
        self._tell()

    def _name_the_default(self) -> None:
        """It is begun before its weights, and so its version's name, are there."""
        if "" in self.running and self._default_version:
            self.running[self._default_version] = self.running.pop("")

    def _let_go(self) -> None:
        """Away with what failed, and with what was drained to the last request."""
        for version, server in list(self.running.items()):
            if version != self._serving and server.gave_up:
                self._failed[version] = (self._clock(), server.gave_up)
                self._end(version)
            elif version in self._draining and self._is_drained(version, server):
                say(f"agent: {version} answered its last request and is stopped")
                self._end(version)

    def _is_drained(self, version: str, server: Server) -> bool:
        if version == self._serving:  # rolled back to meanwhile
            del self._draining[version]
            return False
        drained = self._clock() - self._draining[version]
        if drained > DRAIN_SECONDS or server.state != "ready":
            return True
        return drained >= SETTLE_SECONDS and self._busy(server.url) == 0

    def _place_for(self, wish: Wish) -> bool:
        """Whether it runs already or a place is free; else the one that was wanted longest ago is drained."""
        if wish.version in self.running:
            self._draining.pop(wish.version, None)
            return True
        others = [version for version in self.running if version != self._serving]
        if len(others) < MOST - 1:
            return True
        asked = {one.version: one.at for one in agent_state.wishes(self.folder)}
        self._drain(min(others, key=lambda version: asked.get(version, 0.0)))
        return False

    def _end_idle(self, wanted: set[str]) -> None:
        asked = {wish.version: wish.at for wish in agent_state.wishes(self.folder)}
        for version in list(self.running):
            idle = self._clock() - asked.get(version, self._clock())
            if version and version not in wanted | {self._serving} and idle > IDLE_SECONDS:
                self._drain(version)

    def _drain(self, version: str) -> None:
        self._draining.setdefault(version, self._clock())

    def _ensure(self, version: str, weights: Path | None) -> None:
        """The version's server, begun unless it runs."""
        if version in self.running:
            return
        self._failed.pop(version, None)
        is_default = weights is None or version == self._default_version
        if is_default and not self._default_is_running:
            self.running[version] = self.default
            self.default.start()
        elif weights is not None and not is_default:
            say(f"agent: starting a server for {version}")
            server = self.running[version] = self._make(self._home, self._keeper, version, weights)
            server.start()

    @property
    def _default_is_running(self) -> bool:
        return any(server is self.default for server in self.running.values())

    def _end(self, version: str) -> None:
        server = self.running.pop(version)
        self._draining.pop(version, None)
        server.ask_to_stop()
        server.stop()

    # --- what is said of it ----------------------------------------------------------------------------------------
    def _tell(self) -> None:
        states = {version: AgentState(agent_state.FAILED, reason=why) for version, (_, why) in self._failed.items()}
        states |= {version: self._state_of(version, server) for version, server in self.running.items() if version}
        if states != self._told:
            agent_state.write(self.folder, states)
            self._told = states

    def _state_of(self, version: str, server: Server) -> AgentState:
        if server.gave_up:
            return AgentState(agent_state.FAILED, reason=server.gave_up)
        if server.state != "ready":
            return AgentState(agent_state.STARTING, step=server.state)
        state = agent_state.DRAINING if version in self._draining else agent_state.READY
        return AgentState(state, url=server.url, name=server.served_name, engine=pinned_engine())


RUNNING = re.compile(rb"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})? ([0-9.e+]+)", re.MULTILINE)


def requests_running(url: str) -> int | None:
    """How many requests a vLLM has in work: 0 where nobody listens, None where it does not say.

    A busy one may be too busy to count.
    """
    try:
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/metrics", timeout=METRICS_SECONDS) as reply:
            return sum(int(float(count)) for count in RUNNING.findall(reply.read()))
    except urllib.error.URLError as error:
        return 0 if isinstance(error.reason, ConnectionRefusedError) else None
    except (ConnectionError, TimeoutError):
        return None
