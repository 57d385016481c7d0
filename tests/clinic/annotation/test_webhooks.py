"""Signed, tried again, given up visibly; never to where it must not go, and never with a patient's words."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from clinic import tasks, webhook_sender
from clinic.models import AuditEntry, Role, Webhook, WebhookDelivery
from clinic.services import webhooks
from clinic.services.errors import Refused
from clinic.webhook_sender import NotDelivered
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged

LOCAL = ["127.0.0.1"]


class Receiver:
    """A small server on this machine; `answers` is what it says next, the last one for ever."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers) or [204]
        self.got: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body))
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if answer == "drip":
                    self._drip()
                elif answer == "close":
                    self.connection.close()
                else:
                    self.send_response(int(str(answer)))
                    self.send_header("Location", f"{outer.url}/elsewhere")
                    self.end_headers()

            def _drip(self) -> None:
                try:
                    for letter in b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100:
                        self.wfile.write(bytes([letter]))
                        time.sleep(0.1)
                except OSError:
                    return  # the sender hung up

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.INTERNAL_HOSTS = LOCAL
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def admin(db):
    return make.make_user(Role.ADMIN)


@pytest.fixture
def annotation(db):
    item = judged.make_item(consultation=make.make_consultation(case=make.make_case(title="Mrs Secret")))
    return judged.make_annotation(item, None, {"ecg": "met"}, critique="Words of a physician")


def test_what_is_announced_is_signed_and_has_no_words(receiver, admin, annotation):
    hook = webhooks.add(by=admin, url=receiver.url)
    assert webhooks.announce(annotation=annotation) == 1
    assert webhooks.deliver() is None
    row = WebhookDelivery.objects.get()
    assert row.delivered_at
    assert row.due_at is None
    assert (row.tries, row.error) == (1, "")
    ((headers, body),) = receiver.got
    at, mac = (part.split("=")[1] for part in headers["Rounds-Signature"].split(","))
    assert hmac.new(hook.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() == mac
    assert abs(int(at) - time.time()) < 60
    assert headers["Rounds-Delivery"] == str(row.pk)
    said = json.loads(body)
    assert (said["event"], said["annotation"], said["ratings"]) == ("annotation.completed", str(annotation.pk), 1)
    for words in ("Secret", "physician", "Cough", annotation.annotator.username):
        assert words not in body.decode()


def test_another_secret_or_another_body_has_another_signature():
    assert len({webhook_sender.sign(s, t, b) for s in "ab" for t in (1, 2) for b in (b"x", b"y")}) == 8


def test_only_the_sites_own_active_addresses_are_told(receiver, admin, annotation):
    off = webhooks.add(by=admin, url=receiver.url)
    webhooks.switch(by=admin, webhook=off, active=False)
    Webhook.objects.create(site=make.make_site(), url=receiver.url, secret="s")
    assert webhooks.announce(annotation=annotation) == 0


@pytest.mark.django_db(transaction=True)
def test_an_announcement_that_is_taken_back_sends_nothing(receiver, monkeypatch, settings):
    woken: list[str] = []
    monkeypatch.setattr(webhooks.current_app, "send_task", lambda name, **_: woken.append(name))
    webhooks.add(by=make.make_user(Role.ADMIN), url=receiver.url)
    annotation = judged.make_annotation(judged.make_item())
    with webhooks.transaction.atomic():
        assert webhooks.announce(annotation=annotation) == 1
        webhooks.transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()
    assert woken == []
    webhooks.announce(annotation=annotation)
    assert woken == ["clinic.tasks.deliver_webhooks"]


def test_a_failing_server_is_tried_again_later_and_later_and_then_given_up(receiver, admin):
    receiver.answers = [500]
    hook = webhooks.add(by=admin, url=receiver.url)
    webhooks.test(by=admin, webhook=hook)
    pauses = []
    for _ in range(len(webhooks.PAUSES) + 1):
        again = webhooks.deliver(now=timezone.now() + timedelta(days=1))
        pauses.append(again and round((again - timezone.now()).total_seconds(), -1))
    assert pauses == [30, 120, 600, 3600, 21600, None]
    row = WebhookDelivery.objects.get()
    assert (row.tries, row.due_at, row.delivered_at) == (6, None, None)
    assert row.error == "It answered 500."
    webhooks.deliver(now=timezone.now() + timedelta(days=9))
    assert len(receiver.got) == 6, "given up is given up"
    assert {headers["Rounds-Delivery"] for headers, _ in receiver.got} == {str(row.pk)}, "doubles can be dropped"


def test_it_is_not_tried_before_its_time_and_taken_in_the_end(receiver, admin):
    receiver.answers = ["close", 503, 200]
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=receiver.url))
    webhooks.deliver()
    webhooks.deliver()
    assert len(receiver.got) == 1
    for _ in range(2):
        webhooks.deliver(now=timezone.now() + timedelta(hours=1))
    row = WebhookDelivery.objects.get()
    assert row.delivered_at
    assert (row.tries, row.error) == (3, "")


def test_a_server_that_drips_is_ended_by_the_clock(receiver):
    receiver.answers = ["drip"]
    began = time.monotonic()
    with pytest.raises(NotDelivered, match=r"within 0[.]5 seconds"):
        webhook_sender.send(receiver.url, b"{}", {}, internal=LOCAL, seconds=0.5)
    assert time.monotonic() - began < 3


def test_a_redirect_is_not_followed(receiver, admin):
    receiver.answers = [307]
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=receiver.url))
    webhooks.deliver()
    assert len(receiver.got) == 1
    assert WebhookDelivery.objects.get().error == "It answered 307, a redirect, which is not followed."


def test_nothing_listens(settings, admin):
    settings.INTERNAL_HOSTS = LOCAL
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=f"http://127.0.0.1:{port}/"))
    assert webhooks.deliver() is not None
    assert WebhookDelivery.objects.get().error == "Nothing listens there."


def test_a_worker_that_died_leaves_its_row_to_the_next(receiver, admin, monkeypatch):
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=receiver.url))
    claimed = webhooks._claim(timezone.now())
    assert claimed.tries == 1
    webhooks.deliver()
    assert receiver.got == [], "it is another's for a while"
    webhooks.deliver(now=timezone.now() + webhooks.LEASE + timedelta(seconds=1))
    assert len(receiver.got) == 1


def test_an_address_that_cannot_be_written_stops_nobody_elses_message(receiver, admin):
    """As one that was kept before such addresses were refused."""
    for url in (f"http://127.0.0.1:{receiver.server.server_port}/häken", receiver.url):
        Webhook.objects.create(site=admin.site, url=url, secret="s" * 64)
    for hook in Webhook.objects.order_by("pk"):
        webhooks.test(by=admin, webhook=hook)
    webhooks.deliver()
    assert WebhookDelivery.objects.latest("pk").error == ""
    assert "%-encoded" in WebhookDelivery.objects.earliest("pk").error
    assert len(receiver.got) == 1


def test_what_http_cannot_carry_is_not_delivered(receiver):
    with pytest.raises(NotDelivered, match="cannot be written"):
        webhook_sender.send(receiver.url, b"{}", {"Rounds-Event": "a\nb"}, internal=LOCAL)
    with pytest.raises(NotDelivered, match="cannot be written"):
        webhook_sender.send(receiver.url, b"{}", {"Rounds-Event": "β"}, internal=LOCAL)


def test_workers_that_die_in_it_do_not_try_for_ever(receiver, admin):
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=receiver.url))
    now = timezone.now()
    for _ in range(len(webhooks.PAUSES) + 1):
        now += webhooks.LEASE + timedelta(seconds=1)
        assert webhooks._claim(now) is not None
    now += webhooks.LEASE + timedelta(seconds=1)
    assert webhooks.deliver(now=now) is None
    row = WebhookDelivery.objects.get()
    assert (row.due_at, row.delivered_at, row.error) == (None, None, webhooks.DIED)
    assert receiver.got == []


def test_the_next_moment_is_that_of_all_who_wait(receiver, admin):
    receiver.answers = [500]
    hook = webhooks.add(by=admin, url=receiver.url)
    webhooks.test(by=admin, webhook=hook)
    waits = webhooks.deliver()
    assert waits is not None
    assert webhooks.deliver() == waits, "nothing was tried now, and it still waits"
    receiver.answers = [204]
    webhooks.test(by=admin, webhook=hook)
    assert webhooks.deliver() == waits


def test_what_is_due_within_the_minute_is_asked_for_once(receiver, admin, monkeypatch):
    asked: list[object] = []
    monkeypatch.setattr(tasks.deliver_webhooks, "apply_async", lambda *, eta, **_: asked.append(eta))
    receiver.answers = [500]
    webhooks.test(by=admin, webhook=webhooks.add(by=admin, url=receiver.url))
    for _ in range(2):
        tasks.deliver_webhooks()
    row = WebhookDelivery.objects.get()
    assert asked == [row.due_at]
    WebhookDelivery.objects.update(due_at=timezone.now() + timedelta(hours=1))
    tasks.deliver_webhooks()
    assert len(asked) == 1, "the minute's own run finds it"


def test_somebody_looks_once_a_minute(settings):
    assert settings.CELERY_BEAT_SCHEDULE["deliver_webhooks"]["task"] == webhooks.TASK
    assert settings.CELERY_BEAT_SCHEDULE["deliver_webhooks"]["schedule"] == 60


REFUSED = (
    "http://example.org/hook", "ftp://example.org/", "https://", "https://user:secret@example.org/",
    "https://exa mple/",
    "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/", "https://[::1]/", "https://0.0.0.0/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[fd00::1]/", "https://localhost/",
    "https://100.64.0.1/", "https://224.0.0.1/", "https://example.org:0/", "https://example.org\\@10.0.0.1/",
    "https://example.org:99999/", "https://" + "a" * 600, "https://example.org/häken", "https://bücher.example.org/",
)  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_these_addresses_are_refused(admin, url, settings):
    settings.INTERNAL_HOSTS = []
    with pytest.raises(Refused, match="Nothing was kept"):
        webhooks.add(by=admin, url=url)
    assert not Webhook.objects.exists()


def resolving_to(*addresses: str):
    def lookup(host: str, port: int, *_: object, **__: object):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return lookup


def test_a_public_name_that_stands_for_a_private_address_is_not_written_to(monkeypatch, receiver):
    port = receiver.server.server_port
    monkeypatch.setattr(webhook_sender.socket, "getaddrinfo", resolving_to("93.184.215.14", "127.0.0.1"))
    with pytest.raises(NotDelivered, match="private address"):
        webhook_sender.send(f"https://hooks.example.org:{port}/", b"{}", {}, internal=[])
    assert receiver.got == []


def test_a_listed_host_or_network_may_be_private_and_plain(monkeypatch, receiver):
    port = receiver.server.server_port
    monkeypatch.setattr(webhook_sender.socket, "getaddrinfo", resolving_to("127.0.0.1"))
    assert webhook_sender.send(f"http://registry:{port}/", b"{}", {}, internal=["registry"]) == 204
    assert webhook_sender.check("https://10.1.2.3/", internal=["10.1.0.0/16"])
    with pytest.raises(NotDelivered):
        webhook_sender.check("https://10.2.2.3/", internal=["10.1.0.0/16"])


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch, receiver):
    asked: list[str] = []

    def once(host: str, port: int, **_: object):
        asked.append(host)
        return resolving_to("127.0.0.1")(host, port)

    monkeypatch.setattr(webhook_sender.socket, "getaddrinfo", once)
    reached: list[str] = []
    usual = socket.create_connection

    def connect(address, *rest):
        reached.append(address[0])
        monkeypatch.undo()
        return usual(address, *rest)

    monkeypatch.setattr(webhook_sender.socket, "create_connection", connect)
    webhook_sender.send(f"http://registry:{receiver.server.server_port}/", b"{}", {}, internal=["registry"])
    assert (asked, reached) == (["registry"], ["127.0.0.1"]), "no second look-up that could answer otherwise"


def test_switched_off_gives_up_what_waits(receiver, admin):
    hook = webhooks.add(by=admin, url=receiver.url)
    webhooks.test(by=admin, webhook=hook)
    webhooks.switch(by=admin, webhook=hook, active=False)
    webhooks.deliver()
    assert receiver.got == []
    assert WebhookDelivery.objects.get().error == "Switched off before it was sent."
    hook.refresh_from_db()
    with pytest.raises(Refused, match="switched off"):
        webhooks.test(by=admin, webhook=hook)


def test_only_the_sites_administrator(admin, settings):
    settings.INTERNAL_HOSTS = LOCAL
    hook = webhooks.add(by=admin, url="http://127.0.0.1:9/")
    for other in (make.make_user(Role.ADJUDICATOR), make.make_user(Role.ADMIN, site=make.make_site())):
        for verb in (webhooks.test, webhooks.switch):
            extra = {"active": False} if verb is webhooks.switch else {}
            with pytest.raises(Refused):
                verb(by=other, webhook=hook, **extra)
    with pytest.raises(Refused):
        webhooks.add(by=make.make_user(Role.CLINICIAN), url="http://127.0.0.1:9/x")
    with pytest.raises(Refused, match="there already"):
        webhooks.add(by=admin, url="http://127.0.0.1:9/")
    assert hook.secret not in str(list(AuditEntry.objects.values_list("data", flat=True)))
