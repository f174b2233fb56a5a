"""Launching at Lambda: launched, refused, or unknown, and unknown in every doubt (D2)."""

import json
import ssl

import pytest
import requests
from urllib3.exceptions import MaxRetryError, SSLError

from deployments.providers.base import (
    Endpoint,
    Launched,
    LaunchRequest,
    Refused,
    Unknown,
)
from deployments.providers.lambda_cloud import LambdaCloud
from tests.deployments.providers.doubles import (
    API_KEY,
    FreePacer,
    LambdaDouble,
    good,
    make_launch_request,
    make_provider,
    refusal,
)
from tests.deployments.providers.lambda_answers import (
    BASE_URL,
    EDGE_403,
    EDGE_429,
    answered,
    client,
    launch,
)
from tests.deployments.providers.wire import port_that, says
from tests.deployments.remote.machine import closed_port


def test_a_launch_says_what_lambda_wants_to_hear_and_nothing_else() -> None:
    double = LambdaDouble()
    with double.answering():
        make_provider(double).launch(make_launch_request(name="slipway-a1"))

    (body,) = double.bodies
    user_data = body.pop("user_data")
    assert body == {
        "name": "slipway-a1",
        "region_name": "us-east-1",
        "instance_type_name": "gpu_1x_a10",
        "ssh_key_names": ["slipway-0123456789abcdef"],
    }
    assert user_data.startswith("#cloud-config\n")


def test_a_launch_without_a_host_key_of_ours_has_no_user_data() -> None:
    double = LambdaDouble()
    with double.answering():
        make_provider(double).launch(make_launch_request(host_private_key="", host_public_key=""))

    assert "user_data" not in double.bodies[0]


def test_a_launch_answer_with_an_id_is_a_machine() -> None:
    answer = good({"instance_ids": ["0920582c7ff041399e34823a0be62549"]})

    assert answered(answer, launch) == Launched("0920582c7ff041399e34823a0be62549")


def test_f21_a_launch_answer_with_two_ids_keeps_both() -> None:
    result = answered(good({"instance_ids": ["a" * 32, "b" * 32, "a" * 32]}), launch)

    assert result == Launched("a" * 32, extra_instance_ids=("b" * 32,))


@pytest.mark.parametrize(
    ("status", "code", "reason", "our_code", "retryable"),
    [
        (401, "global/invalid-api-key", "auth", "E_AUTH", False),
        (403, "global/forbidden", "auth", "E_AUTH", False),
        (403, "global/some-new-code", "auth", "E_AUTH", False),
        (403, "global/account-inactive", "quota", "E_ACCOUNT", False),
        (403, "global/invalid-address", "quota", "E_ACCOUNT", False),
        (400, "global/quota-exceeded", "quota", "E_QUOTA", False),
        (
            400,
            "instance-operations/launch/insufficient-capacity",
            "capacity",
            "E_CAPACITY",
            True,
        ),
        (400, "global/invalid-parameters", "invalid", "E_PROVIDER", False),
        (400, "global/object-does-not-exist", "invalid", "E_PROVIDER", False),
        (404, "global/object-does-not-exist", "invalid", "E_PROVIDER", False),
        (400, "instance-operations/launch/some-new-code", "other", "E_PROVIDER", False),
        (429, "global/too-many-requests", "rate_limited", "E_RATE_LIMITED_BY_PROVIDER", True),
    ],
)
def test_f11_to_f15_lambdas_own_no_is_a_refusal(
    status: int, code: str, reason: str, our_code: str, retryable: bool
) -> None:
    result = answered(refusal(status, code), launch)

    assert isinstance(result, Refused)
    assert (result.reason, result.error.code) == (reason, our_code)
    assert result.error.retryable is retryable
    assert result.error.message.endswith("Nothing was started.")
    assert result.error.remedy
    assert result.error.details == [
        {"status": status, "provider_code": code, "provider_message": "in the vendor's words"}
    ]


def test_f12_the_code_decides_and_not_the_message() -> None:
    misleading = refusal(400, "global/quota-exceeded", "insufficient capacity in this region")

    result = answered(misleading, launch)

    assert isinstance(result, Refused)
    assert result.reason == "quota"


def test_f14_a_refusal_about_the_account_leads_to_lambdas_page() -> None:
    for code in ("global/account-inactive", "global/invalid-address", "global/quota-exceeded"):
        result = answered(refusal(403, code), launch)

        assert isinstance(result, Refused)
        assert LambdaCloud.capabilities.console_url in result.error.remedy


def test_f15_a_429_of_the_edge_is_a_refusal_with_its_waiting_time() -> None:
    status, headers, body = EDGE_429

    result = answered((status, headers | {"Retry-After": "17"}, body), launch)
    without_time = answered(EDGE_429, launch)

    assert isinstance(result, Refused)
    assert (result.reason, result.retry_after_seconds) == ("rate_limited", 17)
    assert isinstance(without_time, Refused)
    assert without_time.retry_after_seconds is None


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, "global/internal-error"),
        refusal(503, "provider/internal-unavailable"),
        refusal(500, "instance-operations/launch/insufficient-capacity"),
        # Refusals by their status, failures by their code: something broke midway.
        refusal(409, "global/internal-error"),
        refusal(400, "provider/internal-unavailable"),
        (502, {}, "<html>Bad gateway</html>"),
        (504, {}, ""),
        EDGE_403,
        (404, {}, "<html>no such page</html>"),
        (400, {}, '{"message": "some proxy\'s JSON"}'),
        (400, {}, '{"error": "text"}'),
        (400, {}, '{"error": {"code": 7}}'),
        (400, {}, '{"error": {"code": "<script>"}}'),
        (303, {"Location": "/done"}, ""),
        (200, {}, ""),
        (200, {}, "<html>sign in to the network</html>"),
        (200, {}, '{"data": {"instance_ids": ["0920582c7'),
        (200, {}, "null"),
        (200, {}, "[]"),
        good(None),
        good({}),
        good({"instance_ids": []}),
        good({"instance_ids": None}),
        good({"instance_ids": "0920582c7ff041399e34823a0be62549"}),
        good({"instance_ids": [7]}),
        good({"instance_ids": [None]}),
        good({"instance_ids": [""]}),
        good({"instance_ids": ["a" * 32, ""]}),
        good({"instance_ids": ["../terminate"]}),
    ],
)
def test_f16_every_other_answer_leaves_it_unknown_whether_a_machine_was_started(
    answer: tuple[int, dict[str, str], str],
) -> None:
    result = answered(answer, launch)

    assert isinstance(result, Unknown)
    assert result.detail


@pytest.mark.parametrize("status", [301, 307, 308])
def test_f22_a_launch_that_is_sent_elsewhere_did_not_happen(status: int) -> None:
    result = answered((status, {"Location": "https://elsewhere.test/"}, ""), launch)

    assert isinstance(result, Refused)
    assert (result.reason, result.error.code) == ("other", "E_PROVIDER_UNREACHABLE")
    assert "another address" in result.error.message


def test_f22_a_launch_that_reached_nobody_did_not_happen() -> None:
    result = launch(client(f"http://127.0.0.1:{closed_port()}/api/v1"))

    assert isinstance(result, Refused)
    assert (result.reason, result.error.code) == ("unreachable", "E_PROVIDER_UNREACHABLE")
    assert result.error.retryable


def test_f22_a_launch_to_somebody_with_a_bad_certificate_did_not_happen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        cause = SSLError(ssl.SSLCertVerificationError("self-signed certificate"))
        raise requests.exceptions.SSLError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]

    monkeypatch.setattr(requests, "request", refuse)

    result = launch(client())

    assert isinstance(result, Refused)
    assert result.reason == "other"
    assert not result.error.retryable
    assert "certificate" in result.error.message
    assert "Somebody" in result.error.remedy


def test_an_encrypted_connection_that_breaks_later_leaves_the_launch_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_off(*args: object, **kwargs: object) -> None:
        raise requests.exceptions.SSLError(ssl.SSLEOFError("EOF occurred in violation"))

    monkeypatch.setattr(requests, "request", break_off)

    assert isinstance(launch(client()), Unknown)


def test_a_key_that_cannot_be_one_is_a_refusal() -> None:
    cloud = LambdaCloud(
        api_key="two words", endpoint=Endpoint(BASE_URL, 22, "ubuntu"), pacer=FreePacer()
    )

    result = launch(cloud)

    assert isinstance(result, Refused)
    assert result.reason == "auth"


def test_i17_a_refusal_that_quotes_our_request_shows_no_secret() -> None:
    request: LaunchRequest = make_launch_request()
    message = f"user_data: {request.host_private_key!r} not allowed for {API_KEY}"

    result = answered(refusal(400, "global/invalid-parameters", message), launch)

    assert isinstance(result, Refused)
    shown = json.dumps(result.error.as_body())
    assert "user_data" in shown
    assert "AAAA" not in shown
    assert API_KEY[:12] not in shown


def test_f16_a_launch_answered_by_a_dying_server_is_unknown() -> None:
    with port_that(says("500 Internal Server Error", b"oops")) as port:
        result = launch(client(port.base_url))

    assert isinstance(result, Unknown)
    assert len(port.requests) == 1
