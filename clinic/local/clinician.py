"""A clinician without a browser: signs in over HTTP, opens a consultation, follows it over its WebSocket."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from clinic.local.problem import LocalProblem

CONSULTATION = re.compile(r"/consultations/([0-9a-f-]{36})/")
CASE = re.compile(r"/cases/([0-9a-f-]{36})/")
SILENCE_SECONDS = 180.0


@dataclass(slots=True)
class Heard:
    """What came over the socket: whole turns by number, and how long the first words of each took."""

    turns: dict[int, str] = field(default_factory=dict)
    first_words: list[float] = field(default_factory=list)
    ended_at: int = 0
    """Sequence number of the event that ended the last turn."""


class Clinician:
    """One browser's worth of cookies."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session, self._address = session, address

    async def page(self, path: str) -> str:
        async with self._session.get(self._url(path)) as reply:
            if reply.status != 200:
                raise LocalProblem(f"{path} answered {reply.status}.")
            return await reply.text()

    async def submit(self, path: str, form: dict[str, str]) -> str:
        """Post a form, and say where that led."""
        cookie = self._session.cookie_jar.filter_cookies(URL(self._address)).get("csrftoken")
        fields = {**form, "csrfmiddlewaretoken": cookie.value if cookie else ""}
        headers = {"Referer": self._url(path)}
        async with self._session.post(self._url(path), data=fields, headers=headers) as reply:
            if reply.status >= 400:
                raise LocalProblem(f"{path} answered {reply.status} to a form.")
            return str(reply.url)

    async def sign_in(self, login: str, password: str) -> None:
        await self.page("/accounts/login/")
        landed = await self.submit("/accounts/login/", {"login": login, "password": password})
        if urlsplit(landed).path.startswith("/accounts/login"):
            raise LocalProblem(f"The login {login!r} was refused.")

    async def cases(self) -> list[str]:
        """Ids of the cases on the first page of the list, in its order."""
        return list(dict.fromkeys(CASE.findall(await self.page("/cases/"))))

    async def open_consultation(self, case: str) -> str:
        """The new consultation's id."""
        landed = await self.submit("/consultations/new/", {"case": case})
        found = CONSULTATION.search(landed)
        if found is None:
            raise LocalProblem(f"A new consultation led to {landed}.")
        return found[1]

    def socket(self, consultation: str) -> Any:
        url = self._url(f"/ws/consultations/{consultation}/").replace("http", "ws", 1)
        return self._session.ws_connect(url, origin=self._address.rstrip("/"))

    def _url(self, path: str) -> str:
        return urljoin(self._address, path)


async def hear_turn(socket: aiohttp.ClientWebSocketResponse, heard: Heard) -> None:
    """Follow the socket until the agent's present turn is over; raises when it ends in an error."""
    asked, spoke = time.monotonic(), False
    while True:
        event = await _next_event(socket)
        kind, data = event.get("type"), event.get("data", {})
        if event.get("seq", 0) <= heard.ended_at:
            continue
        if kind == "token" and not spoke:
            spoke = True
            heard.first_words.append(time.monotonic() - asked)
        elif kind == "turn":
            heard.turns[data["number"]] = data["text"]
        elif kind == "error":
            raise LocalProblem(f"The agent's turn failed: {data.get('sentence') or data}")
        elif kind == "done":
            heard.ended_at = event["seq"]
            return


async def _next_event(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message = await socket.receive(timeout=SILENCE_SECONDS)
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise LocalProblem(f"The socket closed ({socket.close_code}) before the turn was over.")
    event: dict[str, Any] = message.json()
    return event
