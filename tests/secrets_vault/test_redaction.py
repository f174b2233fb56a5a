"""Nothing that looks like a secret, and no secret that is known, stays in a text (I17, T9)."""

import base64
import io
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from secrets_vault.redaction import MASK, RedactingFilter, scrub

PRIVATE_KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
-----END OPENSSH PRIVATE KEY-----"""
LOOKS_SECRET = {
    "a bearer header": ("Authorization: Bearer abc.DEF-123_456", "abc.DEF"),
    "a basic header": ("Authorization: Basic c2VjcmV0Og==", "c2VjcmV0"),
    "our API token": ("sent slw_Zm9vYmFyYmF6cXV4 to it", "Zm9vYmFy"),
    "our job token": ("sent ftj_Zm9vYmFyYmF6cXV4 to it", "Zm9vYmFy"),
    "Lambda's key": ("key secret_mine_0123456789abcdef.AbCdEfGh was", "AbCdEfGh"),
    "Hugging Face's token": ("token hf_AbCdEfGhIjKlMnOpQr used", "AbCdEfGh"),
    "RunPod's key": ("key rpa_ABCDEFGH1234567890XYZ used", "ABCDEFGH"),
    "a download address": ("GET /api/datasets/download?token=Zm9v-YmFy_x HTTP/1.1", "Zm9v"),
    "a later query value": ("GET /x?a=1&api_key=Zm9vYmFy&b=2", "Zm9vYmFy"),
    "a password": ("connect password='hunter2 ' now", "hunter2"),
    "a private key": (f"wrote {PRIVATE_KEY} to it", "b3BlbnNzaC1rZXk"),
    "a private key in JSON": (repr(PRIVATE_KEY), "b3BlbnNzaC1rZXk"),
    "a private key that is cut off": (PRIVATE_KEY[:80], "b3BlbnNzaC1rZXk"),
}


@pytest.mark.parametrize(("text", "secret"), LOOKS_SECRET.values(), ids=LOOKS_SECRET.keys())
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    scrubbed = scrub(text)

    assert secret not in scrubbed
    assert MASK in scrubbed


def test_what_stands_around_a_secret_stays_readable() -> None:
    line = '"GET /api/datasets/download?token=Zm9vYmFy&part=2 HTTP/1.1" 403'

    assert scrub(line) == (f'"GET /api/datasets/download?token={MASK}&part=2 HTTP/1.1" 403')


@pytest.mark.parametrize(
    "text",
    [
        "The secrets_vault app has 12 tables.",
        "secret_unreadable_error was raised",
        "step 10 of 200, train/loss 1.234, tokens=none of them",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ public key",
        "a bearer of bad news",
        "",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert scrub(text) == text


def test_i17_a_known_secret_is_found_plain_quoted_and_in_base64() -> None:
    secret = "p@ss w/rd+1234"
    encoded = base64.b64encode(secret.encode()).decode()
    text = f"{secret} {quote(secret, safe='')} {quote(secret)} {encoded} {encoded.rstrip('=')}"

    scrubbed = scrub(text, [secret])

    assert "ss" not in scrubbed
    assert encoded.rstrip("=") not in scrubbed


def test_of_two_secrets_the_longer_goes_first() -> None:
    assert scrub("abcdefgh", ["abcd", "abcdefgh"]) == MASK


def test_an_empty_secret_masks_nothing() -> None:
    assert scrub("plain words", ["", "a"]) == "plain words"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Return a logger with one handler that redacts, and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("tests.redaction")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)
    handler.close()


Log = tuple[logging.Logger, io.StringIO]


def test_t9_secrets_in_arguments_do_not_reach_the_log(log: Log) -> None:
    logger, written = log

    logger.warning("asked %s with %s", "the cloud", {"key": "slw_Zm9vYmFyYmF6"})

    assert written.getvalue() == f"asked the cloud with {{'key': 'slw_{MASK}'}}\n"


def test_t9_secrets_in_a_traceback_do_not_reach_the_log(log: Log) -> None:
    logger, written = log

    try:
        int("Bearer abcdefghijk")
    except ValueError:
        logger.exception("failed")

    assert "abcdefghijk" not in written.getvalue()
    assert "Traceback" in written.getvalue()
    assert f"with base 10: 'Bearer {MASK}'" in written.getvalue()


def test_t9_a_message_whose_arguments_do_not_fit_is_redacted_all_the_same(log: Log) -> None:
    logger, written = log

    logger.warning("one %s two %s", "slw_Zm9vYmFyYmF6")

    assert "Zm9vYmFyYmF6" not in written.getvalue()
    assert "one" in written.getvalue()


def test_a_percent_sign_in_a_finished_message_is_not_taken_for_a_place(log: Log) -> None:
    logger, written = log

    logger.info("%s done", "50 %")

    assert written.getvalue() == "50 % done\n"
