"""The world model on this machine's CPU: a second vLLM that runs only while somebody wants it (decisions.md 28)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from clinic.local import world_state
from clinic.local.home import ROOT, Home
from clinic.local.model_server import ModelServer, pinned_engine
from clinic.local.problem import LocalProblem, say
from clinic.local.processes import Keeper
from clinic.local.world_state import WorldState
from clinic.local.world_weights import ADAPTER, WorldWeights, planned

IDLE_SECONDS = 900.0
"""A world model that nobody asked for this long is stopped: it holds memory that the agent may need."""
LOOK_SECONDS = 1.0
AGAIN_SECONDS = 30.0
"""After a failure a new request is needed, and this much time."""


class WorldServer(ModelServer):
    """As the default model's server, with one more step: merging the shipped adapter into the base."""

    part, title, kv_cache_gib = "world", "The world model", "1"

    @property
    def weights(self) -> WorldWeights:
        found = planned(self._home.weights)
        if found is None:
            raise LocalProblem(f"The default weights are no longer in {self._home.weights}; start again.")
        return found

    @property
    def served_name(self) -> str:
        return self.weights.version

    def _after_step(self, went_well: bool) -> None:
        if self.state == "merging" and not went_well:
            self._fail(f"The world model's adapter could not be merged (see {self.log}).")
        else:
            super()._after_step(went_well)

    def _load(self) -> None:
        wanted = self.weights
        if wanted.made:
            super()._load()
            return
        self.state = "merging"
        say("world: merging the adapter into the default weights")
        folders = [str(folder) for folder in (ADAPTER, wanted.base_folder, wanted.folder)]
        self._run([sys.executable, "-m", "agents.weights.merge", *folders])

    def _environment(self) -> dict[str, str]:
        if self.state == "merging":
            return {**super()._environment(), "PYTHONPATH": str(ROOT)}
        return super()._environment()

    def _folder(self) -> Path:
        return self.weights.folder

    @property
    def folder(self) -> Path | None:
        """The base, which has to be there before anything can be merged into it."""
        return self._model.find(self._home.weights)


class World:
    """Starts the server when `world.wanted` is fresh, stops it when that is old, and writes `world.json`."""

    def __init__(
        self,
        home: Home,
        keeper: Keeper,
        *,
        folder: Path | None = None,
        make: Callable[[Home, Keeper], WorldServer] = WorldServer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._keeper, self._make, self._clock = home, keeper, make, clock
        self.folder = folder or home.run
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server: WorldServer | None = None
        self._looked = self._failed_at = 0.0
        self._told = WorldState()
        world_state.forget(self.folder)

    def tick(self, *, busy: bool = False) -> None:
        """A look now and then; while the other model is `busy` starting, nothing new is begun."""
        if self.server:
            self.server.tick()
        if self._clock() - self._looked < LOOK_SECONDS:
            return
        self._looked = self._clock()
        wanted = world_state.wanted_at(self.folder)
        if self.server is None:
            if wanted is not None and self._is_fresh(wanted) and not busy:
                self.start()
        elif reason := self.server.gave_up:
            self._failed_at = self._clock()
            self._end(WorldState(world_state.FAILED, reason=reason))
        elif wanted is None or self._clock() - wanted > IDLE_SECONDS:
            say(f"world: stopped, nobody asked for it in {IDLE_SECONDS / 60:.0f} minutes")
            self._end(WorldState())
        self._tell()

    @property
    def is_wanted(self) -> bool:
        wanted = world_state.wanted_at(self.folder)
        return wanted is not None and self._is_fresh(wanted)

    def yield_(self) -> None:
        """Give the memory to another version of the agent; a new wish brings it back."""
        if self.server:
            say("world: stopped, another version of the agent is needed")
            self._end(WorldState())

    def start(self) -> None:
        """Begin to bring it up; it goes on in `tick`."""
        self.server = self._make(self._home, self._keeper)
        self.server.start()

    def wait_until_ready(self, pause: Callable[[], None]) -> None:
        """Until it answers; LocalProblem if it cannot."""
        if self.server is None:
            world_state.want(self.folder)
            self.start()
        assert self.server is not None
        self.server.wait_until_ready(pause)
        self._tell()

    def ask_to_stop(self) -> None:
        if self.server:
            self.server.ask_to_stop()

    def stop(self) -> None:
        if self.server:
            self.server.stop()
            self.server = None
        world_state.forget(self.folder)
        if self.folder != self._home.run:
            self.folder.rmdir()

    def _is_fresh(self, wanted: float) -> bool:
        if self._failed_at and (wanted <= self._failed_at or self._clock() - self._failed_at < AGAIN_SECONDS):
            return False
        return self._clock() - wanted <= IDLE_SECONDS

    def _end(self, state: WorldState) -> None:
        assert self.server is not None
        self.server.ask_to_stop()
        self.server.stop()
        self.server = None
        self._write(state)

    def _tell(self) -> None:
        if self.server is None:
            return
        if self.server.state == "ready":
            facts = {"version": self.server.served_name, "url": self.server.url, "engine": pinned_engine()}
            self._write(WorldState(world_state.READY, **facts))
        else:
            self._write(WorldState(world_state.STARTING, step=self.server.state))

    def _write(self, state: WorldState) -> None:
        if state != self._told:
            world_state.write(self.folder, state)
            self._told = state


def wait_for_others(folder: Path, *, pause: Callable[[], None], seconds: float = 300.0) -> None:
    """Ask the supervisor that owns this home for the world model, and wait until it answers; LocalProblem if not."""
    deadline = time.monotonic() + seconds
    say("waiting for the world model")
    while True:
        world_state.want(folder)
        state = world_state.read(folder)
        if state.state == world_state.READY:
            return
        if state.state == world_state.FAILED:
            raise LocalProblem(f"The world model did not start. {state.reason}")
        if time.monotonic() > deadline:
            raise LocalProblem("The world model did not get ready in time; see world.log.")
        pause()
