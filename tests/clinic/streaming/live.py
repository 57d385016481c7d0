"""A host, a fake model server and sockets in one event loop, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from clinic.models import Consultation, Event, User
from clinic.streaming import host as hosts
from clinic.streaming.host import Host
from tests.clinic.factories import make_case, make_endpoint, make_user
from tests.doubles.engine import FakeEngine

Opener = Callable[..., Any]


@pytest_asyncio.fixture
async def engine(transactional_db: None) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(rate=400) as engine:
        yield engine


@pytest_asyncio.fixture
async def host(engine: FakeEngine) -> AsyncIterator[Host]:
    """The host of this loop, with the fake engine registered as the serving agent."""
    await sync_to_async(make_endpoint)(url=engine.url, model_name=engine.model)
    yield hosts.current()
    await hosts.close_current()


class Socket:
    """A signed-in clinician's socket; keeps every event it was sent."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator
        self.events: list[dict[str, Any]] = []

    async def open(self, since: int = 0) -> Socket:
        connected, _ = await self.communicator.connect()
        assert connected
        await self.say(since=since)
        return self

    async def say(self, **message: Any) -> None:
        await self.communicator.send_to(text_data=orjson.dumps(message).decode())

    async def next(self, seconds: float = 5.0) -> dict[str, Any]:
        message = await self.communicator.receive_output(seconds)
        assert message["type"] == "websocket.send", message
        event = orjson.loads(message["text"])
        self.events.append(event)
        return event

    async def until(self, *types: str, seconds: float = 10.0) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while True:
                event = await self.next(seconds)
                if event["type"] in types:
                    return event

    async def close_code(self, seconds: float = 5.0) -> int:
        async with asyncio.timeout(seconds):
            while True:
                message = await self.communicator.receive_output(seconds)
                if message["type"] == "websocket.close":
                    return message["code"]

    async def close(self) -> None:
        await self.communicator.disconnect()


@pytest.fixture
def open_socket() -> Opener:
    from clinic.asgi import application

    async def opener(consultation: Consultation, user: User | None = None, *, client: Client | None = None) -> Socket:
        client = client or await sync_to_async(signed_in)(user or consultation.clinician)
        headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        headers.append((b"cookie", cookies.encode()))
        return Socket(WebsocketCommunicator(application, f"/ws/consultations/{consultation.pk}/", headers=headers))

    return opener


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    return client


def stored_events(consultation: Consultation) -> list[dict[str, Any]]:
    return [event.as_dict() for event in Event.objects.filter(consultation=consultation).order_by("seq")]


def people_and_case(**case: Any) -> tuple[User, Any]:
    return make_user(), make_case(**case)
