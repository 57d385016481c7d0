"""A real web process on a real database and queue, a fake model server, and Debian's Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from clinic.models import Endpoint, User
from tests.clinic.factories import PASSWORD, make_endpoint, make_user
from tests.doubles.engine import FakeEngine

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 15_000  # what Playwright waits for, in ms, on a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Package scope: Playwright's event loop must be gone before the async tests of later packages."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium on this machine: the browser tests did not run")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class EngineThread:
    """The fake model server in a thread of its own, so that a test can wait in the browser meanwhile."""

    def __init__(self, **options: Any) -> None:
        self.engine = FakeEngine(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FakeEngine:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.engine.start(), self._loop).result(10)
        return self.engine

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.engine.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with EngineThread(rate=120) as engine:
        yield engine


@dataclass
class WebProcess:
    """uvicorn with the product; can be killed and started again at the same port."""

    port: int
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "clinic.asgi:application", "--port", str(self.port)]
        command += ["--timeout-graceful-shutdown", "1", "--log-level", "warning"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(self.address + "/accounts/login/", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise AssertionError(f"the web process does not answer:\n{self.log.read_text()}")

    def end(self, how: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def web(transactional_db: None, engine: FakeEngine, tmp_path: Path) -> Iterator[WebProcess]:
    """The product, with the fake engine as the agent that serves."""
    make_endpoint(url=engine.url, model_name=engine.model, probe_ok=True)
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path="/" + connection.settings_dict["NAME"]))
    environment = {**os.environ, "DATABASE_URL": database, "AGENT_LEASE_SECONDS": "2", "ROUNDS_ENV": "local"}
    environment |= {"WORLD_URL": engine.url, "WORLD_MODEL": engine.model}
    process = WebProcess(free_port(), tmp_path / "web.log", environment)
    process.start()
    yield process
    process.end()
    assert "Traceback" not in process.log.read_text(), process.log.read_text()


@pytest.fixture
def clinician(transactional_db: None) -> User:
    return make_user(username="clara", first_name="Clara", last_name="Ward")


@pytest.fixture
def serving(web: WebProcess) -> Endpoint:
    return Endpoint.objects.get()


Visitor = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, web: WebProcess) -> Iterator[Visitor]:
    """`visit(user)`: a page of a browser in which that person is signed in; it fails on any script error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opener(user: User | None, **options: Any) -> Page:
        context = chromium.new_context(base_url=web.address, **{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
        if user is not None:
            sign_in(page, user)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert errors == []


def sign_in(page: Page, user: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/cases/")
