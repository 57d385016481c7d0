"""At most two versions run: the serving one first, what is waited for next, and nobody is stopped in mid-answer."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import pytest

from clinic.local import agent_servers, agent_state, default_model
from clinic.local.agent_servers import (
    AGAIN_SECONDS,
    DRAIN_SECONDS,
    FRESH_SECONDS,
    IDLE_SECONDS,
    SETTLE_SECONDS,
    AgentServers,
)
from clinic.local.home import Home
from clinic.local.model_server import ModelServer, server_arguments
from clinic.local.problem import LocalProblem


class FakeServer:
    """What the keeper of servers uses of one, without a process."""

    def __init__(self, version="base"):
        self.version, self.state, self.gave_up, self.url = version, "off", "", f"http://{version}/v1"
        self.served_name, self.starts, self.stops = version, 0, 0
        self.folder = None

    def start(self):
        self.state, self.starts, self.gave_up = "loading", self.starts + 1, ""

    def tick(self):
        pass

    def ask_to_stop(self):
        pass

    def stop(self):
        self.state, self.stops = "off", self.stops + 1


class Bench:
    """A keeper of servers whose clock, requests in work and servers a test holds in its hands."""

    def __init__(self, tmp_path):
        self.home = Home(tmp_path / "home").made()
        self.folder = self.home.run / agent_servers.FOLDER
        self.seconds, self.busy, self.made = 0.0, {}, {}
        (self.home.run / "clock").touch()
        self.zero = (self.home.run / "clock").stat().st_mtime
        self.default = FakeServer()
        base = tmp_path / "base"
        base.mkdir()
        (base / "manifest.json").write_text(json.dumps({"content": "b" * 64}))
        self.default.folder = base
        self.servers = self.keeper()

    def keeper(self):
        return AgentServers(
            self.home, None, self.default, folder=self.folder, make=self.make,
            busy=lambda url: self.busy.get(url, 0), clock=lambda: self.zero + self.seconds,
        )  # fmt: skip

    def make(self, home, keeper, version, weights):
        self.made.setdefault(version, []).append(FakeServer(version))
        return self.made[version][-1]

    def later(self, seconds=1.0):
        self.seconds += seconds
        self.servers.tick()

    def ready(self, *versions):
        for version in versions:
            self.servers.running[version].state = "ready"
        self.later()

    def up(self):
        return sorted(self.servers.running)

    def want(self, version, **options):
        agent_state.want(self.folder, version, self.home.path / version, **options)

    def states(self):
        return {version: state.state for version, state in agent_state.read(self.folder).items()}


BASE = f"dx-base-{'b' * 12}"


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def served(bench):
    """The default serves and answers."""
    bench.servers.start()
    bench.ready(BASE)
    return bench


def test_the_default_serves_until_somebody_promotes(served):
    assert (served.up(), served.servers.state, served.states()) == ([BASE], "ready", {BASE: "ready"})


def test_the_default_is_begun_before_its_weights_have_a_name(bench):
    folder, bench.default.folder = bench.default.folder, None
    bench.servers.start()
    assert (bench.up(), bench.servers.state, bench.states()) == ([""], "loading", {})
    bench.default.folder = folder
    bench.later()
    assert bench.up() == [BASE]
    assert bench.default.starts == 1


def test_a_second_version_waits_for_the_first(bench):
    bench.servers.start()
    bench.want("green")
    bench.later()
    assert bench.up() == [BASE]
    bench.ready(BASE)
    assert bench.up() == [BASE, "green"]
    assert bench.states() == {BASE: "ready", "green": "starting"}


def test_a_switch_starts_nothing_and_stops_nothing(served):
    served.want("green")
    served.later()
    served.ready("green")
    agent_state.serve(served.folder, "green", served.home.path)
    served.later()
    assert served.up() == [BASE, "green"]
    assert served.servers.state == "ready"
    agent_state.serve(served.folder, BASE, None)
    served.later()
    assert (served.default.starts, served.default.stops, len(served.made["green"])) == (1, 0, 1)


def test_a_third_takes_the_place_of_the_one_wanted_longest_ago_once_it_is_drained(served):
    served.want("green")
    served.later()
    served.ready("green")
    agent_state.serve(served.folder, "green", served.home.path)
    served.busy[served.default.url] = 3
    served.want("third")
    served.later()
    served.later()
    assert served.up() == [BASE, "green"], "three requests are still being answered"
    assert served.states()[BASE] == "draining"
    served.busy.clear()
    served.later(SETTLE_SECONDS)
    served.later()
    assert served.up() == ["green", "third"]
    assert served.default.stops == 1


def test_what_never_drains_is_stopped_in_the_end(served):
    served.want("green")
    served.later()
    served.ready("green")
    served.busy["http://green/v1"] = 1
    served.later(FRESH_SECONDS + 1)
    served.want("third")
    agent_state.want(served.folder, "third", served.home.path, urgent=True)
    import os

    now = served.zero + served.seconds
    for name in ("third.wanted", "third.urgent"):
        os.utime(served.folder / name, (now, now))
    served.later()
    assert served.up() == [BASE, "green"]
    served.later(DRAIN_SECONDS + 1)
    assert "green" not in served.up()


def test_a_waiting_consultation_goes_before_a_promotion(served):
    served.want("green")
    served.later()
    served.ready("green")
    served.want("pinned", urgent=True)
    served.later()
    served.later(SETTLE_SECONDS)
    served.later()
    assert served.up() == [BASE, "pinned"]


def test_two_that_are_both_wanted_do_not_replace_each_other(served):
    served.want("green")
    served.later()
    served.ready("green")
    served.want("other")
    for _ in range(5):
        served.later()
    assert served.up() == [BASE, "green"]


def test_what_nobody_asked_for_in_a_while_is_stopped(served):
    served.want("green")
    served.later()
    served.ready("green")
    served.later(IDLE_SECONDS + 5)
    served.later(SETTLE_SECONDS)
    assert served.up() == [BASE]


def test_the_world_model_gets_the_place_of_what_is_only_kept_warm(served):
    served.want("green")
    served.later()
    served.ready("green")
    assert served.servers.wants_second
    served.later(FRESH_SECONDS + 1)
    assert not served.servers.wants_second
    served.servers.give_way()
    served.later(SETTLE_SECONDS)
    assert served.up() == [BASE]


def test_a_failure_is_told_and_needs_a_new_wish(served):
    served.want("green")
    served.later()
    served.servers.running["green"].gave_up = "It ended 3 times."
    served.later()
    assert agent_state.read(served.folder)["green"] == agent_state.AgentState("failed", reason="It ended 3 times.")
    served.later(AGAIN_SECONDS + 1)
    assert served.up() == [BASE]
    import os

    served.want("green")
    now = served.zero + served.seconds
    os.utime(served.folder / "green.wanted", (now, now))
    served.later()
    assert served.up() == [BASE, "green"]


def test_after_a_restart_the_promoted_version_serves_and_the_default_is_not_started(served):
    agent_state.serve(served.folder, "green", served.home.path)
    served.servers.stop()
    assert served.states() == {}
    served.servers = served.keeper()
    served.servers.start()
    assert served.up() == ["green"]


def test_the_default_comes_back_for_a_rollback(served):
    agent_state.serve(served.folder, "green", served.home.path)
    served.servers.stop()
    served.servers = served.keeper()
    served.servers.start()
    served.ready("green")
    agent_state.serve(served.folder, BASE, None)
    served.later()
    served.later()
    assert BASE in served.up()
    assert served.default.starts == 2


def test_a_serving_version_that_cannot_start_is_said(bench):
    agent_state.serve(bench.folder, "green", bench.home.path)
    bench.servers.start()
    bench.made["green"][0].gave_up = "Its weights are gone."
    with pytest.raises(LocalProblem, match="weights are gone"):
        bench.servers.wait_until_ready(lambda: None)


def test_a_command_beside_the_owner_serves_what_the_owner_serves_and_leaves_nothing(served):
    agent_state.serve(served.folder, "green", served.home.path)
    mine = AgentServers(served.home, None, FakeServer(), folder=served.home.run / "agents-1", make=served.make)
    assert agent_state.serving(mine.folder).version == "green"
    mine.stop()
    assert not mine.folder.exists()
    assert served.folder.exists()


def test_requests_in_work_are_read_from_the_servers_own_counts():
    text = b'# HELP x\nvllm:num_requests_running{engine="0"} 2.0\nvllm:num_requests_waiting{engine="0"} 1.0\nother 9\n'
    assert sum(int(float(count)) for count in agent_servers.RUNNING.findall(text)) == 3


def test_a_server_that_is_too_busy_to_count_is_not_idle(served, monkeypatch):
    """Stopped then, it would cut off the very answers that keep it busy."""
    monkeypatch.setattr(agent_servers, "METRICS_SECONDS", 0.1)
    assert agent_servers.requests_running("http://127.0.0.1:9/v1") == 0, "nobody listens"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert agent_servers.requests_running(f"http://127.0.0.1:{silent.getsockname()[1]}/v1") is None
    served.want("green")
    served.later()
    served.ready("green")
    served.busy["http://green/v1"] = None
    served.later(FRESH_SECONDS + 1)
    served.servers.give_way()
    served.later(SETTLE_SECONDS)
    assert served.up() == [BASE, "green"]
    served.later(DRAIN_SECONDS)
    assert served.up() == [BASE]


def test_a_request_that_is_just_being_sent_still_finds_its_server(served):
    """A consultation looks whether its server is ready, and asks a moment later."""
    served.want("green")
    served.later()
    served.ready("green")
    served.later(FRESH_SECONDS + 1)
    served.servers.give_way()
    served.later(1.0)
    assert served.up() == [BASE, "green"]
    served.busy["http://green/v1"] = 1
    served.later(SETTLE_SECONDS)
    assert served.up() == [BASE, "green"]
    served.busy.clear()
    served.later(SETTLE_SECONDS)
    assert served.up() == [BASE]


# --- the tiny default model ---------------------------------------------------------------------------------------


def test_the_tiny_model_is_chosen_found_and_made_by_its_trainer(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_MODEL", "tiny")
    model = default_model.chosen()
    assert model.find(tmp_path) is None
    steps = model.steps(tmp_path)
    assert steps[0].command[-2:] == ("env", "train")
    assert steps[1].command[1:] == ("-m", "training.trainers.tiny", str(tmp_path))
    made = tmp_path / "tiny-abc"
    made.mkdir()
    (made / "manifest.json").write_text(json.dumps({"model": "tiny", "content": "c" * 64, "context": 1024}))
    assert model.find(tmp_path) == made
    assert default_model.version_of(made) == f"dx-base-{'c' * 12}"
    arguments = server_arguments(made, 8100)
    assert arguments[arguments.index("--max-model-len") + 1] == "1024"


def test_a_model_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("ROUNDS_MODEL", "huge")
    with pytest.raises(LocalProblem, match="huge"):
        default_model.chosen()


def test_the_steps_to_the_tiny_model_follow_one_another(tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS_WEIGHTS", str(tmp_path / "weights"))
    spawned = []

    class Keeper:
        def spawn(self, command, **options):
            spawned.append((list(command), options["env"].get("PYTHONPATH")))
            return SimpleNamespace(poll=lambda: None, started=0.0, ask_to_stop=lambda: None)

    server = ModelServer(Home(tmp_path / "home").made(), Keeper(), default_model.TINY)
    assert server.served_name == "rounds-tiny"
    server._after_step(True)
    assert (server.state, spawned[-1][0][-2:]) == ("converting", ["env", "train"])
    server._after_step(True)
    assert "training.trainers.tiny" in spawned[-1][0]
    assert spawned[-1][1], "it imports packages of Rounds"
    made = tmp_path / "weights" / "tiny-abc"
    made.mkdir(parents=True)
    (made / "manifest.json").write_text(json.dumps({"model": "tiny", "content": "c" * 64}))
    server._after_step(True)
    assert server.state == "loading"
    assert str(made) in spawned[-1][0]
