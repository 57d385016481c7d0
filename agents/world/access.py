"""Credentialed text stays here: whether a text may be sent to an endpoint, decided from its address alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

PUBLIC = "public"
_SOCKETS = frozenset(("unix", "http+unix", "https+unix"))
_STRANGE = re.compile(r"[\s\\\x00-\x1f\x7f]")
"""Characters on which readers of an address disagree about where its host ends."""


class CredentialedText(Exception):
    """Credentialed text was to leave for `host`; nothing was sent. `str()` is a sentence without the text."""

    def __init__(self, host: str) -> None:
        super().__init__(f"Text under a data use agreement is not sent to {host or 'an endpoint without a host'}.")
        self.host = host


def may_send(access: str, url: str, *, internal: Sequence[str] = ()) -> None:
    """Returns where `access` is "public" or `url` is local; else raises CredentialedText, also where either is odd.

    Local is a loopback address, "localhost", a unix socket, and what `internal` names: host names and networks
    ("vllm", "10.1.0.0/16"). Names are not resolved: an unknown one is not local.
    """
    if access != PUBLIC and not is_local(url, internal=internal):
        raise CredentialedText(_host(url) or "")


def is_local(url: str, *, internal: Sequence[str] = ()) -> bool:
    """Whether an endpoint is on this machine or among the `internal` ones; raises ValueError for a bad network."""
    networks = [ip_network(one) for one in internal if "/" in one or _address(one)]
    names = {"localhost", *(one.lower() for one in internal)}
    if not _STRANGE.search(url) and _scheme(url) in _SOCKETS:
        return True
    host = _host(url)
    if host is None:
        return False
    address = _address(host)
    if address is None:
        return host in names
    return address.is_loopback or any(address in network for network in networks)


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _host(url: str) -> str | None:
    """The host of an http address in small letters, None where there is none or it could be read in two ways."""
    if _STRANGE.search(url) or _scheme(url) not in ("http", "https"):
        return None
    try:
        return urlsplit(url).hostname or None
    except ValueError:
        return None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
