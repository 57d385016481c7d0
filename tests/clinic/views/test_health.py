"""/healthz is green only when a consultation could be held, says what failed, and asks the engine rarely."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory

from clinic.models import Endpoint
from clinic.views import health
from tests.clinic.factories import make_endpoint
from tests.doubles.engine import FakeEngine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_report", (0.0, {}))


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """Served from a thread, as the view blocks this one."""
    loop, engine = asyncio.new_event_loop(), FakeEngine()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(engine.start(), loop).result()
    yield engine
    asyncio.run_coroutine_threadsafe(engine.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def get() -> tuple[int, dict[str, Any]]:
    response = health.healthz(RequestFactory().get("/healthz"))
    return response.status_code, json.loads(response.content)


def test_all_is_well(engine: FakeEngine) -> None:
    make_endpoint(url=engine.url, model_name=engine.model)
    assert get() == (200, {"ok": True, "database": "ok", "valkey": "ok", "policy": "ok"})
    assert engine.requests[0].body["max_tokens"] == 1
    assert Endpoint.objects.get().probe_ok


def test_the_engine_is_asked_once_however_many_ask(engine: FakeEngine) -> None:
    make_endpoint(url=engine.url, model_name=engine.model)
    assert [get()[0] for _ in range(5)] == [200] * 5
    assert len(engine.requests) == 1


def test_an_engine_that_does_not_answer(engine: FakeEngine) -> None:
    engine.fail("http_500")
    make_endpoint(url=engine.url, model_name=engine.model)
    code, report = get()
    assert (code, report["ok"], report["policy"]) == (503, False, "policy_unavailable")
    assert Endpoint.objects.get().probe_ok is False


def test_a_frozen_engine_is_given_up_in_time(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinic.services.endpoints.PROBE_SECONDS", 0.3)
    engine.fail("hang_first")
    make_endpoint(url=engine.url, model_name=engine.model)
    assert get()[1]["policy"] == "policy_timeout"


def test_no_agent_registered() -> None:
    assert get()[1]["policy"] == "none registered"


def test_valkey_away(settings: Any) -> None:
    settings.VALKEY_URL = "unix:///nowhere/valkey.sock"
    code, report = get()
    assert (code, report["valkey"]) == (503, "not reachable")
