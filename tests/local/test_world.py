"""The world model runs while it is wanted, and what is served has a name made of its content."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from agents.weights import merge
from clinic.local import weights, world_server, world_state
from clinic.local.home import Home
from clinic.local.manage import READY, Needs, needs_of
from clinic.local.problem import LocalProblem
from clinic.local.world_server import AGAIN_SECONDS, IDLE_SECONDS, World, wait_for_others
from clinic.local.world_state import FAILED, OFF, STARTING, WorldState
from clinic.local.world_state import READY as SERVED
from clinic.local.world_weights import planned


class FakeServer:
    """What the world keeper needs of a server, without one."""

    made = 0

    def __init__(self, home, keeper):
        type(self).made += 1
        self.state, self.gave_up, self.stopped = "loading", "", False
        self.served_name, self.url = "world-abc", "http://127.0.0.1:1/v1"

    def start(self):
        self.started = True

    def tick(self):
        pass

    def ask_to_stop(self):
        pass

    def stop(self):
        self.stopped = True


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_WEIGHTS", str(tmp_path / "weights"))
    return Home(tmp_path / "home").made()


@pytest.fixture
def now():
    return SimpleNamespace(seconds=0.0)


@pytest.fixture
def world(home, now):
    FakeServer.made = 0
    # The files have the time of the machine; the world's clock is that and what a test adds.
    base = (home.run / "clock").absolute()
    base.touch()
    zero = base.stat().st_mtime
    return World(home, None, make=FakeServer, clock=lambda: zero + now.seconds)


def later(world, now, seconds=2.0, **options):
    now.seconds += seconds
    world.tick(**options)


def test_nothing_runs_until_somebody_asks(home, world, now):
    later(world, now)
    assert (world.server, world_state.read(home.run)) == (None, WorldState())
    world_state.want(home.run)
    later(world, now)
    assert world.server.started
    assert world_state.read(home.run) == WorldState(STARTING, step="loading")
    world.server.state = "ready"
    later(world, now)
    told = world_state.read(home.run)
    assert (told.state, told.version, told.url) == (SERVED, "world-abc", "http://127.0.0.1:1/v1")


def test_it_waits_while_the_agent_is_starting(home, world, now):
    world_state.want(home.run)
    later(world, now, busy=True)
    assert world.server is None
    later(world, now)
    assert world.server


def test_it_is_stopped_when_nobody_asked_for_a_while(home, world, now):
    world_state.want(home.run)
    later(world, now)
    server = world.server
    later(world, now, IDLE_SECONDS - 10)
    assert world.server is server
    later(world, now, 60)
    assert server.stopped
    assert (world.server, world_state.read(home.run).state) == (None, OFF)
    later(world, now)
    assert FakeServer.made == 1, "an old wish does not start it again"


def test_a_failure_is_told_and_needs_a_new_wish(home, world, now):
    world_state.want(home.run)
    later(world, now)
    world.server.gave_up = "It ended 3 times."
    later(world, now)
    assert world_state.read(home.run) == WorldState(FAILED, reason="It ended 3 times.")
    later(world, now, AGAIN_SECONDS + 1)
    assert world.server is None

    os.utime(home.run / "world.wanted", (world._clock(), world._clock()))
    later(world, now)
    assert world.server


def test_nothing_is_left_at_the_end(home, world, now):
    world_state.want(home.run)
    later(world, now)
    server = world.server
    world.stop()
    assert server.stopped
    assert not (home.run / "world.wanted").exists()
    assert not (home.run / "world.json").exists()


def test_a_command_beside_the_owner_has_files_of_its_own(home):
    mine = World(home, None, folder=home.run / "world-1", make=FakeServer)
    world_state.want(mine.folder)
    assert world_state.wanted_at(home.run) is None
    mine.stop()
    assert not (home.run / "world-1").exists()


def test_another_command_waits_until_it_is_served(home):
    states = iter([WorldState(STARTING), WorldState(SERVED, version="w")])
    wait_for_others(home.run, pause=lambda: world_state.write(home.run, next(states)))
    assert world_state.wanted_at(home.run)
    world_state.write(home.run, WorldState(FAILED, reason="No memory."))
    with pytest.raises(LocalProblem, match="No memory"):
        wait_for_others(home.run, pause=lambda: None)


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("consult --case x --world language", READY | Needs.MODEL | Needs.WORLD),
        ("consult --case x --world own", READY | Needs.MODEL),
        ("evaluate end-to-end --policy random --world=language", READY | Needs.WORLD),
        ("world_fidelity --world trained", READY | Needs.WORLD),
        ("world_fidelity --world marginal --world trained", READY | Needs.WORLD),
        ("world_fidelity --world untrained --world=trained", READY | Needs.WORLD | Needs.MODEL),
        ("world_fidelity --world marginal", READY),
        ("cross_world --world virtual --world language", READY | Needs.MODEL | Needs.WORLD),
    ],
)
def test_commands_that_need_it(line, needs):
    assert needs_of(line.split()) == needs


def base_weights(into):
    """A folder that counts as the default weights."""
    folder = into / "base"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    files = {"model.safetensors": {"sha256": "0", "bytes": 7}}
    manifest = {"source": weights.pinned_source(), "recipe": weights.RECIPE, "content": "b" * 64, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def trained_adapter(into):
    adapter = into / "world-virtual"
    adapter.mkdir()
    (adapter / merge.ADAPTER).write_bytes(b"adapter")
    return adapter


def test_without_an_adapter_the_base_is_served_and_called_untrained(tmp_path):
    assert planned(tmp_path / "weights", tmp_path / "none") is None
    folder = base_weights(tmp_path / "weights")
    found = planned(tmp_path / "weights", tmp_path / "none")
    assert (found.version, found.trained, found.made, found.folder) == (
        f"world-untrained-{'b' * 12}",
        False,
        True,
        folder,
    )


def test_an_adapter_names_the_version_by_its_content(tmp_path):
    folder = base_weights(tmp_path / "weights")
    adapter = trained_adapter(tmp_path)
    found = planned(tmp_path / "weights", adapter)
    assert found.version == f"world-{merge.sha256(adapter / merge.ADAPTER)[:12]}"
    assert (found.base_folder, found.folder) == (folder, tmp_path / "weights" / found.version)
    assert found.trained
    assert not found.made


def test_the_server_merges_before_it_loads(tmp_path, home, monkeypatch):
    base_weights(home.weights)
    adapter = trained_adapter(tmp_path)
    monkeypatch.setattr(world_server, "ADAPTER", adapter)
    monkeypatch.setattr(world_server, "planned", lambda into: planned(into, adapter))
    spawned = []

    class Keeper:
        def spawn(self, command, **options):
            spawned.append((command, options))
            return SimpleNamespace(poll=lambda: None, started=0.0, ask_to_stop=lambda: None)

    server = world_server.WorldServer(home, Keeper())
    server._after_step(True)
    assert server.state == "merging"
    assert spawned[-1][0][1:4] == ["-m", "agents.weights.merge", str(adapter)]
    target = home.weights / server.served_name
    target.mkdir()
    (target / "manifest.json").write_text("{}")
    server._after_step(True)
    assert server.state == "loading"
    command, options = spawned[-1]
    assert command[command.index("--model") + 1] == str(target)
    assert command[command.index("--served-model-name") + 1] == server.served_name
    assert {"--no-enable-chunked-prefill", "--enforce-eager"} <= set(command)
    assert options["env"]["VLLM_CPU_KVCACHE_SPACE"] == "1"


def test_an_adapter_that_cannot_be_merged_is_a_failure_not_the_base(home):
    base_weights(home.weights)
    server = world_server.WorldServer(home, None)
    server.state = "merging"
    server._after_step(False)
    assert server.state == "failed"
    assert "could not be merged" in server.gave_up
