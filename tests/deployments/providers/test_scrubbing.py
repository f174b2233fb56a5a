"""What a cloud says is shown without secrets (I17)."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.providers.scrubbing import HIDDEN, scrub

KEY = "secret_slipway+tests/_0123456789abcdef.fedcba9876543210"


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"{KEY}:".encode()).decode(),
        KEY[5:20],
        KEY[-8:],
    ],
    ids=["whole", "url-encoded", "base64", "basic", "a piece", "the last eight"],
)
def test_the_key_is_hidden_in_every_form(shown: str) -> None:
    text = scrub(f"bad key {shown} given", secrets=[KEY])

    assert text == f"bad key {HIDDEN} given"


def test_ordinary_words_stay() -> None:
    assert scrub("quantity: too many instances", secrets=[KEY]) == "quantity: too many instances"


@pytest.mark.parametrize(
    "text",
    [
        '{"jupyter_token": "53968f128c4a4489", "id": "1"}',
        '{"jupyter_url":"https://jupyter-3ac4.lambdaspaces.test/?token=53968f128c4a4489"}',
        '{\\"jupyter_token\\": \\"53968f128c4a4489\\"}',
        "jupyter_token=53968f128c4a4489",
        '{"jupyter_token": "53968f128c4a4489',
    ],
)
def test_notebook_logins_are_hidden(text: str) -> None:
    assert "53968f128c4a" not in scrub(text, secrets=[])


@pytest.mark.parametrize("end", ["-----END OPENSSH PRIVATE KEY-----", ""])
def test_a_private_key_that_is_quoted_back_is_hidden(end: str) -> None:
    text = f"user_data: bad value -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n{end}"

    assert scrub(text, secrets=[]) == f"user_data: bad value {HIDDEN}"


def test_control_letters_do_not_reach_a_page_or_a_log() -> None:
    assert scrub("a\x1b[31mb\r\nc\x00d\ud800", secrets=[]) == "a [31mb c d"


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(st.text(), KEYS.filter(lambda key: HIDDEN not in key))
def test_whatever_the_text_and_the_key_the_key_is_not_in_what_is_shown(text: str, key: str) -> None:
    assert key not in scrub(f"{text}{key}{text}", secrets=[key])
