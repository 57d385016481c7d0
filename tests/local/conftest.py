"""A home that PostgreSQL's account can reach, and a stack without the addresses of other tests."""

import pytest

from clinic.local.checks import temporary_home
from clinic.local.stack import ADDRESSES, Stack


@pytest.fixture
def home():
    with temporary_home() as found:
        yield found


@pytest.fixture
def stack(home, monkeypatch):
    for name in ADDRESSES:
        monkeypatch.delenv(name, raising=False)
    found = Stack(home, throw_away=True)
    yield found
    found.stop()
