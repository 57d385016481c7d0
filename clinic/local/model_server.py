"""The default model: the serving environment, the weights, and vLLM on this machine's CPU.

Steps, each a child process, so that the web is up while they run: make .venv-serve, make the weights (one or more
of default_model.py), load them. Where a step fails the reason is said once, and nothing answers in the model's place.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from clinic.local import default_model
from clinic.local.default_model import SERVE_PYTHON as PYTHON
from clinic.local.default_model import SMOLLM, DefaultModel, Step
from clinic.local.home import ROOT, Home
from clinic.local.ports import remembered_port
from clinic.local.problem import LocalProblem, say
from clinic.local.processes import Child, Keeper
from clinic.local.services import Service

MODEL_NAME = SMOLLM.name
CONTEXT = 4096
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "INFO"}
KV_CACHE_GIB = "4"
GIVE_UP_AFTER = 3
STOP_SECONDS = 3.0
"""It keeps no state, and while it loads it does not listen to SIGTERM."""
WITHOUT = "set POLICY_URL and POLICY_MODEL to a model server that is already running"


class ModelServer:
    """`state` goes from installing over converting and loading to ready; `failed` names the reason."""

    part, title, kv_cache_gib = "model", "The model server", KV_CACHE_GIB

    def __init__(self, home: Home, keeper: Keeper, model: DefaultModel = SMOLLM) -> None:
        self._home, self._keeper, self._model = home, keeper, model
        self.port = remembered_port(home.run / f"{self.part}_port")
        self._server = Service(self.title, self._spawn_server, grace=STOP_SECONDS)
        self._step: Child | None = None
        self._steps: list[Step] = []
        self._began = time.monotonic()
        self.state = "installing"
        self.failed: str | None = None
        self._crashes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def log(self) -> Path:
        return self._home.log / f"{self.part}.log"

    @property
    def served_name(self) -> str:
        """What requests must call the model."""
        return self._model.name

    def start(self) -> None:
        self.state, self.failed, self._crashes, self._began = "installing", None, 0, time.monotonic()
        self._run([sys.executable, str(ROOT / "run.py"), "env", "serve"], share_output=True)

    def _run(self, command: list[str], *, share_output: bool = False) -> None:
        self._step = self._keeper.spawn(command, env=self._environment(), log=None if share_output else self.log)

    def _environment(self) -> dict[str, str]:
        # Not our PYTHONPATH: it would put the packages of Rounds before those of the serving environment.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {"VLLM_CPU_KVCACHE_SPACE": self.kv_cache_gib, **inherited, **OFFLINE}

    def tick(self) -> None:
        """Move on to the next step when the present one has ended well."""
        if self._step is not None and self._step.poll() is not None:
            step, self._step = self._step, None
            step.kill_rest()
            self._after_step(step.poll() == 0)
        elif self.state in ("loading", "ready"):
            self._watch_server()

    def _after_step(self, went_well: bool) -> None:
        if not went_well:
            what = "serving environment" if self.state == "installing" else f"weights (see {self.log})"
            self._fail(f"The {what} of the default model could not be made; {WITHOUT}, or start again.")
        elif self.state == "installing" and self.folder is None:
            self.state = "converting"
            self._steps = self._model.steps(self._home.weights)
            self._convert()
        elif self._steps:
            self._convert()
        else:
            self._load()

    def _convert(self) -> None:
        """The next step towards the weights."""
        step, *self._steps = self._steps
        say(f"{self.part}: {step.say}")
        own = {"PYTHONPATH": str(ROOT)} if step.in_rounds else {}
        self._step = self._keeper.spawn(step.command, env={**self._environment(), **own}, log=self.log)

    def _load(self) -> None:
        self.state = "loading"
        say(f"{self.part}: loading (about half a minute)")
        self._server.start()

    def _fail(self, reason: str) -> None:
        self.state, self.failed = "failed", reason
        say(reason)

    def _spawn_server(self) -> Child:
        command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
        command += server_arguments(self._folder(), self.port, self.served_name)
        return self._keeper.spawn(command, env=self._environment(), log=self.log)

    @property
    def folder(self) -> Path | None:
        """What it loads; None until that is made."""
        return self._model.find(self._home.weights)

    def _folder(self) -> Path:
        folder = self.folder
        if folder is None:
            raise LocalProblem(f"The default weights are no longer in {self._home.weights}; start again.")
        return folder

    def _watch_server(self) -> None:
        child = self._server.child
        self._server.tick()
        if self._server.child is not child:
            self.state = "loading"
            self._crashes += self._server.child is None
        elif self.state == "loading" and answers(self.url, self.served_name):
            self.state = "ready"
            say(f"{self.part}: {self.served_name} is ready ({time.monotonic() - self._began:.0f} s after start)")

    def wait_until_ready(self, pause: Callable[[], None]) -> None:
        """Keep the steps going until the model answers; raises when a step failed."""
        say(f"waiting for {self.title[:1].lower()}{self.title[1:]}")
        while self.state != "ready":
            if self.failed:
                raise LocalProblem(self.failed)
            pause()
            if self._crashes >= GIVE_UP_AFTER:
                raise LocalProblem(f"{self.title} ended {self._crashes} times; the reason is in {self.log}.")
            self.tick()

    @property
    def gave_up(self) -> str:
        """Why it will not come up by itself; "" while it may."""
        if self._crashes >= GIVE_UP_AFTER:
            return f"It ended {self._crashes} times; the reason is in {self.log}."
        return self.failed or ""

    def ask_to_stop(self) -> None:
        if self._step is not None:
            self._step.ask_to_stop()
        self._server.ask_to_stop()

    def stop(self) -> None:
        if self._step is not None:
            self._step.stop(grace=5.0)
            self._step = None
        self._server.stop()


def server_arguments(folder: Path, port: int, served_name: str = MODEL_NAME) -> list[str]:
    """vLLM's flags, as measured on two cores (eager starts in 24 s, compiled in over a minute)."""
    # Without disable_any_whitespace a small model spends its tokens on newlines between JSON fields.
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    options = {
        "--model": str(folder),
        "--served-model-name": served_name,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--dtype": precision(),
        "--max-model-len": str(context_of(folder)),
        "--max-num-seqs": "32",
        "--max-num-batched-tokens": str(CONTEXT),
        "--structured-outputs-config": json.dumps(structured),
        "--logprobs-mode": "processed_logprobs",
        # Requests carry a priority: a waiting clinician goes before rollouts and drafts.
        "--scheduling-policy": "priority",
    }
    # A prompt must not be read in pieces: vLLM 0.32 then rewinds the seeded generator of its request, which a CPU
    # generator cannot do, and the whole engine dies.
    flags = ["--enforce-eager", "--no-enable-chunked-prefill"]
    return [part for name, value in options.items() for part in (name, value)] + flags


def context_of(folder: Path) -> int:
    """CONTEXT, or less where the model was made for less."""
    known = (folder / "manifest.json").is_file()
    return min(CONTEXT, int(default_model.manifest(folder).get("context") or CONTEXT)) if known else CONTEXT


def precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """bfloat16 where the processor multiplies it; elsewhere it is emulated and several times slower than float32."""
    return "bfloat16" if "avx512f" in cpuinfo.read_text() else "float32"


def pinned_engine() -> str:
    """The model server's name and version, as the serving environment pins it, and its precision on this machine."""
    pin = re.search(r"^(vllm\S*)==(\S+)", (ROOT / "requirements" / "serve.txt").read_text(), re.MULTILINE)
    return f"{pin[1]} {pin[2]} {precision()}" if pin else "vllm"


def answers(url: str, served_name: str = MODEL_NAME) -> bool:
    """Does it decode a token? /health says yes even while the engine is frozen."""
    body = json.dumps({"model": served_name, "prompt": "Hello", "max_tokens": 1}).encode()
    request = urllib.request.Request(f"{url}/completions", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
