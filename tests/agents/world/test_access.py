"""Credentialed text goes nowhere but here."""

import pytest

from agents.world.access import CredentialedText, is_local, may_send

HERE = [
    "http://127.0.0.1:8100/v1",
    "http://127.8.9.1/v1",
    "http://localhost:8100/v1",
    "https://LOCALHOST/v1",
    "http://[::1]:8100/v1",
    "http://[::ffff:127.0.0.1]/v1",
    "unix:///run/vllm.sock",
    "http+unix://%2Frun%2Fvllm.sock/v1",
    "http://vllm:8000/v1",
    "http://10.1.2.3:8000/v1",
    "http://10.2.0.7/v1",
]
ELSEWHERE = [
    "https://api.example.org/v1",
    "http://127.0.0.1.example.org/v1",
    "http://localhost.example.org/v1",
    "http://127.0.0.1@example.org/v1",
    "http://localhost:8100@example.org/v1",
    "http://example.org\\@127.0.0.1/v1",
    "http://example.org/\n@127.0.0.1",
    "http://example.org/127.0.0.1",
    "http://example.org/#@localhost",
    "http://10.9.2.3:8000/v1",
    "http://192.168.0.4/v1",
    "http://0.0.0.0:8100/v1",
    "http://2130706433/v1",
    "http://[::ffff:8.8.8.8]/v1",
    "http://vllm.example.org/v1",
    "ftp://127.0.0.1/",
    "file:///etc/hosts",
    "localhost:8100/v1",
    "http:///v1",
    "http://[broken/v1",
    "",
]
INTERNAL = ("vllm", "10.1.0.0/16", "10.2.0.7")


@pytest.mark.parametrize("url", HERE)
def test_credentialed_text_may_stay(url):
    may_send("credentialed", url, internal=INTERNAL)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_credentialed_text_may_not_leave(url):
    with pytest.raises(CredentialedText) as refused:
        may_send("credentialed", url, internal=INTERNAL)
    assert "data use agreement" in str(refused.value)


@pytest.mark.parametrize("url", HERE[-3:])
def test_a_private_address_is_local_only_when_named(url):
    with pytest.raises(CredentialedText):
        may_send("credentialed", url)


@pytest.mark.parametrize("url", [*HERE, *ELSEWHERE])
def test_public_text_goes_anywhere(url):
    may_send("public", url)


@pytest.mark.parametrize("access", ["", "Public", "unknown", "restricted"])
def test_an_access_that_is_not_public_is_credentialed(access):
    with pytest.raises(CredentialedText):
        may_send(access, "https://api.example.org/v1")


def test_the_refusal_names_the_host_and_no_secret():
    with pytest.raises(CredentialedText) as refused:
        may_send("credentialed", "https://user:secret@api.example.org/v1?key=secret")
    assert refused.value.host == "api.example.org"
    assert "secret" not in str(refused.value)


def test_a_network_that_is_none_is_said():
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/99"):
        is_local("http://10.1.2.3/", internal=("10.1.0.0/99",))
