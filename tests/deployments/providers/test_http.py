"""One request to a cloud, over real sockets: sent once, answered or not, and nothing leaked."""

import json
import socket
import time
from pathlib import Path

import pytest

from deployments.providers import http
from deployments.providers.base import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from deployments.providers.http import (
    Answer,
    AnswerLostError,
    CertificateError,
    HttpClient,
    NeverReachedError,
    retry_after_seconds,
)
from tests.deployments.providers.doubles import API_KEY, FreePacer, FullPacer
from tests.deployments.providers.wire import (
    Speak,
    hangs_up,
    port_that,
    resets,
    says,
    says_bytes,
    self_signed,
    stays_silent,
)
from tests.deployments.remote.machine import closed_port


def ask(
    base_url: str,
    *,
    api_key: str = API_KEY,
    timeout_seconds: float = 10,
    body: dict[str, object] | None = None,
) -> Answer:
    client = HttpClient(label="Lambda", base_url=base_url, api_key=api_key, pacer=FreePacer())
    method = "POST" if body is not None else "GET"
    return client.request(
        method, "/things", kind="other", timeout_seconds=timeout_seconds, body=body
    )


def test_a_json_answer_comes_back_with_its_status() -> None:
    with port_that(says("404 Not Found", b'{"error": {"code": "x"}}')) as port:
        answer = ask(port.base_url)

    assert answer == Answer(404, is_json=True, content={"error": {"code": "x"}})


def test_d9_the_key_stands_in_the_authorization_header_and_nowhere_else() -> None:
    with port_that(says("200 OK", b"{}")) as port:
        ask(port.base_url, body={"name": "slipway-1"})

    (request,) = port.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert f"Authorization: Bearer {API_KEY}".encode() in head
    assert request.count(API_KEY.encode()) == 1
    assert head.startswith(b"POST /api/v1/things HTTP/1.1")
    assert b"User-Agent: slipway/" in head
    assert b"Content-Type: application/json" in head
    assert json.loads(sent) == {"name": "slipway-1"}


def test_d9_a_netrc_file_does_not_replace_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    with port_that(says("200 OK", b"{}")) as port:
        ask(port.base_url)

    assert f"Authorization: Bearer {API_KEY}".encode() in port.requests[0]


def test_f22_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with port_that(says("200 OK", b"{}")) as elsewhere:
        moved = says("308 Permanent Redirect", b"", Location=elsewhere.base_url)
        with port_that(moved) as port:
            answer = ask(port.base_url, body={})

    assert answer.status == 308
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "speak",
    [
        hangs_up,
        resets,
        says_bytes(b"not HTTP at all\r\n\r\n"),
        says_bytes(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": ['),
        says_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ],
    ids=["hangs up", "resets", "noise", "truncated body", "broken chunks"],
)
def test_f17_an_answer_that_does_not_come_whole_is_lost_and_not_asked_for_again(
    speak: Speak,
) -> None:
    with port_that(speak) as port, pytest.raises(AnswerLostError) as caught:
        ask(port.base_url, body={})

    assert len(port.requests) == 1
    assert caught.value.code == "E_PROVIDER_UNREACHABLE"
    assert caught.value.retryable
    assert caught.value.remedy


def test_f17_an_answer_that_does_not_come_in_time_is_lost() -> None:
    with port_that(stays_silent) as port, pytest.raises(AnswerLostError, match="no answer in time"):
        ask(port.base_url, timeout_seconds=0.2)

    assert len(port.requests) == 1


def test_an_answer_that_drips_does_not_hold_us_longer_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(http, "CHUNK_BYTES", 1)

    def drips(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.02)

    with port_that(drips) as port, pytest.raises(AnswerLostError, match="too slowly"):
        ask(port.base_url, timeout_seconds=0.2)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_LIMIT_BYTES", 1000)

    with port_that(says("200 OK", b" " * 5000)) as port, pytest.raises(AnswerLostError):
        ask(port.base_url)


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_whole_answer_that_is_not_json_is_an_answer(body: bytes) -> None:
    with port_that(says("503 Unavailable", body)) as port:
        answer = ask(port.base_url)

    assert (answer.status, answer.is_json) == (503, False)


def test_a_closed_port_was_never_reached() -> None:
    with pytest.raises(NeverReachedError) as caught:
        ask(f"http://127.0.0.1:{closed_port()}")

    assert caught.value.code == "E_PROVIDER_UNREACHABLE"
    assert caught.value.retryable


def test_a_name_that_does_not_resolve_was_never_reached() -> None:
    with pytest.raises(NeverReachedError):
        ask("https://no-such-host.invalid/api/v1")


def test_f22_a_certificate_nobody_vouches_for_is_an_alarm_and_nothing_is_sent(
    tmp_path: Path,
) -> None:
    with (
        port_that(says("200 OK", b"{}"), tls=self_signed(tmp_path)) as port,
        pytest.raises(CertificateError) as caught,
    ):
        ask(port.base_url.replace("http:", "https:"))

    assert port.requests == []
    assert not caught.value.retryable
    assert "Nothing was sent" in caught.value.message
    assert caught.value.remedy


def test_t7_the_key_is_not_sent_unencrypted_to_another_machine() -> None:
    with pytest.raises(ProviderRefusedError, match="not https") as caught:
        ask("http://cloud.example/api/v1")

    assert caught.value.remedy


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "kéy", " padded "])
def test_a_key_that_cannot_be_one_is_not_sent_and_not_quoted(key: str) -> None:
    with port_that(says("200 OK", b"{}")) as port, pytest.raises(ProviderAuthError) as caught:
        ask(port.base_url, api_key=key)

    assert port.requests == []
    assert not key.strip() or key not in str(caught.value)


def test_d9_nothing_is_sent_when_the_pacer_has_no_room() -> None:
    with port_that(says("200 OK", b"{}")) as port:
        client = HttpClient(
            label="Lambda", base_url=port.base_url, api_key=API_KEY, pacer=FullPacer()
        )
        with pytest.raises(ProviderBusyError):
            client.request("GET", "/things", kind="list", timeout_seconds=1)

    assert port.requests == []


def test_i17_no_error_quotes_the_key(tmp_path: Path) -> None:
    errors: list[ProviderError] = []
    for speak in (hangs_up, says_bytes(f"HTTP/1.1 {API_KEY}\r\n\r\n".encode())):
        with port_that(speak) as port, pytest.raises(ProviderUnavailableError) as caught:
            ask(port.base_url)
        errors.append(caught.value)

    for error in errors:
        assert API_KEY[:12] not in f"{error} {error.remedy} {error.details} {error.__cause__}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12.0),
        ("0.5", 0.5),
        ("999999", 3600.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_f15_retry_after_is_taken_when_it_is_a_sane_number(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header) == seconds
