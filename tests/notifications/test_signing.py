"""T12: signatures by the Standard Webhooks specification, both ways."""

import base64

import pytest

from notifications import signing
from notifications.signing import ForgedError, signed_headers, verify

# The vector of the specification's own libraries, and the one of its example of a check by hand.
FIRST = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
    b'{"test": 2432232314}',
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
SECOND = (
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    1649367553,
    b'{"email":"test@example.com","username":"test_user"}',
    "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
)
SECRET, ID, AT, BODY, SIGNATURE = FIRST
HEADERS = {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}


@pytest.mark.parametrize(("secret", "message_id", "at", "body", "signature"), [FIRST, SECOND])
def test_T12_the_published_vectors_are_met(
    secret: str, message_id: str, at: int, body: bytes, signature: str
) -> None:
    headers = signed_headers([secret], message_id=message_id, timestamp=at, body=body)

    assert headers == {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }
    verify(secret, headers=headers, body=body, now=at)


def test_T12_while_a_secret_is_rotated_both_sign() -> None:
    old, new = SECRET, signing.new_secret()

    headers = signed_headers([new, old], message_id="msg_1", timestamp=AT, body=BODY)

    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        verify(secret, headers=headers, body=BODY, now=AT)


def test_a_new_secret_is_one_that_receivers_take() -> None:
    secret = signing.new_secret()

    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != signing.new_secret()


def test_header_names_are_found_in_any_case() -> None:
    verify(SECRET, headers={name.title(): v for name, v in HEADERS.items()}, body=BODY, now=AT)


@pytest.mark.parametrize("late", [-301, 301, 10**9])
def test_T12_what_was_sent_more_than_five_minutes_from_now_is_refused(late: int) -> None:
    with pytest.raises(ForgedError, match="300 s"):
        verify(SECRET, headers=HEADERS, body=BODY, now=AT + late)


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_what_was_sent_within_five_minutes_is_taken(late: int) -> None:
    verify(SECRET, headers=HEADERS, body=BODY, now=AT + late)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": str(AT + 1)},
        {"webhook-timestamp": f"{AT}.0"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
    ],
)
def test_T12_what_was_tampered_with_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ForgedError):
        verify(SECRET, headers=HEADERS | changed, body=BODY, now=AT)


def test_T12_another_body_or_secret_is_refused() -> None:
    with pytest.raises(ForgedError):
        verify(SECRET, headers=HEADERS, body=BODY + b" ", now=AT)
    with pytest.raises(ForgedError):
        verify(signing.new_secret(), headers=HEADERS, body=BODY, now=AT)


@pytest.mark.parametrize("bytes_", [0, 23, 65])
def test_a_secret_that_is_too_short_or_too_long_is_no_secret(bytes_: int) -> None:
    secret = "whsec_" + base64.b64encode(b"x" * bytes_).decode()

    with pytest.raises(ValueError, match="24 to 64"):
        signed_headers([secret], message_id="msg_1", timestamp=AT, body=BODY)


def test_a_secret_that_is_not_base64_is_no_secret() -> None:
    with pytest.raises(ValueError, match="base64"):
        signed_headers(["whsec_not base64!"], message_id="msg_1", timestamp=AT, body=BODY)
