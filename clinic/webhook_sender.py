"""Sends one signed message to an outside address, and to no other: what talks HTTP for webhooks.

Contract: `check` refuses an address before it is kept, `send` returns the status of the answer, and every failure is
a NotDelivered whose `str()` is a sentence without the answer's text. Addresses are https, unless their host is among
the `internal` ones (settings.INTERNAL_HOSTS). A name is resolved once, every address it stands for must be public or
listed, and the connection goes to just that address: a name that changes its mind in between changes nothing.
Redirects are not followed. The signature is of "time.body", so that an old message cannot be sent again as new.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

SECONDS = 10.0
LONGEST = 500
_STRANGE = re.compile(r"[\s\\\x00-\x20\x7f<>\"]")
_EMBEDDING = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)
"""IPv6 ranges that carry an IPv4 address, which would be reached in its place."""
Address = IPv4Address | IPv6Address


class NotDelivered(Exception):
    """Nothing was taken there; `str()` says why."""


def sign(secret: str, at: int, body: bytes) -> str:
    """The header Rounds-Signature: `t=SECONDS,v1=HEX`, HMAC-SHA256 of "SECONDS.BODY"."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def check(url: str, *, internal: Sequence[str]) -> SplitResult:
    """The parts of an address that may be written to, or NotDelivered; names are not resolved here."""
    parts = _split(url)
    host = parts.hostname or ""
    literal = _literal(host)
    if literal is not None and not _may_reach(host, literal, internal):
        raise NotDelivered(f"{host} is a private address, and not among the hosts of this installation.")
    if parts.scheme != "https" and not _listed(host, literal, internal):
        raise NotDelivered("The address must begin with https://, unless its host is one of this installation.")
    if host == "localhost" and not _listed(host, literal, internal):
        raise NotDelivered("This machine is not an outside system.")
    return parts


def send(url: str, body: bytes, headers: dict[str, str], *, internal: Sequence[str], seconds: float = SECONDS) -> int:
    """POST once, within `seconds` in all; the status of the answer, whatever it is."""
    parts = check(url, internal=internal)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    target = _resolved(host, port, internal)
    link = _Pinned(host, port, target, parts.scheme == "https", seconds)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Socket time-outs count from byte to byte: a server that drips its answer is ended by the clock.
    alarm = threading.Timer(seconds, link.abort)
    alarm.start()
    try:
        with closing(link):
            link.request("POST", path, body, headers)
            return link.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: UnicodeError is one
        raise NotDelivered(_why(error, link.aborted, seconds)) from error
    finally:
        alarm.cancel()


class _Pinned(http.client.HTTPConnection):
    """Goes to the address that was checked, and speaks TLS with the name that was asked for."""

    def __init__(self, host: str, port: int, target: str, tls: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self.target, self.tls, self.aborted = target, tls, False
        if tls:
            self.default_port = 443

    def connect(self) -> None:
        plain = socket.create_connection((self.target, self.port), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self.tls else plain

    def abort(self) -> None:
        self.aborted = True
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it ended by itself meanwhile


def _split(url: str) -> SplitResult:
    if not url or len(url) > LONGEST or _STRANGE.search(url):
        raise NotDelivered("That is no address of an outside system.")
    if not url.isascii():
        raise NotDelivered("The address has a letter that addresses do not have: write it as xn-- or %-encoded.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise NotDelivered("That is no address of an outside system.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise NotDelivered("That is no address of an outside system.")
    if parts.username is not None or parts.password is not None:
        raise NotDelivered("An address carries no name and password; what is sent is signed instead.")
    return parts


def _resolved(host: str, port: int, internal: Sequence[str]) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"The name {host} was not found.") from error
    addresses = [str(row[4][0]) for row in found]
    if not all(_may_reach(host, ip_address(one.partition("%")[0]), internal) for one in addresses):
        raise NotDelivered(f"{host} stands for a private address, so nothing was sent.")
    return addresses[0]


def _may_reach(host: str, address: Address, internal: Sequence[str]) -> bool:
    if _listed(host, address, internal):
        return True
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    embeds = any(plain in network for network in _EMBEDDING if network.version == plain.version)
    return plain.is_global and not plain.is_multicast and not embeds


def _listed(host: str, address: Address | None, internal: Sequence[str]) -> bool:
    """Whether the host is named, or its address lies in a network that is."""
    if host.lower() in {one.lower() for one in internal}:
        return True
    networks = [ip_network(one) for one in internal if "/" in one or _literal(one)]
    return address is not None and any(address in n for n in networks if n.version == address.version)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _why(error: Exception, aborted: bool, seconds: float) -> str:
    if aborted or isinstance(error, TimeoutError):
        return f"It did not answer within {seconds:g} seconds."
    if isinstance(error, ssl.SSLError):
        return "Its certificate was not accepted, or it does not speak TLS."
    if isinstance(error, ConnectionRefusedError):
        return "Nothing listens there."
    if isinstance(error, OSError):
        return "The connection broke off."
    wrong = isinstance(error, ValueError | http.client.InvalidURL)
    return "The address cannot be written in HTTP." if wrong else "It did not answer in HTTP."
