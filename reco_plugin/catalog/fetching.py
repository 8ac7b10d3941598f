"""A picture from another host, with nothing to gain for whoever wrote its address.

Only https, only hosts of RECO_IMAGE_HOSTS, no redirects, no proxies, no credentials. A name is resolved
once, every address it has must be a public one, and the connection goes to the address that was checked, so
that a name which changes its mind (DNS rebinding) gains nothing. (OWASP ASVS 5.0, 1.3.6; API7:2023.)
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import quote, urlsplit

from reco_plugin.catalog import addresses
from reco_plugin.exceptions import RecoError

SECONDS = 5.0
"""For all of it, from the first byte sent to the last received."""
PORT = 443
MOST = 3
"""Of a name's addresses that are tried."""
HEADERS = {
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "django-reco-plugin",
}
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
_AS_IT_IS = "/%:@!$&'()*+,;=~-._?"
GONE = (404, 410)

Trouble: TypeAlias = Literal["too_large", "missing", "storage", "forbidden"]
"""Values of `encoders.Fault`, which this room does not know."""


class NoPicture(RecoError):
    """There are no bytes to be had; says why, for people."""

    def __init__(self, trouble: Trouble, words: str) -> None:
        super().__init__(words)
        self.trouble: Trouble = trouble
        self.words = words


def too_large(max_bytes: int) -> NoPicture:
    return NoPicture(
        "too_large",
        f"It has more than the {max_bytes:,} bytes allowed (RECO_IMAGE_MAX_BYTES): save it smaller.",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An address that may be fetched."""

    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        return self.host if self.port == PORT else f"{self.host}:{self.port}"


def fetch(address: str, *, hosts: Iterable[str], max_bytes: int, seconds: float = SECONDS) -> bytes:
    """What is at an https address. Raises NoPicture."""
    target = parse(address, hosts)
    ips = _resolved(target)
    end = time.monotonic() + seconds
    try:
        with _connected(ips, target.port, end) as plain, _shut_at(end, plain):
            data = _received(plain, target, max_bytes)
        if time.monotonic() >= end:  # it was shut, which looks like the end of an answer
            raise TimeoutError
        return data
    except (OSError, http.client.HTTPException) as error:
        said = "it takes too long" if time.monotonic() >= end else str(error) or repr(error)
        raise NoPicture("storage", f"{target.host} did not hand it out: {said[:300]}.") from error


# --- may it be asked for? -------------------------------------------------------------------------


def parse(address: str, hosts: Iterable[str]) -> Target:
    """The parts of an address that may be fetched. Raises NoPicture for any other."""
    if any(char <= " " or char in "\\\x7f" for char in address):
        raise _forbidden("The address holds blanks or signs that have no place in one.")
    try:
        parts = urlsplit(address)
        host, port = _ascii(parts.hostname or ""), parts.port or PORT
    except ValueError as error:
        raise _forbidden(f"The address cannot be read: {error}.") from error
    if parts.scheme.lower() != "https":
        raise _forbidden("Only https addresses are fetched.")
    if parts.username is not None or parts.password is not None:
        raise _forbidden("The address holds a user name or a password.")
    if not _is_listed(host, port, hosts):
        raise _forbidden(f"{host or 'No host'} is not in RECO_IMAGE_HOSTS.")
    path = quote(parts.path or "/", safe=_AS_IT_IS)
    query = f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else ""
    return Target(host=host, port=port, path=path + query)


def _ascii(host: str) -> str:
    """As it is sent: lower case, IDNA, no dot at the end. Raises ValueError."""
    plain = host.rstrip(".").lower()
    if not plain.isascii():
        plain = plain.encode("idna").decode("ascii")
    if not _HOST.fullmatch(plain):
        raise ValueError(f"{host!r} is no name of a host")
    return plain


def _is_listed(host: str, port: int, hosts: Iterable[str]) -> bool:
    """As 'pictures.example', or 'pictures.example:8443' for a port that is not 443."""
    for each in hosts:
        name, _, other = str(each).partition(":")
        if (host, str(port)) == (_ascii(name), other or str(PORT)):
            return True
    return False


def bad_host(entry: str) -> str:
    """What is wrong with an entry of RECO_IMAGE_HOSTS, or ''."""
    name, _, port = entry.partition(":")
    try:
        host = _ascii(name)
    except ValueError:
        return "is no name of a host"
    if re.fullmatch(r"[0-9.]+", host):
        return "is an address, not a name"
    if port and not (port.isdecimal() and 0 < int(port) < 65_536):
        return "names no port"
    return "" if "." in host else "is a name within a network, not of the internet"


def _resolved(target: Target) -> list[str]:
    """Its addresses, when all of them are public. Raises NoPicture."""
    try:
        ips = _looked_up(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise NoPicture("storage", f"The name {target.host} is not known: {error}.") from error
    for ip in ips:
        if not addresses.is_global(ip):
            raise _forbidden(f"{target.host} has an address that is not public ({ip}).")
    if not ips:
        raise NoPicture("storage", f"The name {target.host} has no address.")
    return ips[:MOST]


def _looked_up(host: str, port: int) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _forbidden(words: str) -> NoPicture:
    return NoPicture("forbidden", words)


# --- asking ---------------------------------------------------------------------------------------


def _connected(ips: list[str], port: int, end: float) -> socket.socket:
    """To the first that answers. Raises OSError."""
    for ip in ips[:-1]:
        with contextlib.suppress(OSError):
            return _dialled(ip, port, (end - time.monotonic()) / 2)
    return _dialled(ips[-1], port, end - time.monotonic())


def _dialled(ip: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((ip, port), timeout=max(seconds, 0.001))


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextlib.contextmanager
def _shut_at(end: float, plain: socket.socket) -> Iterator[None]:
    """Whoever waits for it then is let go: a host that sends a byte a second meets no timeout."""
    with plain.dup() as same:  # TLS takes `plain` over
        timer = threading.Timer(max(end - time.monotonic(), 0), _shut, [same])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _received(plain: socket.socket, target: Target, max_bytes: int) -> bytes:
    connection = http.client.HTTPConnection(target.host, target.port)
    with contextlib.closing(connection):
        connection.sock = _context().wrap_socket(plain, server_hostname=target.host)
        connection.request("GET", target.path, headers={**HEADERS, "Host": target.name})
        with connection.getresponse() as answer:
            _demand_a_picture(answer, max_bytes)
            data = answer.read(max_bytes + 1)
            if answer.length:
                raise ConnectionError("it ended too early")
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    return data


def _demand_a_picture(answer: http.client.HTTPResponse, max_bytes: int) -> None:
    """Raises NoPicture."""
    if answer.status in GONE:
        raise NoPicture("missing", f"The host has no such picture (status {answer.status}).")
    if 300 <= answer.status < 400:
        raise _forbidden(
            "The address leads elsewhere; redirects are not followed. Name the last one."
        )
    if answer.status != 200:
        raise NoPicture("storage", f"The host answered with status {answer.status}.")
    if answer.getheader("Content-Encoding", "identity").lower() != "identity":
        raise NoPicture("storage", "The host sends it packed, which it was not asked to.")
    if (answer.length or 0) > max_bytes:
        raise too_large(max_bytes)
