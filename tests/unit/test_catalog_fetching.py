"""What may be fetched from another host, and what comes of a host that plays tricks."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.catalog import addresses, fetching
from reco_plugin.catalog.fetching import NoPicture, fetch, parse

HOST = "pictures.example"
PUBLIC = "93.184.215.14"
HOSTS = (HOST, "bücher.example", "other.example:8443")

# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.9.9",
        "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7",
        "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "localhost", "0x7f.1", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_everybodys(address: str) -> None:
    assert not addresses.is_global(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00::1"])
def test_addresses_that_are(address: str) -> None:
    assert addresses.is_global(address)


@given(st.ip_addresses(v=4))
def test_whatever_holds_an_old_address_in_a_new_one_is_refused(address: Any) -> None:
    for prefix in ("::ffff:", "::", "64:ff9b::", "::ffff:0:"):
        assert not addresses.is_global(f"{prefix}{address}")
    high, low = int(address) >> 16, int(address) & 0xFFFF
    assert not addresses.is_global(f"2002:{high:x}:{low:x}::1")


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://pictures.example/a.jpg",
        "ftp://pictures.example/a.jpg",
        "file:///etc/passwd",
        "gopher://pictures.example/",
        "https://evil.example/a.jpg",
        "https://pictures.example.evil.example/a.jpg",
        "https://evil.example/pictures.example",
        "https://pictures.example@evil.example/a.jpg",
        "https://user:secret@pictures.example/a.jpg",
        "https://pictures.example:8443/a.jpg",
        "https://pictures.example:22/a.jpg",
        "https://pictures.example:99999/a.jpg",
        "https://other.example/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https://2130706433/a.jpg",
        "https:///a.jpg",
        "https://pictures.example\\@evil.example/a.jpg",
        "https://pictures.example/a.jpg\r\nX-Evil: 1",
        "https://pictures.example/a b.jpg",
        "https://pictures.example\t.evil.example/",
        "//pictures.example/a.jpg",
        "",
    ],
)
def test_addresses_that_are_not_fetched(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_looked_up", lambda *_: pytest.fail("a name was resolved"))
    with pytest.raises(NoPicture) as told:
        fetch(address, hosts=HOSTS, max_bytes=100)
    assert told.value.trouble == "forbidden"
    assert told.value.words


@pytest.mark.parametrize(
    ("address", "name", "path"),
    [
        ("https://pictures.example/a.jpg", HOST, "/a.jpg"),
        ("HTTPS://Pictures.Example./a.jpg?w=1&h=2#x", HOST, "/a.jpg?w=1&h=2"),
        ("https://pictures.example:443", HOST, "/"),
        ("https://pictures.example/%C3%A4/ö.jpg", HOST, "/%C3%A4/%C3%B6.jpg"),
        ("https://bücher.example/a", "xn--bcher-kva.example", "/a"),
        ("https://other.example:8443/a", "other.example:8443", "/a"),
    ],
)
def test_addresses_that_are_fetched(address: str, name: str, path: str) -> None:
    target = parse(address, HOSTS)
    assert (target.name, target.path) == (name, path)


@given(st.text(max_size=60))
def test_any_address_has_an_answer(text: str) -> None:
    for address in (text, f"https://{text}", f"https://pictures.example/{text}"):
        target = parsed(address)
        if target is not None:
            assert (target.host, target.port) == (HOST, 443)
            assert target.path.isascii()
            assert not any(char <= " " for char in target.path)


def parsed(address: str) -> fetching.Target | None:
    try:
        return parse(address, (HOST,))
    except NoPicture:
        return None


# --- names ----------------------------------------------------------------------------------------


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver that answers so; the names it was asked for."""
    asked: list[str] = []

    def found(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    monkeypatch.setattr(fetching, "_looked_up", found)
    return asked


@pytest.mark.parametrize("ips", [["127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"]])
def test_a_name_of_somebody_inside_is_not_connected_to(
    ips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ips)
    monkeypatch.setattr(fetching, "_dialled", lambda *_: pytest.fail("connected"))
    with pytest.raises(NoPicture) as told:
        fetch(f"https://{HOST}/a.jpg", hosts=HOSTS, max_bytes=100)
    assert told.value.trouble == "forbidden"
    assert ips[0] in told.value.words


def test_one_address_inside_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, [PUBLIC, "10.0.0.1"])
    monkeypatch.setattr(fetching, "_dialled", lambda *_: pytest.fail("connected"))
    with pytest.raises(NoPicture, match="not public"):
        fetch(f"https://{HOST}/a.jpg", hosts=HOSTS, max_bytes=100)


def test_a_name_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(fetching, "_looked_up", unknown)
    with pytest.raises(NoPicture) as told:
        fetch(f"https://{HOST}/a.jpg", hosts=HOSTS, max_bytes=100)
    assert told.value.trouble == "storage"


# --- a server -------------------------------------------------------------------------------------

Talk = Callable[[Any], None]


def says(head: str, body: bytes = b"") -> Talk:
    def talk(link: Any) -> None:
        link.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    return talk


def ok(body: bytes, *, length: int | None = None) -> Talk:
    return says(f"HTTP/1.1 200 OK\nContent-Length: {len(body) if length is None else length}", body)


class Server:
    """Speaks TLS as pictures.example on this machine."""

    def __init__(self, folder: Path, certificate: str = HOST) -> None:
        key, cert = folder / "key.pem", folder / "cert.pem"
        options = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={certificate}"
        names = [
            "-addext",
            f"subjectAltName=DNS:{certificate}",
            "-keyout",
            str(key),
            "-out",
            str(cert),
        ]
        subprocess.run(["openssl", *options.split(), *names], check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self.trusting = ssl.create_default_context(cafile=str(cert))
        self.talk: Talk = ok(b"picture")
        self.requests: list[bytes] = []
        self.dialled: list[tuple[str, int]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def dial(self, ip: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((ip, port))
        return socket.create_connection(self._socket.getsockname(), timeout=seconds)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[plain], daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as link:
                self.requests.append(link.recv(65_536))
                self.talk(link)
        except OSError:
            plain.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        server = Server(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    yield server
    server.close()


@pytest.fixture
def server(listening: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    listening.talk = ok(b"picture")
    listening.requests.clear()
    listening.dialled.clear()
    resolving(monkeypatch, [PUBLIC])
    monkeypatch.setattr(fetching, "_dialled", listening.dial)
    monkeypatch.setattr(fetching, "_context", lambda: listening.trusting)
    return listening


def got(seconds: float = 5.0, max_bytes: int = 1_000) -> bytes:
    return fetch(f"https://{HOST}/a.jpg", hosts=HOSTS, max_bytes=max_bytes, seconds=seconds)


def trouble(words: str = ".", **options: Any) -> str:
    with pytest.raises(NoPicture, match=words) as told:
        got(**options)
    return told.value.trouble


def test_a_picture_comes_from_the_address_that_was_checked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolved once: a name that answers differently the second time gains nothing."""
    resolving(monkeypatch, [PUBLIC], ["127.0.0.1"])
    assert got() == b"picture"
    assert server.dialled == [(PUBLIC, 443)]
    (request,) = server.requests
    assert request.startswith(b"GET /a.jpg HTTP/1.1\r\n")
    assert f"Host: {HOST}\r\n".encode() in request
    assert b"Cookie" not in request
    assert b"Authorization" not in request


def test_no_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert got() == b"picture"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: Server, status: int) -> None:
    server.talk = says(f"HTTP/1.1 {status} Moved\nLocation: https://169.254.169.254/")
    assert trouble("redirects") == "forbidden"
    assert len(server.dialled) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [(404, "missing"), (410, "missing"), (403, "storage"), (503, "storage")]
)
def test_other_answers(server: Server, status: int, expected: str) -> None:
    server.talk = says(f"HTTP/1.1 {status} Sorry\nContent-Length: 0")
    assert trouble(str(status)) == expected


def test_too_many_bytes_announced(server: Server) -> None:
    server.talk = ok(b"x", length=10**12)
    assert trouble("RECO_IMAGE_MAX_BYTES") == "too_large"


def test_too_many_bytes_unannounced(server: Server) -> None:
    server.talk = says("HTTP/1.1 200 OK", b"x" * 5_000)
    assert trouble("RECO_IMAGE_MAX_BYTES") == "too_large"


def test_too_many_bytes_in_chunks(server: Server) -> None:
    chunks = b"400\r\n" + b"x" * 1_024 + b"\r\n0\r\n\r\n"
    server.talk = says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", chunks)
    assert trouble() == "too_large"
    assert got(max_bytes=2_000) == b"x" * 1_024


def test_a_packed_answer_is_refused(server: Server) -> None:
    server.talk = says("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 3", b"abc")
    assert trouble("packed") == "storage"


def test_an_answer_that_ends_too_early(server: Server) -> None:
    server.talk = ok(b"half", length=8)
    assert trouble("too early") == "storage"


def test_what_is_no_http(server: Server) -> None:
    server.talk = lambda link: link.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    assert trouble() == "storage"


def test_endless_headers(server: Server) -> None:
    server.talk = says("HTTP/1.1 200 OK\n" + "\n".join(f"X-{n}: y" for n in range(500)))
    assert trouble() == "storage"


def drip(before: bytes) -> Talk:
    def talk(link: Any) -> None:
        link.sendall(before)
        for _ in range(400):
            time.sleep(0.05)
            link.sendall(b"x")

    return talk


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"]
)
def test_a_byte_at_a_time_meets_the_deadline(server: Server, before: bytes) -> None:
    server.talk = drip(before)
    start = time.monotonic()
    assert trouble("too long", seconds=0.4) == "storage"
    assert time.monotonic() - start < 12


def test_without_a_length_the_deadline_is_no_end(server: Server) -> None:
    """What came until then is half a picture, and not taken for one."""
    server.talk = drip(b"HTTP/1.1 200 OK\r\n\r\n")
    assert trouble("too long", seconds=0.4) == "storage"


def test_silence_meets_the_deadline(server: Server) -> None:
    server.talk = lambda link: time.sleep(20)
    start = time.monotonic()
    assert trouble("too long", seconds=0.3) == "storage"
    assert time.monotonic() - start < 12


def test_a_host_that_never_says_hello(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(
            fetching, "_dialled", lambda *_: socket.create_connection(silent.getsockname(), 5)
        )
        assert trouble("too long", seconds=0.3) == "storage"


def test_nobody_listens(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        name = closed.getsockname()
    monkeypatch.setattr(fetching, "_dialled", lambda *_: socket.create_connection(name, 1))
    assert trouble("did not hand it out") == "storage"


def test_the_second_address_where_the_first_is_dead(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["2606:4700::1", PUBLIC])

    def dial(ip: str, port: int, seconds: float) -> socket.socket:
        if ":" in ip:
            raise OSError("network is unreachable")
        return server.dial(ip, port, seconds)

    monkeypatch.setattr(fetching, "_dialled", dial)
    assert got() == b"picture"


def test_a_certificate_nobody_trusts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_context", ssl.create_default_context)
    assert trouble("CERTIFICATE_VERIFY_FAILED") == "storage"


def test_a_certificate_of_another_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, [PUBLIC])
    with pytest.raises(NoPicture, match="CERTIFICATE_VERIFY_FAILED"):
        fetch("https://other.example:8443/a", hosts=HOSTS, max_bytes=100)
    assert server.dialled == [(PUBLIC, 8443)]


def test_no_connection_is_left_open(server: Server) -> None:
    server.talk = says("HTTP/1.1 404 Sorry\nContent-Length: 900", b"x")
    for _ in range(3):
        trouble("404")
    server.talk = ok(b"x")
    assert got() == b"x"  # and pytest hears of every socket that nobody closed
