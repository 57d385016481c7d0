"""Who may open a consultation's socket, when it is closed, and what it answers to nonsense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse

from clinic.consumers import parse
from clinic.models import Consultation, User
from clinic.services.sessions import end_sessions
from clinic.streaming import lookout
from clinic.streaming.host import Host
from tests.clinic.factories import make_case, make_consultation, make_site, make_user
from tests.clinic.streaming.live import Opener, engine, host, open_socket, signed_in

__all__ = ["engine", "host", "open_socket"]


async def consultation_of(**fields: Any) -> Consultation:
    return await sync_to_async(make_consultation)(**fields)


async def test_nobody_without_a_session(host: Host, open_socket: Opener) -> None:
    socket = await open_socket(await consultation_of(), client=Client())
    await socket.communicator.connect()
    assert await socket.close_code() == 4401


@pytest.mark.parametrize("who", ["another clinician", "another site's administrator"])
async def test_what_a_person_may_not_see_is_not_found(host: Host, open_socket: Opener, who: str) -> None:
    consultation = await consultation_of()
    site = await sync_to_async(make_site)() if who != "another clinician" else None
    other = await sync_to_async(make_user)("clinician" if site is None else "admin", site=site)
    socket = await open_socket(consultation, other)
    await socket.communicator.connect()
    assert await socket.close_code() == 4404


WHOSE = ("own", "a colleague's", "a colleague's patient", "another site's")
READ = {
    "clinician": {"own"},
    "annotator": {"own", "a colleague's", "a colleague's patient"},
    "adjudicator": {"own", "a colleague's", "a colleague's patient"},
    "admin": {"own", "a colleague's", "a colleague's patient"},
    "researcher": {"own", "a colleague's"},
}
"""The access matrix of the socket: the same people as read the page."""


@pytest.mark.parametrize("role", READ)
async def test_a_socket_opens_to_those_who_read_the_page(host: Host, open_socket: Opener, role: str) -> None:
    me = await sync_to_async(make_user)(role)
    for whose in WHOSE:
        held = await sync_to_async(held_by)(whose, me)
        socket = await open_socket(held, me)
        if whose in READ[role]:
            await socket.open()
            await socket.close()
        else:
            await socket.communicator.connect()
            assert await socket.close_code() == 4404, f"{role} and {whose}"


def held_by(whose: str, me: User) -> Consultation:
    site = make_site() if whose == "another site's" else me.site
    clinician = me if whose == "own" else make_user(site=site)
    kind = "patient" if whose.endswith("patient") else "virtual"
    return make_consultation(case=make_case(kind, site=site), clinician=clinician)


async def test_an_administrator_of_the_site_reads_and_does_not_steer(host: Host, open_socket: Opener) -> None:
    consultation = await consultation_of()
    admin = await sync_to_async(make_user)("admin", site=consultation.site)
    socket = await (await open_socket(consultation, admin)).open()
    await socket.say(do="say", text="Hello")
    assert (await socket.until("error"))["data"]["code"] == "refused"
    assert not await consultation.turns.aexists()
    await socket.close()


async def test_sign_out_closes_the_socket(host: Host, open_socket: Opener) -> None:
    """Over the real view, so that the signal, the queue and the hub all take part."""
    consultation = await consultation_of()
    client, other = await sync_to_async(two_sessions)(consultation.clinician)
    socket = await (await open_socket(consultation, client=client)).open()
    elsewhere = await (await open_socket(consultation, client=other)).open()
    await following(host, consultation)
    await sync_to_async(client.post)(reverse("account_logout"))
    assert await socket.close_code() == 4401
    assert await elsewhere.communicator.receive_nothing(0.3), "only this session has ended"
    await elsewhere.close()


async def test_disabled_people_lose_their_sockets(host: Host, open_socket: Opener) -> None:
    consultation = await consultation_of()
    socket = await (await open_socket(consultation)).open()
    await following(host, consultation)
    await sync_to_async(end_sessions)(consultation.clinician)
    assert await socket.close_code() == 4401


async def test_an_expired_session_is_noticed_without_a_message(host: Host, open_socket: Opener) -> None:
    consultation = await consultation_of()
    socket = await (await open_socket(consultation)).open()
    await following(host, consultation)
    await User.objects.filter(pk=consultation.clinician_id).aupdate(is_active=False)
    await lookout._end_sessions(host)
    assert await socket.close_code() == 4401


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"since": "1"}'])
async def test_nonsense_closes_the_socket(host: Host, open_socket: Opener, text: str) -> None:
    socket = await open_socket(await consultation_of())
    await socket.communicator.connect()
    await socket.communicator.send_to(text_data=text)
    assert await socket.close_code() == 4400


def test_unknown_verbs_are_no_messages_of_the_protocol() -> None:
    assert parse('{"do": "delete"}') == {"do": "delete"}
    assert parse('{"since": true}') is None


def two_sessions(user: User) -> tuple[Client, Client]:
    return signed_in(user), signed_in(user)


async def following(host: Host, consultation: Consultation) -> None:
    """The subscription to wake-ups and the first look at the database are made in the background."""
    async with asyncio.timeout(5):
        while not (host.wake.is_listening and host.hub.channel(consultation.pk).feeds):
            await asyncio.sleep(0.01)
