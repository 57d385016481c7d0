"""The consultation's socket: events out, and what the clinician does in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError

from clinic.models import Consultation, StaleStatus, User
from clinic.services import consultations, decisions, pauses, people, undo
from clinic.services.errors import SENTENCES, Refused
from clinic.streaming import host as hosts
from clinic.streaming import lookout
from clinic.streaming.follow import Follower
from clinic.streaming.hub import NOT_VISIBLE, SIGNED_OUT, Feed

VERBS: dict[str, tuple[Callable[..., Any], frozenset[str]]] = {
    "order": (consultations.order, frozenset({"examination"})),
    "ask": (consultations.ask, frozenset({"question"})),
    "call_agent": (consultations.call_agent, frozenset()),
    "answer": (consultations.answer, frozenset({"text"})),
    "enter_result": (consultations.enter_result, frozenset({"examination", "text"})),
    "say": (consultations.say, frozenset({"text"})),
    "stop": (consultations.stop, frozenset()),
    "retry": (consultations.retry, frozenset()),
    "decline": (decisions.decline, frozenset({"reason_code", "reason"})),
    "undo": (undo.undo, frozenset()),
    "pause": (pauses.pause, frozenset({"note"})),
    "resume": (pauses.resume, frozenset()),
}
BAD_REQUEST, TRY_AGAIN = 4400, 1013
DIRECT_SEND = "rounds.direct_send"
"""In the scope: the server's own send. The session middleware's looks at the session with every token."""


class ConsultationConsumer(AsyncWebsocketConsumer):
    """First {"since": seq}; then events come, and {"do": verb, ...} may be sent."""

    # Wake-ups reach the process once, through its host, instead of once a socket through a channel each.
    channel_layer_alias = "none"

    async def connect(self) -> None:
        # Accepted even if it is refused: a browser only sees the close code of an accepted socket.
        await self.accept()
        self.host = hosts.current()
        self.direct_send = self.scope[DIRECT_SEND]
        self.feed: Feed | None = None
        self.follower: Follower | None = None
        self.following: asyncio.Task[None] | None = None
        self.user: User = self.scope["user"]
        self.consultation_id: UUID = self.scope["url_route"]["kwargs"]["consultation"]
        if not self.user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        session = self.scope["session"].session_key or ""
        self.feed = Feed(user_id=self.user.pk, session=session)
        # Listen first and look afterwards, or a session could end unnoticed in between.
        self.host.hub.open(self.consultation_id, self.feed)
        await self.host.wake.watch(self.user.pk)
        refusal = await self.host.threads.run(refusal_of, self.consultation_id, self.user, session)
        if refusal:
            await self.close(refusal)
            return
        self.follower = Follower(
            self.consultation_id,
            feed=self.feed,
            hub=self.host.hub,
            threads=self.host.threads,
            send=self._send_frame,
        )

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = parse(text_data)
        if self.follower is None or self.feed is None:
            return
        if self.feed.close_code is not None:
            await self.close(self.feed.close_code)
        elif message is None:
            await self.close(BAD_REQUEST)
        elif "since" in message and self.following is None:
            self.host.look()
            self.following = asyncio.create_task(self._follow(message["since"]))
        elif message.get("do") in VERBS:
            await self._do(**message)

    async def _follow(self, since: int) -> None:
        assert self.follower
        try:
            code = await self.follower.run(since)
        except (OperationalError, InterfaceError):
            code = TRY_AGAIN
        await self.close(code)

    async def _do(self, do: str, **arguments: Any) -> None:
        verb, known = VERBS[do]
        given = {name: str(value) for name, value in arguments.items() if name in known}
        try:
            await self.host.threads.run(perform, verb, self.consultation_id, self.user, given)
        except Refused as refused:
            await self._refuse("refused", str(refused))
        except StaleStatus:
            await self._refuse("stale", SENTENCES["stale"])

    async def _refuse(self, code: str, sentence: str) -> None:
        """An answer to this socket alone, so it has no number."""
        data = {"code": code, "sentence": sentence}
        event = {"type": "error", "turn": 0, "attempt": 0, "seq": 0, "data": data}
        await self._send_frame(orjson.dumps(event))

    async def _send_frame(self, frame: bytes) -> None:
        await self.direct_send({"type": "websocket.send", "text": frame.decode()})

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Also by the server's own send: the session that the middleware would look at may be gone."""
        await self.direct_send({"type": "websocket.close", "code": code, "reason": reason or ""})

    async def disconnect(self, code: int) -> None:
        if self.following:
            self.following.cancel()
        if self.feed:
            self.host.hub.close(self.feed)


def parse(text: str | None) -> dict[str, Any] | None:
    """A message of the protocol, or None."""
    try:
        message = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or type(message.get("since", 0)) is not int:
        return None
    return message


def refusal_of(consultation: UUID, user: User, session: str) -> int | None:
    """The close code for somebody who may not follow this consultation."""
    sessions, users = lookout.valid({(session, user.pk)})
    if not (sessions and users):
        return SIGNED_OUT
    hidden = people.lacks_second_factor(user)
    visible = not hidden and Consultation.objects.visible_to(user).filter(pk=consultation).exists()
    return None if visible else NOT_VISIBLE


def perform(verb: Callable[..., Any], consultation: UUID, user: User, arguments: dict[str, str]) -> None:
    found = Consultation.objects.visible_to(user).select_related("case").filter(pk=consultation).first()
    if found is None:
        raise Refused(SENTENCES["not_yours"])
    verb(consultation=found, by=user, **arguments)
