"""Taken ports are said in one sentence; a remembered port stays the same while it is free."""

import socket

import pytest

from clinic.local.ports import HOST, free_port, is_free, listen, remembered_port, web_port
from clinic.local.problem import LocalProblem


def test_a_taken_port_is_one_sentence():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(LocalProblem, match=rf"Port {port} is taken .* ROUNDS_PORT={port + 1}"):
            listen(port, HOST)


def test_the_remembered_port_is_kept_while_it_is_free(tmp_path):
    file = tmp_path / "port"
    port = remembered_port(file)
    assert remembered_port(file) == port
    with listen(port, HOST):
        assert remembered_port(file) != port


def test_a_free_port_can_be_listened_on():
    with listen(free_port(), HOST) as listener:
        assert listener.getsockname()[0] == HOST


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1"])
def test_a_wrong_port_is_one_sentence(monkeypatch, text):
    monkeypatch.setenv("ROUNDS_PORT", text)
    with pytest.raises(LocalProblem, match="must be a port number"):
        web_port()
