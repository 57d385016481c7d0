"""Early pytest plugin: services that tests need exist before Django's settings are read.

Plain `python -m pytest` works too: without DATABASE_URL or VALKEY_URL it starts its own in a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from clinic.local.checks import temporary_home
from clinic.local.home import ROOT
from clinic.local.problem import LocalProblem
from clinic.local.stack import Stack

_cleanup = ExitStack()
WORKER = "PYTEST_XDIST_WORKER"
LEFT_OUT_WHEN_FAST = ("vllm", "browser", "slow", "drill")
ALONE = ("vllm", "browser", "drill")
STARTING = ROOT / "tests" / "local"
"""Tests of starting and stopping the product: like those marked ALONE they need the machine to themselves."""


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """A real model server: `url` ends in /v1, `model` is the name it serves."""

    url: str
    model: str


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rounds")
    group.addoption("--fast", action="store_true", help="leave out the real model, the browser, slow tests, drills")
    group.addoption("--part", choices=("together", "alone"), help="only tests that bear company, or only the others")
    group.addoption("--drills", action="store_true", help="run the fault drills at full counts")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """A wrapper, because pytest-django reads the settings in this hook and asks to be first."""
    if WORKER in os.environ:  # of pytest-xdist: what it inherited belongs to the process that started it
        for name in ("STATIC_ROOT", "DATABASE_URL", "VALKEY_URL"):
            os.environ.pop(name, None)
    os.environ.setdefault("STATIC_ROOT", _cleanup.enter_context(tempfile.TemporaryDirectory(prefix="rounds-static-")))
    os.environ.setdefault("ROUNDS_WEIGHTS", str(ROOT / "var" / "weights"))
    if not ("DATABASE_URL" in os.environ and "VALKEY_URL" in os.environ):
        _start_stores()
    return (yield)


def _start_stores() -> None:
    stack = Stack(_cleanup.enter_context(temporary_home()), throw_away=True)
    _cleanup.callback(stack.stop)
    stack.start_stores()
    for name in ("DATABASE_URL", "VALKEY_URL", "ROUNDS_PG_BIN"):
        if name in stack.env:
            os.environ[name] = stack.env[name]


def pytest_sessionstart() -> None:
    """The manifest of hashed static files, without which no page with a stylesheet renders."""
    from clinic.local.prepare import collect_static

    collect_static()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fast"):
        slow = [item for item in items if any(item.get_closest_marker(name) for name in LEFT_OUT_WHEN_FAST)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]
    if part := config.getoption("--part"):
        others = [item for item in items if needs_the_machine(item) is (part == "together")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]
    if any(item.get_closest_marker("browser") for item in items):
        # Playwright keeps an event loop running in this thread, which Django takes for an async caller.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def needs_the_machine(item: pytest.Item) -> bool:
    return item.path.is_relative_to(STARTING) or any(item.get_closest_marker(name) for name in ALONE)


def pytest_unconfigure() -> None:
    _cleanup.close()


@pytest.fixture(scope="session")
def drill_count(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How often a drill repeats: `drill_count(few, full)`, full with --drills."""
    full_counts = request.config.getoption("--drills")
    return lambda few, full: full if full_counts else few


@pytest.fixture(scope="session")
def vllm_server() -> Iterator[ModelEndpoint]:
    """The default model in a real vLLM, started once; POLICY_URL and POLICY_MODEL name another one."""
    if os.environ.get("POLICY_URL"):
        yield ModelEndpoint(os.environ["POLICY_URL"].rstrip("/"), os.environ["POLICY_MODEL"])
        return
    with ExitStack() as cleanup:
        stack = Stack(cleanup.enter_context(temporary_home()))
        cleanup.callback(stack.stop)
        stack.start_model()
        assert stack.model
        try:
            stack.model.wait_until_ready(stack.pause)
        except LocalProblem as problem:
            if stack.model.state == "installing":
                pytest.skip(f"no vLLM on this machine: {problem}")
            raise
        yield ModelEndpoint(stack.env["POLICY_URL"], stack.env["POLICY_MODEL"])
