"""T11: what users' addresses may reach, whatever is written and whatever a name resolves to."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from core import outbound
from core.errors import InvalidInputError
from core.outbound import Rules, UnansweredError, target_of
from tests.notifications.receiver import HOST, Receiver, answers, receiver

PUBLIC = Rules()
INTERNAL = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104  # an address to refuse
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fe80::1",
    "fec0::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
]
# Loopback as inet_aton and browsers read it.
DISGUISED = ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "0"]


@pytest.fixture
def https(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as serving:
        yield serving


def post(serving: Receiver, *, seconds: float = 60, found: Sequence[str] = ("127.0.0.1",)) -> int:
    """Send to the receiver as an address that the operator allows."""
    rules = Rules(ports=frozenset({serving.port}), networks=(ip_network("127.0.0.0/8"),))
    return outbound.post(
        target_of(f"https://{HOST}:{serving.port}/in?a=1", rules=rules),
        b"{}",
        headers={"X-Test": "yes"},
        rules=rules,
        seconds=seconds,
        resolve=lambda *_: found,
        context=serving.context(),
    )


@pytest.mark.parametrize("address", INTERNAL)
def test_T11_an_internal_address_is_refused_when_written(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(InvalidInputError):
        target_of(f"https://{host}/", rules=PUBLIC)


@pytest.mark.parametrize("host", DISGUISED)
def test_T11_a_disguised_address_is_refused_when_written(host: str) -> None:
    with pytest.raises(InvalidInputError):
        target_of(f"https://{host}/", rules=PUBLIC)


@pytest.mark.parametrize("address", [*INTERNAL, "fe80::1%eth0"])
def test_T11_a_name_with_one_internal_address_is_never_connected_to(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *given, **_: connected.append(given))
    target = target_of("https://hooks.example.org/", rules=PUBLIC)

    with pytest.raises(UnansweredError, match="not public"):
        outbound.post(
            target,
            b"",
            headers={},
            rules=PUBLIC,
            resolve=lambda *_: ["93.184.215.14", address],
        )

    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "//example.org/",
        "https:///path",
        "https://example.org:22/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://user@example.org/",
        "https://example.org@10.0.0.1/",
        "https://example.org\\@10.0.0.1/",
        "https://example.org/#part",
        "https://exam ple.org/",
        "https://example.org/a\r\nX-Other: 1",
        "https://exämple.org/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://-.org,/",
        "https://example.org/" + "a" * 500,
    ],
)
def test_T11_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        target_of(url, rules=PUBLIC)

    assert refused.value.param == "url"


@pytest.mark.parametrize("address", ["93.184.215.14", "[2606:4700::1111]", "[64:ff9b::101:101]"])
def test_a_public_address_may_be_told(address: str) -> None:
    assert target_of(f"https://{address}/in", rules=PUBLIC).authority == address


def test_the_operator_may_allow_more_ports_and_networks() -> None:
    rules = Rules(ports=frozenset({443, 8443}), networks=(ip_network("10.1.0.0/16"),))

    target = target_of("https://10.1.2.3:8443/in?a=b", rules=rules)

    assert (target.authority, target.path) == ("10.1.2.3:8443", "/in?a=b")
    with pytest.raises(InvalidInputError):
        target_of("https://10.2.0.1/", rules=rules)


def test_a_request_arrives_whole_under_the_name_that_was_given(https: Receiver) -> None:
    status = post(https)

    (got,) = https.received
    assert status == 204
    assert got.line == "POST /in?a=1 HTTP/1.1"
    assert got.headers["host"] == f"{HOST}:{https.port}"
    assert (got.headers["x-test"], got.body) == ("yes", b"{}")


def test_T11_a_name_that_changes_its_mind_leads_nowhere_else(https: Receiver) -> None:
    asked: list[str] = []

    def rebinding(*_: object) -> list[str]:
        asked.append("")
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    rules = Rules(ports=frozenset({https.port}), networks=(ip_network("127.0.0.0/8"),))
    target = target_of(f"https://{HOST}:{https.port}/", rules=rules)

    status = outbound.post(
        target, b"", headers={}, rules=rules, resolve=rebinding, context=https.context()
    )

    assert (status, len(asked)) == (204, 1)


def test_the_next_address_is_tried_when_one_does_not_take_us(https: Receiver) -> None:
    assert post(https, found=["127.0.0.2", "127.0.0.1"]) == 204


def test_T11_a_redirect_is_an_answer_and_is_not_followed(https: Receiver) -> None:
    https.script = [answers(302, f"Location: https://{HOST}:{https.port}/other")]

    assert post(https) == 302
    assert len(https.received) == 1


def test_T11_a_certificate_for_another_name_is_refused(https: Receiver) -> None:
    rules = Rules(ports=frozenset({https.port}), networks=(ip_network("127.0.0.0/8"),))
    target = target_of(f"https://other.example.org:{https.port}/", rules=rules)

    with pytest.raises(UnansweredError, match="certificate"):
        outbound.post(
            target,
            b"",
            headers={},
            rules=rules,
            resolve=lambda *_: ["127.0.0.1"],
            context=https.context(),
        )

    assert https.received == []


def test_a_certificate_that_nobody_vouches_for_is_refused(https: Receiver) -> None:
    rules = Rules(ports=frozenset({https.port}), networks=(ip_network("127.0.0.0/8"),))
    target = target_of(f"https://127.0.0.1:{https.port}/", rules=rules)

    with pytest.raises(UnansweredError, match="certificate"):
        outbound.post(target, b"", headers={}, rules=rules)


def test_steps_on_the_way_are_not_the_answer(https: Receiver) -> None:
    https.script = [
        lambda sock: sock.sendall(
            b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\n"
        )
    ]

    assert post(https) == 200


def drip(sock: ssl.SSLSocket) -> None:
    while True:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\n")
        time.sleep(0.05)


def silence(sock: ssl.SSLSocket) -> None:
    sock.recv(1)


@pytest.mark.parametrize("slow", [drip, silence])
def test_F74_however_slow_the_other_side_is_we_leave_in_time(
    https: Receiver, slow: outbound.Resolve
) -> None:
    https.script = [slow]  # type: ignore[list-item]  # both take the socket

    with pytest.raises(UnansweredError, match=r"No answer within 1 s"):
        post(https, seconds=1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
        (b"x" * (outbound.ANSWER_LIMIT_BYTES + 5000), "too long"),
        (b"", "without an answer"),
    ],
)
def test_T11_what_is_no_answer_is_given_up(https: Receiver, said: bytes, why: str) -> None:
    https.script = [lambda sock: sock.sendall(said)]

    with pytest.raises(UnansweredError, match=why):
        post(https)


def test_a_name_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(UnansweredError, match="does not resolve"):
        outbound.addresses_of("nothing.invalid", 443, 60)


def test_F74_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()

    def look(*_: object, **__: object) -> list[object]:
        hangs.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look)

    with pytest.raises(TimeoutError):
        outbound.addresses_of("hooks.example.org", 443, 0.05)

    hangs.set()
